//! Who may come in: how much of it, with whose key, and what that key may use.

use std::sync::Arc;

use http::header::HeaderMap;

use super::context::Context;
use super::not_found::clipped;
use super::own_key::{self, bearer};
use super::{paths, websocket};
use crate::chat::{Fault, FaultKind};
use crate::config::{ClientKey, Limits};
use crate::wire::Format;

/// Longest name of a model, in bytes. It is logged, and remembered where it fails.
const NAME: usize = 512;

/// Whether `model` may be a name: none that anybody has given is longer.
pub(super) fn is_name(model: &str) -> Result<(), Fault> {
    match model.len() <= NAME {
        true => Ok(()),
        false => Err(Fault::new(
            FaultKind::InvalidRequest,
            "model_name_too_long",
            format!("the model's name is longer than {NAME} bytes"),
        )
        .with_param("model")),
    }
}

/// Whether the header is within its limits.
pub(super) fn weigh(headers: &HeaderMap, limits: &Limits) -> Result<(), Fault> {
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
        return Ok(());
    };
    Err(Fault::new(
        FaultKind::HeadersTooLarge,
        "headers_too_large",
        message,
    ))
}

/// Whose key the request comes with. A request without one is let in when the config says so.
pub(super) fn authenticate(
    headers: &HeaderMap,
    query: Option<&str>,
    ctx: &mut Context,
) -> Result<(), Fault> {
    if ctx.live.config.clients.is_empty() {
        if ctx.live.takes_client_keys() {
            ctx.own_key = own_key::find(headers, query, ctx.dialect, &ctx.live)?;
        }
        return Ok(());
    }
    if ctx.live.takes_client_keys()
        && let Some(key) = headers.get(own_key::GATEWAY_KEY)
    {
        let client = ctx.live.client(key.as_bytes());
        ctx.client = Some(Arc::clone(client.ok_or_else(invalid)?));
        ctx.own_key = own_key::find(headers, query, ctx.dialect, &ctx.live)?;
        return Ok(());
    }
    let header = |name: &str| headers.get(name).map(|value| value.as_bytes());
    let in_query = match ctx.dialect {
        Format::Gemini => query.and_then(paths::key_in_query),
        _ => None,
    };
    let presented = [
        bearer(headers),
        header("x-api-key"),
        header("x-goog-api-key"),
        in_query.as_ref().map(|key| key.as_bytes()),
        websocket::key(headers).map(str::as_bytes),
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
        true => invalid(),
        false => Fault::new(
            FaultKind::Auth,
            "missing_api_key",
            "no API key: send it as 'authorization: Bearer KEY', 'x-api-key' or 'x-goog-api-key'",
        ),
    })
}

fn invalid() -> Fault {
    Fault::new(
        FaultKind::Auth,
        "invalid_api_key",
        "the API key is not valid for this gateway",
    )
}

/// Whether the client may use `model`.
pub(super) fn may_use(client: Option<&ClientKey>, model: &str) -> Result<(), Fault> {
    if client.is_none_or(|client| client.may_use(model)) {
        return Ok(());
    }
    let message = format!("this API key may not use the model '{}'", clipped(model));
    Err(Fault::new(FaultKind::Permission, "model_not_allowed", message).with_param("model"))
}

/// Whether the client may use paths that nobody looks into, where it could ask for any model.
pub(super) fn may_pass_through(client: Option<&ClientKey>) -> Result<(), Fault> {
    if client.is_none_or(|client| client.models.is_empty()) {
        return Ok(());
    }
    Err(Fault::new(
        FaultKind::Permission,
        "pass_through_not_allowed",
        "this API key is limited to certain models and may not use other paths",
    ))
}
