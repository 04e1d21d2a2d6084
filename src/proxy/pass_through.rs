//! Paths that nobody looks into: for the provider that the client names, for the account that made what
//! they are about, or for whoever serves the model of a realtime session.

use std::sync::Arc;

use pingora_proxy::Session;

use super::body::{self, Rejection};
use super::context::{Call, CallTarget, Context, Payload};
use super::intake::untried;
use super::not_found::{model_not_found, unknown_path};
use super::{admission, affinity, paths, stored, websocket};
use crate::account::pool::{Route, Seat};
use crate::chat::Fault;
use crate::wire::Format;

/// A body up to this size is read, so that it can be sent again.
const READ_AHEAD: usize = 1024 * 1024;

/// What the request wants from a provider.
pub(super) async fn call(
    session: &mut Session,
    ctx: &Context,
    provider: Option<&str>,
    uri: &http::Uri,
) -> Result<Call, Rejection> {
    if paths::leads_elsewhere(uri.path()) {
        return Err(unknown_path(uri.path()).into());
    }
    if provider.is_none() {
        stored::recall_path(ctx, uri.path()).await;
    }
    let (route, model) = route(ctx, provider, uri)?;
    let length = body::announced(&session.req_header().headers);
    let small = length.is_some_and(|length| length <= READ_AHEAD);
    let empty = session.as_mut().is_body_empty();
    let body = if empty && websocket::is_asked_for(session.req_header()) {
        Payload::WebSocket
    } else if small || empty {
        let bytes = body::read_raw(session, &ctx.live.config.limits).await?;
        Payload::Read { bytes, model: None }
    } else {
        body::invite(session).await?;
        Payload::Streamed
    };
    // Google's clients may show the gateway's key there, whatever the path looks like.
    let shows_ours = |query: &str| {
        let key = paths::key_in_query(query);
        key.is_some_and(|key| ctx.live.client(key.as_bytes()).is_some())
    };
    let query = match (uri.query(), ctx.dialect) {
        (Some(query), dialect) if dialect == Format::Gemini || shows_ours(query) => {
            paths::query_without_key(query)
        }
        (query, _) => query.unwrap_or_default().to_owned(),
    };
    let separator = if query.is_empty() { "" } else { "?" };
    let target = CallTarget::Path([uri.path(), separator, &query].concat());
    Ok(Call {
        method: session.req_header().method.clone(),
        body,
        seat: Seat::Turn(affinity::hash(&*model)),
        model,
        ..untried(ctx, target, route)
    })
}

/// Who may answer, and the model if that says so.
fn route(
    ctx: &Context,
    provider: Option<&str>,
    uri: &http::Uri,
) -> Result<(Route, Arc<str>), Fault> {
    let router = &ctx.live.router;
    if let Some(provider) = provider {
        admission::may_pass_through(ctx.client.as_deref())?;
        let route = router.of_provider(provider);
        return Ok((route.ok_or_else(|| model_not_found(""))?, "".into()));
    }
    if let Some(route) = stored::route(ctx, uri.path()) {
        return Ok((route?, "".into()));
    }
    let model = match uri.path() {
        "/v1/realtime" => uri.query().and_then(paths::model_in_query),
        _ => None,
    };
    let model = model.ok_or_else(|| unknown_path(uri.path()))?;
    admission::is_name(&model)?;
    admission::may_use(ctx.client.as_deref(), &model)?;
    let route = router.route(&model, None);
    let route = route.ok_or_else(|| model_not_found(&model))?;
    Ok((route, model.into()))
}
