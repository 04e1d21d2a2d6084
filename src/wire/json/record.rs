//! Who learns what while a document is checked.

use super::strings::Escapes;
use crate::wire::Marks;

/// Learns what stands inside the outermost object, and where.
pub(super) trait Record {
    /// A key or a string as it is written, quotes included.
    fn quoted(&mut self, _text: &[u8]) {}
    /// A string, quotes included.
    fn string(&mut self, _start: usize, _end: usize, _escapes: Escapes) {}
    /// A container begins.
    fn opened(&mut self, _start: usize) {}
    /// The last container that began and has not ended does so.
    fn closed(&mut self, _end: usize) {}
}

/// Learns nothing.
impl Record for () {}

/// Learns which words were met.
impl Record for Marks {
    fn quoted(&mut self, text: &[u8]) {
        self.add(Self::of(text));
    }
}

/// Both learn.
impl<A: Record, B: Record> Record for (A, &mut B) {
    fn quoted(&mut self, text: &[u8]) {
        self.0.quoted(text);
        self.1.quoted(text);
    }

    fn string(&mut self, start: usize, end: usize, escapes: Escapes) {
        self.0.string(start, end, escapes);
        self.1.string(start, end, escapes);
    }

    fn opened(&mut self, start: usize) {
        self.0.opened(start);
        self.1.opened(start);
    }

    fn closed(&mut self, end: usize) {
        self.0.closed(end);
        self.1.closed(end);
    }
}
