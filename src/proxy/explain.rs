//! What would become of a request: the steps of a served one, up to the point where it would leave.
//!
//! The request is read by `intake`, made ready by `attempt` and written by `attempt`, as if it were served. Only
//! the search is another: it looks at the candidates and takes nobody's turn.

mod price;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use pingora_http::RequestHeader;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::context::{Attempt, Call, Context, Payload};
use super::paths::{Endpoint, ModelCall};
use super::{admission, attempt, foreign, intake, own_key, paths};
use crate::account::health::Cause;
use crate::account::pool::{Seen, Standing};
use crate::account::{Account, HeaderSource};
use crate::chat::{Fault, Losses};
use crate::live::Live;
use crate::secret::Secret;
use crate::upstream::media::MediaFetch;
use crate::wire::media::Media;
use crate::wire::translate::{self, Question, Source, Target};
use crate::wire::{Format, Profile, Shape, codec};

/// A request that is not sent.
pub struct Asked {
    /// Where it would go.
    pub uri: Uri,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What would become of it.
#[derive(Debug, Default, Serialize)]
pub struct Explanation {
    /// The client's format.
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    /// Whose key it shows, if any.
    client: Option<String>,
    /// The provider that `x-provider` chooses.
    provider: Option<String>,
    /// The model as the client names it.
    model: Option<String>,
    /// Whether the answer would be streamed.
    stream: bool,
    /// Who may serve it, in order.
    candidates: Vec<Shown>,
    /// What the first that could take it would be sent.
    upstream: Option<Upstream>,
    /// Whether the gateway itself would answer.
    answered_here: bool,
    /// What could not be carried.
    losses: Vec<Lost>,
    /// The gateway's guess.
    estimated_input_tokens: Option<u64>,
    /// Dollars for so much input, at that price.
    estimated_cost: Option<String>,
    /// The price of the model where it would be sent; `None`: it is unknown.
    price: Option<price::Priced>,
    /// Why it would fail before anybody is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refused>,
}

#[derive(Debug, Serialize)]
struct Shown {
    account: String,
    provider: String,
    model: String,
    formats: Vec<&'static str>,
    priority: i32,
    /// `next`, `ready`, `resting`, `excluded`, `other_format`, `cannot_carry`, `needs_media`.
    state: &'static str,
    /// When its rest is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Debug, Serialize)]
struct Upstream {
    account: String,
    format: Option<&'static str>,
    method: String,
    url: String,
    headers: BTreeMap<String, Vec<String>>,
    body_bytes: usize,
    body: Option<Box<RawValue>>,
}

#[derive(Debug, Serialize)]
struct Lost {
    path: String,
    change: &'static str,
}

#[derive(Debug, Serialize)]
struct Refused {
    status: u16,
    code: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
}

/// Explains `asked` under what is in force in `live`.
pub fn explain(live: Arc<Live>, asked: &Asked) -> Explanation {
    let mut ctx = Context::new(live);
    ctx.dialect = paths::dialect(asked.uri.path(), &asked.headers);
    ctx.request_id = super::request_id(&asked.headers);
    let mut told = Explanation::default();
    match taken_in(&mut ctx, asked, &mut told) {
        Ok(call) => {
            ctx.call = Some(Box::new(call));
            search(&mut ctx, &mut told);
        }
        Err(fault) => told.refuse(&ctx, &fault),
    }
    told
}

/// The request as `intake` takes it in.
fn taken_in(ctx: &mut Context, asked: &Asked, told: &mut Explanation) -> Result<Call, Fault> {
    let Asked { uri, headers, body } = asked;
    let (live, path) = (Arc::clone(&ctx.live), uri.path());
    admission::weigh(headers, &live.config.limits)?;
    let Endpoint::Model(format, named) = paths::endpoint(&Method::POST, path) else {
        return Err(super::not_found::unknown_path(path));
    };
    told.format = Some(format.name());
    if shows_key(ctx, asked) {
        admission::authenticate(headers, uri.query(), ctx)?;
        told.client = ctx.client.as_ref().map(|client| client.name.to_string());
    }
    let provider = intake::chosen_provider(headers, &live.router)?;
    told.provider.clone_from(&provider);
    if let ModelCall::Path { model, .. } = &named {
        told.model = Some(model.to_string());
    }
    let provider = provider.as_deref();
    let mut call = intake::call(ctx, provider, (format, &named), uri, headers, body.clone())?;
    call.headers.clone_from(headers);
    told.model = Some(call.model.to_string());
    told.stream = call.shape != Shape::Whole;
    told.estimated_input_tokens = estimate(&call, format);
    if live.takes_client_keys() {
        own_key::narrow(ctx, &mut call)?;
    }
    Ok(call)
}

/// Without a key the request is explained as the operator's own.
fn shows_key(ctx: &Context, asked: &Asked) -> bool {
    let names = [
        "authorization",
        "x-api-key",
        "x-goog-api-key",
        own_key::GATEWAY_KEY,
    ];
    let query = asked.uri.query().and_then(paths::key_in_query);
    names.iter().any(|name| asked.headers.contains_key(*name))
        || ctx.dialect == Format::Gemini && query.is_some()
}

/// Goes through the candidates as a served request does, until one could take it.
fn search(ctx: &mut Context, told: &mut Explanation) {
    let now = Instant::now();
    let Some(call) = ctx.call.as_deref() else {
        return;
    };
    let seat = call.seat(ctx.live.homes.as_deref());
    let (route, native) = (call.route.clone(), call.native_format());
    let first = route.survey(&call.tried, native, seat, now);
    told.candidates = first.iter().map(|seen| shown(seen, now)).collect();
    for (place, seen) in first.iter().enumerate() {
        let Some(call) = ctx.call.as_deref() else {
            return;
        };
        // What one account cannot be sent others at its provider cannot either.
        let left = route.survey(&call.tried, native, seat, now);
        let standing = left.get(place).map(|seen| seen.standing);
        if standing == Some(Standing::Out) {
            told.candidates[place].state = CANNOT_CARRY;
        }
        if standing != Some(Standing::Ready) {
            continue;
        }
        if let Some(media) = wanted_media(ctx, seen) {
            told.candidates[place].state = "needs_media";
            told.candidates[place].why = Some(format!("{media} media would be fetched first"));
            return;
        }
        match attempt::prepare(ctx, seen.choice(now)) {
            Ok(Some(attempt)) => {
                told.candidates[place].state = "next";
                told.upstream(ctx, attempt);
                return;
            }
            Ok(None) => {
                let call = ctx.call.as_deref_mut();
                let fault = call.and_then(|call| call.unknown_model.take());
                told.candidates[place].state = CANNOT_CARRY;
                told.candidates[place].why = fault.map(|fault| fault.message.into_owned());
            }
            Err(_) => {
                told.candidates[place].state = "next";
                told.answered_here = ctx.local.is_some();
                return;
            }
        }
    }
}

const CANNOT_CARRY: &str = "cannot_carry";

impl Explanation {
    /// What `attempt` would send.
    fn upstream(&mut self, ctx: &mut Context, mut attempt: Attempt) {
        let token = ctx.live.token(&attempt.account);
        attempt.token = token.and_then(|cell| cell.ready(Instant::now()));
        if let Some((_, losses)) = &attempt.translated {
            self.lost(losses);
        }
        let input = self.estimated_input_tokens;
        (self.estimated_cost, self.price) = price::price(ctx, &attempt, input);
        let format = attempt.relay.format();
        ctx.attempt = Some(Box::new(attempt));
        let Ok(mut header) = RequestHeader::build(Method::POST, b"/", None) else {
            return;
        };
        let written = attempt::request(None, ctx, &mut header);
        let (Ok(()), Some(attempt)) = (written, ctx.attempt.as_deref()) else {
            return;
        };
        let account = &attempt.account;
        let base = attempt.base();
        let scheme = if base.tls { "https" } else { "http" };
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &header.headers {
            let text = String::from_utf8_lossy(value.as_bytes());
            let is_secret = value.is_sensitive() || is_configured(account, name.as_str());
            let text = if is_secret { hint(&text) } else { text.into() };
            headers.entry(name.to_string()).or_default().push(text);
        }
        let body = String::from_utf8_lossy(&attempt.body).into_owned();
        self.upstream = Some(Upstream {
            account: account.name.to_string(),
            format: format.map(Format::name),
            method: header.method.to_string(),
            url: format!("{scheme}://{}{}", base.authority, header.uri),
            headers,
            body_bytes: attempt.body.len(),
            body: RawValue::from_string(body).ok(),
        });
    }

