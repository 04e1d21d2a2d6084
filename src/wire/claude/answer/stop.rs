//! Why an answer ended, in Anthropic's words.

use super::super::server;
use crate::chat::{Format, Stop, StopReason};
use crate::wire::json::{Fields, ObjectWriter};

/// Reads `stop_reason` and what belongs to it, from a message or the delta of one.
pub(super) fn read(of: &Fields<'_>) -> Option<Stop<'static>> {
    let word = of.get_str("stop_reason")?;
    let reason = match &*word {
        "end_turn" => StopReason::Stop,
        "stop_sequence" => StopReason::StopSequence,
        "tool_use" => StopReason::ToolUse,
        "max_tokens" => StopReason::Length,
        "model_context_window_exceeded" => StopReason::ContextWindow,
        "refusal" => StopReason::Refusal,
        "pause_turn" => StopReason::Pause,
        "compaction" => StopReason::Compaction,
        other => StopReason::Other(other.to_owned()),
    };
    let details = of.get("stop_details");
    let stop = Stop {
        reason,
        sequence: of.get_str("stop_sequence"),
        detail: details.and_then(|details| details.get_str("explanation")),
        native: details.map(server::native),
    };
    Some(stop.into_owned())
}

/// What an answer holds that decides about why it ended.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Held {
    /// A tool call.
    pub(super) call: bool,
    /// A refusal.
    pub(super) refusal: bool,
    /// A block of Anthropic's compaction.
    pub(super) compaction: bool,
}

/// Writes `stop_reason`, `stop_sequence` and `stop_details`.
pub(super) fn write(stop: &Stop<'_>, held: Held, o: &mut ObjectWriter<'_>) {
    let reason = match stop.reason {
        StopReason::Stop | StopReason::Other(_) if held.call => "tool_use",
        StopReason::Stop if held.refusal => "refusal",
        StopReason::Stop | StopReason::MalformedTool | StopReason::Other(_) => "end_turn",
        // The one reason that clients look for a value of.
        StopReason::StopSequence if stop.sequence.is_some() => "stop_sequence",
        StopReason::StopSequence => "end_turn",
        StopReason::ToolUse => "tool_use",
        StopReason::Compaction if held.compaction => "compaction",
        StopReason::Length | StopReason::Compaction => "max_tokens",
        StopReason::ContextWindow => "model_context_window_exceeded",
        StopReason::Refusal | StopReason::Safety | StopReason::Recitation => "refusal",
        StopReason::Pause => "pause_turn",
        StopReason::Cancelled => "end_turn",
    };
    o.str("stop_reason", reason);
    let sequence = stop.sequence.as_deref();
    let sequence = sequence.filter(|_| reason == "stop_sequence");
    o.str_or_null("stop_sequence", sequence);
    let native = stop.native.as_ref();
    if let Some(native) = native.filter(|native| native.format == Format::Claude) {
        o.raw("stop_details", native.json.as_str());
    } else if let (Some(detail), "refusal") = (&stop.detail, reason) {
        o.object("stop_details", |o| {
            o.str("type", "refusal");
            o.raw("category", "null");
            o.str("explanation", detail);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::{Node, object};

    fn written(stop: &Stop<'_>, held: Held) -> String {
        let mut out = Vec::new();
        object(&mut out, |o| write(stop, held, o));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_was_read_is_written() {
        for word in [
            "end_turn",
            "stop_sequence",
            "tool_use",
            "max_tokens",
            "model_context_window_exceeded",
            "refusal",
            "pause_turn",
            "compaction",
        ] {
            let sequence = if word == "stop_sequence" {
                "\"x\""
            } else {
                "null"
            };
            let text = format!(r#"{{"stop_reason":"{word}","stop_sequence":{sequence}}}"#);
            let held = Held {
                compaction: true,
                ..Held::default()
            };
            let stop = read(&Fields::of(Node::trusted(&text))).unwrap();
            assert_eq!(written(&stop, held), text);
        }
        let none = Fields::of(Node::trusted(r#"{"stop_reason":null}"#));
        assert_eq!(read(&none), None);
    }

    #[test]
    fn content_decides_where_the_reason_says_nothing() {
        let word = |reason, held| {
            let text = written(&Stop::new(reason), held);
            Node::trusted(&text)
                .get_str("stop_reason")
                .unwrap()
                .into_owned()
        };
        let call = Held {
            call: true,
            ..Held::default()
        };
        let refusal = Held {
            refusal: true,
            ..Held::default()
        };
        assert_eq!(word(StopReason::Stop, call), "tool_use");
        assert_eq!(word(StopReason::Length, call), "max_tokens");
        assert_eq!(word(StopReason::StopSequence, call), "end_turn");
        assert_eq!(word(StopReason::Stop, refusal), "refusal");
        assert_eq!(word(StopReason::Compaction, Held::default()), "max_tokens");
        assert_eq!(word(StopReason::Other("x".into()), call), "tool_use");
        let nothing = Held::default();
        assert_eq!(word(StopReason::Other("x".into()), nothing), "end_turn");
    }

    #[test]
    fn a_refusal_tells_why() {
        let stop = Stop {
            detail: Some("no".into()),
            ..Stop::new(StopReason::Safety)
        };
        assert_eq!(
            written(&stop, Held::default()),
            r#"{"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":null,"explanation":"no"}}"#
        );
    }
}
