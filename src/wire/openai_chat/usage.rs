//! What an answer cost, in this format's words.

use crate::chat::{Odd, Usage};
use crate::wire::json::{Fields, Node, ObjectWriter};
use crate::wire::tally::Count;

/// What a chunk or a whole answer says about its cost, wherever its server puts it.
pub(super) fn of(answer: &Fields<'_>) -> Option<Usage> {
    let usage = answer.get("usage");
    let usage = usage.or_else(|| answer.get("x_groq")?.get("usage"));
    usage.and_then(decode)
}

/// Reads `usage`. `None` for what says nothing.
pub(super) fn decode(node: Node<'_>) -> Option<Usage> {
    let usage = Fields::of(node);
    if usage.is_empty() {
        return None;
    }
    let details = |name| usage.get(name).map(Fields::of);
    let (prompt, completion) = (
        details("prompt_tokens_details"),
        details("completion_tokens_details"),
    );
    fn within<'a>(group: &Option<Fields<'a>>, name: &str) -> Option<Node<'a>> {
        group.as_ref()?.get(name)
    }
    let input = |name| within(&prompt, name).and_then(Node::u64).unwrap_or(0);
    // Sound and pictures that a cache had are priced as what it had.
    let cached_details = within(&prompt, "cached_tokens_details").map(Fields::of);
    let from_cache = |name| {
        within(&cached_details, name)
            .and_then(Node::u64)
            .unwrap_or(0)
    };
    let output = |name| within(&completion, name).and_then(Node::u64).unwrap_or(0);
    let cached = within(&prompt, "cached_tokens")
        .or_else(|| usage.get("prompt_cache_hit_tokens"))
        .or_else(|| usage.get("cached_tokens"));
    let written = within(&prompt, "cache_write_tokens");
    let thought = within(&completion, "reasoning_tokens");
    let mut odd = Odd::default();
    let (prompt, reasoning) = (
        odd.count(usage.get("prompt_tokens"), Odd::INPUT),
        odd.count(thought, Odd::REASONING),
    );
    let said = odd.count(usage.get("completion_tokens"), Odd::OUTPUT);
    // xAI counts reasoning beside the completion, and only its total tells.
    let sums = prompt
        .checked_add(said)
        .and_then(|sum| sum.checked_add(reasoning));
    let total = usage.get("total_tokens").and_then(Node::u64);
    let is_beside = reasoning > 0 && total.is_some() && total == sums;
    Some(Usage {
        input: prompt,
        cache_read: odd.count(cached, Odd::CACHE_READ),
        cache_write: odd.count(written, Odd::CACHE_WRITE),
        output: if is_beside { said + reasoning } else { said },
        reasoning,
        audio_input: input("audio_tokens"),
        audio_output: output("audio_tokens"),
        image_input: input("image_tokens"),
        cached_audio: from_cache("audio_tokens"),
        cached_image: from_cache("image_tokens"),
        image_output: output("image_tokens"),
        prediction_accepted: output("accepted_prediction_tokens"),
        prediction_rejected: output("rejected_prediction_tokens"),
        exact: true,
        odd,
        ..Usage::default()
    })
}

/// Writes `usage`. All members are there, so that no client has to look.
pub(super) fn write(o: &mut ObjectWriter<'_>, usage: &Usage) {
    let some = |o: &mut ObjectWriter<'_>, name: &str, count: u64| {
        if count > 0 {
            o.num(name, count);
        }
    };
    o.object("usage", |o| {
        o.num("prompt_tokens", usage.input);
        o.num("completion_tokens", usage.output);
        o.num("total_tokens", usage.input.saturating_add(usage.output));
        o.object("prompt_tokens_details", |o| {
            o.num("cached_tokens", usage.cache_read);
            o.num("audio_tokens", usage.audio_input);
            some(o, "cache_write_tokens", usage.cache_write);
            some(o, "image_tokens", usage.image_input);
        });
        o.object("completion_tokens_details", |o| {
            o.num("reasoning_tokens", usage.reasoning);
            o.num("audio_tokens", usage.audio_output);
            o.num("accepted_prediction_tokens", usage.prediction_accepted);
            o.num("rejected_prediction_tokens", usage.prediction_rejected);
            some(o, "image_tokens", usage.image_output);
        });
    });
}
