//! One try: an account is picked, the request is made ready for it, the way there is found.

mod native;
mod target;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName};
use pingora_core::protocols::Digest;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{ErrorType, OrErr, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use tokio::time::Instant;

use super::context::{Attempt, Call, Context, Payload};
use super::foreign::{self, Step, Terms};
use super::headers::{Credential, Kinship};
use super::relay::{Relay, Wanted};
use super::reshape::Reshape;
use super::search::{choose, refused};
use super::verdict::Outcome;
use super::{Gateway, headers, media, outcome, spans, token, websocket};
use crate::account::Account;
use crate::account::pool::Choice;
use crate::config::RateLimitHeaders;
use crate::traces::Traces;
use crate::upstream::peer::Load;
use crate::upstream::{Timeouts, plaintext};
use crate::wire::{Format, cleanse};

/// Room for the headers of an upstream request, of which most have eight or nine.
const HEADERS: usize = 12;
/// How much later than the session a connection may find out that it is silent.
const BACKSTOP: Duration = Duration::from_millis(500);

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
            renew(ctx)?;
        } else {
            let call = ctx.call_mut()?;
            call.gate.end_attempt();
            // What one provider has refused another may take.
            call.without_state = false;
            let choice = choose(session, ctx).await?;
            let call = ctx.call()?;
            let waited = call.rounds > 0 || !call.waited.is_zero();
            ctx.timing.chosen(waited);
            let attempt = match media::fetch(gateway, session, ctx, &choice).await? {
                true => {
                    let began = Instant::now();
                    let prepared = prepare(ctx, choice)?;
                    ctx.timing.prepared(began);
                    prepared
                }
                false => None,
            };
            let Some(attempt) = attempt else {
                // Another account may speak a format that can carry the request.
                continue;
            };
            ctx.attempt = Some(Box::new(attempt));
        }
        let account = Arc::clone(&ctx.attempt()?.account);
        if account.oauth.is_some()
            && let Some(why) = token::take(session, ctx).await?
        {
            if !outcome::settle(ctx, Outcome::NoToken(why)) {
                return Err(refused());
            }
            continue;
        }
        ctx.live.meters.tried(account.id);
        let call = ctx.call_mut()?;
        call.tries += 1;
        let timeouts = account.timeouts;
        let load = load(&call.body, timeouts);
        let proxy = account.proxy.as_ref();
        let (base, reach) = (ctx.attempt()?.base(), account.reach);
        let found = (gateway.peers).peer(base, proxy, reach, timeouts.connect, load);
        match tokio::time::timeout(timeouts.connect, found).await {
            Ok(Ok(peer)) => {
                let attempt = ctx.attempt_mut()?;
                attempt.address = peer._address.as_inet().copied();
                ctx.call_mut()?.gate.begin_attempt(Instant::now(), timeouts);
                spans::tries(gateway.traces.as_ref(), ctx);
                return Ok(peer);
            }
            Ok(Err(error)) => log::warn!("account {}: {error}", account.name),
            Err(_) => log::warn!(
                "account {}: resolving {} took too long",
                account.name,
                ctx.attempt()?.base().host
            ),
        }
        if !outcome::settle(ctx, Outcome::Unreachable) {
            return Err(refused());
        }
    }
}

/// What the connection will carry. Its own limits come after those that the session watches, for the
/// moments when nobody does.
fn load(body: &Payload, timeouts: Timeouts) -> Load {
    let silence = timeouts.idle.max(timeouts.first_byte) + BACKSTOP;
    match body {
        Payload::Read { .. } => Load::Request,
        Payload::Streamed => Load::Body { silence },
        Payload::WebSocket => Load::WebSocket { silence },
    }
}

/// Makes the request ready for the account that was chosen. `None`: it cannot be carried to it.
pub(super) fn prepare(ctx: &mut Context, choice: Choice) -> Result<Option<Attempt>> {
    let live = Arc::clone(&ctx.live);
    let config = &live.config;
    let request_id = Arc::clone(&ctx.request_id);
    let client = ctx.client.as_ref().map(|client| client.hash);
    let call = ctx.call_mut()?;
    let account = &choice.account;
    let foreign = foreign::format(call, account);
    let aliased = *choice.model != *call.model;
    let mut attempt = Attempt {
        target: None,
        refusal: None,
        base: (
            choice.lease.address() % (1 + account.fallbacks.len()),
            account.fallbacks.len(),
        ),
        token: None,
        renewed: false,
        headers: Vec::new(),
        translated: None,
        body: Bytes::new(),
        relay: Relay::new(Wanted {
            format: call.format,
            errors: errors(call, account),
            shape: call.shape,
            model: (aliased && config.rewrite_model && call.format.is_some())
                .then(|| Arc::clone(&call.model)),
            hold_back: config.streaming.hold_back,
            limits: match config.translation.rate_limit_headers {
                RateLimitHeaders::On => true,
                RateLimitHeaders::Off => call.format.is_none(),
                RateLimitHeaders::Auto => call.format.is_none() || call.route.is_single(),
            },
        }),
        account: Arc::clone(account),
        model: Arc::clone(&choice.model),
        lease: Some(choice.lease),
        address: None,
        reused: false,
        status: None,
        outcome: None,
        again: false,
    };
    attempt.relay.sample(live.ledger.is_some());
    let (Some(format), Payload::Read { bytes, .. }) = (foreign, &call.body) else {
        attempt.body = native::body(call, &attempt.model, || {
            live.profiles.of(&attempt.account, &attempt.model)
        });
        let reshape = Reshape {
            live: &live,
            call,
            client: client.as_ref(),
            account: &attempt.account,
            model: &attempt.model,
        };
        let Some(format) = call.format else {
            attempt.relay.unmask(reshape.remembered());
            return Ok(Some(attempt));
        };
        let reshaped = reshape.of(format, &attempt.body);
        attempt.body = reshaped.body.map_or(attempt.body, Bytes::from);
        attempt.relay.unmask(reshaped.masks);
        return Ok(Some(attempt));
    };
    let profile = live.profiles.of(&attempt.account, &attempt.model);
    let terms = Terms {
        on_loss: call.on_loss,
        rewrite_model: config.rewrite_model,
        request_id: &request_id,
    };
    let (account, model) = (&attempt.account, &attempt.model);
    let reshape = Reshape {
        live: &live,
        call,
        client: client.as_ref(),
        account,
        model,
    };
    let mut masks = None;
    let edit = |to, body: Vec<u8>| {
        let reshaped = reshape.of(to, &body);
        masks = reshaped.masks;
        reshaped.body.unwrap_or(body)
    };
    let step = foreign::prepare(call, (format, bytes), account, model, &profile, terms, edit);
    match step {
        Ok(Step::Send(prepared)) => {
            let prepared = *prepared;
            attempt
                .relay
                .translate(prepared.back, config.translation.loss_comments);
            attempt.relay.unmask(masks);
            attempt.target = Some(prepared.target);
            attempt.headers = prepared.headers;
            let to = attempt.relay.format().unwrap_or(format);
            attempt.translated = Some((to, prepared.losses));
            attempt.body = prepared.body.into();
            Ok(Some(attempt))
        }
        Ok(Step::Local(answer)) => {
            ctx.local = Some(answer);
            Err(refused())
        }
        Err(fault) => {
            call.tried.without_provider(account, model);
            call.unknown_model.get_or_insert(fault);
            Ok(None)
        }
    }
}

