//! Answers, read: whole or as a stream.

mod held;
mod item;
mod more;
mod speech;
mod stream;
mod whole;

use std::borrow::Cow;
use std::sync::Arc;

use super::super::json::{Fields, Node};
use super::super::tally::Count;
use super::super::{Decode, Reply, Shape};
use super::decode::tier;
use crate::chat::{
    CacheWrites, Content, Fault, FaultKind, Odd, Part, Start, Stop, StopReason, ToolCall, Usage,
};

/// How deep an answer may nest.
const DEPTH: usize = 128;

/// Reads an answer that comes as `shape`.
pub(super) fn decoder(shape: Shape, reply: &Arc<Reply>) -> Box<dyn Decode> {
    match shape {
        Shape::Whole => Box::new(whole::Whole::new(reply)),
        Shape::Sse | Shape::JsonArray => Box::new(stream::Stream::new(reply)),
    }
}

/// How a response begins.
fn start<'a>(response: &Fields<'a>) -> Start<'a> {
    Start {
        id: response.get_str("id").filter(|id| !id.is_empty()),
        model: response.get_str("model").filter(|model| !model.is_empty()),
        created: response.get("created_at").and_then(seconds),
        usage: None,
        tier: response
            .get_str("service_tier")
            .and_then(|name| tier(&name)),
        fingerprint: None,
    }
}

/// Some servers write fractions of a second.
fn seconds(node: Node<'_>) -> Option<u64> {
    node.u64()
        .or_else(|| node.raw().split('.').next()?.parse().ok())
}

/// What a response has cost.
pub(super) fn usage(response: &Fields<'_>) -> Option<Usage> {
    let usage = Fields::of(response.get("usage")?);
    if usage.is_empty() {
        return None;
    }
    let number = |fields: &Option<Fields<'_>>, key: &str| {
        let number = fields.as_ref().and_then(|fields| fields.get(key)?.u64());
        number.unwrap_or(0)
    };
    let (input, output) = (
        usage.get("input_tokens_details").map(Fields::of),
        usage.get("output_tokens_details").map(Fields::of),
    );
    // Sound and pictures that a cache had are priced as what it had.
    let cached = input
        .as_ref()
        .and_then(|input| input.get("cached_tokens_details"));
    let cached = cached.map(Fields::of);
    let ttl = input
        .as_ref()
        .and_then(|input| input.get("cache_write_tokens_details"));
    let ttl = ttl.map(Fields::of);
    let within = |fields: &Option<Fields<'_>>, key: &str, what, odd: &mut Odd| {
        odd.count(fields.as_ref().and_then(|fields| fields.get(key)), what)
    };
    let mut odd = Odd::default();
    Some(Usage {
        input: odd.count(usage.get("input_tokens"), Odd::INPUT),
        cache_read: within(&input, "cached_tokens", Odd::CACHE_READ, &mut odd),
        cache_write: within(&input, "cache_write_tokens", Odd::CACHE_WRITE, &mut odd),
        cache_writes: ttl.is_some().then(|| CacheWrites {
            minutes30: number(&ttl, "ttl_30m_tokens"),
            hours12: number(&ttl, "ttl_12h_tokens"),
            ..CacheWrites::default()
        }),
        output: odd.count(usage.get("output_tokens"), Odd::OUTPUT),
        reasoning: within(&output, "reasoning_tokens", Odd::REASONING, &mut odd),
        audio_input: number(&input, "audio_tokens"),
        audio_output: number(&output, "audio_tokens"),
        image_input: number(&input, "image_tokens"),
        cached_audio: number(&cached, "audio_tokens"),
        cached_image: number(&cached, "image_tokens"),
        image_output: number(&output, "image_tokens"),
        exact: true,
        odd,
        ..Usage::default()
    })
}

/// What an answer was seen to hold: decides why it ended.
#[derive(Debug, Clone, Copy, Default)]
struct Saw {
    call: bool,
    text: bool,
    refusal: bool,
    compaction: bool,
}

impl Saw {
    fn part(&mut self, part: &Part<'_>) {
        match &part.content {
            Content::ToolCall(_) => self.call = true,
            Content::Text(text) => self.text |= !text.text.is_empty(),
            Content::Refusal(_) => self.refusal = true,
            Content::Native(native) => {
                let kind = Node::trusted(native.json.as_str());
                self.compaction |= kind.get_str("type").as_deref() == Some("compaction");
            }
            _ => {}
        }
    }
}

/// Why a response ended. `status` is the one that the document or the event says.
fn stop(response: &Fields<'_>, status: &str, saw: Saw) -> Stop<'static> {
    let reason = match status {
        "incomplete" => {
            let details = response.get("incomplete_details");
            let reason = details.and_then(|details| details.get_str("reason"));
            match reason.as_deref() {
                None | Some("max_output_tokens" | "max_messages" | "max_tokens") => {
                    StopReason::Length
                }
                Some("content_filter") => StopReason::Safety,
                Some("steered") => StopReason::Cancelled,
                Some(other) => StopReason::Other(other.to_owned()),
            }
        }
        "cancelled" => StopReason::Cancelled,
        _ if saw.call => StopReason::ToolUse,
        _ if saw.refusal && !saw.text => StopReason::Refusal,
        _ if saw.compaction && !saw.text => StopReason::Compaction,
        _ => StopReason::Stop,
    };
    Stop::new(reason)
}

/// Call ids that the client can tell apart.
#[derive(Debug)]
struct CallIds {
    reply: Arc<Reply>,
    given: Vec<String>,
}

impl CallIds {
    fn new(reply: &Arc<Reply>) -> Self {
        Self {
            reply: Arc::clone(reply),
            given: Vec::new(),
        }
    }

    /// The provider's id, unless it is missing or was given to another call.
    fn unique<'a>(&mut self, id: Cow<'a, str>) -> Cow<'a, str> {
        let id = if id.is_empty() || self.given.iter().any(|given| *given == id) {
            Cow::Owned(self.reply.id("call_", self.given.len()))
        } else {
            id
        };
        self.given.push(id.clone().into_owned());
        id
    }

    fn fix(&mut self, part: &mut Part<'_>) {
        if let Content::ToolCall(ToolCall { id, .. }) = &mut part.content {
            *id = self.unique(std::mem::take(id));
        }
    }
}

/// The error for an answer that cannot be used.
fn unusable(message: &'static str) -> Fault {
    Fault::new(FaultKind::BadUpstream, "bad_upstream", message)
}
