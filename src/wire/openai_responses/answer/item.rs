//! The items of an answer.

use std::borrow::Cow;

use super::super::super::json::{Kind, Node};
use super::super::content::{self, has_items};
use super::super::decode::native_state;
use super::super::hosted::{hosted, typed_call};
use crate::chat::{
    CallKind, Content, Format, Native, Opaque, Part, Place, ReasonKind, ReasonText, Reasoned,
    ToolCall,
};

/// What an item holds.
pub(super) fn parts(item: Node<'_>) -> Vec<Part<'_>> {
    if item.kind() != Kind::Object {
        return Vec::new();
    }
    let kind = item.get_str("type").unwrap_or_default();
    match &*kind {
        "message" => match item.get("content") {
            // As weak servers write it.
            Some(content) if content.kind() == Kind::String => {
                vec![Part::text(content.str().unwrap_or_default())]
            }
            content => content
                .into_iter()
                .flat_map(Node::items)
                .filter_map(said)
                .collect(),
        },
        "reasoning" => vec![Part::new(Content::Reasoning(reasoning(item)))],
        "function_call" => vec![Part::new(Content::ToolCall(call(item, CallKind::Function)))],
        "custom_tool_call" => vec![Part::new(Content::ToolCall(call(item, CallKind::Custom)))],
        _ => match typed_call(item) {
            Some((call, _)) => vec![Part::new(Content::ToolCall(call))],
            None => match hosted(item, Place::default()) {
                Some(mut parts) => {
                    one_copy(&mut parts);
                    parts
                }
                None => vec![native(item)],
            },
        },
    }
}

/// A picture is a part: its call keeps no second copy of it.
fn one_copy(parts: &mut [Part<'_>]) {
    if let [
        call,
        Part {
            content: Content::Image(_),
            ..
        },
    ] = parts
        && let Content::ServerCall(call) = &mut call.content
    {
        call.native = None;
    }
}

fn native(item: Node<'_>) -> Part<'_> {
    Part::new(Content::Native(Native {
        format: Format::OpenAiResponses,
        json: item.json(),
    }))
}

/// A part of a message.
fn said(part: Node<'_>) -> Option<Part<'_>> {
    let mut object = part.object();
    let content = match object.take_str("type").as_deref() {
        Some("refusal") => Content::Refusal(object.take_str("refusal").unwrap_or_default()),
        Some("output_text" | "text") => Content::Text(content::text(&mut object)),
        _ => return None,
    };
    Some(Part::new(content))
}

fn reasoning(item: Node<'_>) -> Reasoned<'_> {
    let texts = |key, kind| {
        let list = item.get(key).into_iter().flat_map(Node::items);
        list.filter_map(move |part| {
            let text = part.get_str("text").filter(|text| !text.is_empty())?;
            Some(ReasonText { kind, text })
        })
    };
    Reasoned {
        texts: texts("summary", ReasonKind::Summary)
            .chain(texts("content", ReasonKind::Raw))
            .collect(),
        opaque: state(item).into_iter().collect(),
        id: item.get_str("id"),
    }
}

/// The state of a reasoning item.
pub(super) fn state(item: Node<'_>) -> Option<Opaque<'static>> {
    let state = item
        .get_str("encrypted_content")
        .filter(|state| !state.is_empty())?;
    Some(native_state(item.get_str("id").as_deref(), &state))
}

/// Reads a call of a function or of a free-form tool.
pub(super) fn call(item: Node<'_>, kind: CallKind) -> ToolCall<'_> {
    let item_id = item.get_str("id");
    ToolCall {
        id: item.get_str("call_id").unwrap_or_default(),
        name: item.get_str("name").unwrap_or_default(),
        arguments: written(item, kind),
        kind,
        namespace: item.get_str("namespace"),
        item_id,
    }
}

/// What was written for a tool: text, or by weak servers an object.
pub(super) fn written(item: Node<'_>, kind: CallKind) -> Cow<'_, str> {
    let key = if kind == CallKind::Custom {
        "input"
    } else {
        "arguments"
    };
    item.get(key).map_or(Cow::Borrowed(""), |node| {
        node.str().unwrap_or_else(|| Cow::Borrowed(node.raw()))
    })
}

/// Log probabilities, if there are any.
pub(super) fn logprobs(event: Node<'_>) -> Option<crate::chat::Json<'_>> {
    event
        .get("logprobs")
        .filter(|list| has_items(*list))
        .map(Node::json)
}
