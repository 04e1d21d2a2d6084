//! Media that a foreign provider does not read at its address is fetched before the translation, where
//! the config allows it.

use std::sync::Arc;

use pingora_core::Result;
use pingora_proxy::Session;

use super::context::{Call, Context, Payload};
use super::{Gateway, foreign, search};
use crate::account::pool::Choice;
use crate::chat::{Fault, FaultKind};
use crate::upstream::media::{MediaFetch, Refused};
use crate::wire::media::Wanted;

/// Fetches what the account that was chosen wants and the request has not fetched yet. `false`: some of
/// it cannot be had, so the request cannot be carried to this account.
pub(super) async fn fetch(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Context,
    choice: &Choice,
) -> Result<bool> {
    let live = Arc::clone(&ctx.live);
    let from = &live.config.translation.media_fetch;
    if *from == MediaFetch::Off {
        return Ok(true);
    }
    let request_id = Arc::clone(&ctx.request_id);
    let call = ctx.call_mut()?;
    let (account, model) = (&choice.account, &choice.model);
    let profile = live.profiles.of(account, model);
    let wanted = match (foreign::format(call, account), &call.body) {
        (Some(format), Payload::Read { bytes, .. }) => {
            foreign::wanted(call, (format, bytes), account, model, &profile)
        }
        _ => Vec::new(),
    };
    if wanted.is_empty() {
        return Ok(true);
    }
    match fetched(gateway, session, call, from, &wanted).await? {
        Ok(()) => Ok(true),
        Err(refused) => {
            log::info!(
                "media of {} not fetched: {} (request {request_id})",
                refused.host.as_deref().unwrap_or("an unknown host"),
                refused.why
            );
            call.tried.without_provider(account, model);
            call.unknown_model.get_or_insert_with(|| fault(&refused));
            Ok(false)
        }
    }
}

async fn fetched(
    gateway: &Gateway,
    session: &mut Session,
    call: &mut Call,
    from: &MediaFetch,
    wanted: &[Wanted],
) -> Result<Result<(), Refused>> {
    // If the client leaves meanwhile, nobody needs it again.
    let mut fetched = std::mem::take(&mut call.fetched);
    let work = gateway.media.fetch(from, wanted, &mut fetched);
    let found = search::watched(session, call, work).await?;
    call.fetched = fetched;
    Ok(found)
}

fn fault(refused: &Refused) -> Fault {
    let Refused { at, host, why } = refused;
    let message = match host {
        Some(host) => format!("'{at}' was not fetched from {host}: {why}"),
        None => format!("'{at}' was not fetched: {why}"),
    };
    Fault::new(FaultKind::InvalidRequest, "media_not_fetched", message).with_param(at.clone())
}
