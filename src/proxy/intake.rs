//! From a request's header and body to a [`Call`], or to the answer that ends it here: the steps, in
//! their order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use pingora_core::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use tokio::time::Instant;

use super::body::{self, Rejection};
use super::context::{Ask, Call, CallTarget, Context, Payload};
use super::cors;
use super::downstream::{Downstream, Upload};
use super::gate::{Gate, KeepAlive};
use super::not_found::{model_not_found, unknown_path, unknown_provider};
use super::paths::{self, Endpoint, ModelCall};
use super::{
    Gateway, admission, affinity, asked, cost, desk, local, own_key, pass_through, respond, spans,
    stored, websocket,
};
use crate::account::pool::{Route, Seat, Tried};
use crate::chat::{Fault, FaultKind, OnLoss};
use crate::routing::Router;
use crate::upstream::media::Fetched;
use crate::wire::{Format, Marks, Shape, codec};

/// Takes a request in. True when it has been answered.
pub(super) async fn take(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Context,
) -> Result<bool> {
    match read(gateway, session, ctx).await {
        Ok(Some(mut call)) => {
            if ctx.live.takes_client_keys()
                && let Err(fault) = own_key::narrow(ctx, &mut call)
            {
                respond::fault(session, ctx, fault).await?;
                return Ok(true);
            }
            spans::asks(ctx, &call);
            wrap(gateway, session, ctx, call);
            Ok(false)
        }
        Ok(None) => Ok(true),
        Err(Rejection::Fault(fault)) => {
            respond::fault(session, ctx, fault).await?;
            Ok(true)
        }
        Err(Rejection::Lost(error)) => Err(error),
    }
}

/// What the request wants from a provider; `None` when it was answered without one.
async fn read(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Context,
) -> Result<Option<Call>, Rejection> {
    let live = Arc::clone(&ctx.live);
    let request = session.req_header();
    admission::weigh(&request.headers, &live.config.limits)?;
    if ctx.cors.is_some() && cors::is_preflight(request) {
        respond::preflight(session, ctx).await?;
        return Ok(None);
    }
    let (method, uri) = (request.method.clone(), request.uri.clone());
    let endpoint = paths::endpoint(&method, uri.path());
    if let Endpoint::Health(question) = endpoint {
        ctx.timing.leave_out();
        local::health(gateway, session, ctx, question).await?;
        return Ok(None);
    }
    if endpoint == Endpoint::Operators && gateway.desk.is_mounted(uri.path()) {
        desk::serve(&*gateway.desk, session, ctx).await?;
        return Ok(None);
    }
    spans::begin(
        gateway.traces.as_ref(),
        ctx,
        session.req_header(),
        &endpoint,
    );
    ctx.running = gateway.lifecycle.enter(live.config.limits.concurrent);
    if ctx.running.is_none() {
        return Err(too_many().into());
    }
    admission::authenticate(&request.headers, uri.query(), ctx)?;
    if !matches!(endpoint, Endpoint::Models(..)) {
        ctx.timing.write_down();
    }
    let asks_for_websocket = websocket::is_asked_for(request);
    if asks_for_websocket
        && ctx.client.is_none()
        && ctx.own_key.is_none()
        && cors::is_strange_page(request, ctx.cors.as_ref())
    {
        return Err(cors::refusal().into());
    }
    let provider = chosen_provider(&request.headers, &live.router)?;
    let provider = provider.as_deref();
    match endpoint {
        Endpoint::Models(list, one) => {
            local::models(session, ctx, list, one.as_deref()).await?;
            Ok(None)
        }
        // OpenAI speaks Responses on a WebSocket too.
        Endpoint::WrongMethod(_) if provider.is_some() && asks_for_websocket => {
            pass_through::call(session, ctx, provider, &uri)
                .await
                .map(Some)
        }
        Endpoint::WrongMethod(methods) => Err(Fault::new(
            FaultKind::MethodNotAllowed,
            "method_not_allowed",
            format!("{} is not {method} but {methods}", uri.path()),
        )
        .with_param(methods)
        .into()),
        Endpoint::Unknown | Endpoint::Operators => Err(unknown_path(uri.path()).into()),
        Endpoint::PassThrough => pass_through::call(session, ctx, provider, &uri)
            .await
            .map(Some),
        Endpoint::Model(format, named) => model_call(session, ctx, provider, format, &named, &uri)
            .await
            .map(Some),
        // Answered above.
        Endpoint::Health(_) => Ok(None),
    }
}

fn too_many() -> Fault {
    Fault::new(
        FaultKind::Overloaded,
        "too_many_requests_at_once",
        "the gateway serves as many requests as it may; try again in a moment",
    )
    .with_retry_after(Duration::from_secs(1))
}

/// The provider that the client chose, if it chose one.
pub(super) fn chosen_provider(
    headers: &HeaderMap,
    router: &Router,
) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get("x-provider") else {
        return Ok(None);
    };
    let name = String::from_utf8_lossy(value.as_bytes());
    match router.has_provider(&name) {
        true => Ok(Some(name.into_owned())),
        false => Err(unknown_provider(&name, router.providers())),
    }
}

async fn model_call(
    session: &mut Session,
    ctx: &mut Context,
    provider: Option<&str>,
    format: Format,
    named: &ModelCall<'_>,
    uri: &http::Uri,
) -> Result<Call, Rejection> {
    let live = Arc::clone(&ctx.live);
    let bytes = body::read(session, &live.config.limits).await?;
    ctx.timing.read();
    if format == Format::OpenAiResponses {
        stored::recall(ctx, &bytes).await;
    }
    let headers = &session.req_header().headers;
    let call = call(ctx, provider, (format, named), uri, headers, bytes)?;
    if let (Some(homes), Some(neighbours), Some(conversation)) =
        (&live.homes, &live.neighbours, call.conversation)
    {
        neighbours.ask(homes, conversation).await;
    }
    Ok(call)
}

