//! The messages of a conversation.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::{assistant, malformed, parts};
use crate::chat::{
    CallKind, Content, Extra, Fault, Level, Part, Place, Request, Role, ToolResult, Turn,
};
use crate::wire::carrier;
use crate::wire::json::{Kind, Node, Object};
use crate::wire::openai_chat::cache_mark;

/// What is known of the calls so far.
#[derive(Default)]
pub(super) struct Calls<'a> {
    /// The ids of calls with free text.
    pub(super) custom: HashSet<Cow<'a, str>>,
    /// The id of the last call of a name, in the form before tools, which has no ids.
    pub(super) legacy: HashMap<Cow<'a, str>, String>,
    /// How many there were of that form.
    pub(super) legacy_count: usize,
}

/// Reads all messages into `request`.
pub(super) fn decode<'a>(messages: Node<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let mut calls = Calls::default();
    // Whether the last turn is made of results only: what comes next joins it.
    let mut is_open = false;
    for (index, node) in messages.items().enumerate() {
        let at = Place::field("messages").item(index);
        let mut message = node.object();
        let role = message.take_str("role").unwrap_or_default();
        let is_result = matches!(&*role, "tool" | "function");
        let turn = match &*role {
            "system" => plain(Role::Instruction(Level::System), message, at),
            "developer" => plain(Role::Instruction(Level::Developer), message, at),
            "user" => plain(Role::User, message, at),
            "assistant" => assistant::decode(message, at, &mut calls),
            "tool" => result(tool(message, at, &calls)?, at),
            "function" => {
                request.legacy_functions = true;
                result(function(message, at, &mut calls)?, at)
            }
            _ => return Err(unknown(&role, at)),
        };
        let is_first = request.turns.is_empty();
        let joined = request.turns.last_mut().filter(|_| is_open);
        match (turn.role, joined) {
            (Role::Instruction(_), _) if is_first => request.instructions.push(turn),
            (Role::User, Some(last)) => {
                last.parts.extend(turn.parts);
                last.name = turn.name;
                last.extra = turn.extra;
            }
            _ => request.turns.push(turn),
        }
        is_open = is_result;
    }
    Ok(())
}

fn unknown(role: &str, at: Place) -> Fault {
    let path = format!("{at}.role");
    let message = format!("'{path}' is '{role}', which is no role");
    malformed(path, message)
}

fn plain<'a>(role: Role, mut message: Object<'a>, at: Place) -> Turn<'a> {
    let content = message.take("content");
    let mut parts = parts::decode(content, at);
    if parts.is_empty() && content.is_some_and(|content| content.kind() == Kind::String) {
        parts.push(Part::text("").at(at.of("content")));
    }
    let mut turn = Turn::new(role, parts).at(at);
    turn.name = message.take_str("name");
    turn.extra = message.rest();
    mark(&mut turn);
    turn
}

/// A cache mark on a message is one on its last part.
pub(super) fn mark(turn: &mut Turn<'_>) {
    if let Some(mark) = cache_mark(&turn.extra)
        && let Some(last) = turn.parts.last_mut()
    {
        last.cache = last.cache.or(Some(mark));
    }
}

fn result<'a>(part: Part<'a>, at: Place) -> Turn<'a> {
    Turn::new(Role::User, vec![part]).at(at)
}

fn tool<'a>(mut message: Object<'a>, at: Place, calls: &Calls<'a>) -> Result<Part<'a>, Fault> {
    let Some(id) = message.take_str("tool_call_id") else {
        let path = format!("{at}.tool_call_id");
        let why = format!("'{path}' must say which call this is the result of");
        return Err(malformed(path, why));
    };
    let call = revealed(id);
    let kind = if calls.custom.contains(&call) {
        CallKind::Custom
    } else {
        CallKind::Function
    };
    let name = message.take_str("name");
    Ok(tool_result(call, name, kind, message, at))
}

fn function<'a>(
    mut message: Object<'a>,
    at: Place,
    calls: &mut Calls<'a>,
) -> Result<Part<'a>, Fault> {
    let Some(name) = message.take_str("name") else {
        let path = format!("{at}.name");
        let why = format!("'{path}' must say which function this is the result of");
        return Err(malformed(path, why));
    };
    let id = match calls.legacy.get(&name) {
        Some(id) => id.clone(),
        None => calls.next_legacy(),
    };
    Ok(tool_result(
        id.into(),
        Some(name),
        CallKind::Function,
        message,
        at,
    ))
}

fn tool_result<'a>(
    call: Cow<'a, str>,
    name: Option<Cow<'a, str>>,
    kind: CallKind,
    mut message: Object<'a>,
    at: Place,
) -> Part<'a> {
    let content = parts::decode(message.take("content"), at);
    let extra: Extra<'a> = message.rest();
    let mut part = Part::new(Content::ToolResult(ToolResult {
        call,
        name,
        content,
        is_error: None,
        kind,
    }))
    .at(at);
    part.cache = cache_mark(&extra);
    part.extra = extra;
    part
}

/// An id without the state that it may carry.
fn revealed(id: Cow<'_, str>) -> Cow<'_, str> {
    match id {
        Cow::Borrowed(id) => Cow::Borrowed(carrier::reveal(id).0),
        Cow::Owned(mut id) => {
            let length = carrier::reveal(&id).0.len();
            id.truncate(length);
            Cow::Owned(id)
        }
    }
}

impl Calls<'_> {
    /// An id for a call of the form that has none.
    pub(super) fn next_legacy(&mut self) -> String {
        let id = format!("fc_{}", self.legacy_count);
        self.legacy_count += 1;
        id
    }
}
