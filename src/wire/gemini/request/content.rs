//! Reads `contents`.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::super::super::json::{Kind, Node, Object};
use super::super::members::{fields, inner_rest, list, opaque, present};
use super::super::part::{Piece, PieceKind, arguments, media};
use crate::chat::{
    CallKind, Content, Extra, Fault, FaultKind, Format, LazyStr, Level, Opaque, OpaqueKind, Part,
    Place, ReasonKind, ReasonText, Reasoned, Role, ToolCall, ToolResult, Turn,
};
use crate::wire::json::compact;

/// Reads the contents.
pub(super) fn read(contents: Node<'_>) -> Result<Vec<Turn<'_>>, Fault> {
    let mut calls = Calls::default();
    let mut turns = Vec::new();
    for (index, content) in list(contents).enumerate() {
        let at = Place::field("contents").item(index);
        if content.kind() != Kind::Object {
            let message = format!("'{at}' is no content");
            let fault = Fault::new(FaultKind::InvalidRequest, "invalid_request", message);
            return Err(fault.with_param(at.to_string()));
        }
        turns.push(turn(content, index, at, &mut calls));
    }
    Ok(turns)
}

/// The calls that may be answered: those of the model's last contents that had any.
#[derive(Debug, Default)]
struct Calls<'a> {
    open: Vec<Call<'a>>,
    /// Somebody else has spoken since.
    is_past: bool,
}

/// A call.
#[derive(Debug)]
struct Call<'a> {
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    is_answered: bool,
}

fn turn<'a>(node: Node<'a>, index: usize, at: Place, calls: &mut Calls<'a>) -> Turn<'a> {
    let mut members = fields(node);
    let role = match members.take_str("role").as_deref() {
        Some("model" | "assistant") => Role::Assistant,
        Some("system") => Role::Instruction(Level::System),
        _ => Role::User,
    };
    let mut reader = Reader {
        turn: index,
        calls: &mut calls.open,
        own: Vec::new(),
        parts: Vec::new(),
    };
    let parts = members.take("parts");
    for (index, part) in parts.into_iter().flat_map(list).enumerate() {
        reader.read(part, index, at.of("parts").part(index));
    }
    let Reader { parts, own, .. } = reader;
    if role != Role::Assistant {
        calls.is_past = true;
    }
    if !own.is_empty() {
        if std::mem::take(&mut calls.is_past) {
            calls.open.clear();
        }
        calls.open.extend(own);
    }
    Turn {
        extra: present(members.rest()),
        ..Turn::new(role, parts).at(at)
    }
}

struct Reader<'a, 'c> {
    turn: usize,
    /// What may be answered.
    calls: &'c mut Vec<Call<'a>>,
    /// The calls of this content.
    own: Vec<Call<'a>>,
    parts: Vec<Part<'a>>,
}

