//! Fits the conversation to its target: reasoning state, instructions in the middle of it, calls and
//! their results, whose turn it is, what may not be empty, ids, media and cache marks.
//!
//! Everything is decided by the conversation so far, nothing by chance or by what comes later, so that
//! a longer conversation begins with the same turns as a shorter one and prompt caches hit.

mod base64;
mod documents;
mod empties;
mod ids;
mod instructions;
mod marks;
mod media;
mod natives;
mod pairing;
mod results;
mod roles;
mod state;
mod thought;

pub(in crate::wire) use ids::{is_claude_id, mapped as mapped_id};
pub(in crate::wire) use state::signed_text;
pub(in crate::wire) use thought::SENTINEL;

use crate::chat::{Change, Content, Fault, Format, Losses, Place, Request, Role, Turn};
use crate::wire::Profile;

/// Fits the turns, the instructions and the cache marks of `request` to a model that `profile`
/// describes, at a provider that speaks `target`. A request that stays in its own format loses only
/// state that its provider did not make.
pub(super) fn fit(
    request: &mut Request<'_>,
    target: Format,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<(), Fault> {
    if request.origin == target {
        let any = state::drop_foreign(request, &profile.family);
        if target == Format::Claude {
            thought::begin_with_thinking(request, profile, losses);
        } else if any && target == Format::Gemini {
            thought::sign_calls(request, profile);
        }
        ids::fit_own(request, profile);
        return Ok(());
    }
    natives::drop_foreign(request, target, losses)?;
    state::keep_native(request, target, profile, losses)?;
    media::fit(request, target, profile, losses)?;
    instructions::place(request, target, profile, losses)?;
    empties::drop_parts(request, target);
    request.turns = pairing::joined(std::mem::take(&mut request.turns), target);
    thought::drop_last(request, target);
    pairing::pair(request, target, losses);
    ids::fit(request, target);
    results::fit(request, target, profile, losses);
    roles::alternate(request, target, profile, losses)?;
    match target {
        Format::Claude => thought::begin_with_thinking(request, profile, losses),
        Format::Gemini => thought::sign_calls(request, profile),
        Format::OpenAiChat | Format::OpenAiResponses => {}
    }
    marks::fit(request, target, profile);
    Ok(())
}

/// Where the conversation stands in the client's document.
const fn conversation(origin: Format) -> Place {
    Place::field(match origin {
        Format::OpenAiChat | Format::Claude => "messages",
        Format::OpenAiResponses => "input",
        Format::Gemini => "contents",
    })
}

/// A user turn that nobody wrote, where the target needs one.
fn made_up(text: &'static str, at: Place, losses: &mut Losses) -> Turn<'static> {
    losses.note(at, Change::Synthesised);
    Turn::new(Role::User, vec![crate::chat::Part::text(text)]).at(at)
}

/// Whether a turn has a call that waits for the client's tools.
fn has_calls(turn: &Turn<'_>) -> bool {
    let is_call = |part: &crate::chat::Part<'_>| matches!(part.content, Content::ToolCall(_));
    turn.role == Role::Assistant && turn.parts.iter().any(is_call)
}

/// Appends the parts of a turn to the turn before.
fn join<'a>(before: &mut Turn<'a>, turn: Turn<'a>) {
    before.parts.extend(turn.parts);
    before.name = before.name.take().or(turn.name);
    before.phase = before.phase.take().or(turn.phase);
    before.extra.0.extend(turn.extra.0);
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
