//! One try: an account is picked, the request is made ready for it, the way there is found.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use tokio::time::Instant;

use super::context::{Attempt, Call, CallTarget, Context, Payload};
use super::relay::{Relay, Wanted};
use super::search::{choose, refused};
use super::verdict::Outcome;
use super::{Gateway, headers, outcome, paths};
use crate::account::pool::Choice;
use crate::config::Config;
use crate::wire::json::{self, Splicer};

/// Picks an account and says where to connect. Waits between rounds; ends with an error that
/// [`Context::fault`] explains when nobody is left to try.
pub(super) async fn peer(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Context,
) -> Result<Box<HttpPeer>> {
    loop {
        let again = ctx.attempt.as_ref().is_some_and(|attempt| attempt.again);
        if again {
            ctx.attempt_mut()?.again = false;
        } else {
            ctx.call_mut()?.gate.end_attempt();
            let choice = choose(session, ctx).await?;
            let attempt = prepare(ctx.call()?, choice, &ctx.live.config);
            ctx.attempt = Some(Box::new(attempt));
        }
        let account = Arc::clone(&ctx.attempt()?.account);
        let call = ctx.call_mut()?;
        call.tries += 1;
        let timeouts = account.timeouts;
        let found = gateway
            .peers
            .peer(&account.base, account.proxy.as_ref(), timeouts.connect);
        match tokio::time::timeout(timeouts.connect, found).await {
            Ok(Ok(peer)) => {
                let attempt = ctx.attempt_mut()?;
                attempt.address = peer._address.as_inet().copied();
                ctx.call_mut()?.gate.begin_attempt(Instant::now(), timeouts);
                return Ok(peer);
            }
            Ok(Err(error)) => log::warn!("account {}: {error}", account.name),
            Err(_) => log::warn!(
                "account {}: resolving {} took too long",
                account.name,
                account.base.host
            ),
        }
        if !outcome::settle(ctx, Outcome::Unreachable) {
            return Err(refused());
        }
    }
}

fn prepare(call: &Call, choice: Choice, config: &Config) -> Attempt {
    let aliased = *choice.model != *call.model;
    let body = match &call.body {
        Payload::Streamed => Bytes::new(),
        Payload::Read {
            bytes,
            model: Some(span),
        } if aliased => {
            json::replace(bytes, span.clone(), json::quote(&choice.model).as_bytes()).into()
        }
        Payload::Read { bytes, .. } => match &call.target {
            CallTarget::Gemini { action, .. } if aliased && action == "countTokens" => {
                rename_counted(bytes, &choice.model)
            }
            _ => bytes.clone(),
        },
    };
    let errors = match &call.body {
        Payload::Streamed => None,
        Payload::Read { .. } => call
            .format
            .or_else(|| choice.account.formats.first().copied()),
    };
    let wanted = Wanted {
        format: call.format,
        errors,
        shape: call.shape,
        model: (aliased && config.rewrite_model && call.format.is_some())
            .then(|| Arc::clone(&call.model)),
        hold_back: config.streaming.hold_back,
    };
    Attempt {
        account: choice.account,
        model: choice.model,
        lease: Some(choice.lease),
        body,
        relay: Relay::new(wanted),
        address: None,
        status: None,
        outcome: None,
        again: false,
    }
}

/// Gemini's token counting may carry the request to count, which names the model once more.
fn rename_counted(body: &[u8], model: &str) -> Bytes {
    let mut splicer = Splicer::new(
        &["generateContentRequest", "model"],
        &format!("models/{model}"),
    );
    let mut out = Vec::with_capacity(body.len() + model.len());
    splicer.push(body, &mut out);
    splicer.end(&mut out);
    out.into()
}

/// Writes the header of the upstream request: the path under the account's base URL, the headers
/// that may cross, the account's key, the body's length.
pub(super) fn request(
    client: &HeaderMap,
    ctx: &Context,
    upstream: &mut RequestHeader,
) -> Result<()> {
    let (call, attempt) = (ctx.call()?, ctx.attempt()?);
    let account = &attempt.account;
    let target = match &call.target {
        CallTarget::Path(path) => account.base.target(path),
        CallTarget::Gemini {
            version,
            action,
            query,
        } => {
            let path = paths::gemini_path(version, &attempt.model, action).ok_or_else(|| {
                Error::explain(
                    ErrorType::InternalError,
                    "the provider's name for the model is no path segment",
                )
            })?;
            match query.as_str() {
                "" => account.base.target(&path),
                query => account.base.target(&format!("{path}?{query}")),
            }
        }
    };
    let mut header = RequestHeader::build(call.method.clone(), target.as_bytes(), Some(12))?;
    header.set_version(upstream.version);
    header.insert_header(header::HOST, &*account.base.authority)?;
    headers::to_provider(
        client,
        account,
        &ctx.request_id,
        call.format.is_none(),
        &mut header,
    )?;
    match &call.body {
        Payload::Read { bytes, .. } if bytes.is_empty() && !expects_body(&call.method) => {}
        Payload::Read { .. } => header.insert_header(header::CONTENT_LENGTH, attempt.body.len())?,
        // Without a length Pingora frames it.
        Payload::Streamed => {
            if let Some(length) = client.get(header::CONTENT_LENGTH) {
                header.insert_header(header::CONTENT_LENGTH, length)?;
            }
        }
    }
    *upstream = header;
    Ok(())
}

fn expects_body(method: &http::Method) -> bool {
    matches!(
        *method,
        http::Method::POST | http::Method::PUT | http::Method::PATCH
    )
}

/// Supplies the body of this attempt.
pub(super) fn body(ctx: &mut Context, data: &mut Option<Bytes>, end: bool) -> Result<()> {
    match ctx.call()?.body {
        Payload::Read { .. } => {
            let body = &ctx.attempt()?.body;
            *data = (end && !body.is_empty()).then(|| body.clone());
        }
        Payload::Streamed => {
            // HTTP/2 clients end with an empty frame. Pingora would write it as a last chunk and then
            // another one, which the next request on that connection would begin with.
            if end && data.as_ref().is_some_and(Bytes::is_empty) {
                *data = None;
            }
            ctx.call_mut()?.upload_begun |= data.as_ref().is_some_and(|data| !data.is_empty());
        }
    }
    Ok(())
}
