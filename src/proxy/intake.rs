//! From a request's header and body to a [`Call`], or to the answer that ends it here.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use pingora_core::Result;
use pingora_proxy::Session;
use tokio::time::Instant;

use super::body::{self, BodyError};
use super::context::{Call, CallTarget, Context, Payload};
use super::downstream::{Downstream, Upload};
use super::gate::{Gate, KeepAlive};
use super::paths::{self, Endpoint, ModelCall};
use super::{Gateway, affinity, local, respond};
use crate::account::pool::{Route, Seat, Tried};
use crate::chat::{Fault, FaultKind};
use crate::config::Limits;
use crate::wire::json::{self, HeadError, JsonError};
use crate::wire::{Format, Shape, codec};

/// A pass-through body up to this size is read, so that it can be sent again.
const READ_AHEAD: usize = 1024 * 1024;

/// Takes a request in. True when it has been answered.
pub(super) async fn take(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Context,
) -> Result<bool> {
    match admit(gateway, session, ctx).await? {
        Intake::Answered => Ok(true),
        Intake::Refused(fault) => {
            respond::fault(session, ctx, fault).await?;
            Ok(true)
        }
        Intake::Call(call) => {
            wrap(gateway, session, ctx, *call);
            Ok(false)
        }
    }
}

enum Intake {
    Answered,
    Refused(Fault),
    Call(Box<Call>),
}

impl From<Fault> for Intake {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

async fn admit(gateway: &Gateway, session: &mut Session, ctx: &mut Context) -> Result<Intake> {
    let live = Arc::clone(&ctx.live);
    if let Some(fault) = header_fault(&session.req_header().headers, &live.config.limits) {
        return Ok(fault.into());
    }
    let request = session.req_header();
    let (method, uri) = (request.method.clone(), request.uri.clone());
    let endpoint = paths::endpoint(&method, uri.path());
    if let Endpoint::Health(question) = endpoint {
        return local::health(gateway, session, ctx, question)
            .await
            .map(|()| Intake::Answered);
    }
    ctx.running = gateway.lifecycle.enter(live.config.limits.concurrent);
    if ctx.running.is_none() {
        return Ok(Fault::new(
            FaultKind::Overloaded,
            "too_many_requests_at_once",
            "the gateway serves as many requests as it may; try again in a moment",
        )
        .with_retry_after(Duration::from_secs(1))
        .into());
    }
    if let Err(fault) = authenticate(&request.headers, uri.query(), ctx) {
        return Ok(fault.into());
    }
    let provider = match provider(&session.req_header().headers, &live.router) {
        Ok(provider) => provider,
        Err(fault) => return Ok(fault.into()),
    };
    match endpoint {
        Endpoint::Models(list, one) => local::models(session, ctx, list, one.as_deref())
            .await
            .map(|()| Intake::Answered),
        Endpoint::WrongMethod(methods) => Ok(Fault::new(
            FaultKind::MethodNotAllowed,
            "method_not_allowed",
            format!("{} is not {method} but {methods}", uri.path()),
        )
        .with_param(methods)
        .into()),
        Endpoint::Unknown => Ok(unknown_path(uri.path()).into()),
        Endpoint::PassThrough => pass_through(session, ctx, provider.as_deref(), &uri).await,
        Endpoint::Model(format, named) => {
            model_call(session, ctx, provider.as_deref(), format, &named, &uri).await
        }
        Endpoint::Health(_) => Ok(Intake::Answered),
    }
}

fn header_fault(headers: &HeaderMap, limits: &Limits) -> Option<Fault> {
    let size: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let message = if headers.len() > limits.headers {
        format!(
            "the request has {} header fields, the limit is {}",
            headers.len(),
            limits.headers
        )
    } else if size > limits.header_size {
        format!(
            "the request's headers have {size} bytes, the limit is {}",
            limits.header_size
        )
    } else {
        return None;
    };
    Some(Fault::new(
        FaultKind::HeadersTooLarge,
        "headers_too_large",
        message,
    ))
}

fn authenticate(headers: &HeaderMap, query: Option<&str>, ctx: &mut Context) -> Result<(), Fault> {
    if ctx.live.config.clients.is_empty() {
        return Ok(());
    }
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let value = value.as_bytes();
        let (scheme, key) = value.split_at_checked(7)?;
        scheme
            .eq_ignore_ascii_case(b"bearer ")
            .then(|| key.trim_ascii())
    });
    let header = |name: &str| headers.get(name).map(|value| value.as_bytes());
    let in_query = match ctx.dialect {
        Format::Gemini => query.and_then(paths::key_in_query),
        _ => None,
    };
    let presented = [
        bearer,
        header("x-api-key"),
        header("x-goog-api-key"),
        in_query.as_ref().map(|key| key.as_bytes()),
    ];
    let mut any = false;
    for key in presented
        .into_iter()
        .flatten()
        .filter(|key| !key.is_empty())
    {
        any = true;
        if let Some(client) = ctx.live.client(key) {
            ctx.client = Some(Arc::clone(client));
            return Ok(());
        }
    }
    if !any && ctx.live.is_open() {
        return Ok(());
    }
    Err(match any {
        true => Fault::new(
            FaultKind::Auth,
            "invalid_api_key",
            "the API key is not valid for this gateway",
        ),
        false => Fault::new(
            FaultKind::Auth,
            "missing_api_key",
            "no API key: send it as 'authorization: Bearer KEY', 'x-api-key' or 'x-goog-api-key'",
        ),
    })
}

