//! Going over the inside of a container in a document that was checked: values are skipped, not judged.

use memchr::memchr2;

use super::Node;
use super::spans::Span;

/// Goes over what stands between the brackets of a container. Where the text turns out to be no
/// JSON after all, it stops.
#[derive(Debug, Clone)]
pub(super) struct Walk<'a> {
    text: &'a str,
    at: usize,
    /// The long values from here on.
    spans: &'a [Span],
    /// Where `text` begins in the text that `spans` is about.
    start: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn into(node: Node<'a>, open: u8) -> Self {
        let inner = match node.text.as_bytes() {
            [first, .., _] if *first == open => node.text.get(1..node.text.len() - 1),
            _ => None,
        };
        Self {
            text: inner.unwrap_or_default(),
            at: 0,
            spans: node.spans,
            start: node.start as usize + 1,
        }
    }

    fn skip_space(&mut self) {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    pub(super) fn expect(&mut self, wanted: u8) -> Option<()> {
        self.skip_space();
        (self.text.as_bytes().get(self.at) == Some(&wanted)).then(|| self.at += 1)
    }

    pub(super) fn skip_comma(&mut self) {
        // Nothing but the end may follow otherwise.
        if self.expect(b',').is_none() {
            self.skip_space();
        }
    }

    pub(super) fn value(&mut self) -> Option<Node<'a>> {
        self.skip_space();
        let start = self.at;
        let mut node = Node {
            text: "",
            spans: &[],
            start: u32::try_from(self.start + start).unwrap_or(u32::MAX),
            escapes: None,
        };
        match self.spans {
            [span, ..] if span.start == node.start => {
                let (inside, behind) = self.spans.split_at_checked(span.count as usize)?;
                self.spans = behind;
                self.at = span.end as usize - self.start;
                node.spans = &inside[1..];
                node.escapes = Some(span.escapes);
            }
            _ => {
                let end = value_end(self.text.as_bytes(), start)?;
                // No value at all would be found again and again.
                self.at = (end > start).then_some(end)?;
            }
        }
        node.text = self.text.get(start..self.at)?;
        Some(node)
    }
}

/// Where the value ends that begins at `start`.
fn value_end(text: &[u8], start: usize) -> Option<usize> {
    match text.get(start)? {
        b'"' => quoted_end(text, start),
        b'{' | b'[' => container_end(text, start),
        _ => Some(
            text[start..]
                .iter()
                .position(|byte| {
                    matches!(
                        byte,
                        b',' | b'}' | b']' | b':' | b' ' | b'\t' | b'\n' | b'\r'
                    )
                })
                .map_or(text.len(), |length| start + length),
        ),
    }
}

/// Where the string ends that begins at `start`.
fn quoted_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn container_end(text: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = quoted_end(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}
