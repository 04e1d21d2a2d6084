//! Turns as items.

use std::borrow::Cow;

use super::super::super::Profile;
use super::super::super::json::{ArrayWriter, Node, ObjectWriter};
use super::super::content::{BY_ITEM, INSIDE, ITEM, LIST, MESSAGE, STRING};
use super::parts;
use crate::chat::{
    CallKind, Content, Extra, Fault, Format, LazyStr, Level, Losses, Native, Opaque, OpaqueKind,
    Part, ReasonKind, Reasoned, Request, Role, ToolCall, ToolResult, Turn,
};

/// Writes turns as items.
pub(super) struct Writer<'w, 'o> {
    /// The request came in this format: ids and what else it has are its own.
    own: bool,
    profile: &'w Profile,
    losses: &'w mut Losses,
    list: &'w mut ArrayWriter<'o>,
}

impl<'w, 'o> Writer<'w, 'o> {
    pub(super) fn new(
        request: &Request<'_>,
        profile: &'w Profile,
        losses: &'w mut Losses,
        list: &'w mut ArrayWriter<'o>,
    ) -> Self {
        Self {
            own: request.origin == Format::OpenAiResponses,
            profile,
            losses,
            list,
        }
    }

    /// Writes a turn.
    pub(super) fn turn(&mut self, turn: &Turn<'_>) -> Result<(), Fault> {
        if self.own
            && let Some(item) = turn.extra.get(ITEM)
        {
            self.list.raw(item.as_str());
        }
        // What the model waits for comes first, unless this very order is the client's.
        let results_first = turn.role == Role::User && !self.own;
        if results_first {
            for part in &turn.parts {
                if let Content::ToolResult(result) = &part.content {
                    self.result(part, result)?;
                }
            }
        }
        let mut message: Vec<&Part<'_>> = Vec::new();
        for part in &turn.parts {
            if matches!(part.content, Content::ToolResult(_)) && results_first {
                continue;
            }
            if belongs_in_message(part, turn.role) {
                if !message.is_empty() && self.own && part.extra.get(MESSAGE).is_some() {
                    self.message(turn, &message)?;
                    message.clear();
                }
                message.push(part);
                continue;
            }
            self.message(turn, &message)?;
            message.clear();
            self.item(part)?;
        }
        self.message(turn, &message)
    }