    fn lost(&mut self, losses: &Losses) {
        let notes = losses.notes().iter();
        self.losses = notes
            .map(|note| Lost {
                path: note.path.clone(),
                change: note.change.name(),
            })
            .collect();
    }

    fn refuse(&mut self, ctx: &Context, fault: &Fault) {
        self.error = Some(Refused {
            status: codec(ctx.dialect)
                .encode_fault(fault, &ctx.request_id)
                .status,
            code: fault.code.as_ref().map(ToString::to_string),
            message: fault.message.to_string(),
            param: fault.param.as_ref().map(ToString::to_string),
        });
    }
}

fn shown(seen: &Seen, now: Instant) -> Shown {
    let account = &seen.account;
    let (state, until, why) = match seen.standing {
        Standing::Ready => ("ready", None, None),
        Standing::Resting { until, cause } => {
            let until = SystemTime::now() + until.saturating_duration_since(now);
            let why = match cause {
                Cause::Limit => "rate limit or quota",
                Cause::Trouble => "it has failed",
            };
            ("resting", Some(until), Some(why))
        }
        Standing::Excluded => ("excluded", None, None),
        Standing::OtherFormat => ("other_format", None, None),
        Standing::Out => (CANNOT_CARRY, None, None),
    };
    Shown {
        account: account.name.to_string(),
        provider: account.providers.first().map_or("", |name| name).to_owned(),
        model: seen.model.to_string(),
        formats: account.formats.iter().map(|format| format.name()).collect(),
        priority: account.priority,
        state,
        until: until.map(|until| humantime::format_rfc3339_seconds(until).to_string()),
        why: why.map(str::to_owned),
    }
}

/// How many media would be fetched before the request could be carried there.
fn wanted_media(ctx: &Context, seen: &Seen) -> Option<usize> {
    let call = ctx.call.as_deref()?;
    let live = &ctx.live;
    if live.config.translation.media_fetch == MediaFetch::Off {
        return None;
    }
    let (account, model) = (&seen.account, &seen.model);
    let Payload::Read { bytes, .. } = &call.body else {
        return None;
    };
    let format = foreign::format(call, account)?;
    let profile = live.profiles.of(account, model);
    let wanted = foreign::wanted(call, (format, bytes), account, model, &profile);
    (!wanted.is_empty()).then_some(wanted.len())
}

/// What the prompt may cost, in tokens; `None`: it is none.
fn estimate(call: &Call, format: Format) -> Option<u64> {
    let Payload::Read { bytes, .. } = &call.body else {
        return None;
    };
    let source = Source {
        format,
        body: bytes,
        note: None,
        stream: false,
        media: Media::none(),
    };
    // The one that nobody but the gateway counts for.
    let target = Target {
        format: Format::OpenAiChat,
        model: &call.model,
        profile: &Arc::new(Profile::default()),
    };
    match translate::count(source, target) {
        Ok(Question::Estimate(tokens)) => Some(tokens),
        _ => None,
    }
}

/// Whether the operator has set this header, perhaps to a secret.
fn is_configured(account: &Account, name: &str) -> bool {
    account
        .headers
        .iter()
        .any(|(known, source)| known == name && matches!(source, HeaderSource::Fixed(_)))
}

/// `Bearer sk-…ab12`.
fn hint(value: &str) -> String {
    match value.split_once(' ') {
        Some((scheme @ ("Bearer" | "Basic"), secret)) => {
            format!("{scheme} {}", Secret::new(secret))
        }
        _ => Secret::new(value).to_string(),
    }
}
