//! Fits a neutral request to its target: what the target's format and model cannot take is mapped,
//! moved, clamped, dropped with a note, or refused. After it an encoder only writes what is left.

mod restore;
mod talk;

pub use restore::Restore;
pub(super) use talk::{SENTINEL, signed_text};

use super::{Format, Profile};
use crate::chat::{Fault, Losses, Request};

/// Fits `request` to a model that `profile` describes, at a provider that speaks `target`. Gives what
/// the answer needs to be turned back into the client's terms.
pub fn fit(
    request: &mut Request<'_>,
    target: Format,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<Restore, Fault> {
    talk::fit(request, target, profile, losses)?;
    Ok(Restore::default())
}

/// Whether the client of `request` is to see reasoning.
pub fn exposes_reasoning(request: &Request<'_>) -> bool {
    let _ = request;
    false
}
