//! How the events of an answer, or its document, are put on the wire.

use super::super::super::Shape;
use super::super::super::json::{
    ArrayWriter, ObjectWriter, escape_into, members_into, number_into, object,
};
use super::encoder::Writer;
use super::outcome::Outcome;
use super::{logprobs, usage};
use crate::wire::json::compact;

impl Writer {
    /// Writes an event with nothing but text: the most frequent one of a stream.
    pub(super) fn write_text(
        &mut self,
        candidate: u32,
        text: &str,
        is_thought: bool,
        out: &mut Vec<u8>,
    ) {
        self.outcome(candidate).count += 1;
        let refuses = |outcome: &Outcome| outcome.refused_prompt().is_some();
        if self.tail.is_empty() {
            let mut tail = std::mem::take(&mut self.tail);
            self.write_tail(&mut tail);
            self.tail = tail;
        }
        self.frame(out);
        out.extend_from_slice(br#"{"candidates":[{"content":{"role":"model","parts":[{"text":""#);
        escape_into(out, text);
        out.push(b'"');
        if is_thought {
            out.extend_from_slice(br#","thought":true"#);
        }
        out.extend_from_slice(br#"}]},"index":"#);
        number_into(out, candidate);
        out.extend_from_slice(b"}]");
        if self.outcomes.iter().any(refuses) {
            members_into(out, |o| self.write_refusal(o));
        }
        out.extend_from_slice(&self.tail);
    }

    /// Writes a part at once, or keeps it for the document.
    pub(super) fn write_part(
        &mut self,
        candidate: u32,
        part: &[u8],
        probable: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        let is_whole = self.shape == Shape::Whole;
        let outcome = self.outcome(candidate);
        outcome.count += 1;
        if is_whole {
            outcome.keep(part);
            return;
        }
        self.chunk(out, |a, _| {
            a.object(|o| {
                o.object("content", |o| {
                    o.str("role", "model");
                    o.array("parts", |a| a.element().extend_from_slice(part));
                });
                o.num("index", candidate);
                if let Some(probable) = probable {
                    logprobs::write(o, probable);
                }
            });
        });
    }

    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.outcome(0);
        let is_whole = self.shape == Shape::Whole;
        self.chunk(out, |a, outcomes| {
            for (index, outcome) in outcomes.iter().enumerate() {
                if outcome.refused_prompt().is_none() {
                    a.object(|o| outcome.write_end(o, index, is_whole));
                }
            }
        });
        if self.shape == Shape::JsonArray {
            out.push(b']');
        }
    }

    /// Writes one event, or the document.
    fn chunk(
        &mut self,
        out: &mut Vec<u8>,
        write_candidates: impl FnOnce(&mut ArrayWriter<'_>, &[Outcome]),
    ) {
        self.frame(out);
        object(out, |o| {
            o.array("candidates", |a| write_candidates(a, &self.outcomes));
            self.write_refusal(o);
        });
        // The object goes on.
        out.pop();
        self.write_tail(out);
    }

    /// Writes what stands before an event.
    fn frame(&mut self, out: &mut Vec<u8>) {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        match (self.shape, is_first) {
            (Shape::Whole, _) => {}
            // The Python client knows only `data: ` with the space, and nothing beside it.
            (Shape::Sse, _) => out.extend_from_slice(b"data: "),
            (Shape::JsonArray, true) => out.push(b'['),
            (Shape::JsonArray, false) => out.extend_from_slice(b",\r\n"),
        }
    }

    /// Writes why the prompt was refused, if it was.
    fn write_refusal(&self, o: &mut ObjectWriter<'_>) {
        let refused = self.outcomes.iter().find_map(Outcome::refused_prompt);
        o.opt_raw("promptFeedback", refused.map(compact).as_deref());
    }

    /// Writes what is said of the whole answer, and the end of the event.
    fn write_tail(&self, out: &mut Vec<u8>) {
        members_into(out, |o| {
            if let Some(usage) = &self.usage {
                o.object("usageMetadata", |o| usage::write(o, usage, self.tier));
            }
            o.str("modelVersion", self.reply.model(&self.model));
            let id = self.id.as_deref();
            o.str("responseId", id.unwrap_or(&self.reply.seed));
        });
        out.push(b'}');
        if self.shape == Shape::Sse {
            out.extend_from_slice(b"\n\n");
        }
    }
}
