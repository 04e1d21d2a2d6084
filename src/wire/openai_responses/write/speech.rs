//! Messages: text, refusals and where they are from.

use std::borrow::Cow;

use super::super::super::json::{Node, object};
use super::item::{Body, Said};
use super::wire::number;
use super::{Block, Responses};
use crate::chat::{Change, Citation, CitationKind, Format, Json, Losses};

/// A block of text or of a refusal.
pub(super) struct Speech {
    is_refusal: bool,
    /// The item and the part of it that it is written to.
    part: Option<(usize, usize)>,
    /// Where in that part it begins, in code points.
    begins: u64,
    /// Citations of the whole block, which is known when it is over.
    cited: Vec<Citation<'static>>,
}

impl Speech {
    pub(super) const fn new(is_refusal: bool) -> Self {
        Self {
            is_refusal,
            part: None,
            begins: 0,
            cited: Vec::new(),
        }
    }
}

impl Responses {
    /// Writes more of a text or a refusal.
    pub(super) fn say(
        &mut self,
        block: u32,
        text: &str,
        logprobs: Option<Json<'_>>,
        out: &mut Vec<u8>,
    ) {
        let Some((index, at)) = self.speech_part(block, out) else {
            return;
        };
        let Some(item) = self.items.get_mut(index) else {
            return;
        };
        let Body::Message(parts) = &mut item.body else {
            return;
        };
        let Some(part) = parts.get_mut(at) else {
            return;
        };
        part.text.push_str(text);
        part.points += number(text.chars().count());
        let kind = if part.is_refusal {
            "response.refusal.delta"
        } else {
            "response.output_text.delta"
        };
        let is_refusal = part.is_refusal;
        let Some(logprobs) = logprobs else {
            let (about, at) = ((&*item.id, index), Some(("content_index", number(at))));
            let rest = if is_refusal { "" } else { r#","logprobs":[]"# };
            return self.wire.delta(out, kind, about, at, text, rest);
        };
        let logprobs = no_null_bytes(logprobs);
        let inner = logprobs
            .trim()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if !inner.trim().is_empty() {
            if !part.logprobs.is_empty() {
                part.logprobs.push(',');
            }
            part.logprobs.push_str(inner);
        }
        self.wire.about(out, kind, (&item.id, index), |o| {
            o.num("content_index", number(at));
            o.str("delta", text);
            if !is_refusal {
                o.raw("logprobs", &logprobs);
            }
        });
    }

    /// The part that a block is written to, made if there is none that still may be.
    fn speech_part(&mut self, block: u32, out: &mut Vec<u8>) -> Option<(usize, usize)> {
        let open = self.message;
        let Some(Block::Speech(speech)) = self.block(block) else {
            return None;
        };
        if let Some((item, at)) = speech.part
            && open == Some(item)
        {
            return Some((item, at));
        }
        let is_refusal = speech.is_refusal;
        let index = match open {
            Some(index) => index,
            None => {
                let index = self.add("msg_", Body::Message(Vec::new()), out);
                self.message = Some(index);
                index
            }
        };
        let item = self.items.get_mut(index)?;
        let Body::Message(parts) = &mut item.body else {
            return None;
        };
        // Text after text is one part, so that places in it are simple.
        let joins = parts.last().is_some_and(|last| {
            !last.is_done && last.writer.is_none() && last.is_refusal == is_refusal
        });
        if !joins {
            let at = parts.len();
            if let Some(last) = parts.last_mut().filter(|last| last.writer.is_none()) {
                last.finish((&item.id, index), at - 1, &mut self.wire, out);
            }
            let part = Said {
                is_refusal,
                ..Said::default()
            };
            self.wire
                .about(out, "response.content_part.added", (&item.id, index), |o| {
                    o.num("content_index", number(at));
                    o.raw("part", &part.json());
                });
            parts.push(part);
        }
        let at = parts.len() - 1;
        let last = parts.last_mut()?;
        last.writer = Some(block);
        let begins = last.points;
        if let Some(Block::Speech(speech)) = self.block(block) {
            speech.part = Some((index, at));
            speech.begins = begins;
        }
        Some((index, at))
    }

    /// Says where a text is from.
    pub(super) fn cite(
        &mut self,
        block: u32,
        citation: Citation<'_>,
        losses: &mut Losses,
        out: &mut Vec<u8>,
    ) {
        if let Some(Block::Speech(speech)) = self.block(block)
            && citation.span.is_none()
            && (speech.part.is_none() || is_of_whole_block(&citation))
        {
            speech.cited.push(citation.into_owned());
            return;
        }
        self.annotate(block, &citation, losses, out);
    }

    /// Says where a whole block is from.
    pub(super) fn cite_whole(&mut self, block: u32, losses: &mut Losses, out: &mut Vec<u8>) {
        let Some(Block::Speech(speech)) = self.block(block) else {
            return;
        };
        for citation in std::mem::take(&mut speech.cited) {
            self.annotate(block, &citation, losses, out);
        }
    }

    fn annotate(
        &mut self,
        block: u32,
        citation: &Citation<'_>,
        losses: &mut Losses,
        out: &mut Vec<u8>,
    ) {
        let open = self.message;
        let Some(Block::Speech(speech)) = self.block(block) else {
            return;
        };
        let begins = speech.begins;
        // What is done is done: too late for this one.
        let place = speech.part.filter(|(item, _)| open == Some(*item));
        let item = place.and_then(|(index, at)| Some((index, at, self.items.get_mut(index)?)));
        let Some((index, at, item)) = item else {
            losses.note_at("output.content.annotations".to_owned(), Change::Dropped);
            return;
        };
        let Body::Message(parts) = &mut item.body else {
            return;
        };
        let Some(part) = parts.get_mut(at) else {
            return;
        };
        let Some(annotation) = annotation(citation, begins, part.points) else {
            losses.note_at("output.content.annotations".to_owned(), Change::Dropped);
            return;
        };
        self.wire.about(
            out,
            "response.output_text.annotation.added",
            (&item.id, index),
            |o| {
                o.num("content_index", number(at));
                o.num("annotation_index", number(part.annotations.len()));
                o.raw("annotation", &annotation);
            },
        );
        part.annotations.push(annotation);
    }

    /// A block of text is over; its message goes on.
    pub(super) fn close_speech(&mut self, block: u32) {
        let Some(Block::Speech(Speech {
            part: Some((item, at)),
            ..
        })) = self.block(block)
        else {
            return;
        };
        let (item, at) = (*item, *at);
        if let Some(item) = self.items.get_mut(item)
            && let Body::Message(parts) = &mut item.body
            && let Some(part) = parts.get_mut(at)
            && part.writer == Some(block)
        {
            part.writer = None;
        }
    }
}

/// Anthropic splits a text where its sources change, and may name them before it.
fn is_of_whole_block(citation: &Citation<'_>) -> bool {
    let native = citation.native.as_ref();
    native.is_some_and(|native| native.format == Format::Claude)
}

/// A citation as an annotation of a text whose block begins and ends at these code points.
fn annotation(citation: &Citation<'_>, begins: u64, ends: u64) -> Option<String> {
    if let Some(native) = &citation.native
        && native.format == Format::OpenAiResponses
        && begins == 0
    {
        return Some(native.json.as_str().to_owned());
    }
    let (start, end) = citation.span.map_or((begins, ends), |(start, end)| {
        (begins + start, begins + end)
    });
    let mut out = Vec::new();
    match (&citation.kind, &citation.url, &citation.file_id) {
        (CitationKind::Web, Some(url), _) | (_, Some(url), None) => object(&mut out, |o| {
            o.str("type", "url_citation");
            o.str("url", url);
            o.str("title", citation.title.as_deref().unwrap_or(""));
            o.num("start_index", start);
            o.num("end_index", end);
        }),
        (_, _, Some(file)) => object(&mut out, |o| {
            o.str("type", "file_citation");
            o.str("file_id", file);
            let name = citation.filename.as_ref().or(citation.title.as_ref());
            o.str("filename", name.map_or("", |name| name));
            o.num("index", end);
        }),
        (_, None, None) => return None,
    }
    String::from_utf8(out).ok()
}

/// Log probabilities without `"bytes":null`, which only Chat Completions has.
fn no_null_bytes(list: Json<'_>) -> Cow<'_, str> {
    if !list.as_str().contains("null") {
        return Cow::Owned(list.into_owned().as_str().to_owned());
    }
    let entries = Node::trusted(list.as_str()).items().map(entry);
    Cow::Owned(super::item::list(entries))
}

fn entry(node: Node<'_>) -> String {
    let mut out = Vec::new();
    object(&mut out, |o| {
        for (key, value) in node.members() {
            match &*key {
                "bytes" if value.is_null() => o.raw("bytes", "[]"),
                "top_logprobs" => o.raw(&key, &super::item::list(value.items().map(entry))),
                _ => o.raw(&key, value.raw()),
            }
        }
    });
    String::from_utf8(out).unwrap_or_default()
}