/// The provider that the client chose, if it chose one.
fn provider(headers: &HeaderMap, router: &crate::routing::Router) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get("x-provider") else {
        return Ok(None);
    };
    let name = String::from_utf8_lossy(value.as_bytes());
    let name = if name == "claude" {
        Cow::Borrowed("anthropic")
    } else {
        name
    };
    if router.providers().iter().any(|known| **known == *name) {
        return Ok(Some(name.into_owned()));
    }
    Err(Fault::new(
        FaultKind::InvalidRequest,
        "unknown_provider",
        format!(
            "x-provider: there is no provider '{}'; there is {}",
            clipped(&name),
            router.providers().join(", ")
        ),
    )
    .with_param("x-provider"))
}

async fn model_call(
    session: &mut Session,
    ctx: &mut Context,
    provider: Option<&str>,
    format: Format,
    named: &ModelCall<'_>,
    uri: &http::Uri,
) -> Result<Intake> {
    let live = Arc::clone(&ctx.live);
    let limits = &live.config.limits;
    let bytes = match body::read(session, limits).await {
        Ok(bytes) => bytes,
        Err(BodyError::Fault(fault)) => return Ok(fault.into()),
        Err(BodyError::Lost(error)) => return Err(error),
    };
    let headers = &session.req_header().headers;
    let asked = match named {
        ModelCall::Body => in_body(bytes, limits.json_depth, uri, headers.get(header::ACCEPT)),
        ModelCall::Path {
            version,
            model,
            action,
        } => in_path(bytes, limits.json_depth, uri, (version, model, action)),
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(fault) => return Ok(fault.into()),
    };
    if let Some(client) = &ctx.client
        && !client.models.is_empty()
        && !client.models.iter().any(|glob| glob.matches(&asked.model))
    {
        let model = clipped(&asked.model);
        let message = format!("this API key may not use the model '{model}'");
        let fault = Fault::new(FaultKind::Permission, "model_not_allowed", message);
        return Ok(fault.with_param("model").into());
    }
    let Some(route) = live.router.route(&asked.model, provider) else {
        return Ok(model_not_found(&asked.model).into());
    };
    let seat = match live.config.session_affinity {
        true => affinity::seat(headers, &asked.bytes),
        false => Seat::Turn(affinity::hash(&*asked.model)),
    };
    Ok(Intake::Call(Box::new(Call {
        format: Some(format),
        shape: asked.shape,
        target: asked.target,
        body: Payload::Read {
            bytes: asked.bytes,
            model: asked.span,
        },
        model: asked.model,
        route,
        seat,
        ..progress(ctx)
    })))
}

/// What a request that names a model asks for.
struct Asked {
    model: Arc<str>,
    /// Where the name stands in the body.
    span: Option<std::ops::Range<usize>>,
    bytes: Bytes,
    target: CallTarget,
    shape: Shape,
}

