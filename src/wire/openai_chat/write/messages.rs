//! Writes the messages.

use std::borrow::Cow;

use super::Writer;
use super::parts::document_text;
use crate::chat::{
    CallKind, Content, Document, Extra, Format, OpaqueKind, OutputFormat, Part, ReasonKind,
    Reasoned, Role, Source, ToolCall, ToolResult, Turn,
};
use crate::wire::ReasoningField;
use crate::wire::json::{ArrayWriter, Node, ObjectWriter};

impl<'r> Writer<'r> {
    /// All messages.
    pub(super) fn messages(&mut self, a: &mut ArrayWriter<'_>) {
        let request = self.request;
        for turn in &request.instructions {
            self.instruction(a, turn);
        }
        if request.output.format == OutputFormat::JsonObject && !self.is_own && !self.says_json() {
            a.object(|o| {
                o.str("role", self.instruction_role());
                o.str("content", "Answer in JSON.");
            });
        }
        let mut rest = &request.turns[..];
        while let Some((turn, following)) = rest.split_first() {
            rest = following;
            match turn.role {
                Role::Instruction(_) => self.instruction(a, turn),
                Role::User => self.user(a, turn),
                Role::Assistant => {
                    let mut parts: Vec<&Part<'_>> = turn.parts.iter().collect();
                    // All calls of a turn stand in one message.
                    while let Some((next, following)) = rest.split_first()
                        && next.role == Role::Assistant
                        && (parts.iter().copied().any(is_call) || next.parts.iter().any(is_call))
                    {
                        parts.extend(&next.parts);
                        rest = following;
                    }
                    self.assistant(a, turn, &parts);
                }
            }
        }
    }

