//! Anthropic: thinking without a signature of its own, ids and texts of other providers that it
//! refuses, searches that never were, and calls that have lost their thinking.

use std::collections::HashSet;

use memchr::memmem::{self, Finder};

use super::{DEPTH, State, is_type, items_mut, state, text_of};
use crate::chat::{Format, Opaque, OpaqueKind};
use crate::wire::fit::{is_claude_id, mapped_id, signed_text};
use crate::wire::json::{Node, Tree};
use crate::wire::{Marks, Word};

/// What thinking without a signature looks like, as clients write it.
static EMPTY_SIGNATURE: [Word; 4] = [
    Word::new(|| Finder::new("\"signature\":\"\"")),
    Word::new(|| Finder::new("\"signature\": \"\"")),
    Word::new(|| Finder::new("\"signature\":null")),
    Word::new(|| Finder::new("\"signature\": null")),
];
static EMPTY_DATA: [Word; 2] = [
    Word::new(|| Finder::new("\"data\":\"\"")),
    Word::new(|| Finder::new("\"data\": \"\"")),
];

/// Whether a request without carriers may hold what Anthropic did not make. Words are looked for
/// first, and few requests have them; where there are any, the blocks decide.
pub(super) fn may_be_foreign(body: &[u8], marks: Marks) -> bool {
    if marks.has(Marks::SEARCH_RESULT) && has_empty_search(body) {
        return true;
    }
    let is_suspect = match marks.has(Marks::SIGNATURE) {
        true => EMPTY_SIGNATURE.iter().any(|words| words.is_in(body)),
        // A loop that was begun elsewhere has no thinking to go on from.
        false => {
            marks.has(Marks::THINKING) || (marks.has(Marks::ENABLED) && marks.has(Marks::TOOL_USE))
        }
    };
    let is_suspect = is_suspect
        || marks.has(Marks::KIMI_ID)
        || (marks.has(Marks::REDACTED) && EMPTY_DATA.iter().any(|words| words.is_in(body)));
    is_suspect && Node::parse(body, DEPTH).is_ok_and(is_foreign)
}

fn is_foreign(request: Node<'_>) -> bool {
    let mut turns = Vec::new();
    for message in request.get("messages").into_iter().flat_map(Node::items) {
        let role = message.get_str("role");
        let is_model = role.as_deref() == Some("assistant");
        let mut turn = Turn::of(role.as_deref());
        let content = message.get("content");
        for (at, block) in content.into_iter().flat_map(Node::items).enumerate() {
            let kind = block.get_str("type").unwrap_or_default();
            let text = |key: &str| block.get_str(key).unwrap_or_default();
            let is_odd = match &*kind {
                "thinking" => text("signature").is_empty(),
                "redacted_thinking" => text("data").is_empty(),
                "tool_use" => !is_claude_id(&text("id")),
                "tool_result" => !is_claude_id(&text("tool_use_id")),
                "text" => is_model && text("text").trim().is_empty(),
                _ => false,
            };
            if is_odd {
                return true;
            }
            turn.see(at, &kind);
        }
        turns.push(turn);
    }
    let kind = request.get("thinking").and_then(|it| it.get_str("type"));
    kind.as_deref() == Some("enabled") && has_lost_thinking(&turns)
}

/// What a message is in a tool loop.
#[derive(Clone, Copy)]
enum Turn {
    /// The model's: whether thinking stands first, and whether it has calls.
    Model { begins: bool, calls: bool },
    /// The client's: whether it hands over results.
    User { results: bool },
    /// Instructions in between.
    Other,
}

impl Turn {
    fn of(role: Option<&str>) -> Self {
        match role {
            Some("assistant") => Self::Model {
                begins: false,
                calls: false,
            },
            Some("user") => Self::User { results: false },
            _ => Self::Other,
        }
    }

    fn see(&mut self, at: usize, kind: &str) {
        match self {
            Self::Model { begins, calls } => {
                *begins |= at == 0 && matches!(kind, "thinking" | "redacted_thinking");
                *calls |= kind == "tool_use";
            }
            Self::User { results } => *results |= kind == "tool_result",
            Self::Other => {}
        }
    }
}

/// Whether the open tool loop has calls and no thinking at all. Between the calls of a loop the model
/// need not think again.
fn has_lost_thinking(turns: &[Turn]) -> bool {
    let mut has_calls = false;
    for turn in turns.iter().rev() {
        match turn {
            Turn::Model { begins: true, .. } => return false,
            Turn::Model { calls, .. } => has_calls |= calls,
            Turn::User { results: false } => break,
            Turn::User { results: true } | Turn::Other => {}
        }
    }
    has_calls
}