/// What a request with this header and body wants from a provider.
pub(super) fn call(
    ctx: &Context,
    provider: Option<&str>,
    (format, named): (Format, &ModelCall<'_>),
    uri: &http::Uri,
    headers: &HeaderMap,
    bytes: Bytes,
) -> Result<Call, Fault> {
    let config = &ctx.live.config;
    let depth = config.limits.json_depth;
    let noted = ctx.live.may_translate(format);
    let asked = match named {
        ModelCall::Body => asked::in_body(bytes, depth, noted, uri, headers.get(header::ACCEPT)),
        ModelCall::Path {
            version,
            model,
            action,
        } => asked::in_path(bytes, depth, noted, uri, (version, model, action)),
    }?;
    admission::is_name(&asked.model)?;
    admission::may_use(ctx.client.as_deref(), &asked.model)?;
    let Some(route) = ctx.live.router.route(&asked.model, provider) else {
        return Err(model_not_found(&asked.model));
    };
    let route = match format {
        Format::OpenAiResponses => stored::narrowed(ctx, route, &asked.body)?,
        _ => route,
    };
    let client = ctx.client.as_ref().map(|client| &client.hash);
    let conversation = match (&ctx.live.homes, &ctx.own_key) {
        (Some(_), None) => affinity::conversation(client, &asked.model, headers, &asked.body),
        _ => None,
    };
    Ok(Call {
        format: Some(format),
        ask: named.ask(uri.path()),
        on_loss: on_loss(headers, config.translation.on_loss)?,
        shape: asked.shape,
        body: Payload::Read {
            bytes: asked.body,
            model: asked.span,
        },
        marks: asked.marks,
        note: asked.note,
        seat: Seat::Turn(affinity::hash(&*asked.model)),
        model: asked.model,
        conversation,
        tells_cost: cost::is_asked_for(headers)?,
        ..untried(ctx, asked.target, route)
    })
}

/// What the client wants done about what cannot be translated.
fn on_loss(headers: &HeaderMap, configured: OnLoss) -> Result<OnLoss, Fault> {
    match headers
        .get("x-aiproxy-on-loss")
        .map(http::HeaderValue::as_bytes)
    {
        None => Ok(configured),
        Some(b"warn") => Ok(OnLoss::Warn),
        Some(b"reject") => Ok(OnLoss::Reject),
        Some(b"quiet") => Ok(OnLoss::Quiet),
        Some(_) => Err(Fault::new(
            FaultKind::InvalidRequest,
            "invalid_header",
            "x-aiproxy-on-loss is warn, reject or quiet",
        )
        .with_param("x-aiproxy-on-loss")),
    }
}

/// A call that has not been tried, for a provider to answer as it likes.
pub(super) fn untried(ctx: &Context, target: CallTarget, route: Route) -> Call {
    let config = &ctx.live.config;
    let total = config.timeouts.total;
    Call {
        format: None,
        ask: Ask::Other,
        on_loss: OnLoss::Warn,
        shape: Shape::Whole,
        method: http::Method::POST,
        headers: HeaderMap::new(),
        target,
        body: Payload::Streamed,
        marks: Marks::default(),
        note: None,
        model: "".into(),
        route,
        seat: Seat::Turn(0),
        conversation: None,
        tells_cost: false,
        tried: Tried::default(),
        tries: 0,
        rounds: 0,
        may_wait: false,
        waited: Duration::ZERO,
        upload_begun: false,
        bootstrap: config.retry.bootstrap,
        stale: 0,
        last: None,
        spent: Vec::new(),
        unknown_model: None,
        carries_state: None,
        fetched: Fetched::default(),
        without_state: false,
        gate: Arc::new(Gate::new(Instant::now(), ctx.started + total)),
    }
}

/// Takes the client's header fields. Pingora copies what is left for every attempt, to be made the upstream's
/// header, and ours is written anew.
fn take_headers(header: &mut RequestHeader) -> HeaderMap {
    let (mut left, ()) = http::Request::new(()).into_parts();
    left.method = header.method.clone();
    left.uri = header.uri.clone();
    left.version = header.version;
    http::request::Parts::from(std::mem::replace(header, left.into())).headers
}

fn wrap(gateway: &Gateway, session: &mut Session, ctx: &mut Context, mut call: Call) {
    call.headers = match call.body {
        Payload::Read { .. } => take_headers(session.req_header_mut()),
        // They frame what is still to come.
        Payload::Streamed => session.req_header().headers.clone(),
        Payload::WebSocket => {
            // What comes before the answer belongs to nobody: it is an error.
            session.downstream_session.set_pipelining_enabled(false);
            session.req_header().headers.clone()
        }
    };
    let keep_alive = call
        .format
        .filter(|_| call.shape == Shape::Sse)
        .and_then(|format| Some((format, codec(format).keep_alive()?)))
        .zip(ctx.live.config.streaming.keep_alive)
        .map(|((format, bytes), every)| KeepAlive {
            every,
            bytes,
            request_id: Arc::clone(&ctx.request_id),
            format,
            cors: ctx.cors.clone(),
        });
    let upload = match &call.body {
        Payload::Read { bytes, .. } => Upload::Replayed(!bytes.is_empty()),
        Payload::Streamed => Upload::Streamed,
        Payload::WebSocket => Upload::WebSocket,
    };
    Downstream::wrap(
        &mut session.downstream_session,
        Arc::clone(&call.gate),
        Arc::clone(&gateway.lifecycle),
        upload,
        keep_alive,
    );
    ctx.call = Some(Box::new(call));
}
