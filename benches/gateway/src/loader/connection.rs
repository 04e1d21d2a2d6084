//! One connection, its request and the answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use memchr::memmem;

use super::plan::Expected;
use super::tally::Tally;
use crate::clock::{Nanos, now};
use crate::http::{Framer, Piece};
use crate::stamp::Scan;

/// Most of an answer that is kept to look at.
const KEPT: usize = 64 * 1024;

/// A connection, its request and the answer.
pub(super) struct Connection {
    socket: Option<TcpStream>,
    framer: Framer,
    written: usize,
    /// A request is under way.
    pub(super) busy: bool,
    /// The connection was used before, so the other side may have closed it meanwhile.
    used: bool,
    /// When the request was meant to begin.
    pub(super) intended: Nanos,
    started: Nanos,
    answer: Answer,
}

/// What arrived of an answer.
#[derive(Default)]
struct Answer {
    first_byte: Option<Nanos>,
    status: u16,
    events: bool,
    close: bool,
    scan: Scan,
    stamps: u64,
    text: Vec<u8>,
}

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to write.
    Writing,
    /// There is more to read.
    Reading,
    /// The answer is whole.
    Done,
    /// The connection broke.
    Broken,
    /// The other side had closed the connection before the request.
    Stale,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            socket: None,
            framer: Framer::answers(),
            written: 0,
            busy: false,
            used: false,
            intended: 0,
            started: 0,
            answer: Answer::default(),
        }
    }

    pub(super) fn socket(&self) -> Option<&TcpStream> {
        self.socket.as_ref()
    }

    /// Connects.
    pub(super) fn open(&mut self, address: SocketAddr) -> io::Result<&TcpStream> {
        let socket = TcpStream::connect(address)?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        self.framer = Framer::answers();
        self.used = false;
        Ok(self.socket.insert(socket))
    }

    pub(super) fn close(&mut self) {
        self.socket = None;
    }

    /// Begins a request.
    pub(super) fn begin(&mut self, intended: Nanos) {
        self.busy = true;
        self.written = 0;
        self.intended = intended;
        self.started = now();
        let mut answer = std::mem::take(&mut self.answer);
        answer.scan.reset();
        answer.text.clear();
        self.answer = Answer {
            scan: answer.scan,
            text: answer.text,
            ..Answer::default()
        };
    }

    /// Writes as much of the request as there is room for.
    pub(super) fn write(&mut self, request: &[u8]) -> Progress {
        while self.written < request.len() {
            let Some(socket) = &mut self.socket else {
                return Progress::Broken;
            };
            match socket.write(&request[self.written..]) {
                Ok(length) => self.written += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Writing,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.broken(),
            }
        }
        Progress::Reading
    }

    /// Reads what there is of the answer.
    pub(super) fn read(&mut self, buffer: &mut [u8], tally: &mut Tally) -> Progress {
        loop {
            let Some(socket) = &mut self.socket else {
                return Progress::Broken;
            };
            let length = match socket.read(buffer) {
                Ok(0) if self.busy && self.framer.ends_with_connection() => {
                    self.answer.close = true;
                    return Progress::Done;
                }
                Ok(0) => return self.broken(),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Reading,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return self.broken(),
            };
            let mut input = &buffer[..length];
            while let Some(piece) = self.framer.next(&mut input) {
                if self.answer.take(&piece, tally) {
                    return Progress::Done;
                }
            }
            if length < buffer.len() {
                return Progress::Reading;
            }
        }
    }

    fn broken(&self) -> Progress {
        if self.used && self.answer.first_byte.is_none() {
            Progress::Stale
        } else {
            Progress::Broken
        }
    }

    /// Counts a whole answer. The connection is closed if the answer says so.
    pub(super) fn finish(&mut self, expected: &Expected, tally: &mut Tally) {
        let end = now();
        self.busy = false;
        self.used = true;
        let answer = &self.answer;
        if tally.measuring {
            *tally.statuses.entry(answer.status).or_default() += 1;
        }
        if let Some(wrong) = answer.wrong(expected) {
            tally.bad += 1;
            tally.complain(|| wrong);
        } else if tally.measuring {
            tally.answers += 1;
            tally.latency.record(end.saturating_sub(self.intended));
            let first = answer.first_byte.unwrap_or(end);
            tally.first_byte.record(first.saturating_sub(self.started));
        }
        if answer.close {
            tally.reconnects += 1;
            self.close();
        }
    }
}

