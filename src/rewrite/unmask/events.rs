//! Events that wait for the rest of a mask.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use super::masks::Masks;
use super::pieces::{About, Ends, Text, about};
use crate::chat::Format;
use crate::wire::sse::Event;

/// The events of one stream.
#[derive(Debug)]
pub(super) struct Events {
    masks: Arc<Masks>,
    format: Format,
    /// No event passes another.
    is_ordered: bool,
    /// How many events came.
    count: u64,
    waiting: VecDeque<Waiting>,
    begun: Vec<Begun>,
}

/// An event that has not passed yet.
#[derive(Debug)]
struct Waiting {
    number: u64,
    bytes: Vec<u8>,
    /// What stands in the place of its bytes.
    edits: Vec<(Range<usize>, Box<str>)>,
    /// What it is about.
    groups: SmallVec<[u64; 2]>,
}

/// The end of a text that may be the beginning of a mask.
#[derive(Debug)]
struct Begun {
    text: Text,
    bytes: Vec<u8>,
    /// Where these bytes are: numbers of events, and places in them.
    places: Vec<(u64, Range<usize>)>,
}

impl Events {
    pub(super) const fn new(masks: Arc<Masks>, format: Format, is_ordered: bool) -> Self {
        Self {
            masks,
            format,
            is_ordered,
            count: 0,
            waiting: VecDeque::new(),
            begun: Vec::new(),
        }
    }

    /// Takes an SSE block. What may pass is appended to `out`.
    pub(super) fn block(&mut self, block: &[u8], out: &mut Vec<u8>) {
        let Some(event) = Event::parse(block) else {
            // A comment, a blank line.
            return out.extend_from_slice(block);
        };
        match event.data {
            Cow::Borrowed(data) => {
                let data = data.trim_ascii();
                let start = data.as_ptr().addr() - block.as_ptr().addr();
                self.take(block, start..start + data.len(), out);
            }
            // Between the lines of its data is white space: it becomes one line.
            Cow::Owned(mut data) => {
                for byte in &mut data {
                    if *byte == b'\n' {
                        *byte = b' ';
                    }
                }
                let mut line = Vec::with_capacity(block.len());
                if let Some(name) = event.name {
                    line.extend_from_slice(b"event: ");
                    line.extend_from_slice(name);
                    line.push(b'\n');
                }
                line.extend_from_slice(b"data: ");
                let start = line.len();
                line.extend_from_slice(data.trim_ascii());
                let end = line.len();
                line.extend_from_slice(b"\n\n");
                self.take(&line, start..end, out);
            }
        }
    }

    /// Takes an element of an array, which begins at `start` of `bytes`.
    pub(super) fn element(&mut self, bytes: &[u8], start: usize, out: &mut Vec<u8>) {
        self.take(bytes, start..bytes.len(), out);
    }

    /// Takes what is no event.
    pub(super) fn other(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.end(out);
        out.extend_from_slice(bytes);
    }

