//! The formats, by their paths.

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Chat,
    Messages,
    Responses,
    Gemini,
}

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// An answer; whether it is streamed is told by the path, or else by the body.
    Answer { format: Format, streamed: bool },
    /// The mock's own counters and settings.
    Control,
    /// Nothing that exists.
    Unknown,
}

impl Format {
    /// All, in the order of their numbers.
    pub(super) const ALL: [Self; 4] = [Self::Chat, Self::Messages, Self::Responses, Self::Gemini];
}

impl Asked {
    /// Reads the target of a request line.
    pub(super) fn of(target: &[u8]) -> Self {
        let path = target
            .split(|byte| *byte == b'?')
            .next()
            .unwrap_or_default();
        let whole = |format| Self::Answer {
            format,
            streamed: false,
        };
        if path.ends_with(b"/chat/completions") {
            whole(Format::Chat)
        } else if path.ends_with(b"/messages") {
            whole(Format::Messages)
        } else if path.ends_with(b"/responses") {
            whole(Format::Responses)
        } else if path.ends_with(b":generateContent") {
            whole(Format::Gemini)
        } else if path.ends_with(b":streamGenerateContent") {
            Self::Answer {
                format: Format::Gemini,
                streamed: true,
            }
        } else if path == b"/_mock" {
            Self::Control
        } else {
            Self::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_formats() {
        let answer = |format, streamed| Asked::Answer { format, streamed };
        let gemini = "/v1beta/models/m:streamGenerateContent?alt=sse";
        for (target, want) in [
            ("/v1/chat/completions", answer(Format::Chat, false)),
            ("/v1/messages?beta=true", answer(Format::Messages, false)),
            ("/v1/responses", answer(Format::Responses, false)),
            ("/models/m:generateContent", answer(Format::Gemini, false)),
            (gemini, answer(Format::Gemini, true)),
            ("/_mock?chunks=3", Asked::Control),
            ("/v1/models", Asked::Unknown),
        ] {
            assert_eq!(Asked::of(target.as_bytes()), want, "{target}");
        }
    }
}
