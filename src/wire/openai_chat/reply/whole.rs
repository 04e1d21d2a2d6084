//! A whole answer as one document.

use std::borrow::Cow;
use std::sync::Arc;

use super::{
    DECLINED, Head, annotation, audio, call, call_id, detail, image, is_carried, logprobs,
    signature,
};
use crate::chat::{
    Answer, CallKind, Candidate, Change, Content, Event, Fold, Losses, Opaque, Part, Place,
    ReasonKind, Reasoned, StopReason, ToolCall,
};
use crate::wire::json::{ArrayWriter, ObjectWriter, object};
use crate::wire::openai_chat::{state, stop, usage};
use crate::wire::{EmitReasoning, Encode, Reply};

/// Collects an answer and writes it at its end.
pub(in crate::wire::openai_chat) struct Whole {
    reply: Arc<Reply>,
    fold: Fold,
}

impl Whole {
    pub(in crate::wire::openai_chat) fn new(reply: &Arc<Reply>) -> Self {
        Self {
            reply: Arc::clone(reply),
            fold: Fold::default(),
        }
    }
}

impl Encode for Whole {
    fn event(&mut self, event: Event<'_>, losses: &mut Losses, out: &mut Vec<u8>) {
        let is_end = event == Event::End;
        self.fold.push(event);
        if !is_end {
            return;
        }
        if let Ok(answer) = std::mem::take(&mut self.fold).finish() {
            write(&answer, &self.reply, losses, out);
        }
    }
}

fn write(answer: &Answer<'_>, reply: &Reply, losses: &mut Losses, out: &mut Vec<u8>) {
    object(out, |o| {
        Head::new(&answer.start, reply).write(o, "chat.completion");
        o.array("choices", |a| {
            for (index, candidate) in (0_u32..).zip(&answer.candidates) {
                a.object(|o| {
                    o.num("index", index);
                    o.object("message", |o| {
                        let at = Place::field("choices").item(index as usize);
                        message(o, candidate, reply, at, losses);
                    });
                    let all = candidate
                        .parts
                        .iter()
                        .filter_map(|part| match &part.content {
                            Content::Text(text) => text.logprobs.as_ref(),
                            _ => None,
                        });
                    logprobs(o, all);
                    let reason = stop::encode(&candidate.stop.reason, reply.legacy_functions);
                    o.str("finish_reason", reason);
                });
            }
        });
        usage::write(o, &answer.usage.unwrap_or_default());
    });
}

fn message(
    o: &mut ObjectWriter<'_>,
    candidate: &Candidate<'_>,
    reply: &Reply,
    at: Place,
    losses: &mut Losses,
) {
    let parts = &candidate.parts;
    let (mut text, annotations) = joined(parts);
    let is_silent = parts
        .iter()
        .all(|part| matches!(part.content, Content::Reasoning(_)));
    if is_silent && candidate.stop.reason == StopReason::Length {
        // It thought until there was no more room: clients that expect no calls read a string.
        text = Some(Cow::Borrowed(""));
    }
    o.str("role", "assistant");
    o.str_or_null("content", text.as_deref());
    let refusals = parts.iter().filter_map(|part| match &part.content {
        Content::Refusal(text) => Some(&**text),
        _ => None,
    });
    let mut refusal = refusals.collect::<Vec<_>>().concat();
    if candidate.stop.reason == StopReason::Refusal && text.is_none() && refusal.is_empty() {
        refusal = candidate
            .stop
            .detail
            .as_deref()
            .unwrap_or(DECLINED)
            .to_owned();
    }
    o.str_or_null("refusal", (!refusal.is_empty()).then_some(&*refusal));
    o.array("annotations", |a| {
        for annotation in annotations {
            a.raw(&annotation);
        }
    });
    reasoning(o, parts, reply);
    calls(o, parts, reply, at, losses);
    let is_image = |part: &&Part<'_>| matches!(part.content, Content::Image(_));
    if parts.iter().any(|part| is_image(&part)) {
        o.array("images", |a| {
            for part in parts {
                if let Content::Image(one) = &part.content {
                    image(a, one);
                }
            }
        });
    }
    let sound = parts.iter().find_map(|part| match &part.content {
        Content::Audio(sound) => Some((part, sound)),
        _ => None,
    });
    if let Some((part, sound)) = sound {
        audio(o, part, sound, reply);
    }
    let signed = |part: &Part<'_>| matches!(part.content, Content::Text(_));
    let signed = parts.iter().filter(|part| signed(part));
    if let Some(state) = signed.rev().find_map(|part| part.signature.as_ref()) {
        signature(o, state);
    }
    if parts.iter().any(|part| !is_carried(&part.content)) {
        losses.note(at, Change::Dropped);
    }
    if candidate.stop.reason == StopReason::Pause {
        losses.note(at.of("finish_reason"), Change::Approximated);
    }
}

