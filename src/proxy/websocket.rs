//! WebSockets on pass-through paths: which request asks for one, what of the handshake crosses.
//!
//! Until the provider switches protocols such a request is one without a body, and can be sent again
//! to another account. From then on bytes pass both ways, and nobody looks into them.

use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Version};
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use super::headers;

/// OpenAI's clients in browsers cannot set headers: their key is a subprotocol that begins so.
const KEY: &str = "openai-insecure-api-key.";
/// The same for the headers of these names, which are OpenAI's alone.
const OPENAI: [&str; 2] = ["openai-organization.", "openai-project."];

/// What crosses as it is.
const CROSSING: [HeaderName; 3] = [
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
    SEC_WEBSOCKET_EXTENSIONS,
];

/// Whether a request asks to go on as a WebSocket.
pub(super) fn is_asked_for(request: &RequestHeader) -> bool {
    let lists = |name: HeaderName, wanted: &[u8]| {
        let values = request.headers.get_all(name).into_iter();
        let mut tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(wanted))
    };
    request.headers.contains_key(UPGRADE)
        && request.method == Method::GET
        && request.version == Version::HTTP_11
        && lists(UPGRADE, b"websocket")
        && lists(CONNECTION, b"upgrade")
}

/// The client's key among the subprotocols.
pub(super) fn key(headers: &HeaderMap) -> Option<&str> {
    protocols(headers).find_map(|protocol| protocol.strip_prefix(KEY))
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Writes the handshake into the request to a provider of `preset`, without the client's key.
pub(super) fn ask(client: &HeaderMap, preset: &str, upstream: &mut HeaderMap) -> Result<()> {
    upstream.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    upstream.insert(UPGRADE, HeaderValue::from_static("websocket"));
    for name in CROSSING {
        for value in client.get_all(&name) {
            upstream.append(&name, value.clone());
        }
    }
    let crosses = |protocol: &&str| {
        let is_openai = OPENAI.iter().any(|own| protocol.starts_with(own));
        !protocol.is_empty() && !protocol.starts_with(KEY) && (!is_openai || preset == "openai")
    };
    let kept: Vec<&str> = protocols(client).filter(crosses).collect();
    if !kept.is_empty() {
        upstream.insert(SEC_WEBSOCKET_PROTOCOL, headers::value(&kept.join(", "))?);
    }
    Ok(())
}

/// Makes a provider's 101 fit for the client.
pub(super) fn switched(answer: &mut ResponseHeader) -> Result<()> {
    headers::scrub(answer);
    answer.insert_header(CONNECTION, "Upgrade")?;
    answer.insert_header(UPGRADE, "websocket")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build(method, b"/v1/realtime", None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    #[test]
    fn a_websocket_is_asked_for_with_both_headers() {
        let upgrade = ("upgrade", "WebSocket");
        for (method, fields, want) in [
            ("GET", &[upgrade, ("connection", "Upgrade")][..], true),
            (
                "GET",
                &[upgrade, ("connection", "keep-alive, upgrade")],
                true,
            ),
            ("GET", &[upgrade], false),
            ("GET", &[("connection", "Upgrade")], false),
            ("POST", &[upgrade, ("connection", "Upgrade")], false),
            (
                "GET",
                &[("upgrade", "h2c"), ("connection", "Upgrade")],
                false,
            ),
        ] {
            assert_eq!(is_asked_for(&request(method, fields)), want, "{fields:?}");
        }
        let mut http2 = request("GET", &[upgrade, ("connection", "Upgrade")]);
        http2.set_version(Version::HTTP_2);
        assert!(!is_asked_for(&http2));
    }

    #[test]
    fn a_key_among_the_subprotocols_is_found_and_stays_here() {
        let client = request(
            "GET",
            &[
                (
                    "sec-websocket-protocol",
                    "realtime, openai-insecure-api-key.sk-1",
                ),
                ("sec-websocket-protocol", "openai-project.p,, x"),
                ("sec-websocket-key", "abc"),
                ("cookie", "c"),
            ],
        )
        .headers
        .clone();
        assert_eq!(key(&client), Some("sk-1"));
        for (preset, want) in [
            ("openai", "realtime, openai-project.p, x"),
            ("xai", "realtime, x"),
        ] {
            let mut upstream = HeaderMap::new();
            ask(&client, preset, &mut upstream).unwrap();
            assert_eq!(upstream[SEC_WEBSOCKET_PROTOCOL], want);
            assert_eq!(upstream[SEC_WEBSOCKET_KEY], "abc");
            assert_eq!(upstream.len(), 4, "{upstream:?}");
        }
        assert_eq!(key(&HeaderMap::new()), None);
    }
}
