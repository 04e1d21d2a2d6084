//! YAML text to a tree. The only file that knows which library reads YAML: `serde_yml` is deprecated,
//! a shim over a parser that is maintained, and is to be replaced here one day.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::tree::Node;

/// Reads `text`; nothing in it is an empty map. The error says where and why, without repeating
/// any of the text.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if let Some(line) = second_document(text) {
        return Err(format!(
            "line {line} begins a second document; there must be only one"
        ));
    }
    READINGS.set(0);
    let root: Root = match serde_yml::from_str(text) {
        Ok(root) => root,
        Err(error) => return Err(describe(&error.to_string(), error.location())),
    };
    match root.0 {
        Node::Null => Ok(Node::Map(Vec::new())),
        _ if READINGS.get() > 1 => {
            Err("tags (!name) and merge keys (<<) are not supported".to_owned())
        }
        node => Ok(node),
    }
}

/// The line on which a second document begins. The library reads the first one and leaves the rest
/// unread without a word. A marker at the beginning of a line is one even inside quotes.
fn second_document(text: &str) -> Option<usize> {
    let is_marker = |line: &str, marker: &str| {
        line.strip_prefix(marker)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
    };
    let (mut begun, mut ended) = (false, false);
    for (n, line) in text.lines().enumerate() {
        if is_marker(line, "...") {
            ended = true;
        } else if is_marker(line, "---") {
            if begun {
                return Some(n + 1);
            }
            begun = true;
        } else if !line.trim().is_empty() && !line.trim_start().starts_with(['#', '%']) {
            if ended {
                return Some(n + 1);
            }
            begun = true;
        }
    }
    None
}

thread_local! {
    /// How often the document under way was read. The library reads one that has tags or late merge
    /// keys a second time, from a tree in which duplicate keys are lost.
    static READINGS: Cell<u32> = const { Cell::new(0) };
}

/// The whole document.
struct Root(Node);

impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        READINGS.set(READINGS.get() + 1);
        Node::deserialize(deserializer).map(Self)
    }
}

fn describe(message: &str, location: Option<serde_yml::Location>) -> String {
    let reason = message
        .strip_prefix("YAML parse error")
        .map_or(message, |rest| {
            rest.split_once(": ").map_or(rest, |(_, reason)| reason)
        });
    let reason = match without_tokens(reason).trim() {
        "" => "cannot be read",
        reason => reason,
    };
    match location {
        Some(at) => format!(
            "not valid YAML at line {}, column {}: {reason}",
            at.line(),
            at.column()
        ),
        None => format!("not valid YAML: {reason}"),
    }
}

/// The part of a message before a token of the document: some messages go on with what was found, and
/// that may be a secret. Punctuation in quotes (`expected ',' or ']'`) is not one.
fn without_tokens(message: &str) -> &str {
    let bytes = message.as_bytes();
    let end = bytes.iter().enumerate().position(|(at, byte)| match byte {
        b'{' | b'(' | b'"' | b'`' | b':' => true,
        b'\'' => {
            let opens = bytes.get(at + 2) == Some(&b'\'');
            let closes = at >= 2 && bytes[at - 2] == b'\'';
            !opens && !closes
        }
        _ => false,
    });
    end.map_or(message, |end| &message[..end])
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, bool: bool) -> Result<Node, E> {
        Ok(Node::Bool(bool))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Node, E> {
        Ok(u64::try_from(number).map_or(Node::Signed(number), Node::Unsigned))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Unsigned(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_syntax_error_says_where_and_repeats_nothing() {
        for text in [
            "port: [1, 2\nhost: sk-secret\n",
            "api-keys: [sk-secret\nport: 1",
            "api-keys: *sk-secret\n",
            "a: 'sk-secret\n",
            "a: \"sk-secret\\q\"\n",
            "{sk-secret",
            "a: b: sk-secret",
            "\tsk-secret: 1",
            "- a\nsk-secret: 1",
            "a: !!int sk-secret",
        ] {
            let error = error(text);
            assert!(error.contains("not valid YAML"), "{text}: {error}");
            assert!(!error.contains("secret"), "{text}: {error}");
        }
        assert_eq!(
            error("a: [1, 2\nb: 3\n"),
            "not valid YAML at line 3, column 1: expected ',' or ']' in flow sequence"
        );
    }

    #[test]
    fn what_hides_duplicate_keys_is_refused() {
        for text in [
            "a: !mine {b: 1, b: 2}",
            "x: &x {b: 1}\ny: {c: 1, <<: *x, c: 2}",
        ] {
            assert_eq!(
                error(text),
                "tags (!name) and merge keys (<<) are not supported"
            );
        }
    }

    #[test]
    fn a_document_may_be_dressed_up() {
        for text in [
            "",
            "---\n",
            "# only this\n",
            "---\nport: 1\n...\n",
            "%YAML 1.2\n---\nport: 1\n",
            "\u{FEFF}port: 1\r\nhost: x\r\n",
            "{\"port\": 1, \"host\": \"x\"}",
        ] {
            assert!(matches!(parse(text), Ok(Node::Map(_))), "{text:?}");
        }
    }

    #[test]
    fn a_second_document_is_an_error() {
        for (text, line) in [
            ("port: 1\n---\nport: 2\n", 2),
            ("---\nport: 1\n--- {port: 2}\n", 3),
            ("port: 1\n...\nport: 2\n", 3),
        ] {
            let want = format!("line {line} begins a second document; there must be only one");
            assert_eq!(error(text), want);
        }
    }

    #[test]
    fn anchors_are_followed() {
        let Ok(Node::Map(entries)) = parse("a: &a [1, -2, x]\nb: *a\n") else {
            panic!("no map");
        };
        assert!(matches!(&entries[1].1, Node::List(items) if items.len() == 3));
    }
}
