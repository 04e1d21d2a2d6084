//! Paths to values of a body: `generationConfig.stopSequences.0`.

use std::fmt;

/// Keys and array indices from the root, compiled.
///
/// Parts are set apart by dots. A whole number is an index where it meets an array and a key where it
/// meets an object; `-1` is the place behind the last element. A backslash makes the character behind
/// it an ordinary one, and its part a key: `a\.b`, `\0`.
#[derive(Clone, PartialEq, Eq)]
pub struct Path {
    text: Box<str>,
    steps: Box<[Step]>,
}

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of an object.
    Key(Box<str>),
    /// An index from 0, or the key that is spelled so.
    Index(usize, Box<str>),
    /// Behind the last element of an array, or the key `-1`.
    Append,
}

/// Why a path cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Nothing in it.
    #[error("a path must not be empty")]
    Empty,
    /// Two dots, or one at an end.
    #[error("path '{0}' has an empty part")]
    EmptyPart(Box<str>),
    /// A backslash with nothing behind it.
    #[error("path '{0}' ends in a backslash")]
    Escape(Box<str>),
    /// A query of other gateways.
    #[error("path '{0}' has a '{1}', which has no meaning here; write '\\{1}' for the character")]
    Query(Box<str>, char),
}

impl Path {
    /// Compiles `text`.
    pub fn try_new(text: &str) -> Result<Self, InvalidPath> {
        if text.is_empty() {
            return Err(InvalidPath::Empty);
        }
        let mut steps = Vec::new();
        let (mut part, mut is_plain) = (String::new(), true);
        let mut chars = text.chars();
        loop {
            match chars.next() {
                next @ (None | Some('.')) => {
                    if part.is_empty() {
                        return Err(InvalidPath::EmptyPart(text.into()));
                    }
                    steps.push(Step::of(std::mem::take(&mut part), is_plain));
                    is_plain = true;
                    if next.is_none() {
                        break;
                    }
                }
                Some('\\') => {
                    let escaped = chars.next();
                    part.push(escaped.ok_or_else(|| InvalidPath::Escape(text.into()))?);
                    is_plain = false;
                }
                Some(char @ ('*' | '?' | '#' | '|')) => {
                    return Err(InvalidPath::Query(text.into(), char));
                }
                Some('@') if part.is_empty() => return Err(InvalidPath::Query(text.into(), '@')),
                Some(char) => part.push(char),
            }
        }
        Ok(Self {
            text: text.into(),
            steps: steps.into(),
        })
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it leads to what the gateway itself decides by: the model's name and whether the answer
    /// is streamed.
    pub fn is_protected(&self) -> bool {
        matches!(self.steps.first(), Some(Step::Key(key)) if matches!(&**key, "model" | "stream"))
    }

    /// Whether it leads behind the end of an array.
    pub fn appends(&self) -> bool {
        self.steps.contains(&Step::Append)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl Step {
    fn of(part: String, is_plain: bool) -> Self {
        if is_plain && part == "-1" {
            return Self::Append;
        }
        let is_number = is_plain && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = is_number && (part == "0" || !part.starts_with('0'));
        match part.parse() {
            Ok(index) if is_number => Self::Index(index, part.into()),
            _ => Self::Key(part.into()),
        }
    }

    /// It as a key of an object.
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Key(key) | Self::Index(_, key) => key,
            Self::Append => "-1",
        }
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> Step {
        Step::Key(key.into())
    }

    #[test]
    fn parts_are_keys_indices_and_ends() {
        for (text, want) in [
            ("a", vec![key("a")]),
            ("a.b c.é", vec![key("a"), key("b c"), key("é")]),
            ("a.0", vec![key("a"), Step::Index(0, "0".into())]),
            ("10.-1", vec![Step::Index(10, "10".into()), Step::Append]),
            (r"a\.b.\0.\-1", vec![key("a.b"), key("0"), key("-1")]),
            (r"\*.a@b.\\", vec![key("*"), key("a@b"), key("\\")]),
            ("01.-2.1a", vec![key("01"), key("-2"), key("1a")]),
            (
                "99999999999999999999999",
                vec![key("99999999999999999999999")],
            ),
        ] {
            assert_eq!(*Path::try_new(text).unwrap().steps, *want, "{text}");
        }
    }

    #[test]
    fn bad_paths_are_refused() {
        for (text, want) in [
            ("", "a path must not be empty"),
            (".", "path '.' has an empty part"),
            ("a..b", "path 'a..b' has an empty part"),
            ("a.", "path 'a.' has an empty part"),
            ("a\\", "path 'a\\' ends in a backslash"),
            (
                "tools.#.type",
                "path 'tools.#.type' has a '#', which has no meaning here; write '\\#' for the character",
            ),
            (
                "@this",
                "path '@this' has a '@', which has no meaning here; write '\\@' for the character",
            ),
        ] {
            assert_eq!(Path::try_new(text).unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn the_model_and_the_stream_flag_are_protected() {
        for (text, want) in [
            ("model", true),
            ("stream", true),
            (r"\model", true),
            ("model.x", true),
            ("stream_options", false),
            ("a.model", false),
        ] {
            assert_eq!(Path::try_new(text).unwrap().is_protected(), want, "{text}");
        }
    }
}
