//! Clients that bring their own key for a provider ("bring your own key").
//!
//! Such a request goes to one entry only: the first on its route that takes clients' keys. A key is a
//! secret between the client and one provider, so that no other sees it, and the operator's own
//! keys never stand in for it. How that entry fares with other keys says nothing about this one, nor the
//! other way round: the request has a health of its own.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::context::{Call, Context};
use super::not_found::clipped;
use super::{paths, websocket};
use crate::account::Account;
use crate::chat::{Fault, FaultKind};
use crate::live::Live;
use crate::secret::Secret;
use crate::upstream::presets::KeyHeader;
use crate::wire::Format;

/// Where the gateway's key is when the usual place is taken.
pub(super) const GATEWAY_KEY: &str = "x-aiproxy-key";

/// A client's key for a provider.
pub struct OwnKey {
    key: Secret,
    /// Where it came; `None`: where clients of its format do not have it.
    place: Option<KeyHeader>,
}

impl OwnKey {
    /// The key.
    pub(super) fn secret(&self) -> &Secret {
        &self.key
    }

    /// Where it goes at `account` for a client that speaks `dialect`: where it came when the account
    /// reads it there, because an OAuth token is none of the other kind; else where the account has its own.
    pub(super) fn place(&self, account: &Account, dialect: Format) -> KeyHeader {
        let speaks = account.formats.contains(&dialect);
        self.place.filter(|_| speaks).unwrap_or(account.key_header)
    }
}

/// The key after `Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| key.trim_ascii())
}

/// The key that a client brings, beside the gateway's own or where that asks for none.
pub(super) fn find(
    headers: &HeaderMap,
    query: Option<&str>,
    dialect: Format,
    live: &Live,
) -> Result<Option<OwnKey>, Fault> {
    use KeyHeader::{Bearer, XApiKey, XGoogApiKey};
    let usual: &[KeyHeader] = match dialect {
        Format::OpenAiChat | Format::OpenAiResponses => &[Bearer],
        Format::Claude => &[XApiKey, Bearer],
        Format::Gemini => &[XGoogApiKey, Bearer],
    };
    let header = |name: &str| {
        headers
            .get(name)
            .map(|value| Cow::Borrowed(value.as_bytes()))
    };
    let at = |place: KeyHeader| match place {
        Bearer => bearer(headers)
            .map(Cow::Borrowed)
            .or_else(|| websocket::key(headers).map(|key| Cow::Borrowed(key.as_bytes()))),
        XApiKey => header("x-api-key"),
        XGoogApiKey => header("x-goog-api-key").or_else(|| {
            let query = query.filter(|_| dialect == Format::Gemini)?;
            Some(Cow::Owned(paths::key_in_query(query)?.into_owned().into()))
        }),
    };
    let known = usual.iter().map(|place| (*place, Some(*place)));
    let others = [Bearer, XApiKey, XGoogApiKey]
        .into_iter()
        .filter(|place| !usual.contains(place));
    for (place, came) in known.chain(others.map(|place| (place, None))) {
        // A client that shows its gateway key everywhere does not mean it for a provider.
        let Some(key) = at(place).filter(|key| !key.is_empty() && live.client(key).is_none())
        else {
            continue;
        };
        let text = str::from_utf8(&key).ok();
        let Some(text) = text.filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic())) else {
            return Err(Fault::new(
                FaultKind::Auth,
                "invalid_api_key",
                "the provider's key has characters that no key has",
            ));
        };
        return Ok(Some(OwnKey {
            key: Secret::new(text),
            place: came,
        }));
    }
    Ok(None)
}

/// Narrows the route to whom the request may go to with the key it came with, or without one.
pub(super) fn narrow(ctx: &mut Context, call: &mut Call) -> Result<(), Fault> {
    if ctx.own_key.is_some() {
        if let Some(route) = call.route.for_client_key(call.native_format()) {
            call.route = route;
            return Ok(());
        }
        if !ctx.live.config.clients.is_empty() {
            return Err(not_allowed(&call.model));
        }
        // A gateway that asks nobody for a key ignores it, as SDKs send one all the same.
        ctx.own_key = None;
    }
    match call.route.is_open() {
        true => Ok(()),
        false => Err(required(&call.model)),
    }
}

fn not_allowed(model: &str) -> Fault {
    let message = format!(
        "no provider here that serves '{}' takes a client's own key; send only the gateway's",
        clipped(model)
    );
    Fault::new(FaultKind::Permission, "client_key_not_allowed", message)
}

fn required(model: &str) -> Fault {
    let message = format!(
        "'{}' is served with your own key for its provider only: send it as usual, and the gateway's key, if it asks for one, as '{GATEWAY_KEY}'",
        clipped(model)
    );
    Fault::new(FaultKind::Auth, "client_key_required", message)
}
