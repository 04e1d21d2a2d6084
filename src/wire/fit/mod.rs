//! Fits a neutral request to its target: what the target's format and model cannot take is mapped,
//! moved, clamped, dropped with a note, or refused. After it an encoder only writes what is left.

mod ask;
mod restore;
mod talk;

pub use restore::Restore;
pub(super) use talk::{SENTINEL, is_claude_id, mapped_id, signed_text};

use super::{Format, Profile};
use crate::chat::{Expose, Fault, Losses, ReasoningMode, Request};

/// Fits `request` to a model that `profile` describes, at a provider that speaks `target`. Gives what
/// the answer needs to be turned back into the client's terms.
pub fn fit(
    request: &mut Request<'_>,
    target: Format,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<Restore, Fault> {
    let mut restore = Restore::default();
    ask::fit(request, target, profile, losses, &mut restore)?;
    talk::fit(request, target, profile, losses)?;
    Ok(restore)
}

/// Whether the client of `request` is to see reasoning. OpenAI Chat has no word for it: its clients
/// see it unless the profile says otherwise.
pub fn exposes_reasoning(request: &Request<'_>) -> bool {
    let asked = request.reasoning.as_ref();
    let expose = asked.and_then(|reasoning| reasoning.expose);
    match request.origin {
        Format::OpenAiChat => expose != Some(Expose::Nothing),
        Format::OpenAiResponses | Format::Gemini => {
            expose.is_some_and(|expose| expose != Expose::Nothing)
        }
        // Thinking that is on is shown, unless its display is turned off.
        Format::Claude => asked.is_some_and(|reasoning| {
            let is_on = match reasoning.mode {
                ReasoningMode::On => reasoning.budget.is_some() || expose.is_some(),
                // Only an effort: thinking itself was not asked for.
                ReasoningMode::Auto => {
                    reasoning.effort.is_none()
                        || expose.is_some()
                        || request.native.get("thinking").is_some()
                }
                ReasoningMode::Off => false,
            };
            is_on && expose != Some(Expose::Nothing)
        }),
    }
}
