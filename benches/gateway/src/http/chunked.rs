//! Bodies in chunks.

/// Where in a chunked body the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A chunk's length, of which this much was read.
    Size(u64),
    /// Behind the length, before its line ends.
    Extension(u64),
    /// In a chunk's data, so many bytes before its end.
    Data(u64),
    /// In the line break behind the data.
    DataEnd,
    /// Behind the last chunk, at the start of a line or inside of one.
    Trailer { at_start: bool },
    /// Behind the body.
    Done,
}

/// Takes a body out of its chunks. A reader of what the benchmark itself made: it does not look for
/// attacks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunked(Place);

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Some of the body.
    Data(&'a [u8]),
    /// Its end.
    End,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self(Place::Size(0))
    }

    /// Takes the next part off the input. `None` when there has to be more input.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Part<'a>> {
        loop {
            if let Place::Data(left) = self.0 {
                if input.is_empty() {
                    return None;
                }
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                let (data, rest) = input.split_at(take);
                *input = rest;
                let left = left - take as u64;
                self.0 = if left == 0 {
                    Place::DataEnd
                } else {
                    Place::Data(left)
                };
                return Some(Part::Data(data));
            }
            let (&byte, rest) = input.split_first()?;
            *input = rest;
            self.0 = after(self.0, byte);
            if self.0 == Place::Done {
                return Some(Part::End);
            }
        }
    }
}

/// The place behind one byte outside of data.
fn after(place: Place, byte: u8) -> Place {
    match (place, byte) {
        (Place::Size(0) | Place::Extension(0), b'\n') => Place::Trailer { at_start: true },
        (Place::Size(size) | Place::Extension(size), b'\n') => Place::Data(size),
        (Place::Size(size), byte) => match (byte as char).to_digit(16) {
            Some(digit) => Place::Size(size * 16 + u64::from(digit)),
            None => Place::Extension(size),
        },
        (Place::DataEnd, b'\n') => Place::Size(0),
        (Place::Trailer { at_start: true }, b'\n') => Place::Done,
        (Place::Trailer { .. }, b'\n') => Place::Trailer { at_start: true },
        (Place::Trailer { at_start }, byte) => Place::Trailer {
            at_start: at_start && byte == b'\r',
        },
        (place, _) => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(pieces: &[&[u8]]) -> (Vec<u8>, bool, usize) {
        let (mut chunked, mut out, mut ended, mut left) = (Chunked::new(), Vec::new(), false, 0);
        for piece in pieces {
            let mut input = *piece;
            while !ended && let Some(part) = chunked.next(&mut input) {
                match part {
                    Part::Data(data) => out.extend_from_slice(data),
                    Part::End => ended = true,
                }
            }
            left += input.len();
        }
        (out, ended, left)
    }

    #[test]
    fn a_body_is_the_same_however_it_is_cut() {
        let wire = b"4\r\nwiki\r\n10;x=y\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\nnext";
        for first in 0..wire.len() {
            for second in first..wire.len() {
                let pieces = [&wire[..first], &wire[first..second], &wire[second..]];
                let told = body(&pieces);
                assert_eq!(told, (b"wiki0123456789abcdef".to_vec(), true, 4));
            }
        }
    }

    #[test]
    fn a_body_without_its_last_chunk_has_not_ended() {
        assert_eq!(body(&[b"1\r\na\r\n0\r\n"]), (b"a".to_vec(), false, 0));
    }
}
