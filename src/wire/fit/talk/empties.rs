//! What may not be empty.

use crate::chat::{Content, Format, Part, Request, Role, Turn};

/// Drops empty texts where the target refuses them, and turns that nothing is left of. Nobody misses
/// them.
pub(super) fn drop_parts(request: &mut Request<'_>, target: Format) {
    for turn in request.instructions.iter_mut().chain(&mut request.turns) {
        drop_from(turn, target);
    }
    request.instructions.retain(|turn| !turn.parts.is_empty());
    request.turns.retain(|turn| !turn.parts.is_empty());
}

fn drop_from(turn: &mut Turn<'_>, target: Format) {
    for part in &mut turn.parts {
        if let Content::ToolResult(result) = &mut part.content {
            drop_texts(&mut result.content, target);
        }
    }
    // The OpenAI formats take a user who says nothing.
    let says_nothing = turn.parts.len() == 1 && turn.role == Role::User;
    let takes_it = matches!(target, Format::OpenAiChat | Format::OpenAiResponses);
    if !(says_nothing && takes_it) {
        drop_texts(&mut turn.parts, target);
    }
}

fn drop_texts(parts: &mut Vec<Part<'_>>, target: Format) {
    if parts.iter().all(|part| has_content(part, target)) {
        return;
    }
    let mut kept: Vec<Part<'_>> = Vec::with_capacity(parts.len());
    for part in std::mem::take(parts) {
        if has_content(&part, target) {
            kept.push(part);
        } else if let Some(before) = kept.last_mut() {
            // A cache that ended here ends before it.
            before.cache = before.cache.or(part.cache);
        }
    }
    *parts = kept;
}

fn has_content(part: &Part<'_>, target: Format) -> bool {
    match &part.content {
        Content::Text(text) if target == Format::Claude => !text.text.is_blank(),
        Content::Text(text) => !text.text.is_empty() || part.signature.is_some(),
        Content::Refusal(text) => !text.is_empty(),
        _ => true,
    }
}
