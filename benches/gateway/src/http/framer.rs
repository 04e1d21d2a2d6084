//! Cuts the bytes of a connection into messages.

use memchr::memmem;

use super::chunked::{Chunked, Part};
use super::head::{Body, Head};

/// Whose messages they are: it decides what a head without a length means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Requests,
    Answers,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Head,
    Sized(u64),
    Chunked(Chunked),
    UntilClose,
}

/// A part of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Its head: the first line with all fields, and what they say.
    Head(&'a [u8], Head),
    /// Some of its body.
    Body(&'a [u8]),
    /// Its end.
    End,
}

/// Cuts the bytes of a connection into messages. A head that arrives at once is not copied.
#[derive(Debug)]
pub struct Framer {
    side: Side,
    place: Place,
    /// A head of which some is missing.
    partial: Vec<u8>,
    /// `partial` holds a head that was told, and can be forgotten.
    told: bool,
    /// The message is over, and this is still to be told.
    ended: bool,
}

impl Framer {
    /// For what a server reads.
    pub fn requests() -> Self {
        Self::new(Side::Requests)
    }

    /// For what a client reads.
    pub fn answers() -> Self {
        Self::new(Side::Answers)
    }

    fn new(side: Side) -> Self {
        Self {
            side,
            place: Place::Head,
            partial: Vec::new(),
            told: false,
            ended: false,
        }
    }

    /// Whether the message in progress ends with the connection.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.place, Place::UntilClose)
    }

    /// Takes the next part off the input. `None` when there has to be more input.
    pub fn next<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Option<Piece<'s>> {
        if self.ended {
            self.ended = false;
            self.place = Place::Head;
            return Some(Piece::End);
        }
        match &mut self.place {
            Place::Head => self.head(input),
            Place::Sized(left) => {
                if input.is_empty() {
                    return None;
                }
                let take = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                let (body, rest) = input.split_at(take);
                *input = rest;
                *left -= take as u64;
                self.ended = *left == 0;
                Some(Piece::Body(body))
            }
            Place::Chunked(chunked) => match chunked.next(input)? {
                Part::Data(body) => Some(Piece::Body(body)),
                Part::End => {
                    self.place = Place::Head;
                    Some(Piece::End)
                }
            },
            Place::UntilClose => {
                let body = std::mem::take(input);
                (!body.is_empty()).then_some(Piece::Body(body))
            }
        }
    }

    fn head<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Option<Piece<'s>> {
        if std::mem::take(&mut self.told) {
            self.partial.clear();
        }
        if self.partial.is_empty()
            && let Some(end) = memmem::find(input, b"\r\n\r\n")
        {
            let (lines, rest) = input.split_at(end + 4);
            *input = rest;
            if self.interim(lines) {
                return self.head(input);
            }
            let head = self.begin(lines);
            return Some(Piece::Head(lines, head));
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(input);
        let from = before.saturating_sub(3);
        let Some(end) = memmem::find(&self.partial[from..], b"\r\n\r\n") else {
            *input = &[];
            return None;
        };
        let end = from + end + 4;
        *input = &input[end - before..];
        self.partial.truncate(end);
        self.told = true;
        if self.interim(&self.partial) {
            return self.head(input);
        }
        let lines = std::mem::take(&mut self.partial);
        let head = self.begin(&lines);
        self.partial = lines;
        Some(Piece::Head(&self.partial, head))
    }

    /// Whether this is an answer before the answer: 100 Continue.
    fn interim(&self, lines: &[u8]) -> bool {
        self.side == Side::Answers && lines.get(9) == Some(&b'1')
    }

    fn begin(&mut self, lines: &[u8]) -> Head {
        let head = Head::parse(lines);
        self.place = match (head.body, self.side) {
            (Body::Chunked, _) => Place::Chunked(Chunked::new()),
            (Body::Sized(length), _) => Place::Sized(length),
            (Body::Unsaid, Side::Requests) => Place::Sized(0),
            (Body::Unsaid, Side::Answers) => Place::UntilClose,
        };
        self.ended = matches!(self.place, Place::Sized(0));
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(mut framer: Framer, pieces: &[&[u8]]) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(piece) = framer.next(&mut input) {
                match piece {
                    Piece::Head(lines, _) => {
                        let line = lines.split(|byte| *byte == b'\r').next().unwrap();
                        told.push(String::from_utf8_lossy(line).into_owned());
                    }
                    Piece::Body(body) => {
                        let body = String::from_utf8_lossy(body);
                        match told.last_mut() {
                            Some(last) if last.starts_with("body:") => last.push_str(&body),
                            _ => told.push(format!("body:{body}")),
                        }
                    }
                    Piece::End => told.push("end".to_owned()),
                }
            }
        }
        told
    }

    fn at_every_cut(framer: fn() -> Framer, wire: &str, want: &[&str]) {
        let wire = wire.as_bytes();
        for first in 0..wire.len() {
            for second in first..wire.len() {
                let pieces = [&wire[..first], &wire[first..second], &wire[second..]];
                assert_eq!(told(framer(), &pieces), want, "{first} {second}");
            }
        }
    }

    #[test]
    fn requests_follow_each_other() {
        let wire = "POST /a HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\nPOST /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\nGET /d HTTP/1.1\r\n\r\n";
        let want = [
            "POST /a HTTP/1.1",
            "body:abc",
            "end",
            "GET /b HTTP/1.1",
            "end",
            "POST /c HTTP/1.1",
            "body:de",
            "end",
            "GET /d HTTP/1.1",
            "end",
        ];
        at_every_cut(Framer::requests, wire, &want);
    }

    #[test]
    fn an_interim_answer_is_passed_over() {
        let wire = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
        at_every_cut(
            Framer::answers,
            wire,
            &["HTTP/1.1 200 OK", "body:hi", "end"],
        );
    }

    #[test]
    fn an_answer_without_a_length_lasts_as_long_as_the_connection() {
        let mut framer = Framer::answers();
        let mut input = &b"HTTP/1.1 200 OK\r\n\r\nhi"[..];
        assert!(matches!(framer.next(&mut input), Some(Piece::Head(..))));
        assert_eq!(framer.next(&mut input), Some(Piece::Body(b"hi")));
        assert!(framer.ends_with_connection());
        assert_eq!(framer.next(&mut input), None);
    }
}
