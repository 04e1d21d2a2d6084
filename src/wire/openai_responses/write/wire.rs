//! Events on the wire.

use super::super::super::json::{ObjectWriter, escape_into, number_into, object};

/// Writes events, numbered; of a whole answer, none.
pub(super) struct Wire {
    stream: bool,
    next: u64,
}

impl Wire {
    pub(super) const fn new(stream: bool) -> Self {
        Self { stream, next: 0 }
    }

    /// Whether events are written at all.
    pub(super) const fn is_stream(&self) -> bool {
        self.stream
    }

    /// Writes one event.
    pub(super) fn event(
        &mut self,
        out: &mut Vec<u8>,
        kind: &str,
        write: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        if !self.stream {
            return;
        }
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        object(out, |o| {
            o.str("type", kind);
            o.num("sequence_number", self.next);
            write(o);
        });
        out.extend_from_slice(b"\n\n");
        self.next += 1;
    }

    /// Writes one event about an item.
    pub(super) fn about(
        &mut self,
        out: &mut Vec<u8>,
        kind: &str,
        (id, index): (&str, usize),
        write: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        self.event(out, kind, |o| {
            o.str("item_id", id);
            o.num("output_index", number(index));
            write(o);
        });
    }
}

/// A number of an event of a delta, besides those that all have.
pub(super) type Index = Option<(&'static str, u64)>;

impl Wire {
    /// Writes an event with more of an item, the most frequent one. `rest`: members behind the text.
    pub(super) fn delta(
        &mut self,
        out: &mut Vec<u8>,
        kind: &'static str,
        (id, index): (&str, usize),
        part: Index,
        text: &str,
        rest: &'static str,
    ) {
        if !self.stream {
            return;
        }
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: {\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"sequence_number\":");
        number_into(out, self.next);
        out.extend_from_slice(b",\"item_id\":\"");
        escape_into(out, id);
        out.extend_from_slice(b"\",\"output_index\":");
        number_into(out, number(index));
        if let Some((key, at)) = part {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"\":");
            number_into(out, at);
        }
        out.extend_from_slice(b",\"delta\":\"");
        escape_into(out, text);
        out.push(b'"');
        out.extend_from_slice(rest.as_bytes());
        out.extend_from_slice(b"}\n\n");
        self.next += 1;
    }
}

/// An index as a number.
pub(super) fn number(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}
