//! What an answer has cost so far, read from what passes.
//!
//! Only events with the word are read, and where each of them says all, only the last.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::event::unframe;
use super::json::{Node, TopLevel};
use super::{Format, Shape, codec};
use crate::chat::{Odd, Usage};

/// What every format's name for it begins with.
static WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage"));
/// How deep an answer may nest.
const DEPTH: usize = 512;
/// A longer event is read at once.
const KEPT: usize = 16 << 10;
/// The names of whole documents' members that hold it.
const NAMES: &[&str] = &["usage", "usageMetadata", "usage_metadata"];

/// What an answer has cost so far.
#[derive(Debug)]
pub struct Tally {
    format: Format,
    said: Option<Usage>,
    /// The last event with the word, if it is not in `said` yet.
    latest: Vec<u8>,
    /// Looks through a document that passes in pieces.
    pieces: Option<Box<TopLevel>>,
}

impl Tally {
    /// Of an answer in `format`, of which nothing has come yet.
    pub const fn new(format: Format) -> Self {
        Self {
            format,
            said: None,
            latest: Vec::new(),
            pieces: None,
        }
    }

    /// What it has cost so far, if its provider said anything.
    pub fn usage(&self) -> Option<Usage> {
        match self.latest.is_empty() {
            true => self.said,
            false => self.read(&self.latest).or(self.said),
        }
    }

    /// One event passes: a raw SSE block, or an element of an array.
    pub fn event(&mut self, event: &[u8], shape: Shape) {
        if !may_count(event) {
            return;
        }
        let Some(event) = unframe(event, shape) else {
            return;
        };
        // Claude's events say what has changed, those of the others say all.
        let adds = self.format == Format::Claude || self.said.is_none();
        if adds || event.data.len() > KEPT {
            self.said = self.usage();
            self.latest.clear();
            self.said = self.read(&event.data).or(self.said);
        } else {
            self.latest.clear();
            self.latest.extend_from_slice(&event.data);
        }
    }

    /// The whole document is there.
    pub fn whole(&mut self, document: &[u8]) {
        if may_count(document) {
            self.said = self.read(document).or(self.said);
        }
    }

    /// A piece of a document passes that nobody holds.
    pub fn piece(&mut self, piece: &[u8]) {
        let pieces = self
            .pieces
            .get_or_insert_with(|| Box::new(TopLevel::new(NAMES)));
        if let Some(member) = pieces.push(piece) {
            let document = [b"{".as_slice(), &member, b"}"].concat();
            self.said = self.read(&document).or(self.said);
        }
    }

    fn read(&self, document: &[u8]) -> Option<Usage> {
        let node = Node::parse(document.trim_ascii(), DEPTH).ok()?;
        codec(self.format).usage(node, self.said)
    }
}

/// Whether `bytes` may hold what an answer has cost: a cheap look, never false when they do.
pub fn may_count(bytes: &[u8]) -> bool {
    WORD.find_iter(bytes).any(|at| {
        // Most events that have the word have `null` behind it. Other words begin like it.
        let name = &bytes[at + 1..];
        let Some(end) = name.iter().take(20).position(|byte| *byte == b'"') else {
            return false;
        };
        let mut behind = name[end + 1..]
            .iter()
            .filter(|byte| !byte.is_ascii_whitespace());
        behind.next() == Some(&b':') && behind.next() == Some(&b'{')
    })
}

/// Reads numbers of tokens, and notes those that are none.
pub(super) trait Count {
    /// The number that `node` is; 0 if it is none. `what`: which one it is of.
    fn count(&mut self, node: Option<Node<'_>>, what: Odd) -> u64;
}

impl Count for Odd {
    fn count(&mut self, node: Option<Node<'_>>, what: Odd) -> u64 {
        let mut is_odd = false;
        let count = node.and_then(|node| node.count(&mut is_odd));
        if is_odd {
            self.add(what);
        }
        count.unwrap_or(0)
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
