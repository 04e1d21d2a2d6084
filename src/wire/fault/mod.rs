//! Reads any provider's error answer into a neutral fault.
//!
//! One reader for all formats, because formats do not keep to themselves: Gemini's OpenAI endpoint
//! answers with Google errors, self-hosted servers with FastAPI's, and a proxy in between with HTML.
//! The words they use for what went wrong do not contradict each other, so one table knows them all.

mod classify;
mod context_length;
mod report;
mod wait;

pub use context_length::{Dialect, phrase};
pub use wait::{go_duration, proto_duration};

use std::borrow::Cow;

use crate::chat::{Fault, FaultKind};

use report::Report;

/// Longer messages are cut: some servers echo the whole request.
const MAX_MESSAGE: usize = 2000;

/// The status of an error that came inside a stream, where no HTTP status tells anything.
pub const IN_STREAM: u16 = 200;

/// Reads an error answer: any body, also HTML or nothing.
pub fn decode(status: u16, body: &[u8]) -> Fault {
    let report = Report::read(body);
    let status = match report.number {
        Some(number) if status < 400 => number,
        _ => status,
    };
    let kind = classify::kind(&report, status);
    let reason = report.reason.as_deref().map(str::to_ascii_lowercase);
    Fault {
        kind,
        code: reason.map(Cow::Owned).or_else(|| report.code.map(owned)),
        message: report.message.map_or_else(
            || missing_message(kind, status),
            |message| Cow::Owned(presentable(&message)),
        ),
        param: report.param.map(owned),
        retry_after: report.retry_after,
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

fn missing_message(kind: FaultKind, status: u16) -> Cow<'static, str> {
    if status >= 400 {
        return Cow::Owned(format!("The provider answered with status {status}."));
    }
    Cow::Borrowed(match kind {
        FaultKind::Overloaded => "The provider is overloaded.",
        FaultKind::RateLimit => "The provider's rate limit is reached.",
        _ => "The provider reported an error without saying which.",
    })
}

/// A message as it may reach a client: cut, and without what looks like a key or an account's id.
fn presentable(message: &str) -> String {
    let end = message
        .char_indices()
        .nth(MAX_MESSAGE)
        .map_or(message.len(), |(end, _)| end);
    let is_part = |character: char| character.is_ascii_alphanumeric() || "-_*.".contains(character);
    let mut out = String::with_capacity(end);
    for piece in message[..end].split_inclusive(|character| !is_part(character)) {
        let word = piece.trim_end_matches(|character| !is_part(character));
        if is_secret(word) {
            out.push_str("***");
            out.push_str(&piece[word.len()..]);
        } else {
            out.push_str(piece);
        }
    }
    out
}

fn is_secret(word: &str) -> bool {
    const PREFIXES: [&str; 8] = [
        "sk-", "AIza", "gsk_", "xai-", "org-", "proj_", "ya29.", "eyJ",
    ];
    word.len() >= 10 && PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}

#[cfg(test)]
mod tests;
