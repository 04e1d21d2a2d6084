//! OpenAI: reasoning items, details of reasoning, ids of calls.

use super::{State, is_type, items_mut, state, text_of};
use crate::wire::json::{Node, Tree};
use crate::wire::{Format, carrier};

pub(super) fn cleanse_chat(request: &mut Tree<'_>, family: &str) -> bool {
    let mut any = false;
    let Some(messages) = items_mut(request, "messages") else {
        return false;
    };
    for message in messages {
        any |= strip_id(message, "tool_call_id");
        for call in items_mut(message, "tool_calls").into_iter().flatten() {
            any |= strip_id(call, "id");
            any |= strip_google(call, family);
        }
        for list in ["reasoning_details", "thinking_blocks"] {
            let Some(items) = items_mut(message, list) else {
                continue;
            };
            let before = items.len();
            items.retain_mut(|item| {
                ["signature", "data"]
                    .into_iter()
                    .all(|key| unwrap_member(item, key, family, &mut any))
            });
            any |= items.len() < before;
            if items.is_empty() && before > 0 {
                message.remove(list);
            }
        }
    }
    any
}

/// Gives a call the id that it had before state was hidden in it.
fn strip_id(tree: &mut Tree<'_>, key: &str) -> bool {
    let Some(id) = text_of(tree, key) else {
        return false;
    };
    let bare = carrier::reveal(id).0;
    if bare.len() == id.len() {
        return false;
    }
    let bare = bare.to_owned();
    tree.set(key.to_owned(), Tree::string(bare));
    true
}

/// Google's place for a signature on a call.
fn strip_google(call: &mut Tree<'_>, family: &str) -> bool {
    let Some(extra) = call.get_mut("extra_content") else {
        return false;
    };
    let mut any = false;
    for vendor in ["google", "vertex"] {
        let Some(content) = extra.get_mut(vendor) else {
            continue;
        };
        if !unwrap_member(content, "thought_signature", family, &mut any) {
            content.remove("thought_signature");
            any = true;
        }
        if any && content.as_object().is_some_and(<[_]>::is_empty) {
            extra.remove(vendor);
        }
    }
    if any && extra.as_object().is_some_and(<[_]>::is_empty) {
        call.remove("extra_content");
    }
    any
}

/// Unwraps the state in a member. False: it is foreign.
fn unwrap_member(item: &mut Tree<'_>, key: &'static str, family: &str, any: &mut bool) -> bool {
    let Some(text) = text_of(item, key) else {
        return true;
    };
    match state(text, Format::OpenAiChat, family) {
        State::Native => true,
        State::Ours(opaque) => {
            item.set(key, Tree::string(opaque.data.into_owned()));
            *any = true;
            true
        }
        State::Foreign => false,
    }
}

pub(super) fn cleanse_responses(request: &mut Tree<'_>, family: &str) -> bool {
    let mut any = false;
    let Some(items) = items_mut(request, "input") else {
        return false;
    };
    items.retain_mut(|item| {
        if !is_type(item, "reasoning") {
            return true;
        }
        let is_ours = text_of(item, "id").is_some_and(|id| id.starts_with(carrier::REASONING_ID));
        let text = text_of(item, "encrypted_content").unwrap_or_default();
        match state(text, Format::OpenAiResponses, family) {
            // The provider would look for an item that it has never had.
            State::Native if is_ours => {
                any = true;
                let keeps = !text.is_empty();
                item.remove("id");
                keeps
            }
            State::Native => true,
            State::Ours(opaque) => {
                any = true;
                let node = Node::parse(opaque.data.as_bytes(), 2).ok();
                let inner = node.and_then(|node| node.get_str("encrypted_content"));
                let data = inner.unwrap_or_else(|| opaque.data.clone()).into_owned();
                item.set("encrypted_content", Tree::string(data));
                // The id is ours; the provider does not know it.
                item.remove("id");
                true
            }
            State::Foreign => {
                any = true;
                false
            }
        }
    });
    any
}

pub(super) fn without_state(request: &mut Tree<'_>) -> bool {
    let mut any = false;
    if let Some(include) = items_mut(request, "include") {
        let before = include.len();
        include.retain(|one| one.as_str() != Some("reasoning.encrypted_content"));
        any = include.len() < before;
        if any && include.is_empty() {
            request.remove("include");
        }
    }
    let Some(items) = items_mut(request, "input") else {
        return any;
    };
    let before = items.len();
    items.retain(|item| !is_type(item, "reasoning"));
    if items.len() == before {
        return any;
    }
    for item in items {
        // A stored item is refused without the reasoning that belonged to it.
        let was_stored = ["message", "function_call", "custom_tool_call"];
        if was_stored.into_iter().any(|kind| is_type(item, kind)) {
            item.remove("id");
        }
    }
    true
}
