//! Where an answer ends: how long it may be, and the texts that stop it.

use super::{To, place};
use crate::chat::{Change, Fault, Format, Json, Losses, Place, Request};
use crate::wire::fit::Restore;
use crate::wire::json::{Node, ObjectWriter, object};

/// The least that OpenAI Responses takes.
const RESPONSES_MIN: u64 = 16;
/// How many stop sequences OpenAI takes.
const OPENAI_STOPS: usize = 4;
/// How many stop sequences Gemini takes.
const GEMINI_STOPS: usize = 5;
/// How many stop sequences OpenAI Chat takes.
const CHAT_STOPS: usize = 4;

/// Puts the limit into the target's range. Anthropic's always has one.
pub(super) fn max_tokens(
    request: &mut Request<'_>,
    to: To<'_>,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let place = place::MAX_TOKENS.at(request.origin);
    if request.origin == Format::Claude && request.max_output_tokens == Some(0) {
        return warm_up(request, to, place);
    }
    match to.format {
        Format::OpenAiResponses => {
            if let Some(limit) = &mut request.max_output_tokens
                && *limit < RESPONSES_MIN
            {
                *limit = RESPONSES_MIN;
                losses.note(place, Change::Clamped);
            }
        }
        Format::Claude => {
            let most = to.profile.claude.max_output;
            match request.max_output_tokens {
                Some(limit) if limit > most => {
                    request.max_output_tokens = Some(most);
                    losses.note(place, Change::Clamped);
                }
                Some(0) => request.max_output_tokens = Some(1),
                // Reasoning still has to see that the client gave none.
                _ => {}
            }
        }
        Format::OpenAiChat | Format::Gemini => {}
    }
    let most = match to.format {
        Format::OpenAiChat | Format::OpenAiResponses => to.profile.chat.max_output,
        Format::Gemini => to.profile.gemini.max_output,
        Format::Claude => 0,
    };
    // Above it the provider would refuse the request; 0 is no limit.
    if let Some(limit) = &mut request.max_output_tokens
        && most > 0
        && *limit > most
    {
        *limit = most;
        losses.note(place, Change::Clamped);
    }
    Ok(())
}

/// Anthropic's request that only fills the cache.
fn warm_up(request: &mut Request<'_>, to: To<'_>, place: Place) -> Result<(), Fault> {
    if !to.is(Format::OpenAiResponses) {
        return Err(Fault::cannot_carry(
            place,
            "the provider that serves this model cannot fill a cache without answering",
        ));
    }
    request.max_output_tokens = None;
    let before = request.caching.options.take();
    let mut out = Vec::new();
    object(&mut out, |o: &mut ObjectWriter<'_>| {
        if let Some(options) = &before {
            for (key, value) in Node::trusted(options.as_str()).members() {
                if key != "prewarm" {
                    o.raw(&key, value.raw());
                }
            }
        }
        o.bool("prewarm", true);
    });
    request.caching.options = Some(Json::trusted(String::from_utf8(out).unwrap_or_default()));
    Ok(())
}

/// Keeps the stop sequences that the target takes; what it does not know at all, `restore` does.
pub(super) fn stop(
    request: &mut Request<'_>,
    to: To<'_>,
    losses: &mut Losses,
    restore: &mut Restore,
) -> Result<(), Fault> {
    let place = place::STOP.at(request.origin);
    match to.format {
        Format::Claude => {
            let before = request.stop.len();
            request.stop.retain(|stop| !stop.trim().is_empty());
            if request.stop.len() < before {
                losses.dropped(place)?;
            }
        }
        Format::Gemini => {
            request.stop.retain(|stop| !stop.is_empty());
            if request.stop.len() > GEMINI_STOPS {
                losses.dropped(place)?;
                request.stop.truncate(GEMINI_STOPS);
            }
        }
        Format::OpenAiResponses => {
            let stops = std::mem::take(&mut request.stop);
            restore.stop_at(stops.iter().map(|stop| &**stop));
            if !stops.is_empty() {
                losses.note(place, Change::Approximated);
            }
        }
        Format::OpenAiChat => {
            request.stop.retain(|stop| !stop.is_empty());
            let taken = if to.profile.chat.reasoning_model {
                0
            } else {
                CHAT_STOPS
            };
            // What is too much for the provider is looked for here.
            if request.stop.len() > taken {
                let more = request.stop.split_off(taken);
                restore.stop_at(more.iter().map(|stop| &**stop));
                losses.note(place, Change::Approximated);
            }
            if !to.profile.chat.accepts_unknown && request.stop.len() > OPENAI_STOPS {
                let more = request.stop.split_off(OPENAI_STOPS);
                restore.stop_at(more.iter().map(|stop| &**stop));
                losses.note(place, Change::Approximated);
            }
        }
    }
    Ok(())
}
