//! The blocks of a stream as events.

use std::borrow::Cow;

use super::super::server;
use super::blocks::{Kept, Ready, TEXT_START, json, keep};
use super::frame::event;
use super::queue::{Entry, Kind, Piece};
use crate::wire::carrier;
use crate::wire::json::{ObjectWriter, escape_into, number_into};

/// What an event with more of a block begins with.
const DELTA: &str = concat!(
    "event: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":"#
);

/// Writes the blocks of a stream, one after another.
#[derive(Debug)]
pub(super) struct Writer {
    /// The number of the block that is open.
    pub(super) index: u32,
    /// Whether the client sees reasoning.
    pub(super) expose: bool,
    pub(super) family: String,
    /// Whether state was lost because it came too late.
    pub(super) lost: bool,
}

impl Writer {
    /// Writes a piece of the block that is open, beginning it if need be.
    pub(super) fn write(&mut self, entry: &mut Entry, piece: Piece<'_>, out: &mut Vec<u8>) {
        match piece {
            Piece::Text(text) => {
                if !entry.begun && text.trim().is_empty() {
                    // A block of nothing else would be refused when it comes back.
                    return entry.odd.push_str(&text);
                }
                let blank = std::mem::take(&mut entry.odd);
                let text = if blank.is_empty() {
                    text
                } else {
                    (blank + &text).into()
                };
                self.begin(entry, out);
                self.text(r#""text_delta","text":""#, &text, out);
            }
            Piece::Cite(citation) => {
                self.begin(entry, out);
                self.delta(out, |o| {
                    o.str("type", "citations_delta");
                    o.raw("citation", &citation);
                });
            }
            Piece::Reason(part, text) => {
                if !self.expose {
                    return;
                }
                self.begin(entry, out);
                let before = entry.part.replace(part);
                let is_next = before.is_some_and(|before| before != part);
                let text = if is_next {
                    Cow::Owned(format!("\n\n{text}"))
                } else {
                    text
                };
                self.text(r#""thinking_delta","thinking":""#, &text, out);
            }
            Piece::Arguments(text) => {
                self.begin(entry, out);
                if entry.said {
                    return self.arguments(&text, out);
                }
                entry.odd.push_str(&text);
                // Endless space is not read again and again.
                if !text.trim().is_empty() && entry.odd.trim_start().starts_with('{') {
                    entry.said = true;
                    self.arguments(&std::mem::take(&mut entry.odd), out);
                }
            }
            Piece::State(opaque) => {
                if entry.begun && matches!(entry.kind, Kind::Call { .. }) {
                    // Its place was before the call.
                    self.lost = true;
                    return;
                }
                entry.sign(opaque);
            }
        }
    }

    fn begin(&mut self, entry: &mut Entry, out: &mut Vec<u8>) {
        if std::mem::replace(&mut entry.begun, true) {
            return;
        }
        match &entry.kind {
            Kind::Text => self.start(TEXT_START, out),
            Kind::Thinking => {
                self.start(r#"{"type":"thinking","thinking":"","signature":""}"#, out);
            }
            Kind::Call { id, name } => {
                for opaque in &entry.state {
                    let data = carrier::wrap(opaque, &self.family);
                    self.ready(&Ready::redacted(&data), out);
                }
                let start = json(|o| {
                    o.str("type", "tool_use");
                    o.str("id", id);
                    o.str("name", name);
                    o.raw("input", "{}");
                });
                self.start(&start, out);
            }
            Kind::Ready(_) => {}
        }
    }

    /// Ends a block.
    pub(super) fn end(&mut self, mut entry: Entry, out: &mut Vec<u8>) {
        match &entry.kind {
            Kind::Ready(ready) => self.ready(ready, out),
            Kind::Call { .. } => {
                self.begin(&mut entry, out);
                if !entry.said {
                    let is_blank = entry.odd.trim().is_empty();
                    let input = if is_blank {
                        "".into()
                    } else {
                        server::input(&entry.odd)
                    };
                    self.arguments(&input, out);
                }
                self.stop(out);
            }
            Kind::Text => {
                if entry.begun {
                    self.stop(out);
                }
                for opaque in &entry.state {
                    let data = carrier::wrap(opaque, &self.family);
                    self.ready(&Ready::redacted(&data), out);
                }
            }
            Kind::Thinking => {
                let Kept {
                    signature,
                    redacted,
                } = keep(&entry.state, entry.begun, &self.family);
                if let Some(signature) = signature {
                    self.begin(&mut entry, out);
                    self.delta(out, |o| {
                        o.str("type", "signature_delta");
                        o.str("signature", &signature);
                    });
                }
                if entry.begun {
                    self.stop(out);
                }
                for data in &redacted {
                    self.ready(&Ready::redacted(data), out);
                }
            }
        }
    }

    fn ready(&mut self, block: &Ready, out: &mut Vec<u8>) {
        self.start(block.start.as_ref().unwrap_or(&block.whole), out);
        for delta in &block.deltas {
            self.event("content_block_delta", out, |o| o.raw("delta", delta));
        }
        self.stop(out);
    }

    fn arguments(&self, text: &str, out: &mut Vec<u8>) {
        self.text(r#""input_json_delta","partial_json":""#, text, out);
    }

    /// Writes a delta that is text, the most frequent of all events. `kind`: its type, and the beginning
    /// of the member that the text is in.
    fn text(&self, kind: &str, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(DELTA.as_bytes());
        number_into(out, self.index);
        out.extend_from_slice(b",\"delta\":{\"type\":");
        out.extend_from_slice(kind.as_bytes());
        escape_into(out, text);
        out.extend_from_slice(b"\"}}\n\n");
    }

    fn start(&self, block: &str, out: &mut Vec<u8>) {
        self.event("content_block_start", out, |o| {
            o.raw("content_block", block)
        });
    }

    fn delta(&self, out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.event("content_block_delta", out, |o| o.object("delta", write));
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        self.event("content_block_stop", out, |_| {});
        self.index += 1;
    }

    fn event(&self, name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        event(name, out, |o| {
            o.num("index", self.index);
            write(o);
        });
    }
}