fn in_body(
    mut bytes: Bytes,
    depth: usize,
    uri: &http::Uri,
    accept: Option<&http::HeaderValue>,
) -> Result<Asked, Fault> {
    let head = json::request_head(&bytes, depth).map_err(|error| unreadable(&error))?;
    let Some(model) = &head.model else {
        return Err(no_model("the body has no 'model'"));
    };
    if model.value.is_empty() {
        return Err(no_model("'model' is empty"));
    }
    let (name, span) = (model.value.as_ref().into(), model.span.clone());
    let stream = match &head.stream {
        Some(stream) => stream.value,
        None => accept.is_some_and(wants_events) && is_streamable(uri.path()),
    };
    if stream && head.stream.is_none() {
        bytes = json::insert_member(&bytes, &head, "stream", "true").into();
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(Asked {
        model: name,
        span: Some(span),
        bytes,
        target: CallTarget::Path(path.to_owned()),
        shape: if stream { Shape::Sse } else { Shape::Whole },
    })
}

fn in_path(
    bytes: Bytes,
    depth: usize,
    uri: &http::Uri,
    (version, model, action): (&str, &str, &str),
) -> Result<Asked, Fault> {
    json::shallow(&bytes, depth, |_| {}).map_err(|error| unreadable(&error.into()))?;
    if paths::gemini_path(version, model, action).is_none() {
        return Err(no_model("the model's name is no name"));
    }
    Ok(Asked {
        model: model.into(),
        span: None,
        bytes,
        target: CallTarget::Gemini {
            version: version.to_owned(),
            action: action.to_owned(),
            query: uri
                .query()
                .map(paths::query_without_key)
                .unwrap_or_default(),
        },
        shape: paths::gemini_shape(action, uri.query()),
    })
}

async fn pass_through(
    session: &mut Session,
    ctx: &mut Context,
    provider: Option<&str>,
    uri: &http::Uri,
) -> Result<Intake> {
    let Some(provider) = provider else {
        return Ok(unknown_path(uri.path()).into());
    };
    if ctx
        .client
        .as_ref()
        .is_some_and(|client| !client.models.is_empty())
    {
        return Ok(Fault::new(
            FaultKind::Permission,
            "pass_through_not_allowed",
            "this API key is limited to certain models and may not use other paths",
        )
        .into());
    }
    if paths::leads_elsewhere(uri.path()) {
        return Ok(unknown_path(uri.path()).into());
    }
    let live = Arc::clone(&ctx.live);
    let Some(route) = live.router.of_provider(provider) else {
        return Ok(model_not_found("").into());
    };
    let length = session.req_header().headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let small = length.is_some_and(|length| length <= READ_AHEAD);
    let body = if small || session.as_mut().is_body_empty() {
        match body::read_raw(session, &live.config.limits).await {
            Ok(bytes) => Payload::Read { bytes, model: None },
            Err(BodyError::Fault(fault)) => return Ok(fault.into()),
            Err(BodyError::Lost(error)) => return Err(error),
        }
    } else {
        body::invite(session).await?;
        Payload::Streamed
    };
    let query = match (uri.query(), ctx.dialect) {
        (Some(query), Format::Gemini) => paths::query_without_key(query),
        (query, _) => query.unwrap_or_default().to_owned(),
    };
    let separator = if query.is_empty() { "" } else { "?" };
    Ok(Intake::Call(Box::new(Call {
        format: None,
        shape: Shape::Whole,
        method: session.req_header().method.clone(),
        target: CallTarget::Path([uri.path(), separator, &query].concat()),
        body,
        route,
        seat: Seat::Turn(0),
        ..progress(ctx)
    })))
}

/// A call that has not been tried.
fn progress(ctx: &Context) -> Call {
    let config = &ctx.live.config;
    let total = config.timeouts.total;
    Call {
        format: None,
        shape: Shape::Whole,
        method: http::Method::POST,
        target: CallTarget::Path(String::new()),
        body: Payload::Streamed,
        model: "".into(),
        route: Route {
            targets: smallvec::SmallVec::new(),
        },
        seat: Seat::Turn(0),
        tried: Tried::default(),
        tries: 0,
        rounds: 0,
        may_wait: false,
        waited: Duration::ZERO,
        upload_begun: false,
        bootstrap: config.retry.bootstrap,
        stale: 0,
        last: None,
        unknown_model: None,
        gate: Arc::new(Gate::new(Instant::now(), ctx.started + total)),
    }
}

fn wrap(gateway: &Gateway, session: &mut Session, ctx: &mut Context, call: Call) {
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
        });
    let upload = match &call.body {
        Payload::Read { bytes, .. } => Upload::Replayed(!bytes.is_empty()),
        Payload::Streamed => Upload::Streamed,
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

/// Whether an `accept` header asks for events and nothing else would do.
fn wants_events(accept: &http::HeaderValue) -> bool {
    let kinds = accept.to_str().unwrap_or_default().split(',');
    let mut events = false;
    for kind in kinds {
        match kind.split(';').next().unwrap_or_default().trim() {
            "text/event-stream" => events = true,
            "application/json" => return false,
            _ => {}
        }
    }
    events
}

fn is_streamable(path: &str) -> bool {
    matches!(
        path,
        "/v1/chat/completions" | "/v1/responses" | "/v1/messages"
    )
}

fn unreadable(error: &HeadError) -> Fault {
    let code = match error {
        HeadError::Json(JsonError::NotJson { .. }) => "invalid_json",
        HeadError::Json(JsonError::NotAnObject) => "not_an_object",
        HeadError::Json(JsonError::TooDeep { .. }) => "json_too_deep",
        HeadError::DuplicateKey(_) => "duplicate_key",
        HeadError::ModelNotAString | HeadError::StreamNotABool => "invalid_type",
    };
    let fault = Fault::new(FaultKind::InvalidRequest, code, error.to_string());
    match error.param() {
        Some(param) => fault.with_param(param),
        None => fault,
    }
}

fn no_model(message: &'static str) -> Fault {
    Fault::new(FaultKind::InvalidRequest, "missing_model", message).with_param("model")
}

/// Nobody serves it.
pub(super) fn model_not_found(model: &str) -> Fault {
    let message = format!(
        "the model '{}' does not exist or no account serves it",
        clipped(model)
    );
    Fault::new(FaultKind::ModelNotFound, "model_not_found", message).with_param("model")
}

fn unknown_path(path: &str) -> Fault {
    let message = format!(
        "there is nothing at {}; other paths of a provider are reached with the header x-provider",
        clipped(path)
    );
    Fault::new(FaultKind::NotFound, "unknown_path", message)
}

/// A client's words in an error message, within reason.
fn clipped(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