/// The format in which the account's error answers are read.
fn errors(call: &Call, account: &Account) -> Option<Format> {
    match &call.body {
        Payload::Streamed => None,
        Payload::Read { .. } | Payload::WebSocket => call
            .format
            .filter(|format| account.formats.contains(format))
            .or_else(|| account.formats.first().copied()),
    }
}

/// The same account once more: without the reasoning state that it has refused, if that is why.
fn renew(ctx: &mut Context) -> Result<()> {
    let without_state = ctx.call()?.without_state;
    let attempt = ctx.attempt_mut()?;
    attempt.again = false;
    if without_state && let Some(format) = attempt.relay.format() {
        if let Some(body) = cleanse::without_state(format, &attempt.body) {
            attempt.body = body.into();
        }
        if let Some((_, losses)) = &mut attempt.translated {
            foreign::note_repair(losses);
        }
    }
    attempt.relay.renew();
    attempt.status = None;
    Ok(())
}

/// There is a connection: it hears whether the body goes out with the header.
pub(super) fn connected(ctx: &mut Context, digest: Option<&Digest>) -> Result<()> {
    if let Some(digest) = digest {
        let is_read = matches!(ctx.call()?.body, Payload::Read { .. });
        let attempt = ctx.attempt_mut()?;
        attempt.reused = plaintext::announce(digest, is_read && !attempt.body.is_empty());
    }
    ctx.timing.connected();
    Ok(())
}

/// Writes the header of the upstream request: the path under the account's base URL, the headers
/// that may cross, the account's key, the body's length.
pub(super) fn request(
    traces: Option<&Traces>,
    ctx: &Context,
    upstream: &mut RequestHeader,
) -> Result<()> {
    let (call, attempt) = (ctx.call()?, ctx.attempt()?);
    let account = &attempt.account;
    let target = target::of(call, attempt)?;
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = call.method.clone();
    parts.uri = http::Uri::from_maybe_shared(Bytes::from(target)).or_err(
        ErrorType::InvalidHTTPHeader,
        "the target of the upstream request",
    )?;
    parts.version = upstream.version;
    // Case is the provider's business: names go out in lower case, and nobody keeps two maps of them.
    let header = &mut parts.headers;
    header.reserve(HEADERS);
    header.insert(header::HOST, headers::value(&attempt.base().authority)?);
    let kinship = match (call.format, &attempt.translated) {
        (None, _) => Kinship::Unseen,
        (Some(_), None) => Kinship::Native,
        (Some(_), Some(_)) => Kinship::Foreign,
    };
    for (name, text) in &attempt.headers {
        header.insert(HeaderName::from_static(name), headers::value(text)?);
    }
    let key = match (&ctx.own_key, &attempt.token) {
        (Some(own), _) => Credential::Key(own.place(account, ctx.dialect), own.secret()),
        (None, Some(token)) => Credential::Token(&token.header),
        (None, None) => Credential::Key(account.key_header, &account.key),
    };
    let id = &ctx.request_id;
    headers::to_provider(&call.headers, account, id, kinship, key, header)?;
    if attempt.relay.unmasks() {
        headers::as_text(header);
    }
    match &call.body {
        Payload::Read { bytes, .. } if bytes.is_empty() && !expects_body(&call.method) => {}
        Payload::Read { .. } => {
            header.insert(header::CONTENT_LENGTH, attempt.body.len().into());
        }
        // Without a length Pingora frames it.
        Payload::Streamed => {
            if let Some(length) = call.headers.get(header::CONTENT_LENGTH) {
                header.insert(header::CONTENT_LENGTH, length.clone());
            }
        }
        Payload::WebSocket => websocket::ask(&call.headers, account.preset.name, header)?,
    }
    spans::inject(traces, ctx, header);
    *upstream = parts.into();
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
            ctx.timing.uploads(data.as_ref().map_or(0, Bytes::len));
        }
        Payload::WebSocket => ctx.timing.uploads(data.as_ref().map_or(0, Bytes::len)),
    }
    Ok(())
}
