//! Free text out of `{"input": "…"}`, while it comes in pieces.

use crate::wire::json::{Kind, Node, decode_escape};

use super::DEPTH;

/// Takes the arguments of a call and gives the text of their `input`. Arguments that begin otherwise
/// are given whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Input {
    /// What came and is not decoded: what stands before the text, an escape that is not complete.
    held: String,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Before the text.
    #[default]
    Before,
    /// In it.
    Inside,
    /// After it.
    After,
    /// There is none.
    Whole,
}

/// Whether text begins as it must.
enum Opening {
    /// It does; where the text begins.
    Here(usize),
    /// Not yet.
    Later,
    Never,
}

impl Input {
    /// Takes a piece and gives what is known of the text.
    pub(super) fn push(&mut self, piece: &str) -> String {
        let mut out = String::new();
        match self.state {
            State::After => return out,
            State::Whole => {
                self.held.push_str(piece);
                return out;
            }
            State::Inside => self.held.push_str(piece),
            State::Before => {
                self.held.push_str(piece);
                match opening(&self.held) {
                    Opening::Here(at) => {
                        self.held.drain(..at);
                        self.state = State::Inside;
                    }
                    Opening::Later => return out,
                    Opening::Never => {
                        self.state = State::Whole;
                        return out;
                    }
                }
            }
        }
        let used = self.decode(&mut out);
        self.held.drain(..used);
        out
    }

    /// What is left when the call is complete.
    pub(super) fn end(self) -> String {
        if !matches!(self.state, State::Before | State::Whole) {
            return String::new();
        }
        let Some(object) =
            Node::parse_any(&self.held, DEPTH).filter(|node| node.kind() == Kind::Object)
        else {
            return self.held;
        };
        let mut members = object.members();
        let text = match (members.next(), members.next()) {
            (None, _) => Some(String::new()),
            (Some((key, value)), None) if key == "input" => {
                value.str().map(std::borrow::Cow::into_owned)
            }
            _ => None,
        };
        text.unwrap_or(self.held)
    }

    /// Decodes as much as is complete, and says how much that is.
    fn decode(&mut self, out: &mut String) -> usize {
        let mut at = 0;
        while let Some(rest) = self.held.get(at..) {
            let Some(special) = rest.find(['"', '\\']) else {
                out.push_str(rest);
                return self.held.len();
            };
            let (text, special) = rest.split_at(special);
            out.push_str(text);
            at += text.len();
            if special.starts_with('"') {
                self.state = State::After;
                return self.held.len();
            }
            let Some((char, used)) = escape(special.as_bytes()) else {
                return at;
            };
            out.push(char);
            at += used;
            // An escape that is none may end inside of a character.
            while !self.held.is_char_boundary(at) {
                at += 1;
            }
        }
        self.held.len()
    }
}

/// Where the text begins in `{"input": "`.
fn opening(text: &str) -> Opening {
    let mut at = 0;
    for token in ["{", "\"input\"", ":", "\""] {
        let rest = text.get(at..).unwrap_or_default();
        let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        at += rest.len() - trimmed.len();
        if trimmed.starts_with(token) {
            at += token.len();
        } else if token.starts_with(trimmed) {
            return Opening::Later;
        } else {
            return Opening::Never;
        }
    }
    Opening::Here(at)
}

/// The character of an escape and its length; `None`: not all of it is there. What is no character is
/// U+FFFD.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    if let Some(decoded) = decode_escape(text) {
        return Some(decoded);
    }
    let is_unicode = *text.get(1)? == b'u';
    if !is_unicode {
        return Some(('\u{fffd}', 2));
    }
    let digits = text.get(2..)?;
    let hex = digits
        .iter()
        .take(4)
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    if hex < 4 {
        // Something else than a digit stands there, or nothing yet.
        return (digits.len() > hex).then_some(('\u{fffd}', 2 + hex));
    }
    // Half of a pair: the other half may still come.
    let is_leading = matches!(
        digits,
        [b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', ..]
    );
    let other = text.get(6..).unwrap_or_default();
    let may_come = match other {
        [] | [b'\\'] => true,
        [b'\\', b'u', digits @ ..] => digits.len() < 4 && digits.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    };
    (!(is_leading && may_come)).then_some(('\u{fffd}', 6))
}