    /// Nothing more comes: what waits is no beginning of anything.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.begun.clear();
        self.pass(out);
    }

    fn take(&mut self, bytes: &[u8], data: Range<usize>, out: &mut Vec<u8>) {
        let start = data.start;
        let Some(data) = bytes.get(data) else {
            return self.other(bytes, out);
        };
        let Some(about) = about(self.format, data) else {
            return out.extend_from_slice(bytes);
        };
        let pieces: SmallVec<[(Text, Range<usize>); 2]> = about
            .pieces
            .iter()
            .map(|(text, piece)| {
                let at = start + piece.as_ptr().addr() - data.as_ptr().addr();
                (text.clone(), at..at + piece.len())
            })
            .collect();
        let number = self.count;
        self.count += 1;
        self.waiting.push_back(Waiting {
            number,
            bytes: bytes.to_vec(),
            edits: self.beside(bytes, &pieces),
            groups: groups(&about),
        });
        // Where another text of a group goes on, the one before has ended.
        self.begun.retain(|begun| {
            let mut same = pieces
                .iter()
                .filter(|(text, _)| text.group == begun.text.group);
            same.clone().next().is_none() || same.any(|(text, _)| *text == begun.text)
        });
        for (text, range) in pieces {
            self.go_on(text, (number, range), bytes);
        }
        match about.ends {
            Ends::Nothing => {}
            Ends::Groups(groups) => self.begun.retain(|one| !groups.contains(&one.text.group)),
            Ends::All => self.begun.clear(),
        }
        self.pass(out);
    }

    /// The masks of an event that do not stand in its pieces: in whole texts, in what comes at once.
    fn beside(
        &self,
        bytes: &[u8],
        pieces: &[(Text, Range<usize>)],
    ) -> Vec<(Range<usize>, Box<str>)> {
        let mut edits = Vec::new();
        let mut at = 0;
        while let Some((found, word)) = self.masks.next(bytes, at) {
            at = found.end;
            if !pieces.iter().any(|(_, piece)| piece.contains(&found.start)) {
                edits.push((found, word.into()));
            }
        }
        edits
    }

    /// A text goes on with a piece of the event that came last.
    fn go_on(&mut self, text: Text, (number, range): (u64, Range<usize>), bytes: &[u8]) {
        let before = self.begun.iter().position(|one| one.text == text);
        let before = before.map(|at| self.begun.swap_remove(at));
        let (mut joined, mut places) = before.map_or_else(
            || (Vec::new(), Vec::new()),
            |before| (before.bytes, before.places),
        );
        joined.extend_from_slice(&bytes[range.clone()]);
        places.push((number, range));
        let masks = Arc::clone(&self.masks);
        let mut at = 0;
        while let Some((found, word)) = masks.next(&joined, at) {
            at = found.end;
            self.reveal(&places, found, word);
        }
        let open = masks.begun(&joined[at..]);
        if open > 0 {
            let from = joined.len() - open;
            self.begun.push(Begun {
                text,
                bytes: joined.split_off(from),
                places: cut(&places, from..from + open).collect(),
            });
        }
    }

    /// Puts `word` in the place of a mask that stands at `found` of what is spread over `places`.
    fn reveal(&mut self, places: &[(u64, Range<usize>)], found: Range<usize>, word: &str) {
        let mut word = word;
        for (number, range) in cut(places, found) {
            let mut waiting = self.waiting.iter_mut();
            if let Some(event) = waiting.find(|event| event.number == number) {
                event.edits.push((range, word.into()));
                word = "";
            }
        }
    }

    /// Lets pass what nothing is open of any more, and what it must not pass.
    fn pass(&mut self, out: &mut Vec<u8>) {
        let mut kept: VecDeque<Waiting> = VecDeque::new();
        for event in std::mem::take(&mut self.waiting) {
            let mut places = self.begun.iter().flat_map(|begun| &begun.places);
            let is_open = places.any(|(number, _)| *number == event.number);
            let is_behind = kept.iter().any(|before| {
                self.is_ordered || before.groups.iter().any(|one| event.groups.contains(one))
            });
            if is_open || is_behind {
                kept.push_back(event);
            } else {
                event.write(out);
            }
        }
        self.waiting = kept;
    }
}

impl Waiting {
    fn write(mut self, out: &mut Vec<u8>) {
        self.edits.sort_by_key(|(range, _)| range.start);
        let mut at = 0;
        for (range, word) in &self.edits {
            out.extend_from_slice(&self.bytes[at..range.start]);
            out.extend_from_slice(word.as_bytes());
            at = range.end;
        }
        out.extend_from_slice(&self.bytes[at..]);
    }
}

fn groups(about: &About<'_>) -> SmallVec<[u64; 2]> {
    let mut groups: SmallVec<[u64; 2]> = about.pieces.iter().map(|(text, _)| text.group).collect();
    if let Ends::Groups(ended) = &about.ends {
        groups.extend(ended.iter().copied());
    }
    groups
}

/// What of `places`, put end to end, is between the bounds of `wanted`.
fn cut(
    places: &[(u64, Range<usize>)],
    wanted: Range<usize>,
) -> impl Iterator<Item = (u64, Range<usize>)> {
    let mut passed = 0;
    places.iter().filter_map(move |(number, range)| {
        let (from, to) = (passed, passed + range.len());
        passed = to;
        let (start, end) = (wanted.start.max(from), wanted.end.min(to));
        (start < end).then(|| {
            (
                *number,
                range.start + start - from..range.start + end - from,
            )
        })
    })
}
