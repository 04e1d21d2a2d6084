//! What a target insists on about thinking when calls come back to it.

use std::borrow::Cow;

use super::has_calls;
use crate::chat::{
    Change, Content, Format, Losses, Opaque, OpaqueKind, Part, Place, ReasoningMode, Request, Role,
    Turn,
};
use crate::wire::Profile;

/// What Gemini takes in place of a signature that is lost.
pub(in crate::wire) const SENTINEL: &str = "skip_thought_signature_validator";

/// Claude with a thinking budget wants an open tool loop to begin with thinking; between the calls the
/// model need not think again. Where it is lost, this one answer is made without.
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
    if has_lost_thinking(&request.turns) {
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

fn has_lost_thinking(turns: &[Turn<'_>]) -> bool {
    let is_result = |part: &Part<'_>| matches!(part.content, Content::ToolResult(_));
    let mut has_any_calls = false;
    for turn in turns.iter().rev() {
        match turn.role {
            Role::Assistant => {
                let first = turn.parts.first().map(|part| &part.content);
                if matches!(first, Some(Content::Reasoning(_))) {
                    return false;
                }
                has_any_calls |= has_calls(turn);
            }
            Role::User if !turn.parts.iter().any(is_result) => break,
            Role::User | Role::Instruction(_) => {}
        }
    }
    has_any_calls
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
