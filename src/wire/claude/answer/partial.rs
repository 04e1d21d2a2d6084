//! Blocks that only Anthropic has, put together from their start and their deltas.

use super::super::server;
use crate::chat::Part;
use crate::wire::json::{Node, ObjectWriter, object};

/// A block that comes in pieces and goes on as one.
#[derive(Debug)]
pub(super) struct Partial {
    kind: String,
    start: String,
    input: String,
    /// Members that deltas brought. Text goes on, anything else replaces.
    members: Vec<(String, Member)>,
}

#[derive(Debug)]
enum Member {
    Text(String),
    Json(String),
}

impl Member {
    fn write(&self, key: &str, o: &mut ObjectWriter<'_>) {
        match self {
            Self::Text(text) => o.str(key, text),
            Self::Json(json) => o.raw(key, json),
        }
    }
}

impl Partial {
    pub(super) fn new(kind: &str, block: Node<'_>) -> Self {
        Self {
            kind: kind.to_owned(),
            start: block.raw().to_owned(),
            input: String::new(),
            members: Vec::new(),
        }
    }

    /// Takes a delta.
    pub(super) fn push(&mut self, delta: Node<'_>) {
        for (key, value) in delta.members() {
            match (&*key, value.str()) {
                ("type", _) => {}
                ("partial_json", Some(text)) => self.input.push_str(&text),
                (_, Some(more)) => match self.member(&key) {
                    Some(Member::Text(text)) => text.push_str(&more),
                    Some(other) => *other = Member::Text(more.into_owned()),
                    None => {
                        let start = Node::trusted(&self.start).get_str(&key);
                        let text = start.unwrap_or_default().into_owned() + &more;
                        self.members.push((key.into_owned(), Member::Text(text)));
                    }
                },
                (_, None) if value.is_null() => {}
                (_, None) => {
                    let json = Member::Json(value.raw().to_owned());
                    match self.member(&key) {
                        Some(other) => *other = json,
                        None => self.members.push((key.into_owned(), json)),
                    }
                }
            }
        }
    }

    fn member(&mut self, key: &str) -> Option<&mut Member> {
        let found = self.members.iter_mut().find(|(name, _)| name == key);
        found.map(|(_, member)| member)
    }

    /// The whole block.
    pub(super) fn finish(self) -> Part<'static> {
        let mut members = self.members;
        if !self.input.is_empty() {
            let input = server::input(&self.input).into_owned();
            members.push(("input".to_owned(), Member::Json(input)));
        }
        if members.is_empty() {
            let block = Node::trusted(&self.start);
            return Part::new(server::read(&self.kind, block)).into_owned();
        }
        let mut out = Vec::new();
        object(&mut out, |o| {
            for (key, value) in Node::trusted(&self.start).members() {
                let later = members.iter().position(|(name, _)| *name == key);
                match later.map(|at| members.remove(at).1) {
                    Some(member) => member.write(&key, o),
                    None => o.raw(&key, value.raw()),
                }
            }
            for (key, member) in &members {
                member.write(key, o);
            }
        });
        let block = String::from_utf8(out).unwrap_or_default();
        Part::new(server::read(&self.kind, Node::trusted(&block))).into_owned()
    }
}
