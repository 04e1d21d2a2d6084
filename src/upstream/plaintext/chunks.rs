//! Makes one chunk of several: RFC 9112 section 7.1, chunked transfer coding.
//!
//! A model server sends an event per chunk, and under load dozens of them lie in one read. Whoever
//! takes them apart pays for each. [`Merge`] rewrites a read in place: of chunks that lie in it whole,
//! side by side, one remains that holds the data of all. What it is not sure of passes untouched: heads
//! with extensions, the last chunk, trailers, whatever is no chunk at all, and after it everything
//! until the next answer.

/// Longest data of a merged chunk. With up to six digits its head always fits where two heads were.
const LONGEST: usize = 0xFF_FFFF;
/// Most digits of a head that is looked at; more than any chunk's head that would be merged.
const DIGITS: usize = 7;

/// Where in an answer the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merge {
    /// In front of an answer's header.
    Header,
    /// In the head of a chunk, or in front of it.
    Head(Begun),
    /// In a chunk that is not here whole: so many bytes of it are to come, its last line end included.
    Within(usize),
    /// Nobody looks.
    Off,
}

/// A chunk's head as far as it has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Begun {
    /// The number that its digits make.
    length: usize,
    digits: usize,
    /// The first half of its line end was there.
    ends: bool,
}

impl Merge {
    /// Merges the chunks in `bytes`, which were just read. Returns how many bytes there are now; none
    /// of them is held back.
    pub(super) fn apply(&mut self, bytes: &mut [u8]) -> usize {
        let start = match *self {
            Self::Off => None,
            Self::Header => self.header(bytes),
            Self::Head(begun) if begun == Begun::default() => Some(0),
            Self::Head(begun) => self.whole(bytes, begun).map(|whole| whole.0),
            Self::Within(rest) => self.passed(bytes, rest),
        };
        match start {
            Some(start) => self.chunks(bytes, start),
            None => bytes.len(),
        }
    }

    /// Whether a chunk ends in `bytes`, `rest` bytes from their beginning; else they are part of it.
    fn passed(&mut self, bytes: &[u8], rest: usize) -> Option<usize> {
        if rest > bytes.len() {
            *self = Self::Within(rest - bytes.len());
            return None;
        }
        *self = Self::Head(Begun::default());
        Some(rest)
    }

    /// The chunk that `bytes` begin with, or go on with after `begun`, if its end is here: how many bytes
    /// of it there are, and how many of them are data.
    fn whole(&mut self, bytes: &[u8], begun: Begun) -> Option<(usize, usize)> {
        match head(bytes, begun) {
            Head::Chunk { head, length } => {
                let whole = self.passed(bytes, head + length + 2)?;
                Some((whole, length))
            }
            Head::Cut(begun) => {
                *self = Self::Head(begun);
                None
            }
            Head::Other => {
                *self = Self::Off;
                None
            }
        }
    }

    /// Finds the end of the answer's header, if the answer is chunked.
    fn header(&mut self, bytes: &[u8]) -> Option<usize> {
        *self = Self::Off;
        let end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
        let header = &bytes[..end];
        if header.starts_with(b"HTTP/1.1 1") {
            // The answer itself follows, mostly in a read of its own. After a 101 there is no HTTP.
            if end == bytes.len() && !header.starts_with(b"HTTP/1.1 101") {
                *self = Self::Header;
            }
            return None;
        }
        is_chunked(header).then(|| {
            *self = Self::Head(Begun::default());
            end
        })
    }

    /// Merges the whole chunks that stand from `start` on.
    fn chunks(&mut self, bytes: &mut [u8], start: usize) -> usize {
        let (mut at, mut data, mut count) = (start, 0, 0);
        while let Some((whole, length)) = self.whole(&bytes[at..], Begun::default()) {
            if data + length > LONGEST || !bytes[..at + whole].ends_with(b"\r\n") {
                *self = Self::Off;
                break;
            }
            (at, data, count) = (at + whole, data + length, count + 1);
        }
        if count < 2 {
            return bytes.len();
        }
        let written = merge(&mut bytes[start..at], data);
        bytes.copy_within(at.., start + written);
        start + written + bytes.len() - at
    }
}

/// Makes one chunk of `run`, which is whole chunks with together `data` bytes. Returns its length.
fn merge(run: &mut [u8], data: usize) -> usize {
    let mut written = [0; DIGITS + 2];
    let new = write_head(&mut written, data);
    let (mut from, mut to) = (0, new);
    let mut next = head(run, Begun::default());
    while let Head::Chunk { head: old, length } = next {
        let (source, end) = (from + old, from + old + length);
        // A longer head moves the first chunk's data to the right, over the second one's head.
        next = head(&run[end + 2..], Begun::default());
        run.copy_within(source..end, to);
        (from, to) = (end + 2, to + length);
    }
    run[..new].copy_from_slice(&written[..new]);
    run[to..to + 2].copy_from_slice(b"\r\n");
    to + 2
}

/// What stands where a chunk begins.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    /// A chunk with data: the length of its head (of what of it is here), of its data.
    Chunk { head: usize, length: usize },
    /// The head is not here whole.
    Cut(Begun),
    /// The last chunk, an extension, or no chunk.
    Other,
}

/// Reads a chunk's head, which has `begun` in an earlier read.
fn head(bytes: &[u8], mut begun: Begun) -> Head {
    for (at, byte) in bytes.iter().enumerate() {
        let digit = match byte {
            b'\n' if begun.ends => {
                return Head::Chunk {
                    head: at + 1,
                    length: begun.length,
                };
            }
            _ if begun.ends => return Head::Other,
            b'\r' if begun.length > 0 => {
                begun.ends = true;
                continue;
            }
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return Head::Other,
        };
        if begun.digits == DIGITS {
            return Head::Other;
        }
        begun.length = begun.length * 16 + usize::from(digit);
        begun.digits += 1;
    }
    Head::Cut(begun)
}

/// Writes the head of a chunk with `length` bytes of data; returns how long it is.
fn write_head(out: &mut [u8; DIGITS + 2], length: usize) -> usize {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = (1..DIGITS)
        .find(|digits| length >> (4 * digits) == 0)
        .unwrap_or(DIGITS);
    for (at, digit) in out[..digits].iter_mut().enumerate() {
        *digit = HEX[(length >> (4 * (digits - 1 - at))) & 15];
    }
    out[digits..digits + 2].copy_from_slice(b"\r\n");
    digits + 2
}

/// Whether a header says, once and in plain words, that the body is chunked and nothing besides. What
/// Pingora might read otherwise is left to Pingora.
fn is_chunked(header: &[u8]) -> bool {
    const NAME: &[u8] = b"transfer-encoding:";
    let mut values = memchr::memchr_iter(b'\n', header).filter_map(|at| {
        let (name, value) = header[at + 1..].split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then_some(value)
    });
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let end = memchr::memchr(b'\n', value).unwrap_or(value.len());
    let is_folded = matches!(value.get(end + 1), Some(b' ' | b'\t'));
    let is_known = header.starts_with(b"HTTP/1.1 ");
    is_known && !is_folded && value[..end].trim_ascii().eq_ignore_ascii_case(b"chunked")
}

#[cfg(test)]
#[path = "chunks_tests.rs"]
mod tests;
