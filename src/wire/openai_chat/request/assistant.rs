//! What the model said before: reasoning, text, calls.

use std::borrow::Cow;

use super::messages::{Calls, mark};
use super::{parts, reasoning};
use crate::chat::{
    Audio, CallKind, Content, Format, Opaque, OpaqueKind, Part, Place, Role, Source, ToolCall, Turn,
};
use crate::wire::carrier;
use crate::wire::json::{Kind, Node, Object};
use crate::wire::openai_chat::state::{self, google_signature};

/// Reads an assistant message.
pub(super) fn decode<'a>(mut message: Object<'a>, at: Place, calls: &mut Calls<'a>) -> Turn<'a> {
    let mut reasoned = reasoning::take(&mut message, at);
    let mut said = Vec::new();
    let content = message.take("content");
    said.extend(parts::decode(content, at));
    if let Some(refusal) = message.take_str("refusal") {
        said.push(Part::new(Content::Refusal(refusal)).at(at.of("refusal")));
    }
    if let Some(audio) = message.take("audio")
        && let Some(id) = audio.get_str("id")
    {
        let source = Source::File {
            id,
            origin: Format::OpenAiChat,
        };
        let audio = Audio {
            source,
            transcript: None,
            expires_at: None,
        };
        said.push(Part::new(Content::Audio(audio)).at(at.of("audio")));
    }
    let mut called = Vec::new();
    if let Some(list) = message.take("tool_calls") {
        for (index, node) in list.items().enumerate() {
            let place = at.of("tool_calls").part(index);
            let (call, state) = tool_call(node, place, calls);
            if let Some(state) = state {
                carried(&mut reasoned, state, place);
            }
            called.push(call);
        }
    }
    if let Some(node) = message.take("function_call") {
        called.push(function_call(node, at.of("function_call"), calls));
    }
    let mut turn = Turn::new(Role::Assistant, Vec::new()).at(at);
    turn.name = message.take_str("name");
    turn.extra = message.rest();
    sign_text(&mut said, &turn, at);
    let is_empty = reasoned.is_empty() && said.is_empty() && called.is_empty();
    if is_empty && content.is_some_and(|content| content.kind() == Kind::String) {
        said.push(Part::text("").at(at.of("content")));
    }
    turn.parts = reasoned;
    turn.parts.extend(said);
    turn.parts.extend(called);
    mark(&mut turn);
    turn
}

/// State that came in a call's id belongs to the reasoning before it, unless that has it already.
fn carried<'a>(reasoned: &mut Vec<Part<'a>>, state: Opaque<'static>, at: Place) {
    let state = state::unpack(state);
    let is_known = reasoned.iter().any(|part| match &part.content {
        Content::Reasoning(known) => state
            .opaque
            .iter()
            .all(|one| known.opaque.iter().any(|other| other.data == one.data)),
        _ => false,
    });
    if !is_known {
        reasoned.push(Part::new(Content::Reasoning(state)).at(at));
    }
}

/// A signature that came with the text of the answer.
fn sign_text<'a>(said: &mut Vec<Part<'a>>, turn: &Turn<'a>, at: Place) {
    let Some(extra) = turn.extra.get("extra_content") else {
        return;
    };
    let Some(signature) = google_signature(Node::trusted(extra.as_str())) else {
        return;
    };
    let is_text = |part: &&mut Part<'_>| matches!(part.content, Content::Text(_));
    match said.iter_mut().rev().find(is_text) {
        Some(part) => part.signature = Some(signature),
        None => {
            let mut part = Part::text("").at(at);
            part.signature = Some(signature);
            said.push(part);
        }
    }
}

fn tool_call<'a>(
    node: Node<'a>,
    at: Place,
    calls: &mut Calls<'a>,
) -> (Part<'a>, Option<Opaque<'static>>) {
    let mut members = node.object();
    let wire_id = members.take_str("id").unwrap_or_default();
    let (id, hidden) = carrier::reveal(&wire_id);
    let id = match &wire_id {
        Cow::Borrowed(whole) => Cow::Borrowed(whole.get(..id.len()).unwrap_or_default()),
        Cow::Owned(_) => Cow::Owned(id.to_owned()),
    };
    members.take("type");
    let custom = members.take("custom");
    let (kind, name, arguments) = match (custom, members.take("function")) {
        (Some(custom), _) => {
            let input = custom.get_str("input").unwrap_or_default();
            (CallKind::Custom, custom.get_str("name"), input)
        }
        (None, Some(function)) => {
            let arguments = function.get("arguments").map(state::arguments);
            let name = function.get_str("name");
            (CallKind::Function, name, arguments.unwrap_or_default())
        }
        (None, None) => (CallKind::Function, None, Cow::Borrowed("")),
    };
    if kind == CallKind::Custom {
        calls.custom.insert(id.clone());
    }
    let mut part = Part::new(Content::ToolCall(ToolCall {
        id,
        name: name.unwrap_or_default(),
        arguments,
        kind,
        namespace: None,
        item_id: None,
    }))
    .at(at);
    part.extra = members.rest();
    let named = part.extra.get("extra_content");
    let named = named.and_then(|extra| google_signature(Node::trusted(extra.as_str())));
    let (thought, other) = match hidden {
        Some(state) if state.kind == OpaqueKind::Thought => (Some(state), None),
        other => (None, other),
    };
    // The two say the same, but the hidden one knows the family.
    part.signature = match (named, thought) {
        (Some(named), Some(hidden)) if named.data == hidden.data => Some(hidden),
        (Some(named), _) => Some(named),
        (None, hidden) => hidden,
    };
    (part, other)
}

fn function_call<'a>(node: Node<'a>, at: Place, calls: &mut Calls<'a>) -> Part<'a> {
    let name = node.get_str("name").unwrap_or_default();
    let arguments = node.get("arguments").map(state::arguments);
    let id = calls.next_legacy();
    calls.legacy.insert(name.clone(), id.clone());
    Part::new(Content::ToolCall(ToolCall {
        id: id.into(),
        name,
        arguments: arguments.unwrap_or_default(),
        kind: CallKind::Function,
        namespace: None,
        item_id: None,
    }))
    .at(at)
}
