//! The response object.

use super::super::super::Reply;
use super::super::super::json::{Node, ObjectWriter};
use crate::chat::{Json, Start, StopReason, Tier, Usage};

/// Longest tail of an answer's id that its items' ids repeat: ids have at most 64 characters.
const TAIL: usize = 48;

/// The members of the request that are repeated.
pub(in super::super) const ECHO: [&str; 18] = [
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// What all of an answer's response objects have in common.
pub(super) struct Head {
    id: String,
    model: String,
    created: u64,
    tier: Option<Tier>,
}

/// How an answer stands.
pub(super) enum Outcome {
    InProgress,
    Completed,
    /// Why it was cut.
    Incomplete(&'static str),
    /// The error.
    Failed(String),
}

impl Outcome {
    /// What an end comes to; `empty`: nothing was said.
    pub(super) fn of(reason: &StopReason, empty: bool) -> Self {
        match reason {
            StopReason::Length | StopReason::ContextWindow => Self::Incomplete("max_output_tokens"),
            StopReason::Safety | StopReason::Recitation => Self::Incomplete("content_filter"),
            StopReason::MalformedTool if empty => Self::Failed(
                r#"{"code":"server_error","message":"The model wrote a tool call that cannot be read."}"#
                    .to_owned(),
            ),
            _ => Self::Completed,
        }
    }

    pub(super) const fn is_cut(&self) -> bool {
        matches!(self, Self::Incomplete(_))
    }

    /// The event that tells of it.
    pub(super) const fn event(&self) -> &'static str {
        match self {
            Self::InProgress => "response.in_progress",
            Self::Completed => "response.completed",
            Self::Incomplete(_) => "response.incomplete",
            Self::Failed(_) => "response.failed",
        }
    }

    const fn status(&self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }
}

impl Head {
    pub(super) fn new(reply: &Reply, start: &Start<'_>) -> Self {
        let kept = |byte: &char| byte.is_ascii_alphanumeric() || matches!(byte, '_' | '-');
        let given: String = start
            .id
            .iter()
            .flat_map(|id| id.chars())
            .filter(kept)
            .collect();
        let bare = ["resp_", "chatcmpl-", "msg_"]
            .into_iter()
            .find_map(|prefix| given.strip_prefix(prefix))
            .unwrap_or(&given);
        let id = if bare.is_empty() {
            reply.id("resp_", 0)
        } else {
            format!("resp_{bare}")
        };
        Self {
            id,
            model: reply.model(start.model.as_deref().unwrap_or("")).to_owned(),
            created: start.created.unwrap_or(reply.now),
            tier: start.tier,
        }
    }

    /// The id of an item, the same whenever it is told of.
    pub(super) fn item_id(&self, prefix: &str, index: usize) -> String {
        let tail = self.id.strip_prefix("resp_").unwrap_or(&self.id);
        // The end of an id is what tells it from others.
        let from = tail.len().saturating_sub(TAIL);
        format!("{prefix}{}_{index}", tail.get(from..).unwrap_or_default())
    }

    /// Writes the members of a response object. `output` is the list of its items.
    pub(super) fn write(
        &self,
        reply: &Reply,
        outcome: &Outcome,
        output: &str,
        usage: Option<Usage>,
        o: &mut ObjectWriter<'_>,
    ) {
        let echo = |key: &str| reply.echo.get(key).map(Json::as_str);
        let repeat = |o: &mut ObjectWriter<'_>, key: &str, default: &str| {
            o.raw(key, echo(key).unwrap_or(default));
        };
        o.str("id", &self.id);
        o.str("object", "response");
        o.num("created_at", self.created);
        o.str("status", outcome.status());
        o.bool("background", false);
        match outcome {
            Outcome::Failed(error) => o.raw("error", error),
            _ => o.raw("error", "null"),
        }
        match outcome {
            Outcome::Incomplete(reason) => {
                o.object("incomplete_details", |o| o.str("reason", reason));
            }
            _ => o.raw("incomplete_details", "null"),
        }
        repeat(o, "instructions", "null");
        repeat(o, "max_output_tokens", "null");
        repeat(o, "max_tool_calls", "null");
        o.str("model", &self.model);
        o.raw("output", output);
        repeat(o, "parallel_tool_calls", "true");
        repeat(o, "previous_response_id", "null");
        repeat(o, "prompt_cache_key", "null");
        o.object("reasoning", |o| {
            with_defaults(
                echo("reasoning"),
                &[("effort", "null"), ("summary", "null")],
                o,
            );
        });
        repeat(o, "safety_identifier", "null");
        match (self.tier, echo("service_tier")) {
            (None, Some(asked)) if asked != "\"auto\"" => o.raw("service_tier", asked),
            (tier, _) => o.str("service_tier", tier_name(tier)),
        }
        o.bool("store", false);
        repeat(o, "temperature", "1");
        o.object("text", |o| {
            with_defaults(echo("text"), &[("format", r#"{"type":"text"}"#)], o);
        });
        repeat(o, "tool_choice", "\"auto\"");
        repeat(o, "tools", "[]");
        repeat(o, "top_logprobs", "0");
        repeat(o, "top_p", "1");
        repeat(o, "truncation", "\"disabled\"");
        match usage {
            Some(usage) => o.object("usage", |o| write_usage(&usage, o)),
            None => o.raw("usage", "null"),
        }
        repeat(o, "user", "null");
        repeat(o, "metadata", "{}");
    }
}

/// The members of an object, and those that it must have.
fn with_defaults(given: Option<&str>, defaults: &[(&str, &str)], o: &mut ObjectWriter<'_>) {
    let given = Node::trusted(given.unwrap_or("{}"));
    for (key, default) in defaults {
        o.raw(key, given.get(key).map_or(*default, Node::raw));
    }
    for (key, value) in given.members() {
        if !defaults.iter().any(|(name, _)| *name == key) {
            o.raw(&key, value.raw());
        }
    }
}

const fn tier_name(tier: Option<Tier>) -> &'static str {
    match tier {
        Some(Tier::Flex) => "flex",
        Some(Tier::Priority) => "priority",
        Some(Tier::Scale) => "scale",
        Some(Tier::Ultrafast) => "ultrafast",
        Some(Tier::Auto | Tier::Standard) | None => "default",
    }
}

/// Writes what it cost: always numbers.
fn write_usage(usage: &Usage, o: &mut ObjectWriter<'_>) {
    o.num("input_tokens", usage.input);
    o.object("input_tokens_details", |o| {
        o.num("cached_tokens", usage.cache_read);
        o.num("cache_write_tokens", usage.cache_write);
    });
    o.num("output_tokens", usage.output);
    o.object("output_tokens_details", |o| {
        o.num("reasoning_tokens", usage.reasoning);
    });
    o.num("total_tokens", usage.input.saturating_add(usage.output));
}
