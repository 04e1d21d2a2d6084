//! The operator's system prompt, before the client's or in its place.

use std::borrow::Cow;

use crate::chat::Format;
use crate::rewrite::edit::Document;
use crate::wire::json::{Kind, Node, escape_into, quote};

/// What the system says.
#[derive(Debug, Clone)]
pub struct System {
    /// The operator's text; never empty.
    pub text: Box<str>,
    /// It stands in the place of what the client has the system say, not before it.
    pub replaces: bool,
}

/// Between the operator's text and the client's, where both are one string.
const BETWEEN: &str = "\n\n";

impl System {
    /// The request with the operator's text in it; `None`: it has no place for it.
    pub(super) fn put(&self, text: &str, format: Format, counts: bool) -> Option<String> {
        let document = Document::new(text, format == Format::Gemini);
        match format {
            Format::Claude => {
                let cleared = self.cleared(text, "messages");
                Some(self.member(Document::new(&cleared, false), "system"))
            }
            Format::OpenAiResponses => {
                let cleared = self.cleared(text, "input");
                Some(self.member(Document::new(&cleared, false), "instructions"))
            }
            Format::OpenAiChat => {
                let cleared = self.cleared(text, "messages");
                self.message(Document::new(&cleared, false))
            }
            Format::Gemini => {
                let inner = document.member(document.root(), "generateContentRequest");
                let inner = inner.filter(|inner| inner.kind() == Kind::Object);
                match inner {
                    Some(inner) => Some(self.instruction(document, inner)),
                    None if counts => None,
                    None => Some(self.instruction(document, document.root())),
                }
            }
        }
    }

    /// The request without what the client has the system say in the list `key`, if that is replaced.
    fn cleared<'t>(&self, text: &'t str, key: &str) -> Cow<'t, str> {
        let cleared = self.replaces.then(|| without_system(text, key)).flatten();
        cleared.map_or(Cow::Borrowed(text), Cow::Owned)
    }

    /// As a member that is a string, or a list of blocks.
    fn member(&self, document: Document<'_>, key: &str) -> String {
        let old = document.member(document.root(), key);
        match old.map(|old| (old, old.kind())) {
            None => document.put(document.root(), key, &quote(&self.text)),
            Some((old, Kind::String)) if !self.replaces => self.before(document, old),
            Some((old, Kind::Array)) if !self.replaces => {
                document.prepend(old, &self.block("\"type\":\"text\","))
            }
            Some((old, _)) => document.replace(old, &quote(&self.text)),
        }
    }

    /// As a message, or at the front of the one that the conversation begins with.
    fn message(&self, document: Document<'_>) -> Option<String> {
        let messages = document.member(document.root(), "messages")?;
        if messages.kind() != Kind::Array {
            return None;
        }
        let first = messages.items().next();
        let content = first
            .filter(|first| is_system(*first))
            .and_then(|first| document.member(first, "content"));
        match content.map(|content| (content, content.kind())) {
            Some((content, Kind::String)) => return Some(self.before(document, content)),
            Some((content, Kind::Array)) => {
                return Some(document.prepend(content, &self.block("\"type\":\"text\",")));
            }
            _ => {}
        }
        // A model that knows developers should not hear from a system too.
        let mut roles = messages
            .items()
            .filter_map(|message| message.get_str("role"));
        let role = match roles.any(|role| role == "developer") {
            true => "developer",
            false => "system",
        };
        let message = format!("{{\"role\":\"{role}\",\"content\":{}}}", quote(&self.text));
        Some(document.prepend(messages, &message))
    }

    /// As the first part of Gemini's instruction, in the request `inner`.
    fn instruction(&self, document: Document<'_>, inner: Node<'_>) -> String {
        let part = self.block("");
        let whole = format!("{{\"parts\":[{part}]}}");
        let Some(old) = document.member(inner, "systemInstruction") else {
            return document.put(inner, "systemInstruction", &whole);
        };
        if self.replaces || old.kind() != Kind::Object {
            return document.replace(old, &whole);
        }
        match document
            .member(old, "parts")
            .map(|parts| (parts, parts.kind()))
        {
            Some((parts, Kind::Array)) => document.prepend(parts, &part),
            // One part may stand for a list of one.
            Some((parts, Kind::Object)) => {
                document.replace(parts, &format!("[{part},{}]", parts.raw()))
            }
            Some((parts, _)) => document.replace(parts, &format!("[{part}]")),
            None => document.put(old, "parts", &format!("[{part}]")),
        }
    }

    /// Before the text of a string.
    fn before(&self, document: Document<'_>, old: Node<'_>) -> String {
        let mut escaped = Vec::new();
        escape_into(&mut escaped, &self.text);
        if old.raw().len() > 2 {
            escape_into(&mut escaped, BETWEEN);
        }
        document.prefix(old, &String::from_utf8_lossy(&escaped))
    }

    fn block(&self, kind: &str) -> String {
        format!("{{{kind}\"text\":{}}}", quote(&self.text))
    }
}

fn is_system(message: Node<'_>) -> bool {
    message
        .get_str("role")
        .is_some_and(|role| matches!(&*role, "system" | "developer"))
}

/// The request without what system and developer say in the list `key`; `None`: they say nothing.
fn without_system(text: &str, key: &str) -> Option<String> {
    let document = Document::new(text, false);
    let list = document.member(document.root(), key)?;
    let goes: Vec<bool> = list.items().map(is_system).collect();
    goes.contains(&true)
        .then(|| document.without(&document.pieces(list), &goes))
}
