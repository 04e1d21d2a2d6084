//! Time stamps inside streamed text: `~t` and sixteen digits.
//!
//! The upstream writes the time into each chunk that it sends, and the loader reads it back from
//! whatever the gateway made of the chunk. So a chunk's way is timed through translation too. Where a
//! whole stream is one write there is no time to tell, and chunks have numbers instead.
//!
//! Some formats repeat the whole text at the end. Stamps grow along a stream, so the repeated ones are
//! told from new ones by their size.

use memchr::memmem;

use crate::clock::Nanos;

/// What a stamp begins with.
pub const MARK: &[u8] = b"~t";
/// Digits of a stamp.
pub const DIGITS: usize = 16;
const LENGTH: usize = MARK.len() + DIGITS;
const EVENT: &[u8] = b"data:";

/// Stamps below this are numbers: no machine has been up for so short a time.
const NUMBERS: Nanos = 1_000_000;

/// The stamp of a chunk by its number, into which the time may be written later.
pub fn numbered(number: usize) -> String {
    format!("~t{:016}", number + 1)
}

/// Writes the digits of a time.
pub fn write(digits: &mut [u8], time: Nanos) {
    let mut rest = time;
    for digit in digits.iter_mut().take(DIGITS).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

fn read(digits: &[u8]) -> Option<Nanos> {
    let digits = digits.get(..DIGITS)?;
    digits.iter().try_fold(0, |time: Nanos, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        Some(time * 10 + Nanos::from(digit))
    })
}

/// What a piece of a stream held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Events, counted by their `data:`.
    pub events: u64,
    /// New stamps: chunks of the upstream.
    pub stamps: u64,
}

/// Finds events and stamps in a stream that arrives in pieces, cut anywhere.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// The end of what came before: a match may begin there.
    tail: Vec<u8>,
    /// The highest stamp so far.
    last: Nanos,
}

impl Scan {
    /// Looks through the next piece, and tells the time of each new stamp that is one.
    pub fn push(&mut self, piece: &[u8], mut time: impl FnMut(Nanos)) -> Found {
        let mut found = Found::default();
        if !self.tail.is_empty() {
            found.events += across(&self.tail, piece, EVENT.len(), |seam| {
                memmem::find_iter(seam, EVENT).count() as u64
            });
            let last = &mut self.last;
            found.stamps += across(&self.tail, piece, LENGTH, |seam| {
                stamps(seam, last, &mut time)
            });
        }
        found.events += memmem::find_iter(piece, EVENT).count() as u64;
        found.stamps += stamps(piece, &mut self.last, &mut time);
        if piece.len() >= LENGTH {
            self.tail.clear();
        }
        self.tail
            .extend_from_slice(&piece[piece.len().saturating_sub(LENGTH - 1)..]);
        let surplus = self.tail.len().saturating_sub(LENGTH - 1);
        self.tail.drain(..surplus);
        found
    }

    /// Forgets what came before.
    pub fn reset(&mut self) {
        self.tail.clear();
        self.last = 0;
    }
}

/// Counts matches of `length` bytes that begin in `tail` and end in `piece`.
fn across(tail: &[u8], piece: &[u8], length: usize, count: impl FnOnce(&[u8]) -> u64) -> u64 {
    let tail = &tail[tail.len().saturating_sub(length - 1)..];
    let piece = &piece[..piece.len().min(length - 1)];
    let mut seam = [0; 2 * LENGTH];
    seam[..tail.len()].copy_from_slice(tail);
    seam[tail.len()..tail.len() + piece.len()].copy_from_slice(piece);
    count(&seam[..tail.len() + piece.len()])
}

fn stamps(text: &[u8], last: &mut Nanos, time: &mut impl FnMut(Nanos)) -> u64 {
    let mut count = 0;
    for at in memmem::find_iter(text, MARK) {
        if let Some(stamp) = read(&text[at + MARK.len()..])
            && stamp > *last
        {
            *last = stamp;
            count += 1;
            if stamp >= NUMBERS {
                time(stamp);
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut text = numbered(0).into_bytes();
        assert_eq!(text, b"~t0000000000000001");
        write(&mut text[2..], 12_345_678_901);
        assert_eq!(text, b"~t0000012345678901");
        assert_eq!(read(&text[2..]), Some(12_345_678_901));
        assert_eq!(read(b"00000123456789x1"), None);
        assert_eq!(read(b"12"), None);
    }

    #[test]
    fn finds_the_same_wherever_a_stream_is_cut() {
        let text = b"data: a ~t0000000007000000 b\n\ndata: ~t0000000000000001 ~tx\n\ndata: ~t0000000009000000\n\ndata: ~t0000000007000000";
        for first in 0..text.len() {
            for second in first..text.len() {
                let mut scan = Scan::default();
                let (mut events, mut count, mut times) = (0, 0, Vec::new());
                for piece in [&text[..first], &text[first..second], &text[second..]] {
                    let found = scan.push(piece, |time| times.push(time));
                    events += found.events;
                    count += found.stamps;
                }
                assert_eq!((events, count), (4, 2), "{first} {second}");
                assert_eq!(times, [7_000_000, 9_000_000], "{first} {second}");
            }
        }
    }
    #[test]
    fn numbers_count_and_are_no_times() {
        let stream = (0..3).map(numbered).collect::<String>();
        let mut scan = Scan::default();
        let found = scan.push(stream.repeat(2).as_bytes(), |_| panic!("a time"));
        assert_eq!(found.stamps, 3);
        scan.reset();
        assert_eq!(scan.push(stream.as_bytes(), |_| ()).stamps, 3);
    }
}
