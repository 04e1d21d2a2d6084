//! Requests that stay in their format but hold what another provider made: reasoning state in
//! [carriers](super::carrier), which only we can read, and results of searches that never were.
//!
//! A client that talked to one provider through the gateway sends back what it got, and its next
//! request may go to another provider that would refuse it. Everything else of the request stays: its
//! order, its numbers, its text.

mod extensions;
mod google;
mod openai;

pub use extensions::{holds_extensions, without_extensions};

use std::collections::HashSet;

use memchr::memmem;

use super::fit::{SENTINEL, signed_text};
use super::json::{Node, Tree};
use super::{Format, carrier};
use crate::chat::{Fault, Opaque, OpaqueKind};

/// How deep a request may nest at most; the gateway's own limit is usually lower.
const DEPTH: usize = 512;

/// Whether a request may hold state that its provider did not make: a cheap look for words, never
/// false when it does.
pub fn holds_foreign_state(format: Format, body: &[u8]) -> bool {
    let has = |marker: &str| memmem::find(body, marker.as_bytes()).is_some();
    match format {
        Format::OpenAiChat => has(carrier::PREFIX) || has(carrier::ID_MARK),
        Format::OpenAiResponses => has(carrier::PREFIX) || has(carrier::REASONING_ID),
        Format::Claude => has(carrier::PREFIX) || has_empty_search(body),
        Format::Gemini => has(google::MARKER),
    }
}

/// The request without foreign state: what another provider or another family of models made is
/// gone, and what this one made is as it made it. `None`: there is nothing to do, or it cannot be read.
pub fn cleanse(format: Format, body: &[u8], family: &str) -> Option<Vec<u8>> {
    edit(body, |request| match format {
        Format::OpenAiChat => openai::cleanse_chat(request, family),
        Format::OpenAiResponses => openai::cleanse_responses(request, family),
        Format::Claude => cleanse_claude(request, family),
        Format::Gemini => google::cleanse(request, family),
    })
}

/// The request without any reasoning state, for one more try after its provider has refused the
/// state. `None`: there is none, or it cannot be read.
pub fn without_state(format: Format, body: &[u8]) -> Option<Vec<u8>> {
    edit(body, |request| match format {
        Format::OpenAiChat => false,
        Format::OpenAiResponses => openai::without_state(request),
        Format::Claude => {
            let keeps = |block: &Tree<'_>| !is_thinking(block);
            let any = retain_blocks(request, |block| keeps(block));
            any | begin_with_thinking(request)
        }
        Format::Gemini => google::without_state(request),
    })
}

/// Whether a provider refuses a request for the reasoning state in it.
pub fn is_state_fault(format: Format, status: u16, fault: &Fault) -> bool {
    if status != 400 {
        return false;
    }
    let message = fault.message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match format {
        Format::OpenAiChat => false,
        Format::OpenAiResponses => {
            fault.code.as_deref() == Some("invalid_encrypted_content")
                || says(&[
                    "invalid_encrypted_content",
                    "could not be decrypted",
                    "could not be verified",
                    "required following item",
                    "without its required 'reasoning' item",
                ])
        }
        Format::Claude => says(&[
            "invalid `signature`",
            "invalid signature",
            "expected `thinking` or `redacted_thinking`",
        ]),
        Format::Gemini => says(&["thought_signature", "thoughtsignature", "thought signature"]),
    }
}

