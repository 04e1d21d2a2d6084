//! Writes requests.

mod config;
mod content;
mod tools;

use super::super::Profile;
use super::super::json::{Node, ObjectWriter, object};
use crate::chat::{Extra, Fault, Format, Losses, Part, Request, Tier};

/// The members of [`Request::native`] that are parts of other members.
const NESTED: [&str; 3] = ["generationConfig", "toolConfig", super::request::CALLING];

/// Writes a request that was fit for Gemini.
pub(super) fn encode(
    request: &Request<'_>,
    profile: &Profile,
    losses: &mut Losses,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let own = own(request);
    let mut done = Ok(());
    object(out, |o| {
        let texts = request.instructions.iter().flat_map(|turn| &turn.parts);
        let mut texts = texts.filter_map(Part::as_lazy).peekable();
        if texts.peek().is_some() {
            o.object("systemInstruction", |o| {
                o.array("parts", |a| {
                    for text in texts {
                        a.object(|o| o.text("text", text));
                    }
                });
            });
        }
        done = content::write(o, request, profile, losses)
            .and_then(|()| tools::write(o, request, profile, own, losses));
        config::write(o, request, profile, own);
        o.opt_str("cachedContent", request.state.cached_content.as_deref());
        if own.is_some() {
            o.opt_bool("store", request.state.store);
        }
        o.opt_str("serviceTier", request.tier.and_then(tier));
        for (key, value) in own.into_iter().flat_map(|own| &own.0) {
            if !NESTED.contains(&&**key) {
                o.raw(key, value.as_str());
            }
        }
    });
    done
}

/// What only Gemini has of the document, if it came from a client of Gemini's.
fn own<'a, 'b>(request: &'a Request<'b>) -> Option<&'a Extra<'b>> {
    (request.origin == Format::Gemini).then_some(&request.native)
}

/// Writes the rest of the part `name` of the document.
fn write_rest(o: &mut ObjectWriter<'_>, own: Option<&Extra<'_>>, name: &str) {
    if let Some(rest) = own.and_then(|own| own.get(name)) {
        for (key, value) in Node::trusted(rest.as_str()).members() {
            o.raw(&key, value.raw());
        }
    }
}

const fn tier(tier: Tier) -> Option<&'static str> {
    match tier {
        Tier::Auto => None,
        Tier::Standard => Some("standard"),
        Tier::Flex => Some("flex"),
        Tier::Priority | Tier::Scale | Tier::Ultrafast => Some("priority"),
    }
}

#[cfg(test)]
mod tests;
