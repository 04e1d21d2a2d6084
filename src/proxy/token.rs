//! The token of a try on an account that has tokens of OAuth 2.0 in place of a key.

use std::sync::Arc;

use pingora_core::Result;
use pingora_proxy::Session;
use tokio::time::Instant;

use super::context::Context;
use super::search::watched;
use super::verdict::Outcome;
use crate::account::oauth::NoToken;

/// Takes the token for the try that is under way, and waits for one that is not there, as long as the
/// first byte of an answer may take. Says why there is none.
pub(super) async fn take(session: &mut Session, ctx: &mut Context) -> Result<Option<NoToken>> {
    if ctx.own_key.is_some() {
        return Ok(None);
    }
    let live = Arc::clone(&ctx.live);
    let account = Arc::clone(&ctx.attempt()?.account);
    let Some(cell) = live.token(&account) else {
        return Ok(None);
    };
    let token = match cell.ready(Instant::now()) {
        Some(token) => Ok(token),
        None => {
            let wait = cell.wait(account.timeouts.first_byte);
            watched(session, ctx.call()?, wait).await?
        }
    };
    Ok(match token {
        Ok(token) => {
            ctx.attempt_mut()?.token = Some(token);
            None
        }
        Err(why) => Some(why),
    })
}

/// Whether the provider refuses the token, and the request may go once more with another one.
pub(super) fn is_refused(outcome: &Outcome, ctx: &Context) -> Result<bool> {
    let attempt = ctx.attempt()?;
    let Outcome::Refused { status: 401, .. } = outcome else {
        return Ok(false);
    };
    if attempt.token.is_none() || attempt.renewed || ctx.call()?.gate.has_begun() {
        return Ok(false);
    }
    refuse(ctx)?;
    Ok(true)
}

/// The provider has refused the token: however many requests say so, another one is got once.
pub(super) fn refuse(ctx: &Context) -> Result<()> {
    let attempt = ctx.attempt()?;
    if let (Some(token), Some(cell)) = (&attempt.token, ctx.live.token(&attempt.account)) {
        cell.refuse(token.serial);
    }
    Ok(())
}
