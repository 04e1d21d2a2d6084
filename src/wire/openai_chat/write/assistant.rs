//! Writes what the model said before.

use super::Writer;
use super::messages::is_legacy_id;
use crate::chat::{
    CallKind, Content, Format, Json, OpaqueKind, Part, ReasonKind, Reasoned, Source, ToolCall, Turn,
};
use crate::wire::ReasoningField;
use crate::wire::json::{ArrayWriter, Node, ObjectWriter};
use crate::wire::openai_chat::state::write_google;

impl Writer<'_> {
    /// One message; none where nothing is left to say.
    pub(super) fn assistant(
        &mut self,
        a: &mut ArrayWriter<'_>,
        turn: &Turn<'_>,
        parts: &[&Part<'_>],
    ) {
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
                        o.str("arguments", object_text(&call.arguments));
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
                // Servers parse it; what was no call of this format has no empty text for a reason.
                let is_empty = !self.is_own && call.arguments.trim().is_empty();
                o.str("arguments", if is_empty { "{}" } else { &call.arguments });
            });
        }
        self.extra(o, &part.extra);
        let is_there = self.is_own && part.extra.get("extra_content").is_some();
        if let Some(state) = &part.signature
            && state.origin == Format::OpenAiChat
            && !is_there
        {
            write_google(o, &state.data);
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
                let details = as_received.map_or("[]", Json::as_str);
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

/// Servers read arguments as JSON, which nothing is not.
fn object_text(arguments: &str) -> &str {
    if arguments.trim().is_empty() {
        "{}"
    } else {
        arguments
    }
}
