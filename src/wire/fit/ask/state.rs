//! What a provider should remember or continue, and what only some formats have.

use super::{To, place};
use crate::chat::{Fault, Format, Losses, OnLoss, Place, Request};

/// Takes out or refuses what is stored at a provider, and the fields that the target has no place for.
pub(super) fn fit(request: &mut Request<'_>, to: To<'_>, losses: &mut Losses) -> Result<(), Fault> {
    let origin = request.origin;
    let state = &mut request.state;
    let stored = [
        (state.previous_response.is_some(), "previous_response_id"),
        (state.conversation.is_some(), "conversation"),
        (state.prompt.is_some(), "prompt"),
        (state.background, "background"),
        (state.cached_content.is_some(), "cachedContent"),
    ];
    for (is_there, field) in stored {
        if is_there {
            return Err(Fault::cannot_carry(
                Place::field(field),
                format!(
                    "'{field}' refers to what another provider stores; the provider that serves this model does not have it: send the whole conversation"
                ),
            ));
        }
    }
    // Nothing of the answer depends on it; only who wants no losses at all is told.
    if state.store.take() == Some(true) && losses.policy() == OnLoss::Reject {
        losses.dropped(place::STORE.at(origin))?;
    }

    if request.candidates.is_some_and(|count| count > 1)
        && (to.is(Format::Claude) || to.is(Format::OpenAiResponses))
    {
        return Err(Fault::cannot_carry(
            place::CANDIDATES.at(origin),
            "the provider that serves this model gives one answer per request",
        ));
    }
    request.candidates = request.candidates.filter(|count| *count > 1);
    // A model that is known not to reason knows only one.
    if !to.is_openai() || !to.profile.chat.may_reason() {
        request.output.verbosity = None;
    }
    Ok(())
}