    const fn instruction_role(&self) -> &'static str {
        if self.chat.developer_role {
            "developer"
        } else {
            "system"
        }
    }

    fn instruction(&mut self, a: &mut ArrayWriter<'_>, turn: &Turn<'_>) {
        let parts: Vec<&Part<'_>> = turn.parts.iter().collect();
        a.object(|o| {
            o.str("role", self.instruction_role());
            self.content(o, &parts, "\n\n");
            self.speaker(o, turn);
        });
    }

    /// Text as one string, unless there is more to a part than its text.
    fn content(&mut self, o: &mut ObjectWriter<'_>, parts: &[&Part<'_>], between: &str) {
        if parts.iter().all(|part| self.is_plain(part)) {
            o.str("content", &joined(parts.iter().copied(), between));
        } else {
            o.array("content", |a| {
                for part in parts {
                    self.part(a, part);
                }
            });
        }
    }

    /// Who speaks, and what else only this format knows.
    fn speaker(&self, o: &mut ObjectWriter<'_>, turn: &Turn<'_>) {
        o.opt_str("name", turn.name.as_deref());
        self.extra(o, &turn.extra);
    }

    fn extra(&self, o: &mut ObjectWriter<'_>, extra: &Extra<'_>) {
        if self.is_own {
            for (name, value) in &extra.0 {
                o.raw(name, value.as_str());
            }
        }
    }

    fn user(&mut self, a: &mut ArrayWriter<'_>, turn: &'r Turn<'r>) {
        let mut attached = Vec::new();
        let mut rest = Vec::new();
        let mut number = 0;
        for part in &turn.parts {
            if let Content::ToolResult(result) = &part.content {
                number += 1;
                self.result(a, part, result, number, &mut attached);
            } else {
                rest.push(part);
            }
        }
        if number > 0 && rest.is_empty() && attached.is_empty() {
            return;
        }
        a.object(|o| {
            o.str("role", "user");
            match (&rest[..], &attached[..]) {
                ([], []) => o.str("content", ""),
                ([one], []) if self.is_plain(one) => self.content(o, &[one], ""),
                _ => o.array("content", |a| {
                    for (label, parts) in attached {
                        a.object(|o| {
                            o.str("type", "text");
                            o.str("text", &label);
                        });
                        for part in parts {
                            self.part(a, part);
                        }
                    }
                    for part in rest {
                        self.part(a, part);
                    }
                }),
            }
            self.speaker(o, turn);
        });
    }

    /// A result. What is no text goes into the user's message behind it.
    fn result(
        &mut self,
        a: &mut ArrayWriter<'_>,
        part: &'r Part<'r>,
        result: &'r ToolResult<'r>,
        number: usize,
        attached: &mut Vec<(String, Vec<&'r Part<'r>>)>,
    ) {
        let is_legacy = self.request.legacy_functions && is_legacy_id(&result.call);
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for inner in &result.content {
            match &inner.content {
                Content::Text(_)
                | Content::Document(Document {
                    source: Source::Text(_),
                    ..
                }) => here.push(inner),
                Content::Image(_) if self.chat.tool_image => here.push(inner),
                Content::Native(native) if native.format == Format::OpenAiChat => here.push(inner),
                _ => there.push(inner),
            }
        }
        a.object(|o| {
            match (&result.name, is_legacy) {
                (Some(name), true) => {
                    o.str("role", "function");
                    o.str("name", name);
                }
                (name, _) => {
                    o.str("role", "tool");
                    o.str("tool_call_id", &result.call);
                    o.opt_str("name", name.as_deref().filter(|_| self.is_own));
                }
            }
            let is_text = |part: &&Part<'_>| self.is_plain(part) || as_document(part).is_some();
            if here.iter().all(is_text) {
                let mut text = joined(here.iter().copied(), "\n");
                if text.is_empty() && !there.is_empty() {
                    text = Cow::Borrowed("See attached content for this result.");
                }
                let says_so = text
                    .get(..5)
                    .is_some_and(|w| w.eq_ignore_ascii_case("error"));
                if result.is_error == Some(true) && !says_so {
                    text = Cow::Owned(format!("Error: {text}"));
                }
                o.str("content", &text);
            } else {
                o.array("content", |a| {
                    for inner in here {
                        self.part(a, inner);
                    }
                });
            }
            self.extra(o, &part.extra);
        });
        if !there.is_empty() {
            let name = result
                .name
                .as_deref()
                .or_else(|| self.name_of(&result.call));
            let name = name.unwrap_or("a tool");
            let label = format!("Tool result {number} for {name} (call {}):", result.call);
            attached.push((label, there));
        }
    }

    fn name_of(&self, id: &str) -> Option<&'r str> {
        let mut parts = self.request.turns.iter().flat_map(|turn| &turn.parts);
        parts.find_map(|part| match &part.content {
            Content::ToolCall(call) if call.id == id => Some(&*call.name),
            _ => None,
        })
    }

    fn assistant(&mut self, a: &mut ArrayWriter<'_>, turn: &Turn<'_>, parts: &[&Part<'_>]) {
        let mut said = Vec::new();
        let (mut reasoned, mut calls, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
        let mut audio = None;
        for part in parts {
            match &part.content {
                Content::Text(_) => said.push(*part),
                Content::Native(native) if native.format == Format::OpenAiChat => said.push(*part),
                Content::Refusal(text) => refusals.push(&**text),
                Content::Reasoning(reasoning) => reasoned.push((*part, reasoning)),
                Content::ToolCall(call) => calls.push((*part, call)),
                Content::Audio(sound) => match &sound.source {
                    Source::File { id, .. } if self.is_own => audio = Some(&**id),
                    _ => self.dropped(part.at),
                },
                _ => self.dropped(part.at),
            }
        }
        if said.is_empty() && refusals.is_empty() && calls.is_empty() && audio.is_none() {
            return;
        }
        a.object(|o| {
            o.str("role", "assistant");
            if said.is_empty() {
                o.raw("content", "null");
            } else {
                self.content(o, &said, "");
            }
            if !refusals.is_empty() {
                o.str("refusal", &refusals.concat());
            }
            self.reasoning(o, &reasoned);
            if let Some(id) = audio {
                o.object("audio", |o| o.str("id", id));
            }
            match &calls[..] {
                [] => {}
                [(_, call)] if self.request.legacy_functions && is_legacy_id(&call.id) => {
                    o.object("function_call", |o| {
                        o.str("name", &call.name);
                        o.str("arguments", &call.arguments);
                    });
                }
                calls => o.array("tool_calls", |a| {
                    for (part, call) in calls {
                        a.object(|o| self.call(o, part, call));
                    }
                }),
            }
            self.speaker(o, turn);
        });
    }

    fn call(&self, o: &mut ObjectWriter<'_>, part: &Part<'_>, call: &ToolCall<'_>) {
        o.str("id", &call.id);
        if call.kind == CallKind::Custom {
            o.str("type", "custom");
            o.object("custom", |o| {
                o.str("name", &call.name);
                o.str("input", &call.arguments);
            });
        } else {
            o.str("type", "function");
            o.object("function", |o| {
                o.str("name", &call.name);
                o.str("arguments", &call.arguments);
            });
        }
        self.extra(o, &part.extra);
        let is_there = self.is_own && part.extra.get("extra_content").is_some();
        if let Some(state) = &part.signature
            && state.origin == Format::OpenAiChat
            && !is_there
        {
            super::super::state::write_google(o, &state.data);
        }
    }

    fn reasoning(&self, o: &mut ObjectWriter<'_>, reasoned: &[(&Part<'_>, &Reasoned<'_>)]) {
        let text = || {
            let texts = reasoned.iter().map(|(_, reasoned)| reasoned.text());
            let texts: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
            texts.join("\n\n")
        };
        let as_received = reasoned.iter().find_map(|(part, _)| {
            let details = part.extra.get("reasoning_details");
            details.filter(|_| self.is_own)
        });
        let has_state = reasoned.iter().any(|(_, reasoned)| {
            let mut state = reasoned.opaque.iter();
            state.any(|state| state.origin == Format::OpenAiChat)
        });
        match self.chat.reasoning_field {
            ReasoningField::None => {}
            ReasoningField::Reasoning if as_received.is_some() => {
                let details = as_received.map_or("[]", crate::chat::Json::as_str);
                o.raw("reasoning_details", details);
            }
            ReasoningField::Reasoning if has_state => o.array("reasoning_details", |a| {
                for (_, reasoned) in reasoned {
                    details(a, reasoned);
                }
            }),
            ReasoningField::ReasoningContent => non_empty(o, "reasoning_content", &text()),
            ReasoningField::Reasoning => non_empty(o, "reasoning", &text()),
        }
    }
}

fn non_empty(o: &mut ObjectWriter<'_>, name: &str, text: &str) {
    if !text.is_empty() {
        o.str(name, text);
    }
}

/// Reasoning as the server of this format wrote it: a signed text is one entry, what is encrypted
/// follows its summary.
fn details(a: &mut ArrayWriter<'_>, reasoned: &Reasoned<'_>) {
    let own = |kind| {
        let mut state = reasoned.opaque.iter();
        let found =
            state.find(move |state| state.origin == Format::OpenAiChat && state.kind == kind);
        found.map(|state| Node::trusted(&state.data))
    };
    let signed = own(OpaqueKind::Signature);
    if let Some(entry) = signed {
        a.object(|o| {
            o.str("type", "reasoning.text");
            o.str("text", &reasoned.text());
            for (name, value) in entry.members().filter(|(name, _)| name != "type") {
                o.raw(&name, value.raw());
            }
        });
    } else {
        for text in &reasoned.texts {
            let (kind, member) = match text.kind {
                ReasonKind::Raw => ("reasoning.text", "text"),
                ReasonKind::Summary => ("reasoning.summary", "summary"),
            };
            a.object(|o| {
                o.str("type", kind);
                o.str(member, &text.text);
            });
        }
    }
    if let Some(entry) = own(OpaqueKind::Encrypted) {
        a.raw(entry.raw());
    }
}

fn is_call(part: &Part<'_>) -> bool {
    matches!(part.content, Content::ToolCall(_))
}

/// An id that was made up for a call of the form that has none.
fn is_legacy_id(id: &str) -> bool {
    id.strip_prefix("fc_")
        .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn as_document<'p>(part: &'p Part<'_>) -> Option<Cow<'p, str>> {
    match &part.content {
        Content::Document(document) => match &document.source {
            Source::Text(text) => Some(Cow::Owned(document_text(document, text))),
            _ => None,
        },
        _ => None,
    }
}

fn joined<'p>(parts: impl Iterator<Item = &'p Part<'p>>, between: &str) -> Cow<'p, str> {
    let mut texts: Vec<Cow<'p, str>> = parts
        .filter_map(|part| {
            part.as_text()
                .map(Cow::Borrowed)
                .or_else(|| as_document(part))
        })
        .collect();
    if texts.len() > 1 {
        return Cow::Owned(texts.join(between));
    }
    texts.pop().unwrap_or_default()
}