pub(super) fn cleanse(request: &mut Tree<'_>, family: &str) -> bool {
    let mut any = false;
    let searches = empty_searches(request);
    let dropped = retain_blocks(request, |is_model, block| {
        let id = text_of(block, "id").or_else(|| text_of(block, "tool_use_id"));
        let is_search =
            is_type(block, "server_tool_use") || is_type(block, "web_search_tool_result");
        if is_search && id.is_some_and(|id| searches.contains(id)) {
            return false;
        }
        if is_type(block, "tool_use") {
            any |= fit_id(block, "id");
        } else if is_type(block, "tool_result") {
            any |= fit_id(block, "tool_use_id");
        } else if is_model && is_type(block, "text") {
            // The API refuses to be told that it has said nothing.
            return text_of(block, "text").is_some_and(|text| !text.trim().is_empty());
        }
        let carried = if is_type(block, "thinking") {
            text_of(block, "signature")
        } else if is_type(block, "redacted_thinking") {
            text_of(block, "data")
        } else {
            return true;
        };
        let Some(carried) = carried.filter(|text| !text.is_empty()) else {
            return false;
        };
        match state(carried, Format::Claude, family) {
            State::Native => true,
            State::Ours(opaque) => {
                any = true;
                restore_thinking(block, &opaque)
            }
            State::Foreign => false,
        }
    });
    any | dropped | begin_with_thinking(request)
}

/// The request without thinking.
pub(super) fn without_state(request: &mut Tree<'_>) -> bool {
    let is_thinking =
        |block: &Tree<'_>| is_type(block, "thinking") || is_type(block, "redacted_thinking");
    let any = retain_blocks(request, |_, block| !is_thinking(block));
    any | begin_with_thinking(request)
}

/// Another id for one that other providers take.
fn fit_id(block: &mut Tree<'_>, key: &str) -> bool {
    let id = text_of(block, key).unwrap_or_default();
    if is_claude_id(id) {
        return false;
    }
    let id = mapped_id(id);
    block.set(key.to_owned(), Tree::string(id));
    true
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

/// Keeps the blocks of messages that `keep` wants, which is told whether the model said it; a message
/// that nothing is left of goes too.
fn retain_blocks(
    request: &mut Tree<'_>,
    mut keep: impl FnMut(bool, &mut Tree<'_>) -> bool,
) -> bool {
    let mut any = false;
    let Some(messages) = items_mut(request, "messages") else {
        return false;
    };
    messages.retain_mut(|message| {
        let is_model = text_of(message, "role") == Some("assistant");
        let Some(blocks) = items_mut(message, "content") else {
            return true;
        };
        let before = blocks.len();
        blocks.retain_mut(|block| keep(is_model, block));
        any |= blocks.len() < before;
        before == 0 || !blocks.is_empty()
    });
    any
}

/// A thinking budget needs thinking in the open tool loop: without it, no thinking now.
fn begin_with_thinking(request: &mut Tree<'_>) -> bool {
    let is_enabled = request
        .get("thinking")
        .is_some_and(|thinking| is_type(thinking, "enabled"));
    if !is_enabled {
        return false;
    }
    let messages = request.get("messages").and_then(Tree::as_array);
    let turns: Vec<Turn> = messages
        .unwrap_or_default()
        .iter()
        .map(|message| {
            let mut turn = Turn::of(text_of(message, "role"));
            let blocks = message.get("content").and_then(Tree::as_array);
            for (at, block) in blocks.unwrap_or_default().iter().enumerate() {
                turn.see(at, text_of(block, "type").unwrap_or_default());
            }
            turn
        })
        .collect();
    has_lost_thinking(&turns) && request.remove("thinking").is_some()
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

/// The text behind each colon behind a key.
fn values<'b>(body: &'b [u8], key: &str) -> impl Iterator<Item = &'b [u8]> {
    let keys: Vec<usize> = memmem::find_iter(body, key.as_bytes())
        .map(|at| at + key.len())
        .collect();
    keys.into_iter().filter_map(|at| {
        let rest = body.get(at..)?.trim_ascii_start();
        Some(rest.strip_prefix(b":")?.trim_ascii_start())
    })
}

fn has_empty_search(body: &[u8]) -> bool {
    values(body, "\"encrypted_content\"").any(|value| value.starts_with(b"\"\""))
}
