//! Reasoning that comes back in one of several extensions.

use std::borrow::Cow;

use crate::chat::{
    Content, Extra, Format, OpaqueKind, Part, Place, ReasonKind, ReasonText, Reasoned,
};
use crate::wire::json::{Node, Object};
use crate::wire::openai_chat::state::{self, Meaning};

/// Takes what an assistant message says of its reasoning. Where it says it twice, the more exact form
/// counts: `reasoning_details`, `thinking_blocks`, `reasoning_content` or `reasoning`.
pub(super) fn take<'a>(message: &mut Object<'a>, at: Place) -> Vec<Part<'a>> {
    let details = message.take("reasoning_details");
    let blocks = message.take("thinking_blocks");
    let (content, plain) = (message.take("reasoning_content"), message.take("reasoning"));
    let text = content.or(plain).and_then(Node::str);
    let text = text.filter(|text| !text.is_empty());
    let (mut parts, is_plain) = details.map_or_else(Default::default, |node| read(node, at));
    if parts.is_empty() {
        parts = blocks.map(|node| thinking(node, at)).unwrap_or_default();
    } else if is_plain && let (Some(first), Some(details)) = (parts.first_mut(), details) {
        let name = Cow::Borrowed("reasoning_details");
        first.extra = Extra(vec![(name, details.json())]);
    }
    let Some(text) = text else {
        return parts;
    };
    let said = |part: &Part<'_>| match &part.content {
        Content::Reasoning(reasoned) => !reasoned.texts.is_empty(),
        _ => false,
    };
    if !parts.iter().any(said) {
        let raw = ReasonText {
            kind: ReasonKind::Raw,
            text,
        };
        match parts.first_mut().map(|part| &mut part.content) {
            // An Anthropic signature without a text signs none.
            Some(Content::Reasoning(reasoned))
                if !reasoned
                    .opaque
                    .iter()
                    .any(|one| one.origin == Format::Claude) =>
            {
                reasoned.texts.push(raw);
            }
            Some(_) => {}
            None => parts.push(
                Part::new(Content::Reasoning(Reasoned {
                    texts: vec![raw],
                    ..Reasoned::default()
                }))
                .at(at.of("reasoning_content")),
            ),
        }
    }
    parts
}

/// The entries of `reasoning_details`, put together again, and whether none of them is a carrier.
fn read(details: Node<'_>, at: Place) -> (Vec<Part<'_>>, bool) {
    let mut groups: Vec<(Option<u64>, Reasoned<'_>)> = Vec::new();
    let mut is_plain = true;
    for entry in details.items() {
        let index = entry.get("index").and_then(Node::u64);
        let text = state::detail_text(entry);
        let meaning = state::detail_state(entry);
        is_plain &= !matches!(meaning, Some(Meaning::Carried(_) | Meaning::Broken));
        let is_more = groups.last().is_some_and(|(last, group)| {
            let is_sealed = !group.opaque.is_empty();
            let is_summary = group
                .texts
                .iter()
                .all(|text| text.kind == ReasonKind::Summary);
            match (index, last) {
                (Some(index), Some(last)) if index == *last => !is_sealed || meaning.is_none(),
                (Some(_), Some(_)) => !is_sealed && is_summary && text.is_none(),
                _ => !is_sealed,
            }
        });
        if !is_more {
            groups.push((index, Reasoned::default()));
        }
        let Some((_, group)) = groups.last_mut() else {
            continue;
        };
        if let Some((kind, text)) = text {
            match group.texts.last_mut().filter(|last| last.kind == kind) {
                Some(last) => last.text.to_mut().push_str(&text),
                None => group.texts.push(ReasonText { kind, text }),
            }
        }
        match meaning {
            Some(Meaning::Carried(opaque)) => {
                let is_exact =
                    opaque.origin == Format::Claude && opaque.kind == OpaqueKind::Signature;
                let unpacked = state::unpack(opaque);
                if is_exact {
                    group.texts = unpacked.texts;
                }
                group.opaque.extend(unpacked.opaque);
            }
            Some(Meaning::Native(opaque)) => {
                if opaque.origin == Format::OpenAiResponses {
                    group.id = entry.get_str("id");
                }
                group.opaque.push(opaque);
            }
            Some(Meaning::Broken) | None => {}
        }
    }
    let parts = groups
        .into_iter()
        .filter(|(_, group)| !group.texts.is_empty() || !group.opaque.is_empty())
        .map(|(_, group)| Part::new(Content::Reasoning(group)).at(at.of("reasoning_details")));
    (parts.collect(), is_plain)
}

/// The blocks of `thinking_blocks`, which are those of Anthropic.
fn thinking(blocks: Node<'_>, at: Place) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for (index, block) in blocks.items().enumerate() {
        let mut reasoned = Reasoned::default();
        if let Some(text) = block.get_str("thinking").filter(|text| !text.is_empty()) {
            let kind = ReasonKind::Raw;
            reasoned.texts.push(ReasonText { kind, text });
        }
        let signature = block.get_str("signature").filter(|text| !text.is_empty());
        let (data, kind) = match signature {
            Some(signature) => (Some(signature), OpaqueKind::Signature),
            None => (block.get_str("data"), OpaqueKind::Redacted),
        };
        match data.map(|data| state::meaning(data, Format::Claude, kind)) {
            Some(Meaning::Carried(opaque)) => {
                let is_exact =
                    opaque.origin == Format::Claude && opaque.kind == OpaqueKind::Signature;
                let unpacked = state::unpack(opaque);
                if is_exact && !unpacked.texts.is_empty() {
                    reasoned.texts = unpacked.texts;
                }
                reasoned.opaque = unpacked.opaque;
            }
            Some(Meaning::Native(opaque)) => reasoned.opaque.push(opaque),
            Some(Meaning::Broken) | None => {}
        }
        if !reasoned.texts.is_empty() || !reasoned.opaque.is_empty() {
            let at = at.of("thinking_blocks").part(index);
            parts.push(Part::new(Content::Reasoning(reasoned)).at(at));
        }
    }
    parts
}
