//! What a target insists on about thinking when calls come back to it.

use std::borrow::Cow;

use super::has_calls;
use crate::chat::{
    Change, Content, Format, Losses, Opaque, OpaqueKind, Part, Place, ReasoningMode, Request, Role,
};
use crate::wire::Profile;

/// What Gemini takes in place of a signature that is lost.
pub(in crate::wire) const SENTINEL: &str = "skip_thought_signature_validator";

/// Claude with a thinking budget wants the last turn's calls to have thinking before them. Where it is
/// lost, this one answer is made without.
pub(super) fn begin_with_thinking(
    request: &mut Request<'_>,
    profile: &Profile,
    losses: &mut Losses,
) {
    let types = profile.claude.thinking;
    let is_on = request
        .reasoning
        .as_ref()
        .is_some_and(|reasoning| reasoning.mode != ReasoningMode::Off);
    if !is_on || !types.enabled || types.adaptive {
        return;
    }
    let mut turns = request.turns.iter().rev();
    let Some(last) = turns.find(|turn| turn.role == Role::Assistant) else {
        return;
    };
    let begins_so = |part: &Part<'_>| matches!(part.content, Content::Reasoning(_));
    if has_calls(last) && !last.parts.first().is_some_and(begins_so) {
        request.reasoning = None;
        request.native.take("thinking");
        let place = Place::field(match request.origin {
            Format::OpenAiChat => "reasoning_effort",
            Format::OpenAiResponses => "reasoning",
            Format::Claude => "thinking",
            Format::Gemini => "generationConfig.thinkingConfig",
        });
        losses.note(place, Change::Approximated);
    }
}

/// Gemini wants a signature on the first call of each of its turns.
pub(super) fn sign_calls(request: &mut Request<'_>, profile: &Profile) {
    if !profile.gemini.signatures_required {
        return;
    }
    for turn in &mut request.turns {
        let is_call = |part: &&mut Part<'_>| matches!(part.content, Content::ToolCall(_));
        let mut calls = turn.parts.iter_mut().filter(is_call);
        let Some(first) = calls.next() else {
            continue;
        };
        if first.signature.is_none() {
            first.signature = Some(Opaque {
                origin: Format::Gemini,
                kind: OpaqueKind::Thought,
                family: Cow::Borrowed(""),
                data: Cow::Borrowed(SENTINEL),
            });
        }
    }
}

/// Reasoning that nothing follows is refused by Anthropic and OpenAI Responses, and OpenAI Chat has no
/// place for it.
pub(super) fn drop_last(request: &mut Request<'_>, target: Format) {
    if target == Format::Gemini {
        return;
    }
    let is_reasoning = |part: &Part<'_>| matches!(part.content, Content::Reasoning(_));
    request.turns.retain_mut(|turn| {
        let rest = turn.parts.iter().rposition(|part| !is_reasoning(part));
        let length = rest.map_or(0, |index| index + 1);
        if length == 0 || target != Format::OpenAiChat {
            turn.parts.truncate(length);
        }
        length > 0
    });
}
