//! Why an answer ended, in this format's words.

use crate::chat::StopReason;

/// What else an answer tells about its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    /// It has calls for the client.
    pub(super) calls: bool,
    /// It has a refusal.
    pub(super) refusal: bool,
}

/// What a `finish_reason` means. It is not always true to what came before it.
pub(super) fn decode(reason: &str, said: Said) -> StopReason {
    match reason {
        "stop" | "eos" | "eos_token" | "end_turn" | "tool_calls" | "function_call" | "tool_use" => {
            natural(said)
        }
        "stop_sequence" => StopReason::StopSequence,
        "length" | "max_tokens" | "model_length" => StopReason::Length,
        "content_filter" | "safety" => StopReason::Safety,
        "refusal" => StopReason::Refusal,
        "abort" | "cancelled" => StopReason::Cancelled,
        // Agents act on calls only where the reason says so.
        _ if said.calls => StopReason::ToolUse,
        other => StopReason::Other(other.to_owned()),
    }
}

/// The end of an answer that was done.
pub(super) const fn natural(said: Said) -> StopReason {
    if said.calls {
        StopReason::ToolUse
    } else if said.refusal {
        StopReason::Refusal
    } else {
        StopReason::Stop
    }
}

/// The `finish_reason` for an end. `legacy`: calls are written as `function_call`.
pub(super) const fn encode(reason: &StopReason, legacy: bool) -> &'static str {
    match reason {
        StopReason::ToolUse if legacy => "function_call",
        StopReason::ToolUse => "tool_calls",
        StopReason::Length | StopReason::ContextWindow | StopReason::Compaction => "length",
        StopReason::Safety | StopReason::Recitation => "content_filter",
        StopReason::Stop
        | StopReason::StopSequence
        | StopReason::Refusal
        | StopReason::Pause
        | StopReason::MalformedTool
        | StopReason::Cancelled
        | StopReason::Other(_) => "stop",
    }
}
