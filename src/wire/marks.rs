//! Marks that something in a request may be there which its provider would refuse. They are met while the
//! request's JSON is checked, so that nobody has to look through it again.

/// The words that were met. One that was written with an escape does not count: nobody writes them so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks(u16);

impl Marks {
    /// What every [carrier](super::carrier) holds, wherever it stands.
    pub const CARRIER: Self = Self(1);
    /// The same in base64.
    pub const CARRIER_IN_BASE64: Self = Self(1 << 1);
    /// `signature`.
    pub const SIGNATURE: Self = Self(1 << 2);
    /// `thinking`.
    pub const THINKING: Self = Self(1 << 3);
    /// `redacted_thinking`.
    pub const REDACTED: Self = Self(1 << 4);
    /// `enabled`.
    pub const ENABLED: Self = Self(1 << 5);
    /// `tool_use`.
    pub const TOOL_USE: Self = Self(1 << 6);
    /// `encrypted_content`.
    pub const SEARCH_RESULT: Self = Self(1 << 7);
    /// An id as Moonshot's models write them: `functions.…`.
    pub const KIMI_ID: Self = Self(1 << 8);
    /// A member of OpenAI Chat messages that OpenAI does not have: `reasoning…`, `thinking_blocks`,
    /// `extra_content`.
    pub const EXTENSION: Self = Self(1 << 9);

    /// What a key or a string, quotes included, is a mark of.
    #[inline]
    pub(super) fn of(quoted: &[u8]) -> Self {
        match quoted {
            [b'"', b'Y', b'W', b'l', b'w', b'M', b'S', ..] => Self::CARRIER_IN_BASE64,
            b"\"signature\"" => Self::SIGNATURE,
            b"\"thinking\"" => Self::THINKING,
            b"\"redacted_thinking\"" => Self::REDACTED,
            b"\"enabled\"" => Self::ENABLED,
            b"\"tool_use\"" => Self::TOOL_USE,
            b"\"encrypted_content\"" => Self::SEARCH_RESULT,
            b"\"thinking_blocks\"" | b"\"extra_content\"" => Self::EXTENSION,
            [b'"', b'f', ..] if quoted.starts_with(b"\"functions.") => Self::KIMI_ID,
            [b'"', b'r', ..] if quoted.starts_with(b"\"reasoning") => Self::EXTENSION,
            _ => Self::default(),
        }
    }

    /// Adds those of `other`.
    pub(super) const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether one of `other` was met.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::survey;

    #[test]
    fn only_the_words_themselves_are_marks() {
        for (document, mark) in [
            (r#"{"a":["x aip1 y"]}"#, Marks::CARRIER),
            (r#"{"__aip1_":1}"#, Marks::CARRIER),
            (r#"{"a":"YWlwMS4x"}"#, Marks::CARRIER_IN_BASE64),
            (r#"{"a":{"signature":""}}"#, Marks::SIGNATURE),
            (r#"{"type":"thinking"}"#, Marks::THINKING),
            (r#"{"type":"redacted_thinking"}"#, Marks::REDACTED),
            (r#"{"type":"enabled"}"#, Marks::ENABLED),
            (r#"{"type":"tool_use"}"#, Marks::TOOL_USE),
            (r#"{"encrypted_content":1}"#, Marks::SEARCH_RESULT),
            (r#"{"id":"functions.f:0"}"#, Marks::KIMI_ID),
            (r#"{"reasoning_details":[]}"#, Marks::EXTENSION),
            (
                r#"{"a":"xYWlwMS signature","b":"aip 1","c":"\"thinking\"","thinking ":"my functions."}"#,
                Marks::default(),
            ),
        ] {
            let survey = survey(document.as_bytes(), 9, true, |_| {}).unwrap();
            assert_eq!(survey.marks, mark, "{document}");
        }
    }
}