/// Lets `change` edit the document. `None` if it says that it has not.
fn edit(body: &[u8], change: impl FnOnce(&mut Tree<'_>) -> bool) -> Option<Vec<u8>> {
    let node = Node::parse(body, DEPTH).ok()?;
    // Each value takes a byte at least.
    let mut nodes = body.len();
    let mut request = Tree::build(node, DEPTH, &mut nodes)?;
    if !change(&mut request) {
        return None;
    }
    let mut out = Vec::with_capacity(body.len());
    request.write(&mut out);
    Some(out)
}

/// What becomes of a piece of state.
enum State {
    /// No carrier: it is the provider's own.
    Native,
    /// The provider's own in a carrier.
    Ours(Opaque<'static>),
    /// Another provider's, another family's, or broken.
    Foreign,
}

fn state(text: &str, format: Format, family: &str) -> State {
    if !text.starts_with(carrier::PREFIX) {
        return State::Native;
    }
    match carrier::unwrap(text) {
        Some(opaque) if opaque.origin == format && opaque.family == family => State::Ours(opaque),
        _ => State::Foreign,
    }
}

fn items_mut<'t, 'a>(tree: &'t mut Tree<'a>, key: &str) -> Option<&'t mut Vec<Tree<'a>>> {
    match tree.get_mut(key)? {
        Tree::Array(items) => Some(items),
        _ => None,
    }
}

fn text_of<'t>(tree: &'t Tree<'_>, key: &str) -> Option<&'t str> {
    tree.get(key)?.as_str()
}

fn is_type(tree: &Tree<'_>, kind: &str) -> bool {
    text_of(tree, "type") == Some(kind)
}

fn is_thinking(block: &Tree<'_>) -> bool {
    is_type(block, "thinking") || is_type(block, "redacted_thinking")
}

fn cleanse_claude(request: &mut Tree<'_>, family: &str) -> bool {
    let mut any = false;
    let mut lost = false;
    let searches = empty_searches(request);
    let dropped = retain_blocks(request, |block| {
        let id = text_of(block, "id").or_else(|| text_of(block, "tool_use_id"));
        let is_search =
            is_type(block, "server_tool_use") || is_type(block, "web_search_tool_result");
        if is_search && id.is_some_and(|id| searches.contains(id)) {
            return false;
        }
        if !is_thinking(block) {
            return true;
        }
        let carried = text_of(block, "signature").or_else(|| text_of(block, "data"));
        match carried.map(|text| state(text, Format::Claude, family)) {
            None | Some(State::Native) => true,
            Some(State::Ours(opaque)) => {
                any = true;
                restore_thinking(block, &opaque)
            }
            Some(State::Foreign) => {
                lost = true;
                false
            }
        }
    });
    if lost {
        begin_with_thinking(request);
    }
    any | dropped
}

/// Puts the state back into the block that it came in. False: it fits in none.
fn restore_thinking(block: &mut Tree<'_>, opaque: &Opaque<'static>) -> bool {
    let data = opaque.data.as_ref().to_owned();
    match opaque.kind {
        OpaqueKind::Signature => {
            let (text, signature) = match signed_text(&data) {
                Some((text, signature)) => (Some(text), signature),
                None => (None, data),
            };
            block.remove("data");
            block.set("type", Tree::string("thinking"));
            match text {
                Some(text) => block.set("thinking", Tree::string(text)),
                None if block.get("thinking").is_none() => {
                    block.set("thinking", Tree::string(""));
                }
                None => {}
            }
            block.set("signature", Tree::string(signature));
            true
        }
        OpaqueKind::Redacted => {
            block.remove("thinking");
            block.remove("signature");
            block.set("type", Tree::string("redacted_thinking"));
            block.set("data", Tree::string(data));
            true
        }
        OpaqueKind::Encrypted | OpaqueKind::Thought => false,
    }
}

/// Keeps the blocks of messages that `keep` wants; a message that nothing is left of goes too.
fn retain_blocks(request: &mut Tree<'_>, mut keep: impl FnMut(&mut Tree<'_>) -> bool) -> bool {
    let mut any = false;
    let Some(messages) = items_mut(request, "messages") else {
        return false;
    };
    messages.retain_mut(|message| {
        let Some(blocks) = items_mut(message, "content") else {
            return true;
        };
        let before = blocks.len();
        blocks.retain_mut(&mut keep);
        any |= blocks.len() < before;
        before == 0 || !blocks.is_empty()
    });
    any
}

/// A thinking budget needs thinking before the calls of the last turn: without it, no thinking now.
fn begin_with_thinking(request: &mut Tree<'_>) -> bool {
    let is_enabled = request
        .get("thinking")
        .is_some_and(|thinking| is_type(thinking, "enabled"));
    let messages = request.get("messages").and_then(Tree::as_array);
    let mut messages = messages.unwrap_or_default().iter().rev();
    let last = messages.find(|message| text_of(message, "role") == Some("assistant"));
    let blocks = last.and_then(|message| message.get("content")?.as_array());
    let blocks = blocks.unwrap_or_default();
    let has_calls = blocks.iter().any(|block| is_type(block, "tool_use"));
    let begins = blocks.first().is_some_and(is_thinking);
    is_enabled && has_calls && !begins && request.remove("thinking").is_some()
}

/// The ids of searches that we made up for the client to see: they have no content to give back.
fn empty_searches(request: &Tree<'_>) -> HashSet<String> {
    let mut found = HashSet::new();
    let messages = request.get("messages").and_then(Tree::as_array);
    for message in messages.unwrap_or_default() {
        let blocks = message.get("content").and_then(Tree::as_array);
        for block in blocks.unwrap_or_default() {
            if !is_type(block, "web_search_tool_result") {
                continue;
            }
            let results = block.get("content").and_then(Tree::as_array);
            let mut results = results.unwrap_or_default().iter();
            if results.any(|result| text_of(result, "encrypted_content") == Some("")) {
                found.extend(text_of(block, "tool_use_id").map(str::to_owned));
            }
        }
    }
    found
}

fn has_empty_search(body: &[u8]) -> bool {
    let key = b"\"encrypted_content\"";
    memmem::find_iter(body, key).any(|at| {
        let rest = body.get(at + key.len()..).unwrap_or_default();
        let value = rest.trim_ascii_start().strip_prefix(b":");
        value.is_some_and(|value| value.trim_ascii_start().starts_with(b"\"\""))
    })
}

#[cfg(test)]
mod tests;
