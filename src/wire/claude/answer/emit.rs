//! Events of what a block says, where it says something.

use std::borrow::Cow;

use crate::chat::{Event, Format, Opaque, OpaqueKind, ReasonKind};

/// Who takes the events.
pub(super) type Emit<'e> = &'e mut dyn FnMut(Event<'_>);

pub(super) fn text(block: u32, text: Option<Cow<'_, str>>, emit: Emit<'_>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        emit(Event::Text {
            block,
            text,
            logprobs: None,
        });
    }
}

pub(super) fn reason(block: u32, text: Option<Cow<'_, str>>, emit: Emit<'_>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        emit(Event::Reason {
            block,
            kind: ReasonKind::Summary,
            index: 0,
            text,
        });
    }
}

pub(super) fn sign(block: u32, kind: OpaqueKind, data: Option<Cow<'_, str>>, emit: Emit<'_>) {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        emit(Event::Signature {
            block,
            opaque: Opaque {
                origin: Format::Claude,
                kind,
                family: Cow::Borrowed(""),
                data,
            },
        });
    }
}
