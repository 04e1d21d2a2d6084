//! Where the long values of a document stand: noted while it is checked, so that nobody who looks for a
//! member has to find the end of the texts before it again.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::record::Record;
use super::scan::{self, Member, Outline, check};
use super::strings::Escapes;
use super::{JsonError, Node};
use crate::wire::Marks;

/// The fewest bytes of a value that is noted: the end of a shorter one is found as fast.
const LONG: usize = 64;

/// A value of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Where it begins in the document.
    pub(super) start: u32,
    /// Where it ends.
    pub(super) end: u32,
    /// How many values are noted from it on that are not behind it: itself and those in it.
    pub(super) count: u32,
    /// What it has of escapes, if it is a string.
    pub(super) escapes: Escapes,
}

/// Where the long values of one document stand, for who reads it later.
#[derive(Debug, Default)]
pub struct Note(Vec<Span>);

/// A document that was checked, with a note of where its long values stand.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    spans: Cow<'a, [Span]>,
}

impl<'a> Document<'a> {
    /// Checks that `text` is one JSON object, nested no deeper than `max_depth`.
    pub fn parse(text: &'a [u8], max_depth: usize) -> Result<Self, JsonError> {
        let mut spans = Spans::default();
        let text = if u32::try_from(text.len()).is_ok() {
            check(text, max_depth, &mut spans)?
        } else {
            check(text, max_depth, &mut ())?
        };
        let spans = Cow::Owned(spans.list);
        Ok(Self { text, spans })
    }

    /// A document that has been checked before: `note` was made of these very bytes.
    pub fn checked(text: &'a [u8], note: &'a Note) -> Result<Self, JsonError> {
        let spans = Cow::Borrowed(note.0.as_slice());
        let text = scan::text(text)?;
        Ok(Self { text, spans })
    }

    /// Its value.
    pub fn node(&self) -> Node<'_> {
        Node::spanned(self.text, &self.spans)
    }
}

/// What one walk over a document has shown of it.
#[derive(Debug)]
pub struct Survey {
    /// Where it ends.
    pub outline: Outline,
    /// The marks that it bears.
    pub marks: Marks,
    /// Where its long values stand, if that was asked for. There is no note of a document that is too long
    /// to be told in it.
    pub note: Option<Note>,
}

/// As [`shallow`](super::shallow), and looks for marks; with `noted` it notes where the long values stand.
pub fn survey<'a>(
    body: &'a [u8],
    max_depth: usize,
    noted: bool,
    each: impl FnMut(Member<'a>),
) -> Result<Survey, JsonError> {
    if !noted || u32::try_from(body.len()).is_err() {
        let (outline, marks) = scan::marked(body, max_depth, each, &mut ())?;
        return Ok(Survey {
            outline,
            marks,
            note: None,
        });
    }
    let mut spans = Spans::default();
    let (outline, marks) = scan::marked(body, max_depth, each, &mut spans)?;
    Ok(Survey {
        outline,
        marks,
        note: Some(Note(spans.list)),
    })
}

/// Notes spans, in the order of their beginnings.
#[derive(Default)]
struct Spans {
    list: Vec<Span>,
    /// The places in the list of the containers that are open.
    open: SmallVec<[usize; 32]>,
}

impl Spans {
    fn push(&mut self, start: usize, end: usize, escapes: Escapes) {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.list.push(Span {
            start: place(start),
            end: place(end),
            count: 1,
            escapes,
        });
    }
}

impl Record for Spans {
    fn string(&mut self, start: usize, end: usize, escapes: Escapes) {
        if end - start >= LONG {
            self.push(start, end, escapes);
        }
    }

    fn opened(&mut self, start: usize) {
        self.open.push(self.list.len());
        self.push(start, start, Escapes::None);
    }

    fn closed(&mut self, end: usize) {
        let Some(at) = self.open.pop() else {
            return;
        };
        let count = self.list.len() - at;
        let span = &mut self.list[at];
        if end - (span.start as usize) < LONG {
            // Nothing in it is long either.
            self.list.truncate(at);
        } else {
            span.end = u32::try_from(end).unwrap_or(u32::MAX);
            span.count = u32::try_from(count).unwrap_or(u32::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scan::tests::document;
    use super::*;
    use proptest::prelude::*;

    /// All values in order, as they are found by looking.
    fn values<'a>(node: Node<'a>, all: &mut Vec<(&'a str, Option<String>)>) {
        let text = node.str().map(|text| {
            assert_eq!(*text, *node.text().unwrap());
            text.into_owned()
        });
        all.push((node.raw(), text));
        for (_, member) in node.members() {
            values(member, all);
        }
        for item in node.items() {
            values(item, all);
        }
    }

    fn assert_same(text: &str) {
        let document = Document::parse(text.as_bytes(), 128).unwrap();
        let (mut noted, mut looked) = (Vec::new(), Vec::new());
        values(document.node(), &mut noted);
        let survey = survey(text.as_bytes(), 128, true, |_| {}).unwrap();
        let note = survey.note.unwrap();
        let again = Document::checked(text.as_bytes(), &note).unwrap();
        let mut later = Vec::new();
        values(again.node(), &mut later);
        assert_eq!(noted, later);
        values(Node::parse(text.as_bytes(), 128).unwrap(), &mut looked);
        assert_eq!(noted, looked);
    }

    #[test]
    fn long_values_are_found_where_they_are() {
        let long = "x\\n\\\"{[".repeat(20);
        for text in [
            "{}".to_owned(),
            format!(
                " {{\"a\":\"{long}\",\"b\":[\"{long}\",{{\"c\":1}},\"{long}\\ud83d\"] , \"d\":{{\"{long}\":[]}}}} "
            ),
            format!("{{\"{long}\":\"{long}\",\"e\":[[[\"{long}\"]],[]],\"f\":null}}"),
        ] {
            assert_same(&text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn what_is_noted_is_what_is_found(text in document(), long in r#"([a-zé{}\[\],:]|\\"|\\\\|\\n|\\u00e9|\\ud83d\\ude00|\\ud800){50,70}"#) {
            // Some of its texts made long.
            assert_same(&text.replace("\"response\"", &format!("\"{long}\"")));
        }

        /// What is copied as it stands means what its text means.
        #[test]
        fn a_raw_text_says_the_same(inner in r#"([a-zé/ ]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|\\ud83d\\ude00|\\u[dD][89abcdefABCDEF][0-9a-f]{2}){0,80}"#) {
            let text = format!("{{\"k\":\"{inner}\"}}");
            let document = Document::parse(text.as_bytes(), 4).unwrap();
            let node = document.node().get("k").unwrap();
            let (lazy, mut out) = (node.text().unwrap(), Vec::new());
            super::super::object(&mut out, |o| o.text("k", &lazy));
            let written = std::str::from_utf8(&out).unwrap();
            let read: std::collections::HashMap<String, String> = serde_json::from_str(written).unwrap();
            prop_assert_eq!(&*read["k"], &*node.str().unwrap());
        }
    }
}
