//! Where a request says something: the strings of the system and of the messages, without those that only
//! machines read.

use std::borrow::Cow;
use std::ops::Range;

use crate::chat::Format;
use crate::rewrite::edit::Document;
use crate::wire::camel;
use crate::wire::json::{Kind, Node, decode_escape};

/// How deep JSON inside of a string may nest to be looked into.
const DEPTH: usize = 64;

/// What is to be put in the place of pieces of a text.
pub(super) type Edits = Vec<(Range<usize>, Box<str>)>;

/// Finds what is to be replaced in one text.
type Find<'f> = &'f mut dyn FnMut(&str) -> Edits;

/// Members in which a format keeps what it is told, in the spelling of [`Document::member`].
const fn roots(format: Format) -> &'static [&'static str] {
    match format {
        Format::Claude => &["system", "messages"],
        Format::OpenAiChat => &["messages", "prediction"],
        Format::OpenAiResponses => &["instructions", "input", "prompt"],
        Format::Gemini => &["systemInstruction", "contents"],
    }
}

/// Members whose strings nobody says: names, addresses, states that the provider wants back unchanged.
const MUTE: &[&str] = &[
    "type",
    "role",
    "id",
    "name",
    "model",
    "status",
    "format",
    "detail",
    "phase",
    "tool_use_id",
    "tool_call_id",
    "call_id",
    "item_id",
    "signature",
    "data",
    "encrypted_content",
    "encrypted_index",
    "thoughtSignature",
    "media_type",
    "mimeType",
    "cache_control",
    "file_id",
    "file_data",
    "fileUri",
    "url",
    "image_url",
];

/// Members that hold what a tool is given or gives back: whatever it calls them, it is said.
const FREE: &[&str] = &["input", "arguments", "args", "response", "variables"];

/// Collects what `find` wants replaced in what is said in a request, as places of its text.
pub(super) fn each(document: Document<'_>, format: Format, find: Find<'_>, edits: &mut Edits) {
    let mut walk = Walk {
        document,
        is_gemini: format == Format::Gemini,
        find,
        edits,
    };
    let root = document.root();
    let inner = document.member(root, "generateContentRequest");
    for object in [Some(root), inner.filter(|_| walk.is_gemini)]
        .into_iter()
        .flatten()
    {
        for key in roots(format) {
            // Of a repeated key only the last counts, but all of them leave.
            for (name, value) in object.members() {
                if walk.spelled(&name) == *key {
                    walk.value(value, false);
                }
            }
        }
    }
}

struct Walk<'d, 'f> {
    document: Document<'d>,
    is_gemini: bool,
    find: Find<'f>,
    edits: &'f mut Edits,
}

impl<'d> Walk<'d, '_> {
    /// `is_free`: inside of what a tool is given or gives back.
    fn value(&mut self, node: Node<'d>, is_free: bool) {
        match node.kind() {
            Kind::String => self.string(node),
            Kind::Array => {
                for item in node.items() {
                    self.value(item, is_free);
                }
            }
            Kind::Object => {
                let mut members = node.members();
                while let Some((key, value)) = members.pair() {
                    if is_free {
                        self.string(key);
                        self.value(value, true);
                        continue;
                    }
                    let name = key.str().unwrap_or_default();
                    let name = self.spelled(&name);
                    // A document of plain text has its text where others have bytes.
                    let is_text =
                        *name == *"data" && node.get_str("type").as_deref() == Some("text");
                    if is_text || !MUTE.contains(&&*name) {
                        self.value(value, FREE.contains(&&*name));
                    }
                }
            }
            Kind::Null | Kind::Bool | Kind::Number => {}
        }
    }

    fn string(&mut self, node: Node<'d>) {
        let (Some(said), place) = (node.str(), self.document.place(node)) else {
            return;
        };
        let mut found = self.said(&said);
        if found.is_empty() {
            return;
        }
        let inside = place.start + 1..place.end - 1;
        if matches!(said, Cow::Owned(_)) {
            let raw = &node.raw()[1..node.raw().len() - 1];
            as_written(raw, &mut found);
        }
        for (range, piece) in found {
            let range = inside.start + range.start..inside.start + range.end;
            self.edits.push((range, piece));
        }
    }

    /// What is to be replaced in a text, in order. One that is JSON may spell letters as escapes of its own.
    fn said(&mut self, said: &str) -> Edits {
        let is_json = said.trim_ascii_start().starts_with(['{', '['])
            && (said.contains("\\u") || said.contains("\\/"));
        if !is_json || Node::parse_any(said, DEPTH).is_none() {
            return (self.find)(said);
        }
        let mut edits = Vec::new();
        let mut inner = Walk {
            document: Document::new(said, false),
            is_gemini: false,
            find: &mut *self.find,
            edits: &mut edits,
        };
        let root = inner.document.root();
        inner.value(root, true);
        edits.sort_by_key(|(range, _)| range.start);
        edits
    }

    fn spelled<'n>(&self, name: &'n str) -> Cow<'n, str> {
        match self.is_gemini {
            true => camel(name.into()),
            false => name.into(),
        }
    }
}

/// Moves places of a text, in order, to where they stand in `raw`, which is the text as JSON writes it.
fn as_written(raw: &str, edits: &mut Edits) {
    let mut borders = edits
        .iter_mut()
        .flat_map(|(range, _)| [&mut range.start, &mut range.end]);
    let mut next = borders.next();
    let (mut at, mut decoded) = (0, 0);
    loop {
        while let Some(border) = next.as_deref_mut() {
            if *border > decoded {
                break;
            }
            *border = at;
            next = borders.next();
        }
        let Some(rest) = raw.as_bytes().get(at..).filter(|rest| !rest.is_empty()) else {
            return;
        };
        let (length, size) = match rest[0] {
            b'\\' => match decode_escape(rest) {
                Some((char, length)) => (length, char.len_utf8()),
                // Half of a character is read as U+FFFD.
                None => (6, char::REPLACEMENT_CHARACTER.len_utf8()),
            },
            _ => (1, 1),
        };
        at += length;
        decoded += size;
    }
}