impl<'a> Reader<'a, '_> {
    fn read(&mut self, node: Node<'a>, index: usize, at: Place) {
        // A bare string is a text to sloppy clients.
        if let Some(text) = node.text() {
            self.parts.push(Part::text(text).at(at));
            return;
        }
        let Piece {
            kind,
            signature,
            mut extra,
        } = Piece::read(node);
        let mut state = signature.map(opaque);
        let content = match kind {
            PieceKind::Empty => return,
            PieceKind::Text(text) => Content::Text(crate::chat::Text::new(text)),
            PieceKind::Thought(text) => {
                self.think(text, state, extra, at);
                return;
            }
            PieceKind::Call(call) => Content::ToolCall(self.call(call, index, &mut extra)),
            PieceKind::Response(response) => {
                Content::ToolResult(self.result(response, (index, at), &mut extra))
            }
            PieceKind::Whole(content) => content,
        };
        // The reasoning of another provider, carried by what followed it.
        if let Some(foreign) = state.take_if(|state| state.origin != Format::Gemini) {
            if !self.knows(&foreign) {
                self.think(Cow::Borrowed(""), Some(foreign), Extra::default(), at);
                if matches!(content, Content::ToolCall(_)) {
                    self.begin_with_thought();
                }
            }
            if matches!(&content, Content::Text(text) if text.text.is_empty()) {
                return;
            }
        }
        self.parts.push(Part {
            signature: state,
            extra,
            ..Part::new(content).at(at)
        });
    }

    /// Moves the last thought to where it was thought: before what was said on the way to the call.
    fn begin_with_thought(&mut self) {
        let Some(thought) = self.parts.pop() else {
            return;
        };
        let stays = |part: &Part<'_>| {
            matches!(
                part.content,
                Content::ToolCall(_) | Content::ToolResult(_) | Content::Reasoning(_)
            )
        };
        let at = self.parts.iter().rposition(stays);
        self.parts.insert(at.map_or(0, |at| at + 1), thought);
    }

    /// Whether a thought of this content has the state already: it is carried twice, as some clients
    /// forget thoughts.
    fn knows(&self, state: &Opaque<'_>) -> bool {
        let hidden = signed_text(state).map(|(_, signature)| signature);
        let data = hidden.as_deref().unwrap_or(&state.data);
        self.parts.iter().any(|part| match &part.content {
            Content::Reasoning(reasoned) => reasoned.opaque.iter().any(|known| {
                (known.origin, known.kind, &*known.data) == (state.origin, state.kind, data)
            }),
            _ => false,
        })
    }

    fn think(
        &mut self,
        text: Cow<'a, str>,
        state: Option<Opaque<'a>>,
        extra: Extra<'a>,
        at: Place,
    ) {
        let mut text = text;
        let mut state = state;
        if let Some(foreign) = state
            .as_mut()
            .filter(|state| state.origin != Format::Gemini)
        {
            // A stream's client keeps the pieces of a thought; the state is about all of them.
            let first = self.parts.iter().rposition(|part| !is_open_thought(part));
            let pieces = self.parts.split_off(first.map_or(0, |last| last + 1));
            if !pieces.is_empty() {
                let mut whole = String::new();
                for piece in &pieces {
                    if let Content::Reasoning(reasoned) = &piece.content {
                        whole.push_str(&reasoned.text());
                    }
                }
                text = Cow::Owned(whole + &text);
            }
            if let Some((hidden, signature)) = signed_text(foreign) {
                text = hidden.into();
                foreign.data = signature.into();
            }
        }
        let texts = (!text.is_empty()).then_some(ReasonText {
            kind: ReasonKind::Summary,
            text,
        });
        let reasoned = Reasoned {
            texts: texts.into_iter().collect(),
            opaque: state.into_iter().collect(),
            id: None,
        };
        self.parts.push(Part {
            extra,
            ..Part::new(Content::Reasoning(reasoned)).at(at)
        });
    }

    fn call(&mut self, mut call: Object<'a>, index: usize, extra: &mut Extra<'a>) -> ToolCall<'a> {
        let name = call.take_str("name").unwrap_or_default();
        let arguments = arguments(&mut call).unwrap_or(Cow::Borrowed("{}"));
        let id = call.take_str("id").filter(|id| !id.is_empty());
        let id = id.unwrap_or_else(|| Cow::Owned(self.made_up(index, &name)));
        inner_rest(extra, "functionCall", call);
        self.own.push(Call {
            id: id.clone(),
            name: name.clone(),
            is_answered: false,
        });
        ToolCall {
            id,
            name,
            arguments,
            kind: CallKind::Function,
            namespace: None,
            item_id: None,
        }
    }

    fn result(
        &mut self,
        mut response: Object<'a>,
        (index, at): (usize, Place),
        extra: &mut Extra<'a>,
    ) -> ToolResult<'a> {
        let name = response.take_str("name").unwrap_or_default();
        let id = response.take_str("id").filter(|id| !id.is_empty());
        let call = self.calls.iter_mut().find(|call| match &id {
            Some(id) => call.id == *id,
            None => call.name == name && !call.is_answered,
        });
        let call = match call {
            Some(call) => {
                call.is_answered = true;
                call.id.clone()
            }
            None => id.unwrap_or_else(|| Cow::Owned(self.made_up(index, &name))),
        };
        let parts = response.take("parts");
        // The response stays with the rest too: Gemini gets it back as it was.
        let value = response.clone().take("response");
        let (value, is_error) = value.map_or((None, None), outcome);
        let mut content = value.map(said).unwrap_or_default();
        content.iter_mut().for_each(|part| part.at = at);
        for part in parts.into_iter().flat_map(list) {
            let mut extra = Extra::default();
            if let Some(medium) = media(&mut fields(part), &mut extra) {
                content.push(Part {
                    extra,
                    ..Part::new(medium).at(at)
                });
            }
        }
        inner_rest(extra, "functionResponse", response);
        ToolResult {
            call,
            name: Some(name),
            content,
            is_error,
            kind: CallKind::Function,
        }
    }

    /// The id of a call that has none: the same whenever this history comes again.
    fn made_up(&self, part: usize, name: &str) -> String {
        let hash = Sha256::digest(format!("{}/{part}/{name}", self.turn));
        let hex: String = hash
            .iter()
            .take(10)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("call_{hex}")
    }
}

fn is_open_thought(part: &Part<'_>) -> bool {
    matches!(&part.content, Content::Reasoning(reasoned) if reasoned.opaque.is_empty())
}

/// What was said where the text was hidden from the client, and its signature.
fn signed_text(state: &Opaque<'_>) -> Option<(String, String)> {
    if state.kind != OpaqueKind::Signature {
        return None;
    }
    let node = Node::parse(state.data.as_bytes(), 2).ok()?;
    let member = |name| Some(node.get_str(name)?.into_owned());
    Some((member("t")?, member("s")?))
}

/// What a response holds and whether it is an error.
fn outcome(response: Node<'_>) -> (Option<Node<'_>>, Option<bool>) {
    let mut members = response.members();
    match (members.next(), members.next()) {
        (Some((key, value)), None) if key == "output" => (Some(value), None),
        (Some((key, value)), None) if key == "error" => (Some(value), Some(true)),
        _ => (Some(response), None),
    }
}

/// The value that a tool gave, without references to media, which stand beside it.
fn said(value: Node<'_>) -> Vec<Part<'_>> {
    let is_reference = |node: &Node<'_>| {
        let mut keys = node.members().map(|(key, _)| key);
        keys.next().is_some_and(|key| key == "$ref") && keys.next().is_none()
    };
    if is_reference(&value) {
        return Vec::new();
    }
    if value.kind() == Kind::Array && value.items().any(|item| is_reference(&item)) {
        let kept = value.items().filter(|item| !is_reference(item));
        return kept.map(|item| Part::text(text(item))).collect();
    }
    vec![Part::text(text(value))]
}

fn text(value: Node<'_>) -> LazyStr<'_> {
    value.text().unwrap_or_else(|| compact(value.raw()).into())
}
