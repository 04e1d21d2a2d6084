//! What has to be done about one block of an answer.

use std::borrow::Cow;

use super::DEPTH;
use super::input::Input;
use super::stops::Held;
use crate::chat::Event;
use crate::wire::json::{Kind, Node, object};

#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) number: u32,
    pub(super) candidate: u32,
    pub(super) work: Work,
}

/// What has to be done about a block.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// It is closed when the answer is cut.
    Nothing,
    /// Free text out of arguments.
    Input(Input),
    /// The member `value` of arguments, which are collected.
    Value(String),
    /// Arguments without a member, which are collected.
    Without(&'static str, String),
    /// Arguments that are the answer's text. Whether there were any.
    Json(bool),
    /// The same, but they are collected, and `value` is the text.
    JsonValue(String),
    /// Text that is collected, and `value` is it.
    Word(String),
    /// Text that is looked through for stop sequences.
    Scan(Held),
}

impl Block {
    /// Emits what was kept back, and the end of the block.
    pub(super) fn close(self, emit: &mut dyn FnMut(Event<'_>)) {
        let block = self.number;
        match self.work {
            Work::Nothing | Work::Json(true) => {}
            Work::Input(input) => {
                let rest = input.end();
                if !rest.is_empty() {
                    emit(arguments(block, &rest));
                }
            }
            Work::Value(collected) => {
                let value = value(&collected).map_or(&*collected, Node::raw);
                if !value.is_empty() {
                    emit(arguments(block, value));
                }
            }
            Work::Without(member, collected) => {
                let kept = without(member, &collected);
                let kept = kept.as_deref().unwrap_or(&collected);
                if !kept.is_empty() {
                    emit(arguments(block, kept));
                }
            }
            Work::Json(false) => emit(plain(block, Cow::Borrowed("{}"))),
            Work::JsonValue(collected) => {
                let value = value(&collected).map_or(&*collected, Node::raw);
                if !value.is_empty() {
                    emit(plain(block, Cow::Borrowed(value)));
                }
            }
            Work::Word(collected) => {
                let word = value(&collected).and_then(Node::str);
                let word = word.unwrap_or(Cow::Borrowed(&collected));
                if !word.is_empty() {
                    emit(plain(block, word));
                }
            }
            Work::Scan(held) => held.end(block, emit),
        }
        emit(Event::Close { block });
    }
}

/// The only member `value` of an object.
fn value(text: &str) -> Option<Node<'_>> {
    let node = Node::parse_any(text, DEPTH).filter(|node| node.kind() == Kind::Object)?;
    let mut members = node.members();
    let (key, value) = members.next()?;
    (key == "value" && members.next().is_none()).then_some(value)
}

/// An object without one of its members.
fn without(member: &str, text: &str) -> Option<String> {
    let node = Node::parse_any(text, DEPTH).filter(|node| node.kind() == Kind::Object)?;
    let mut out = Vec::with_capacity(text.len());
    object(&mut out, |o| {
        for (key, value) in node.members().filter(|(key, _)| key != member) {
            o.raw(&key, value.raw());
        }
    });
    String::from_utf8(out).ok()
}

pub(super) const fn arguments(block: u32, text: &str) -> Event<'_> {
    Event::Arguments {
        block,
        text: Cow::Borrowed(text),
    }
}

pub(super) const fn plain(block: u32, text: Cow<'_, str>) -> Event<'_> {
    Event::Text {
        block,
        text,
        logprobs: None,
    }
}
