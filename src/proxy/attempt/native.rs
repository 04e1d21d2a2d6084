//! The body for an account that speaks the client's format.

use std::sync::Arc;

use bytes::Bytes;

use super::super::context::{Ask, Call, CallTarget, Payload};
use crate::wire::json::{self, Splicer};
use crate::wire::{Format, Marks, Profile, ReasoningField, carrier, cleanse};

/// The body for an account that speaks the client's format: as it came, but for the model's name and
/// for reasoning state that only this gateway understands.
pub(super) fn body(call: &mut Call, model: &str, profile: impl FnOnce() -> Arc<Profile>) -> Bytes {
    let Payload::Read { bytes, model: span } = &call.body else {
        return Bytes::new();
    };
    let aliased = *model != *call.model;
    let body: Bytes = match (span, &call.target) {
        (Some(span), _) if aliased => {
            json::replace(bytes, span.clone(), json::quote(model).as_bytes()).into()
        }
        (_, CallTarget::Gemini { action, .. }) if aliased && action == "countTokens" => {
            rename_counted(bytes, model)
        }
        _ => bytes.clone(),
    };
    let Some(format) = call.format.filter(|_| call.ask != Ask::Other) else {
        return body;
    };
    let body = plain(format, body, call.marks, profile);
    let carries = *call
        .carries_state
        .get_or_insert_with(|| cleanse::holds_foreign_state(format, bytes, call.marks));
    if !carries {
        return body;
    }
    cleanse::cleanse(format, &body, &carrier::family(model)).map_or(body, Bytes::from)
}

/// The body without fields that the provider would not know, where it is one that minds.
fn plain(
    format: Format,
    body: Bytes,
    marks: Marks,
    profile: impl FnOnce() -> Arc<Profile>,
) -> Bytes {
    if format != Format::OpenAiChat || !marks.has(Marks::EXTENSION) {
        return body;
    }
    let chat = &profile().chat;
    if chat.accepts_unknown || chat.reasoning_field != ReasoningField::None {
        return body;
    }
    cleanse::without_extensions(&body).map_or(body, Bytes::from)
}

/// Gemini's token counting may carry the request to count, which names the model once more.
fn rename_counted(body: &[u8], model: &str) -> Bytes {
    let mut splicer = Splicer::new(
        &["generateContentRequest", "model"],
        &format!("models/{model}"),
    );
    let mut out = Vec::with_capacity(body.len() + model.len());
    splicer.push(body, &mut out);
    splicer.end(&mut out);
    out.into()
}
