//! One line per request: what it was, where it went, how it ended. Never a key, never a prompt.

use std::fmt::Write;
use std::time::Duration;

use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_proxy::Session;
use serde::Serialize;
use tokio::time::Instant;

use super::client_address;
use super::context::Context;
use crate::config::LogFormat;

/// The target of access lines, so that `RUST_LOG=access=off` silences them alone.
pub const TARGET: &str = "access";

#[derive(Serialize)]
struct Line<'a> {
    request_id: &'a str,
    method: &'a str,
    path: &'a str,
    status: u16,
    format: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    own_key: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    losses: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_status: Option<u16>,
    tries: u32,
    keep_alives: u32,
    bytes: u64,
    ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Writes the line of a request that has ended.
pub(super) fn write(session: &Session, ctx: &Context, status: u16, format: LogFormat) {
    if !log::log_enabled!(target: TARGET, log::Level::Info) {
        return;
    }
    let request = session.req_header();
    let (call, attempt) = (ctx.call.as_deref(), ctx.attempt.as_deref());
    let translated = attempt.and_then(|attempt| attempt.translated.as_ref());
    let (peer, via) = whereabouts(session, ctx);
    let line = Line {
        request_id: &ctx.request_id,
        method: request.method.as_str(),
        path: request.uri.path(),
        status,
        format: call
            .and_then(|call| call.format)
            .map_or("-", crate::wire::Format::name),
        client: ctx.client.as_deref().map(|client| &*client.name),
        own_key: ctx.own_key.is_some(),
        peer,
        via,
        model: call.map_or("", |call| &call.model),
        upstream_model: attempt
            .map(|attempt| &*attempt.model)
            .filter(|model| call.is_some_and(|call| *call.model != **model)),
        account: attempt.map(|attempt| &*attempt.account.name),
        provider: attempt
            .and_then(|attempt| attempt.account.providers.first())
            .map(|name| &**name),
        upstream_format: translated.map(|(format, _)| format.name()),
        losses: translated.map(|(_, losses)| {
            let answer = attempt.and_then(|attempt| attempt.relay.losses());
            losses.notes().len() + answer.map_or(0, |losses| losses.notes().len())
        }),
        upstream_status: attempt.and_then(|attempt| attempt.status),
        tries: call.map_or(0, |call| call.tries),
        keep_alives: call.map_or(0, |call| call.gate.pings()),
        bytes: call.map_or(0, |call| call.gate.bytes()),
        ms: millis(Instant::now() - ctx.started),
        error: ctx.fault.as_ref().and_then(|fault| fault.code.as_deref()),
    };
    match format {
        LogFormat::Json => {
            log::info!(target: TARGET, "{}", serde_json::to_string(&line).unwrap_or_default())
        }
        LogFormat::Text => log::info!(target: TARGET, "{}", text(&line)),
    }
}

fn text(line: &Line<'_>) -> String {
    let mut out = String::with_capacity(320);
    for (name, value) in [
        ("request=", line.request_id),
        (" ", line.method),
        (" ", line.path),
    ] {
        out.push_str(name);
        out.push_str(value);
    }
    number(&mut out, " status=", line.status);
    out.push_str(" format=");
    out.push_str(line.format);
    for (name, value) in [
        (" client=", line.client),
        (" peer=", line.peer.as_deref()),
        (" via=", line.via.as_deref()),
        (
            " model=",
            Some(line.model).filter(|model| !model.is_empty()),
        ),
        (" upstream_model=", line.upstream_model),
        (" account=", line.account),
        (" provider=", line.provider),
        (" upstream_format=", line.upstream_format),
        (" error=", line.error),
    ] {
        if let Some(value) = value {
            out.push_str(name);
            word(&mut out, value);
        }
    }
    if let Some(losses) = line.losses {
        number(&mut out, " losses=", losses as u64);
    }
    if let Some(status) = line.upstream_status {
        number(&mut out, " upstream_status=", status);
    }
    if line.own_key {
        out.push_str(" own_key=true");
    }
    number(&mut out, " tries=", line.tries);
    number(&mut out, " keep_alives=", line.keep_alives);
    number(&mut out, " bytes=", line.bytes);
    number(&mut out, " ms=", line.ms);
    out
}

/// Where the client is, and the trusted proxy that has connected for it, if one has.
fn whereabouts(session: &Session, ctx: &Context) -> (Option<String>, Option<String>) {
    let Some(peer) = session.client_addr() else {
        return (None, None);
    };
    let trusted = &ctx.live.config.trusted_proxies;
    let behind = || {
        let call = ctx.call.as_deref();
        let headers = call.map_or(&session.req_header().headers, |call| &call.headers);
        client_address::behind(*peer.as_inet()?, headers, trusted)
    };
    match (!trusted.is_empty()).then(behind).flatten() {
        Some(client) => (Some(client.to_string()), Some(address(peer))),
        None => (Some(address(peer)), None),
    }
}

/// `host:port`, as `Display` writes it but for the detour over a formatter.
fn address(address: &SocketAddr) -> String {
    match address.as_inet() {
        Some(std::net::SocketAddr::V4(v4)) => {
            let mut out = String::with_capacity(21);
            let [a, b, c, d] = v4.ip().octets();
            number(&mut out, "", a);
            number(&mut out, ".", b);
            number(&mut out, ".", c);
            number(&mut out, ".", d);
            number(&mut out, ":", v4.port());
            out
        }
        _ => address.to_string(),
    }
}

fn number(out: &mut String, name: &str, value: impl Into<u64>) {
    out.push_str(name);
    out.push_str(itoa::Buffer::new().format(value.into()));
}

/// A client chooses the model's name: it must not look like more fields, or another line.
fn word(out: &mut String, value: &str) {
    let is_plain =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b'"' | b'\'' | b'\\');
    if value.bytes().all(is_plain) {
        out.push_str(value);
        return;
    }
    // Writing into a string cannot fail.
    let _ = match value.contains([' ', '=', '"']) {
        true => write!(out, "\"{}\"", value.escape_debug()),
        false => write!(out, "{}", value.escape_debug()),
    };
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