    fn message(&mut self, turn: &Turn<'_>, parts: &[&Part<'_>]) -> Result<(), Fault> {
        let Some(first) = parts.first() else {
            return Ok(());
        };
        let members = first.extra.get(MESSAGE).filter(|_| self.own);
        let is_string = self.own && parts.len() == 1 && first.extra.get(STRING).is_some();
        let (own, breakpoints) = (self.own, self.own || self.profile.chat.cache_breakpoints);
        let style = parts::Style {
            role: turn.role,
            own,
            breakpoints,
        };
        let (list, losses) = (&mut *self.list, &mut *self.losses);
        let mut result = Ok(());
        list.object(|o| {
            match members {
                Some(members) => {
                    for (key, value) in Node::trusted(members.as_str()).members() {
                        o.raw(&key, value.raw());
                    }
                }
                None => {
                    o.str("type", "message");
                    if turn.role == Role::Assistant {
                        o.opt_str("phase", turn.phase.as_deref());
                    }
                }
            }
            o.str(
                "role",
                match turn.role {
                    Role::User => "user",
                    Role::Assistant => "assistant",
                    Role::Instruction(Level::System) => "system",
                    Role::Instruction(Level::Developer) => "developer",
                },
            );
            match first.as_lazy().filter(|_| is_string) {
                Some(text) => o.text("content", text),
                None => o.array("content", |list| {
                    result = parts
                        .iter()
                        .try_for_each(|part| parts::part(part, style, losses, list));
                }),
            }
        });
        result
    }

    /// Writes a part that is an item.
    fn item(&mut self, part: &Part<'_>) -> Result<(), Fault> {
        match &part.content {
            Content::Reasoning(reasoned) => self.reasoning(reasoned, &part.extra),
            Content::ToolCall(call) => self.call(call, &part.extra),
            Content::ToolResult(result) => self.result(part, result)?,
            Content::ServerCall(call) => match own_native(call.native.as_ref()) {
                Some(native) => self.list.raw(native),
                None => self.losses.dropped(part.at)?,
            },
            Content::ServerResult(result) => match own_native(result.native.as_ref()) {
                Some(native) => self.list.raw(native),
                // It is in the item of its call.
                None if self.own => {}
                None => self.losses.dropped(part.at)?,
            },
            Content::Native(native) => match own_native(Some(native)) {
                Some(native) => self.list.raw(native),
                None => self.losses.dropped(part.at)?,
            },
            // It is in the item of its call.
            Content::Image(_) if self.own => {}
            _ => self.losses.dropped(part.at)?,
        }
        Ok(())
    }

    fn reasoning(&mut self, reasoned: &Reasoned<'_>, extra: &Extra<'_>) {
        let state = reasoned.opaque.iter().find_map(encrypted);
        let id = reasoned.id.as_deref().filter(|_| self.own);
        if state.is_none() && id.is_none() {
            return;
        }
        let texts = |kind| reasoned.texts.iter().filter(move |text| text.kind == kind);
        let own = self.own;
        self.list.object(|o| {
            o.str("type", "reasoning");
            o.opt_str("id", id);
            o.array("summary", |list| {
                for text in texts(ReasonKind::Summary) {
                    list.object(|o| {
                        o.str("type", "summary_text");
                        o.str("text", &text.text);
                    });
                }
            });
            if texts(ReasonKind::Raw).next().is_some() {
                o.array("content", |list| {
                    for text in texts(ReasonKind::Raw) {
                        list.object(|o| {
                            o.str("type", "reasoning_text");
                            o.str("text", &text.text);
                        });
                    }
                });
            }
            o.opt_str("encrypted_content", state.as_deref());
            self::extra(extra, own, o);
        });
    }

    fn call(&mut self, call: &ToolCall<'_>, more: &Extra<'_>) {
        let own = self.own;
        self.list.object(|o| {
            let kind = match call.kind {
                CallKind::Function => "function_call",
                CallKind::Custom => "custom_tool_call",
                CallKind::Typed(kind) => kind,
            };
            o.str("type", kind);
            o.opt_str("id", call.item_id.as_deref().filter(|_| own));
            o.str("call_id", &call.id);
            match call.kind {
                CallKind::Function | CallKind::Custom => {
                    let is_custom = call.kind == CallKind::Custom;
                    o.str("name", &call.name);
                    o.opt_str("namespace", call.namespace.as_deref());
                    let arguments = if call.arguments.is_empty() && !is_custom {
                        "{}"
                    } else {
                        &call.arguments
                    };
                    o.str(if is_custom { "input" } else { "arguments" }, arguments);
                }
                CallKind::Typed(kind) => {
                    let action = action_key(kind, &call.arguments);
                    o.raw(action, json_or_empty(&call.arguments));
                    if !own && kind == "computer_call" {
                        o.raw("pending_safety_checks", "[]");
                    }
                    if !own {
                        o.str("status", "completed");
                    }
                }
            }
            extra(more, own, o);
        });
    }

    fn result(&mut self, part: &Part<'_>, result: &ToolResult<'_>) -> Result<(), Fault> {
        let own = self.own;
        let style = parts::Style {
            role: Role::User,
            own,
            breakpoints: own || self.profile.chat.cache_breakpoints,
        };
        let texts: Option<Vec<&LazyStr<'_>>> = result.content.iter().map(Part::as_lazy).collect();
        // Whoever wrote it so says it by its status.
        let is_error = result.is_error.filter(|_| !own);
        let is_list = own && part.extra.get(LIST).is_some();
        let (list, losses) = (&mut *self.list, &mut *self.losses);
        let mut written = Ok(());
        list.object(|o| {
            let kind = match result.kind {
                CallKind::Function => Cow::Borrowed("function_call_output"),
                CallKind::Custom => Cow::Borrowed("custom_tool_call_output"),
                CallKind::Typed(kind) => Cow::Owned(format!("{kind}_output")),
            };
            o.str("type", &kind);
            // The id is among the rest then.
            if !(own && part.extra.get(BY_ITEM).is_some()) {
                o.str("call_id", &result.call);
            }
            match (result.kind, texts) {
                (CallKind::Typed("shell_call"), texts) => {
                    let texts = texts.unwrap_or_default();
                    let text: String = texts.into_iter().map(LazyStr::as_str).collect();
                    shell_output(&text, o);
                }
                (CallKind::Typed("computer_call"), _) => {
                    written = screenshot(&result.content, part, losses, o);
                }
                (_, Some(texts)) if !is_list => {
                    // Nothing was said, and nobody says so.
                    if !(own && texts.is_empty() && matches!(result.kind, CallKind::Typed(_))) {
                        match &texts[..] {
                            [text] if is_error != Some(true) => o.text("output", text),
                            _ => {
                                let texts: Vec<&str> =
                                    texts.into_iter().map(LazyStr::as_str).collect();
                                o.str("output", &failed(texts.join("\n"), is_error));
                            }
                        }
                    }
                }
                _ => o.array("output", |list| {
                    let is_error = is_error == Some(true);
                    let says_so = || {
                        let first = result.content.first().and_then(Part::as_text);
                        first.is_some_and(says_error)
                    };
                    if is_error && !says_so() {
                        list.raw(r#"{"type":"input_text","text":"Error:"}"#);
                    }
                    written = result
                        .content
                        .iter()
                        .try_for_each(|part| parts::part(part, style, losses, list));
                }),
            }
            if let (CallKind::Typed("apply_patch_call"), None) =
                (result.kind, part.extra.get("status"))
            {
                let failed = result.is_error == Some(true);
                o.str("status", if failed { "failed" } else { "completed" });
            }
            extra(&part.extra, own, o);
        });
        written
    }
}

