//! What an answer has cost, for clients that ask: in a header of answers that are not streamed. A stream's
//! header has left long before anybody knows.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::context::Context;
use super::record;
use crate::account::Account;
use crate::chat::{Fault, FaultKind};
use crate::price::Nano;
use crate::wire::Shape;

/// What the client asks with, and is told in.
pub(super) const HEADER: &str = "x-aiproxy-cost";

/// Whether the client wants to know.
pub(super) fn is_asked_for(headers: &HeaderMap) -> Result<bool, Fault> {
    match headers.get(HEADER).map(HeaderValue::as_bytes) {
        None | Some(b"false") => Ok(false),
        Some(b"true") => Ok(true),
        Some(_) => Err(Fault::new(
            FaultKind::InvalidRequest,
            "invalid_header",
            "x-aiproxy-cost is true or false",
        )
        .with_param(HEADER)),
    }
}

/// All of an answer is here: what it has cost goes out with its header, if that has not left, the provider
/// has said what was used, and the operator pays a price that is known.
pub(super) fn tell(ctx: &Context) {
    let (Some(call), Some(attempt)) = (ctx.call.as_deref(), ctx.attempt.as_deref()) else {
        return;
    };
    // A short stream may all be here too, but whether it is must not decide about the header.
    let whole = call.tells_cost && call.shape == Shape::Whole;
    if !whole || ctx.own_key.is_some() || call.gate.is_committed() {
        return;
    }
    let Some(said) = attempt.relay.usage() else {
        return;
    };
    let cost = |account: &Account, model: &Arc<str>, said| {
        let provider = account.providers.first().map(|name| &**name);
        let used = record::amounts(said);
        ctx.live
            .prices
            .cost_of(&account.name, provider, model, &used)
    };
    // Each try by its own price.
    let mut sum = cost(&attempt.account, &attempt.model, &said);
    for spent in &call.spent {
        let one = cost(&spent.account, &spent.model, &spent.said);
        sum = sum.zip(one).map(|(sum, one)| sum.saturating_add(one));
    }
    if let Some(sum) = sum {
        call.gate.tell_cost(Nano(sum));
    }
}