impl Answer {
    /// Takes the next piece, and tells whether it was the last.
    fn take(&mut self, piece: &Piece<'_>, tally: &mut Tally) -> bool {
        match piece {
            Piece::Head(lines, head) => {
                self.first_byte = Some(now());
                let status = lines.get(9..12).and_then(|it| std::str::from_utf8(it).ok());
                self.status = status.and_then(|it| it.parse().ok()).unwrap_or_default();
                self.events = head.events;
                self.close = head.close;
                false
            }
            Piece::Body(body) => {
                self.body(body, tally);
                false
            }
            Piece::End => true,
        }
    }

    fn body(&mut self, body: &[u8], tally: &mut Tally) {
        let measuring = tally.measuring;
        if measuring {
            tally.bytes += body.len() as u64;
        }
        if !self.events {
            let room = KEPT.saturating_sub(self.text.len());
            self.text.extend_from_slice(&body[..body.len().min(room)]);
            return;
        }
        let mut arrived = None;
        let found = self.scan.push(body, |sent| {
            if measuring {
                let arrived = *arrived.get_or_insert_with(now);
                tally.chunk.record(arrived.saturating_sub(sent));
            }
        });
        self.stamps += found.stamps;
        if measuring {
            tally.events += found.events;
            tally.chunks += found.stamps;
        }
    }

    /// What is wrong with a whole answer.
    fn wrong(&self, expected: &Expected) -> Option<String> {
        if !(200..300).contains(&self.status) {
            let text = String::from_utf8_lossy(&self.text[..self.text.len().min(300)]);
            return Some(format!("status {}: {text}", self.status));
        }
        match (self.events, &expected.text, expected.stamps) {
            (true, _, Some(stamps)) if stamps != self.stamps => Some(format!(
                "a stream with {} of {stamps} stamped chunks",
                self.stamps
            )),
            (true, Some(_), None) => Some("a stream instead of a whole answer".to_owned()),
            (false, _, Some(_)) => Some("a whole answer instead of a stream".to_owned()),
            (false, Some(text), _) if memmem::find(&self.text, text.as_bytes()).is_none() => {
                let got = String::from_utf8_lossy(&self.text[..self.text.len().min(300)]);
                Some(format!("an answer without {text:?}: {got}"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(wire: &str, expected: &Expected) -> Option<String> {
        let (mut framer, mut answer) = (Framer::answers(), Answer::default());
        let (mut tally, mut input) = (Tally::default(), wire.as_bytes());
        while let Some(piece) = framer.next(&mut input) {
            if answer.take(&piece, &mut tally) {
                return answer.wrong(expected);
            }
        }
        panic!("no end");
    }

    fn whole(text: &str) -> Expected {
        Expected {
            text: Some(text.to_owned()),
            stamps: None,
        }
    }

    #[test]
    fn an_answer_has_to_hold_the_text() {
        let wire = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        assert_eq!(wrong(wire, &whole("ell")), None);
        assert!(wrong(wire, &whole("no")).unwrap().contains("hello"));
    }

    #[test]
    fn an_error_is_told_with_its_text() {
        let wire = "HTTP/1.1 429 Slow\r\ncontent-length: 4\r\n\r\nbusy";
        assert_eq!(wrong(wire, &whole("busy")).unwrap(), "status 429: busy");
    }

    #[test]
    fn a_stream_has_to_hold_all_chunks() {
        let wire = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n1c\r\ndata: ~t0000000000000007 .\n\n\r\n0\r\n\r\n";
        let stamps = |stamps| Expected {
            text: None,
            stamps: Some(stamps),
        };
        assert_eq!(wrong(wire, &stamps(1)), None);
        assert!(wrong(wire, &stamps(2)).unwrap().contains("1 of 2"));
    }
}