fn belongs_in_message(part: &Part<'_>, role: Role) -> bool {
    match &part.content {
        Content::Text(_) | Content::Refusal(_) => true,
        Content::Image(_) | Content::Document(_) | Content::Audio(_) | Content::Video(_) => {
            role != Role::Assistant
        }
        Content::Native(_) => part.extra.get(INSIDE).is_some(),
        _ => false,
    }
}

fn own_native<'n>(native: Option<&'n Native<'_>>) -> Option<&'n str> {
    native
        .filter(|native| native.format == Format::OpenAiResponses)
        .map(|native| native.json.as_str())
}

/// The encrypted content of state that this format has made.
pub(in super::super) fn encrypted(opaque: &Opaque<'_>) -> Option<String> {
    if opaque.origin != Format::OpenAiResponses || opaque.kind != OpaqueKind::Encrypted {
        return None;
    }
    if !opaque.data.starts_with('{') {
        return Some(opaque.data.clone().into_owned());
    }
    let node = Node::parse(opaque.data.as_bytes(), 2).ok()?;
    Some(node.get_str("encrypted_content")?.into_owned())
}

/// The members that only this format has, if they are its own. Notes start with `@`.
pub(super) fn extra(extra: &Extra<'_>, own: bool, o: &mut ObjectWriter<'_>) {
    for (key, value) in extra.0.iter().filter(|_| own) {
        if !key.starts_with('@') {
            o.raw(key, value.as_str());
        }
    }
}

/// The member that says what a typed call does.
pub(in super::super) fn action_key(kind: &str, arguments: &str) -> &'static str {
    match kind {
        "apply_patch_call" => "operation",
        _ if arguments.trim_start().starts_with('[') => "actions",
        _ => "action",
    }
}

/// A JSON value as it is; anything else is no value.
pub(in super::super) fn json_or_empty(text: &str) -> &str {
    match Node::parse_any(text, 64) {
        Some(_) => text,
        None => "{}",
    }
}

fn failed(text: String, is_error: Option<bool>) -> String {
    if is_error == Some(true) && !says_error(&text) {
        return format!("Error: {text}");
    }
    text
}

fn says_error(text: &str) -> bool {
    text.get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("error"))
}

fn shell_output(text: &str, o: &mut ObjectWriter<'_>) {
    if text.starts_with('[') && Node::parse_any(text, 64).is_some() {
        o.raw("output", text);
        return;
    }
    o.array("output", |list| {
        list.object(|o| {
            o.str("stdout", text);
            o.str("stderr", "");
            o.raw("outcome", r#"{"type":"exit","exit_code":0}"#);
        });
    });
}

fn screenshot(
    content: &[Part<'_>],
    result: &Part<'_>,
    losses: &mut Losses,
    o: &mut ObjectWriter<'_>,
) -> Result<(), Fault> {
    let image = content.iter().find_map(|part| match &part.content {
        Content::Image(image) => Some(image),
        _ => None,
    });
    let Some(image) = image else {
        return losses.dropped(result.at);
    };
    o.object("output", |o| {
        o.str("type", "computer_screenshot");
        parts::image_source(&image.source, o);
    });
    Ok(())
}
