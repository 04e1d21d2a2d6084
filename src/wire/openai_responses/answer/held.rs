//! What a stream has said of the items of its output so far.

use std::borrow::Cow;

use super::super::super::json::Node;
use super::super::content::citation;
use super::item;
use crate::chat::{CallKind, Event, Json, ReasonKind};

/// Where events go.
pub(super) type Emit<'e> = &'e mut dyn FnMut(Event<'_>);

/// One item of the output.
pub(super) struct Item {
    pub(super) place: u64,
    pub(super) is_done: bool,
    pub(super) content: Held,
    kind: String,
    /// Its id and its call's id.
    ids: [Option<String>; 2],
}

/// What an item holds so far.
pub(super) enum Held {
    /// Parts of text and refusals.
    Message(Vec<Said>),
    /// Reasoning: the block, and its texts.
    Reasoning { block: u32, texts: Vec<Thought> },
    /// A call: the block, and its arguments.
    Call {
        block: u32,
        kind: CallKind,
        arguments: String,
    },
    /// What comes all at once.
    Whole,
}

/// A part of a message.
pub(super) struct Said {
    pub(super) place: u64,
    pub(super) block: u32,
    pub(super) is_refusal: bool,
    pub(super) text: String,
    pub(super) citations: usize,
    pub(super) is_done: bool,
}

/// A text of reasoning.
pub(super) struct Thought {
    pub(super) kind: ReasonKind,
    pub(super) place: u64,
    pub(super) text: String,
}

impl Item {
    pub(super) fn new(place: u64, node: Node<'_>, content: Held) -> Self {
        let word = |key| node.get_str(key).map(Cow::into_owned);
        Self {
            place,
            is_done: false,
            content,
            kind: word("type").unwrap_or_default(),
            ids: ["id", "call_id"].map(word),
        }
    }

    /// Whether `node` is this very item.
    pub(super) fn is(&self, node: Node<'_>) -> bool {
        let keys = ["id", "call_id"].into_iter().zip(&self.ids);
        let mut ids = keys.filter_map(|(key, id)| Some((node.get_str(key)?, id.as_deref()?)));
        self.is_like(node) && ids.any(|(one, other)| one == other)
    }

    /// Whether `node` may be this item under another id.
    pub(super) fn is_like(&self, node: Node<'_>) -> bool {
        node.get_str("type").as_deref() == Some(&self.kind)
    }

    /// It is complete: `node` says what it came to, as far as it is known.
    pub(super) fn finish(&mut self, node: Node<'_>, emit: Emit<'_>) {
        if std::mem::replace(&mut self.is_done, true) {
            return;
        }
        match &mut self.content {
            Held::Message(parts) => {
                let open = parts.iter_mut().filter(|part| !part.is_done);
                open.for_each(|part| part.close(emit));
            }
            Held::Reasoning { block, texts } => {
                for (key, kind) in [
                    ("summary", ReasonKind::Summary),
                    ("content", ReasonKind::Raw),
                ] {
                    let list = node.get(key).into_iter().flat_map(Node::items);
                    for (at, part) in (0..).zip(list) {
                        let text = part.get_str("text").unwrap_or_default();
                        thought(*block, texts, (kind, at), &text, true, emit);
                    }
                }
                let block = *block;
                if let Some(opaque) = item::state(node) {
                    emit(Event::Signature { block, opaque });
                }
                emit(Event::Close { block });
            }
            Held::Call {
                block,
                kind,
                arguments,
            } => {
                rest_of_arguments(*block, arguments, &item::written(node, *kind), emit);
                emit(Event::Close { block: *block });
            }
            Held::Whole => {}
        }
    }
}

impl Said {
    pub(super) const fn new(place: u64, block: u32, is_refusal: bool) -> Self {
        Self {
            place,
            block,
            is_refusal,
            text: String::new(),
            citations: 0,
            is_done: false,
        }
    }

    /// More of it.
    pub(super) fn more(&mut self, text: &str, logprobs: Option<Json<'_>>, emit: Emit<'_>) {
        self.text.push_str(text);
        let (block, text) = (self.block, Cow::Borrowed(text));
        emit(if self.is_refusal {
            Event::Refusal { block, text }
        } else {
            Event::Text {
                block,
                text,
                logprobs,
            }
        });
    }

    /// `text` is all of it, `part` may have its log probabilities.
    pub(super) fn fill(&mut self, text: &str, part: Node<'_>, emit: Emit<'_>) {
        if let Some(rest) = text
            .strip_prefix(&*self.text)
            .filter(|rest| !rest.is_empty())
        {
            let whole = self.text.is_empty();
            let logprobs = item::logprobs(part).filter(|_| whole);
            self.more(rest, logprobs, emit);
        }
    }

    /// It is complete: `text` is all of it, `part` what else there is.
    pub(super) fn finish(&mut self, text: &str, part: Node<'_>, emit: Emit<'_>) {
        self.fill(text, part, emit);
        let block = self.block;
        let all = part.get("annotations").into_iter().flat_map(Node::items);
        for annotation in all.skip(self.citations) {
            let citation = citation(annotation);
            emit(Event::Cite { block, citation });
        }
        self.close(emit);
    }

    fn close(&mut self, emit: Emit<'_>) {
        self.is_done = true;
        emit(Event::Close { block: self.block });
    }
}

/// More of a text of reasoning, or all of it.
pub(super) fn thought(
    block: u32,
    texts: &mut Vec<Thought>,
    (kind, place): (ReasonKind, u64),
    text: &str,
    is_all: bool,
    emit: Emit<'_>,
) {
    let is_it = |one: &Thought| one.kind == kind && one.place == place;
    let at = texts.iter().position(is_it);
    let so_far = at.and_then(|at| texts.get(at)).map_or("", |one| &one.text);
    let more = if is_all {
        text.strip_prefix(so_far).unwrap_or_default()
    } else {
        text
    };
    if more.is_empty() {
        return;
    }
    let at = at.unwrap_or_else(|| {
        texts.push(Thought {
            kind,
            place,
            text: String::new(),
        });
        texts.len() - 1
    });
    if let Some(one) = texts.get_mut(at) {
        one.text.push_str(more);
    }
    emit(Event::Reason {
        block,
        kind,
        index: u32::try_from(at).unwrap_or(u32::MAX),
        text: Cow::Borrowed(more),
    });
}

/// What is missing of the arguments, when all of them are known.
pub(super) fn rest_of_arguments(block: u32, so_far: &mut String, all: &str, emit: Emit<'_>) {
    let rest = all.strip_prefix(&**so_far).filter(|rest| !rest.is_empty());
    if let Some(rest) = rest {
        let text = Cow::Borrowed(rest);
        emit(Event::Arguments { block, text });
        so_far.push_str(rest);
    }
}
