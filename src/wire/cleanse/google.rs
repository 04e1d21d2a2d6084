//! Gemini: signatures on parts, in base64.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::{SENTINEL, State, items_mut, state};
use crate::wire::Format;
use crate::wire::json::Tree;

/// How a carrier begins in base64, right after the quote.
pub(super) const MARKER: &str = "\"YWlwMS";

const SPELLINGS: [&str; 2] = ["thoughtSignature", "thought_signature"];

pub(super) fn cleanse(request: &mut Tree<'_>, family: &str) -> bool {
    each_content(request, |parts| {
        let mut any = false;
        let mut calls = 0;
        parts.retain_mut(|part| {
            calls += usize::from(is_call(part));
            for key in SPELLINGS {
                let Some(text) = part.get(key).and_then(Tree::as_str).and_then(carried) else {
                    continue;
                };
                any = true;
                match state(&text, Format::Gemini, family) {
                    State::Native => {}
                    State::Ours(opaque) => {
                        part.set(key, Tree::string(opaque.data.into_owned()));
                    }
                    // Older models want no signatures.
                    State::Foreign if is_call(part) && calls == 1 && wants(family) => {
                        part.set(key, Tree::string(SENTINEL));
                    }
                    State::Foreign => {
                        part.remove(key);
                        return says_something(part);
                    }
                }
            }
            true
        });
        any
    })
}

/// Whether models of a family want a signature on a call.
fn wants(family: &str) -> bool {
    !matches!(family, "gemini-1" | "gemini-2")
}

pub(super) fn without_state(request: &mut Tree<'_>) -> bool {
    each_content(request, |parts| {
        let mut any = false;
        let mut calls = 0;
        parts.retain_mut(|part| {
            let mut is_signed = false;
            for key in SPELLINGS {
                is_signed |= part.remove(key).is_some();
            }
            any |= is_signed;
            if is_call(part) {
                calls += 1;
                if calls == 1 {
                    any = true;
                    part.set("thoughtSignature", Tree::string(SENTINEL));
                }
                return true;
            }
            let keeps = !is_thought(part) && (!is_signed || says_something(part));
            any |= !keeps;
            keeps
        });
        any
    })
}

/// Edits the parts of each content; one that nothing is left of goes.
fn each_content(
    request: &mut Tree<'_>,
    mut change: impl FnMut(&mut Vec<Tree<'_>>) -> bool,
) -> bool {
    // In the envelope of Code Assist the request is a member.
    let is_wrapped = request.get("contents").is_none() && request.get("request").is_some();
    let inner = if is_wrapped {
        request.get_mut("request")
    } else {
        Some(request)
    };
    let Some(contents) = inner.and_then(|inner| items_mut(inner, "contents")) else {
        return false;
    };
    let mut any = false;
    contents.retain_mut(|content| {
        let Some(parts) = items_mut(content, "parts") else {
            return true;
        };
        let before = parts.len();
        any |= change(parts);
        before == 0 || !parts.is_empty()
    });
    any
}

fn is_call(part: &Tree<'_>) -> bool {
    part.get("functionCall").is_some() || part.get("function_call").is_some()
}

fn is_thought(part: &Tree<'_>) -> bool {
    matches!(part.get("thought"), Some(Tree::Scalar(value)) if value == "true")
}

/// Whether a part is more than the place where a signature stood.
fn says_something(part: &Tree<'_>) -> bool {
    let text = part.get("text").and_then(Tree::as_str);
    !is_thought(part) && text != Some("")
}

/// The carrier in a signature, if it is one.
fn carried(signature: &str) -> Option<String> {
    let is_carrier = signature.starts_with(MARKER.trim_start_matches('"'));
    let bytes = is_carrier.then(|| {
        let standard = STANDARD.decode(signature);
        standard.or_else(|_| URL_SAFE.decode(signature))
    })?;
    // What is broken is a carrier all the same.
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Some(text.unwrap_or_else(|| crate::wire::carrier::PREFIX.to_owned()))
}
