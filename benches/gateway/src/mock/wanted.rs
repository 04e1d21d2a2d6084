//! Whether a request wants a stream: `"stream": true` somewhere in its body.

use memchr::memmem::Finder;

/// The most that `"stream"`, a colon, `true` and the spaces between them take.
const LONGEST: usize = 24;

/// Looks for the wish in a body that arrives in pieces.
pub(super) struct Wanted {
    finder: Finder<'static>,
}

/// What was seen of one body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// The wish was found.
    pub(super) streamed: bool,
    tail: [u8; LONGEST],
    kept: usize,
}

impl Wanted {
    pub(super) fn new() -> Self {
        Self {
            finder: Finder::new(b"\"stream\""),
        }
    }

    /// Looks through the next piece of a body.
    pub(super) fn look(&self, seen: &mut Seen, piece: &[u8]) {
        if seen.streamed {
            return;
        }
        if seen.kept > 0 {
            let head = &piece[..piece.len().min(LONGEST)];
            let mut seam = [0; 2 * LONGEST];
            seam[..seen.kept].copy_from_slice(&seen.tail[..seen.kept]);
            seam[seen.kept..seen.kept + head.len()].copy_from_slice(head);
            let seam = &seam[..seen.kept + head.len()];
            seen.streamed = self.in_one(seam);
            if piece.len() < LONGEST {
                seen.keep(seam);
            }
        }
        seen.streamed = seen.streamed || self.in_one(piece);
        if seen.kept == 0 || piece.len() >= LONGEST {
            seen.keep(piece);
        }
    }

    fn in_one(&self, text: &[u8]) -> bool {
        self.finder.find_iter(text).any(|at| {
            let rest = text[at + self.finder.needle().len()..].trim_ascii_start();
            rest.strip_prefix(b":")
                .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"true"))
        })
    }
}

impl Seen {
    fn keep(&mut self, text: &[u8]) {
        let end = &text[text.len().saturating_sub(LONGEST)..];
        self.tail[..end.len()].copy_from_slice(end);
        self.kept = end.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streamed(pieces: &[&str]) -> bool {
        let (wanted, mut seen) = (Wanted::new(), Seen::default());
        for piece in pieces {
            wanted.look(&mut seen, piece.as_bytes());
        }
        seen.streamed
    }

    #[test]
    fn the_wish_is_found_wherever_a_body_is_cut() {
        let body =
            r#"{"a":"stream","stream_options":{},"stream" : true,"b":"and so on, to the end"}"#;
        for first in 0..body.len() {
            for second in first..body.len() {
                let pieces = [&body[..first], &body[first..second], &body[second..]];
                assert!(streamed(&pieces), "{first} {second}");
            }
        }
    }

    #[test]
    fn other_words_are_no_wish() {
        assert!(!streamed(&[
            r#"{"stream":false,"streams":true,"x":"stream"}"#
        ]));
    }
}
