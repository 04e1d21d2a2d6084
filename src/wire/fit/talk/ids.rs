//! Ids of calls in the characters and the length that the target takes.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::chat::{Content, Format, Request};
use crate::wire::Profile;

/// Maps the ids of calls and of their results alike.
pub(super) fn fit(request: &mut Request<'_>, target: Format) {
    map(request, |id| is_valid(id, target));
}

/// Maps the ids that the Codex backend hands out and then refuses, where that is asked for.
pub(super) fn fit_own(request: &mut Request<'_>, profile: &Profile) {
    if request.origin == Format::OpenAiResponses && profile.responses.fix_long_call_ids {
        map(request, |id| is_valid(id, Format::OpenAiResponses));
    }
}

/// Another id for `id`: always the same, and valid everywhere.
pub(in crate::wire) fn mapped(id: &str) -> String {
    let digest = Sha256::digest(id.as_bytes());
    let mut out = String::with_capacity(26);
    out.push_str("t_");
    for five in digest.chunks_exact(5).take(3) {
        let bits = five
            .iter()
            .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        out.extend((0..8).rev().map(|place| digit(bits >> (5 * place) & 31)));
    }
    out
}

/// A digit of base 32 (RFC 4648, small letters).
fn digit(value: u64) -> char {
    let value = u8::try_from(value).unwrap_or_default();
    char::from(if value < 26 {
        b'a' + value
    } else {
        b'2' + (value - 26)
    })
}

fn is_valid(id: &str, target: Format) -> bool {
    let length = id.chars().count();
    match target {
        Format::OpenAiChat => (1..=40).contains(&length),
        Format::OpenAiResponses => (1..=64).contains(&length),
        Format::Claude => is_claude_id(id),
        Format::Gemini => true,
    }
}

/// Whether Anthropic takes it as the id of a call.
pub(in crate::wire) fn is_claude_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !id.is_empty() && id.bytes().all(is_plain)
}

fn map(request: &mut Request<'_>, is_valid: impl Fn(&str) -> bool) {
    for part in request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        let id = match &mut part.content {
            Content::ToolCall(call) => &mut call.id,
            Content::ToolResult(result) => &mut result.call,
            _ => continue,
        };
        if !is_valid(id) {
            *id = Cow::Owned(mapped(id));
        }
    }
}
