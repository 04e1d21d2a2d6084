//! What is asked for besides the conversation: parameters, tools, the form of the answer.

mod envelope;
mod limits;
mod native;
mod output;
mod place;
mod reasoning;
mod sampling;
mod schema;
mod state;
mod tools;
mod user;

#[cfg(test)]
mod tests;

use super::Restore;
use crate::chat::{Fault, Losses, Request};
use crate::wire::{EmitReasoning, Format, Profile};

/// Who is to understand the request.
#[derive(Debug, Clone, Copy)]
struct To<'p> {
    format: Format,
    profile: &'p Profile,
}

impl To<'_> {
    const fn is(self, format: Format) -> bool {
        matches!(
            (self.format, format),
            (Format::OpenAiChat, Format::OpenAiChat)
                | (Format::OpenAiResponses, Format::OpenAiResponses)
                | (Format::Claude, Format::Claude)
                | (Format::Gemini, Format::Gemini)
        )
    }

    /// One of OpenAI's two dialects.
    const fn is_openai(self) -> bool {
        self.is(Format::OpenAiChat) || self.is(Format::OpenAiResponses)
    }
}

/// Fits everything but the conversation to `target`. `restore` learns what has to be undone in the
/// answer. A request that stays in its format is not touched: its provider judges it itself. Only Code
/// Assist is less than the Gemini that its clients speak.
pub(super) fn fit(
    request: &mut Request<'_>,
    target: Format,
    profile: &Profile,
    losses: &mut Losses,
    restore: &mut Restore,
) -> Result<(), Fault> {
    let to = To {
        format: target,
        profile,
    };
    if request.origin == target {
        if target == Format::Gemini && profile.gemini.envelope {
            envelope::own(request, to, losses, restore)?;
        }
        return Ok(());
    }
    let sees_reasoning = super::exposes_reasoning(request)
        && (request.origin != Format::OpenAiChat
            || profile.chat.emit_reasoning != EmitReasoning::None);
    state::fit(request, to, losses)?;
    native::fit(request, to, losses)?;
    user::fit(request, to, losses)?;
    output::modalities(request, to, losses)?;
    limits::max_tokens(request, to, losses)?;
    reasoning::fit(request, to, sees_reasoning, losses)?;
    envelope::limits(request, to, losses)?;
    tools::fit(request, to, losses, restore)?;
    output::fit(request, to, losses, restore)?;
    tools::choose(request, to, losses)?;
    sampling::fit(request, to, losses)?;
    limits::stop(request, to, losses, restore)
}