/// All text, and its citations. A blank line stands where something else stood between two texts.
fn joined<'p>(parts: &'p [Part<'_>]) -> (Option<Cow<'p, str>>, Vec<String>) {
    let mut joined: Option<Cow<'p, str>> = None;
    let mut annotations = Vec::new();
    let mut is_apart = false;
    // Code points so far.
    let mut before = 0;
    for part in parts {
        let text = match &part.content {
            Content::Text(text) => text,
            Content::Reasoning(_)
            | Content::ToolCall(_)
            | Content::ServerCall(_)
            | Content::ServerResult(_) => {
                is_apart = true;
                continue;
            }
            _ => continue,
        };
        match &mut joined {
            None => joined = Some(Cow::Borrowed(&text.text)),
            Some(so_far) => {
                let touches = so_far.is_empty()
                    || text.text.is_empty()
                    || so_far.ends_with(char::is_whitespace)
                    || text.text.starts_with(char::is_whitespace);
                if is_apart && !touches {
                    so_far.to_mut().push_str("\n\n");
                    before += 2;
                }
                so_far.to_mut().push_str(&text.text);
            }
        }
        is_apart = false;
        let length = text.text.chars().count() as u64;
        let citations = text.citations.iter();
        annotations.extend(citations.filter_map(|one| annotation(one, before, length)));
        before += length;
    }
    (joined, annotations)
}

fn reasoning(o: &mut ObjectWriter<'_>, parts: &[Part<'_>], reply: &Reply) {
    let emit = reply.profile.chat.emit_reasoning;
    let all = parts.iter().filter_map(|part| match &part.content {
        Content::Reasoning(reasoned) => Some(reasoned),
        _ => None,
    });
    let all: Vec<&Reasoned<'_>> = all.collect();
    if all.is_empty() || emit == EmitReasoning::None {
        return;
    }
    let texts = all.iter().map(|reasoned| reasoned.text());
    let texts: Vec<Cow<'_, str>> = texts.filter(|text| !text.is_empty()).collect();
    if !texts.is_empty() {
        let member = match emit {
            EmitReasoning::Reasoning => "reasoning",
            _ => "reasoning_content",
        };
        o.str(member, &texts.join("\n\n"));
    }
    if emit == EmitReasoning::ContentAndDetails {
        o.array("reasoning_details", |a| {
            for (index, reasoned) in (0..).zip(all) {
                details(a, reasoned, index, reply);
            }
        });
    }
}

fn details(a: &mut ArrayWriter<'_>, reasoned: &Reasoned<'_>, index: u32, reply: &Reply) {
    let text = reasoned.text();
    let kind = reasoned.texts.first().map(|text| text.kind);
    if let Some(kind) = kind.filter(|_| !text.is_empty()) {
        a.object(|o| visible(o, kind, &text, index));
    }
    for opaque in &reasoned.opaque {
        detail(a, opaque, &text, index, reply);
    }
}

/// Visible reasoning as an entry of `reasoning_details`.
pub(super) fn visible(o: &mut ObjectWriter<'_>, kind: ReasonKind, text: &str, index: u32) {
    match kind {
        ReasonKind::Raw => {
            o.str("type", "reasoning.text");
            o.str("text", text);
        }
        ReasonKind::Summary => {
            o.str("type", "reasoning.summary");
            o.str("summary", text);
        }
    }
    o.str("format", "unknown");
    o.num("index", index);
}

fn calls(
    o: &mut ObjectWriter<'_>,
    parts: &[Part<'_>],
    reply: &Reply,
    at: Place,
    losses: &mut Losses,
) {
    let mut all = Vec::new();
    // State of the reasoning before a call.
    let mut before: Option<Cow<'_, Opaque<'_>>> = None;
    for part in parts {
        match &part.content {
            Content::Reasoning(reasoned) => {
                let state = reasoned.opaque.last();
                before = state
                    .map(|state| state::pack(state, &reasoned.text()))
                    .or(before);
            }
            Content::ToolCall(one) => {
                let state = part.signature.as_ref().map(Cow::Borrowed);
                all.push((part, one, state.or_else(|| before.take())));
            }
            _ => {}
        }
    }
    match &all[..] {
        [] => {}
        [(_, one, _), more @ ..] if reply.legacy_functions => {
            o.object("function_call", |o| {
                o.str("name", &one.name);
                o.str("arguments", arguments(one));
            });
            if !more.is_empty() {
                losses.note(at.of("message.tool_calls").part(1), Change::Dropped);
            }
        }
        all => o.array("tool_calls", |a| {
            for (part, one, state) in all {
                a.object(|o| {
                    o.str("id", &call_id(&one.id, state.as_deref(), reply));
                    call(o, one.kind, &one.name, arguments(one));
                    if let Some(state) = &part.signature {
                        signature(o, state);
                    }
                });
            }
        }),
    }
}

/// A function without arguments has an empty object of them: clients parse it.
fn arguments<'c>(call: &'c ToolCall<'_>) -> &'c str {
    if call.arguments.is_empty() && call.kind != CallKind::Custom {
        return "{}";
    }
    &call.arguments
}
