//! What a request's traces are told, phase by phase. Without traces each of these looks at one `Option`.

mod named;

use http::HeaderMap;
use pingora_http::RequestHeader;

use super::context::{Ask, Attempt, Call, Context};
use super::paths::{Endpoint, ModelCall};
use super::verdict::Outcome;
use crate::traces::words::{self, kind, provider};
use crate::traces::{Ended, RequestTrace, Traces, Tried};
use crate::wire::Format;
use named::Named;

/// The traces of one request, and what they need to hear.
pub struct Traced {
    trace: RequestTrace,
    named: Named,
}

/// A request begins.
pub(super) fn begin(
    traces: Option<&Traces>,
    ctx: &mut Context,
    request: &RequestHeader,
    endpoint: &Endpoint<'_>,
) {
    let Some(traces) = traces else {
        return;
    };
    let path = request.uri.path();
    let route = match endpoint {
        Endpoint::Model(
            _,
            ModelCall::Path {
                version, action, ..
            },
        ) => format!("/{version}/models/{{model}}:{action}"),
        Endpoint::Models(..) => "/v1/models".to_owned(),
        // Their paths are of a small set; those of others hold ids.
        Endpoint::Model(..) | Endpoint::Health(_) => path.to_owned(),
        Endpoint::PassThrough => "pass-through".to_owned(),
        Endpoint::WrongMethod(_) | Endpoint::Operators | Endpoint::Unknown => "unknown".to_owned(),
    };
    let trace = traces.begin(request.method.as_str(), &route, &request.headers);
    let named = Named::default();
    ctx.trace = Some(Box::new(Traced { trace, named }));
}

/// What it asks for is known.
pub(super) fn asks(ctx: &Context, call: &Call) {
    if let Some(Traced { trace, .. }) = ctx.trace.as_deref() {
        trace.asks(operation(call), &call.model, &ctx.request_id);
    }
}

/// A try begins.
pub(super) fn tries(traces: Option<&Traces>, ctx: &mut Context) {
    let (Some(traces), Some(Traced { trace, .. })) = (traces, ctx.trace.as_deref_mut()) else {
        return;
    };
    let (Some(call), Some(attempt)) = (ctx.call.as_deref(), ctx.attempt.as_deref()) else {
        return;
    };
    let account = &attempt.account;
    let own = account.providers.first().map_or("", |name| name);
    trace.tries(
        traces,
        Tried {
            operation: operation(call),
            provider: provider(account.preset.name).unwrap_or(own),
            account: &account.name,
            model: &attempt.model,
            host: &attempt.base().host,
            port: attempt.base().port,
            before: call.tries.saturating_sub(1),
        },
    );
}

/// Tells the provider whose request this is.
pub(super) fn inject(traces: Option<&Traces>, ctx: &Context, upstream: &mut HeaderMap) {
    if let (Some(traces), Some(Traced { trace, .. })) = (traces, ctx.trace.as_deref()) {
        trace.inject(traces, upstream);
    }
}

/// A piece of the answer passes.
pub(super) fn passes(ctx: &mut Context, data: &[u8]) {
    if let Some(Traced { named, .. }) = ctx.trace.as_deref_mut() {
        named.passes(data);
    }
}

/// A try has failed.
pub(super) fn failed(ctx: &mut Context, outcome: &Outcome) {
    let Some(Traced { trace, .. }) = ctx.trace.as_deref_mut() else {
        return;
    };
    let attempt = ctx.attempt.as_deref();
    let status = attempt.and_then(|attempt: &Attempt| attempt.status);
    let code = status.map(|status| status.to_string());
    let error = match outcome {
        Outcome::Refused { .. } | Outcome::BadState | Outcome::BadToken => code.as_deref(),
        Outcome::BrokeOff(fault) => Some(kind(fault.kind)),
        Outcome::Unreachable => Some("unreachable"),
        Outcome::NoToken(_) => Some("no_token"),
        Outcome::Stale => Some(words::STALE_CONNECTION),
        Outcome::Silent | Outcome::OutOfTime => Some("timeout"),
    };
    trace.tried(Ended {
        status,
        error: error.or(Some("_OTHER")),
        ..Ended::default()
    });
}

/// The request has ended.
pub(super) fn finish(ctx: &mut Context, status: u16) {
    let Some(traced) = ctx.trace.take() else {
        return;
    };
    let Traced { mut trace, named } = *traced;
    let has_format = ctx
        .call
        .as_deref()
        .is_some_and(|call| call.format.is_some());
    let model = has_format.then(|| named.model()).flatten();
    let usage = ctx
        .attempt
        .as_deref()
        .and_then(|attempt| attempt.relay.usage());
    // An answer to an alias may name the alias.
    let is_own = |attempt: &Attempt| {
        let call = ctx.call.as_deref();
        call.is_some_and(|call| *call.model == *attempt.model) || !ctx.live.config.rewrite_model
    };
    let is_own = ctx.attempt.as_deref().is_some_and(is_own);
    let code = status.to_string();
    let fault = ctx.fault.as_ref().map(|fault| kind(fault.kind));
    let failed = (status >= 500 || status == 0).then_some(&*code);
    let ended = Ended {
        input_tokens: usage.map(|usage| usage.input),
        output_tokens: usage.map(|usage| usage.output),
        answered_by: model.as_deref().filter(|_| is_own),
        ..Ended::default()
    };
    let theirs = ctx.attempt.as_deref().and_then(|attempt| attempt.status);
    let refusal = theirs.filter(|status| *status >= 400);
    let refusal = refusal.map(|status| status.to_string());
    trace.tried(Ended {
        status: theirs,
        error: refusal.as_deref().or(fault),
        ..ended
    });
    trace.finish(Ended {
        status: Some(status).filter(|status| *status > 0),
        error: fault.or(failed),
        ..ended
    });
}

/// What a call does, in OpenTelemetry's words.
fn operation(call: &Call) -> Option<&'static str> {
    match (call.format?, call.ask) {
        (Format::Gemini, Ask::Generate) => Some(words::GENERATE_CONTENT),
        (_, Ask::Generate) => Some("chat"),
        (_, Ask::Count) => Some(words::COUNT_TOKENS),
        (_, Ask::Other) => None,
    }
}
