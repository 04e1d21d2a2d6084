//! `finishReason`: why an answer ended.

use std::borrow::Cow;

use super::super::super::json::Node;
use crate::chat::StopReason;

/// The names of the numbers that some transports send.
const NUMBERED: [&str; 10] = [
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
];

/// The name of a reason. `None`: it says that there is none yet.
pub(super) fn name(node: Node<'_>) -> Option<Cow<'_, str>> {
    let name = match node.u64() {
        Some(number) => {
            let named = usize::try_from(number).ok().and_then(|at| NUMBERED.get(at));
            named.map_or_else(
                || Cow::Owned(number.to_string()),
                |name| Cow::Borrowed(*name),
            )
        }
        None => node.str()?,
    };
    (!name.is_empty() && !name.ends_with("_UNSPECIFIED")).then_some(name)
}

/// What a reason means in an answer with or without calls.
pub(super) fn read(name: &str, has_calls: bool) -> StopReason {
    match name {
        "STOP" | "UNEXPECTED_TOOL_CALL" if has_calls => StopReason::ToolUse,
        "STOP" => StopReason::Stop,
        "MAX_TOKENS" | "CONTINUATION" => StopReason::Length,
        "SAFETY"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "LANGUAGE"
        | "ESCALATION"
        | "MODEL_ARMOR"
        | "PUP_LIMITED_DISABLED" => StopReason::Safety,
        "RECITATION" | "IMAGE_RECITATION" => StopReason::Recitation,
        "MALFORMED_FUNCTION_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL" => StopReason::MalformedTool,
        other => StopReason::Other(other.to_owned()),
    }
}

/// The name of a reason.
pub(super) fn write(reason: &StopReason) -> &str {
    match reason {
        StopReason::Stop
        | StopReason::StopSequence
        | StopReason::ToolUse
        | StopReason::Pause
        | StopReason::Compaction => "STOP",
        StopReason::Length | StopReason::ContextWindow => "MAX_TOKENS",
        StopReason::Refusal | StopReason::Safety => "SAFETY",
        StopReason::Recitation => "RECITATION",
        StopReason::MalformedTool => "MALFORMED_FUNCTION_CALL",
        StopReason::Other(name) if matches!(&**name, "NO_IMAGE" | "IMAGE_OTHER") => name,
        StopReason::Other(_) | StopReason::Cancelled => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_and_written() {
        for (raw, has_calls, want, written) in [
            ("\"STOP\"", false, StopReason::Stop, "STOP"),
            ("\"STOP\"", true, StopReason::ToolUse, "STOP"),
            ("1", false, StopReason::Stop, "STOP"),
            ("2", true, StopReason::Length, "MAX_TOKENS"),
            (
                "9",
                false,
                StopReason::MalformedTool,
                "MALFORMED_FUNCTION_CALL",
            ),
            ("\"SPII\"", false, StopReason::Safety, "SAFETY"),
            (
                "\"IMAGE_RECITATION\"",
                false,
                StopReason::Recitation,
                "RECITATION",
            ),
            (
                "\"UNEXPECTED_TOOL_CALL\"",
                true,
                StopReason::ToolUse,
                "STOP",
            ),
            (
                "\"UNEXPECTED_TOOL_CALL\"",
                false,
                StopReason::MalformedTool,
                "MALFORMED_FUNCTION_CALL",
            ),
            (
                "\"NO_IMAGE\"",
                false,
                StopReason::Other("NO_IMAGE".into()),
                "NO_IMAGE",
            ),
            ("77", false, StopReason::Other("77".into()), "OTHER"),
        ] {
            let reason = read(&name(Node::trusted(raw)).unwrap(), has_calls);
            assert_eq!(reason, want, "{raw}");
            assert_eq!(write(&reason), written, "{raw}");
        }
        for raw in ["0", "\"\"", "\"FINISH_REASON_UNSPECIFIED\"", "null"] {
            assert_eq!(name(Node::trusted(raw)), None, "{raw}");
        }
    }
}
