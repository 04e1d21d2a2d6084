//! One change of a JSON document: its text with a piece put in, replaced or taken out, and every other
//! byte as it was.

use std::ops::Range;

use super::path::{Path, Step};
use crate::wire::camel;
use crate::wire::json::{Kind, Node, quote};

/// A document that is edited, and how its keys are spelled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a> {
    text: &'a str,
    /// A key is found as `maxTokens` and as `max_tokens`.
    either_case: bool,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a, 'p> {
    /// This value.
    Value(Node<'a>),
    /// A container has no such member or element; here begins what is missing.
    Missing(Node<'a>, &'p [Step]),
    /// There is `null` where a container should be.
    Null(Node<'a>, &'p [Step]),
    /// Through a text, a number, an index far behind the end.
    Nowhere,
}

impl<'a> Document<'a> {
    /// `text` must have been checked to be JSON.
    pub(super) const fn new(text: &'a str, either_case: bool) -> Self {
        Self { text, either_case }
    }

    /// What `path` leads to. Of a repeated key the last one counts.
    pub(super) fn find<'p>(self, path: &'p Path) -> Found<'a, 'p> {
        self.walk(path.steps())
    }

    fn walk<'p>(self, steps: &'p [Step]) -> Found<'a, 'p> {
        let mut at = Node::trusted(self.text);
        for (n, step) in steps.iter().enumerate() {
            let rest = &steps[n..];
            let next = match (at.kind(), step) {
                (Kind::Object, _) => {
                    let mut found = None;
                    for (name, value) in at.members() {
                        if self.is_same(&name, step.key()) {
                            found = Some(value);
                        }
                    }
                    found
                }
                (Kind::Array, Step::Index(index, _)) => {
                    let mut length = 0;
                    let found = at.items().inspect(|_| length += 1).nth(*index);
                    if found.is_none() && length < *index {
                        return Found::Nowhere;
                    }
                    found
                }
                (Kind::Array, Step::Append) => None,
                (Kind::Null, _) => return Found::Null(at, rest),
                _ => return Found::Nowhere,
            };
            match next {
                Some(value) => at = value,
                None => return Found::Missing(at, rest),
            }
        }
        Found::Value(at)
    }

    /// All of it.
    pub(super) fn root(self) -> Node<'a> {
        Node::trusted(self.text)
    }

    /// The member `key` of an object, `null` too. Of a repeated key the last one counts.
    pub(super) fn member(self, object: Node<'a>, key: &str) -> Option<Node<'a>> {
        let members = object.members();
        let same = members.filter(|(name, _)| self.is_same(name, key));
        same.last().map(|(_, value)| value)
    }

    /// The document with another piece in the place of `node`.
    pub(super) fn replace(self, node: Node<'a>, piece: &str) -> String {
        self.with(self.place(node), piece)
    }

    /// The document with one more member at the end of `object`.
    pub(super) fn put(self, object: Node<'a>, key: &str, value: &str) -> String {
        self.append(object, &format!("{}:{value}", quote(key)))
    }

    /// The document with one more element at the front of `array`.
    pub(super) fn prepend(self, array: Node<'a>, element: &str) -> String {
        let at = self.place(array).start + 1;
        let comma = if array.items().next().is_some() {
            ","
        } else {
            ""
        };
        self.with(at..at, &format!("{element}{comma}"))
    }

    /// The document with more text at the front of `string`; `escaped` is as JSON writes it.
    pub(super) fn prefix(self, string: Node<'a>, escaped: &str) -> String {
        let at = self.place(string).start + 1;
        self.with(at..at, escaped)
    }

    /// The document with `value` at `path`, if there is nothing yet.
    pub(super) fn default(self, path: &Path, value: &str) -> Option<String> {
        match self.find(path) {
            Found::Missing(container, rest) => self.insert(container, rest, value),
            Found::Value(_) | Found::Null(..) | Found::Nowhere => None,
        }
    }

    /// The document with `value` at `path`, whatever is there. `None`: it leads nowhere.
    pub(super) fn set(self, path: &Path, value: &str) -> Option<String> {
        match self.find(path) {
            Found::Value(old) => Some(self.with(self.place(old), value)),
            Found::Missing(container, rest) => self.insert(container, rest, value),
            Found::Null(old, rest) => Some(self.with(self.place(old), &wrapped(rest, value)?)),
            Found::Nowhere => None,
        }
    }

    /// The document without what is at `path`, every time that it is there.
    pub(super) fn remove(self, path: &Path) -> Option<String> {
        let (last, parent) = path.steps().split_last()?;
        let Found::Value(parent) = self.walk(parent) else {
            return None;
        };
        let goes: Vec<bool> = match (parent.kind(), last) {
            (Kind::Object, _) => {
                let names = parent.members().map(|(name, _)| name);
                names.map(|name| self.is_same(&name, last.key())).collect()
            }
            (Kind::Array, Step::Index(index, _)) => {
                let items = parent.items().enumerate();
                items.map(|(at, _)| at == *index).collect()
            }
            _ => return None,
        };
        goes.contains(&true)
            .then(|| self.without(&self.pieces(parent), &goes))
    }

    /// The document without those of `pieces` that go, each with the comma on one side of it.
    pub(super) fn without(self, pieces: &[Range<usize>], goes: &[bool]) -> String {
        let mut out = String::with_capacity(self.text.len());
        let mut at = 0;
        // Behind the last one that stays there is no comma.
        let tail = goes.iter().rposition(|goes| !goes).map_or(0, |at| at + 1);
        for (pair, _) in pieces
            .windows(2)
            .zip(goes)
            .take(tail)
            .filter(|(_, goes)| **goes)
        {
            out.push_str(&self.text[at..pair[0].start]);
            at = pair[1].start;
        }
        if let (Some(first), Some(last)) = (pieces.get(tail), pieces.last()) {
            let start = tail
                .checked_sub(1)
                .and_then(|at| pieces.get(at))
                .map_or(first.start, |stays| stays.end);
            out.push_str(&self.text[at..start]);
            at = last.end;
        }
        out.push_str(&self.text[at..]);
        out
    }

    /// Where the members or elements of a container stand.
    pub(super) fn pieces(self, container: Node<'a>) -> Vec<Range<usize>> {
        if container.kind() == Kind::Array {
            return container.items().map(|item| self.place(item)).collect();
        }
        let mut members = container.members();
        let pairs = std::iter::from_fn(|| members.pair());
        let piece = |(key, value): (Node<'a>, Node<'a>)| {
            let (key, value) = (self.place(key), self.place(value));
            key.start..value.end
        };
        pairs.map(piece).collect()
    }

    /// Puts what is missing at the end of `container`.
    fn insert(self, container: Node<'a>, rest: &[Step], value: &str) -> Option<String> {
        let (first, deeper) = rest.split_first()?;
        let value = wrapped(deeper, value)?;
        let piece = match container.kind() {
            Kind::Object => format!("{}:{value}", quote(first.key())),
            _ => value,
        };
        Some(self.append(container, &piece))
    }

    /// Puts a member or an element at the end of `container`.
    fn append(self, container: Node<'a>, piece: &str) -> String {
        match self.pieces(container).last() {
            Some(last) => self.with(last.end..last.end, &format!(",{piece}")),
            None => {
                let at = self.place(container).start + 1;
                self.with(at..at, piece)
            }
        }
    }

    /// Where `node`, which is a part of the text, stands in it.
    pub(super) fn place(self, node: Node<'a>) -> Range<usize> {
        let start = node.raw().as_ptr().addr() - self.text.as_ptr().addr();
        start..start + node.raw().len()
    }

    fn with(self, range: Range<usize>, piece: &str) -> String {
        [&self.text[..range.start], piece, &self.text[range.end..]].concat()
    }

    fn is_same(self, name: &str, wanted: &str) -> bool {
        name == wanted || (self.either_case && camel(name.into()) == camel(wanted.into()))
    }
}

/// `value` inside of the containers that `steps` lead through. A missing array has no element but the
/// first.
fn wrapped(steps: &[Step], value: &str) -> Option<String> {
    let mut out = value.to_owned();
    for step in steps.iter().rev() {
        out = match step {
            Step::Key(key) => format!("{{{}:{out}}}", quote(key)),
            Step::Index(0, _) | Step::Append => format!("[{out}]"),
            Step::Index(..) => return None,
        };
    }
    Some(out)
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
