//! What an answer cost, in this format's words.

use crate::chat::Usage;
use crate::wire::json::{Fields, Node, ObjectWriter};

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
    let within = |group: &Option<Fields<'_>>, name| group.as_ref()?.get(name)?.u64();
    let count = |name| usage.get(name).and_then(Node::u64);
    let input = |name| within(&prompt, name);
    let output = |name| within(&completion, name).unwrap_or(0);
    let cached = input("cached_tokens")
        .or_else(|| count("prompt_cache_hit_tokens"))
        .or_else(|| count("cached_tokens"));
    Some(Usage {
        input: count("prompt_tokens").unwrap_or(0),
        cache_read: cached.unwrap_or(0),
        cache_write: input("cache_write_tokens").unwrap_or(0),
        output: count("completion_tokens").unwrap_or(0),
        reasoning: output("reasoning_tokens"),
        audio_input: input("audio_tokens").unwrap_or(0),
        audio_output: output("audio_tokens"),
        image_input: input("image_tokens").unwrap_or(0),
        image_output: output("image_tokens"),
        prediction_accepted: output("accepted_prediction_tokens"),
        prediction_rejected: output("rejected_prediction_tokens"),
        exact: true,
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
