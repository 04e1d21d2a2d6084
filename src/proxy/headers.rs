//! Which headers cross the gateway.

use std::time::SystemTime;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use pingora_core::{ErrorType, OrErr};
use pingora_http::ResponseHeader;

use super::cors;
use super::relay::Wanted;
use crate::account::{Account, HeaderSource};
use crate::secret::Secret;
use crate::upstream::presets::KeyHeader;
use crate::wire::limits::{Limits, is_limit};
use crate::wire::{Format, Shape};

/// Client headers that every provider gets.
const COMMON: &[&str] = &["accept", "content-type", "idempotency-key", "user-agent"];
/// More of them for paths that nobody looks into.
const PASS_THROUGH: &[&str] = &[
    "accept-encoding",
    "accept-language",
    "content-disposition",
    "content-encoding",
    "content-language",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
];

/// How a request and its provider belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinship {
    /// Both speak the same format.
    Native,
    /// The request was translated.
    Foreign,
    /// Nobody looks into it.
    Unseen,
}

/// Whether a client's header goes to a provider of `preset`: what every provider gets, and what is
/// that provider's own. A translated request is ours: what the client says about its own does not
/// hold for it.
fn is_forwarded(name: &str, preset: &str, kinship: Kinship) -> bool {
    let own = match preset {
        _ if kinship == Kinship::Foreign => false,
        "anthropic" => matches!(name, "anthropic-version" | "anthropic-beta"),
        "openai" => matches!(
            name,
            "openai-organization" | "openai-project" | "openai-beta"
        ),
        "gemini" | "antigravity" => name.starts_with("x-goog-") && name != "x-goog-api-key",
        _ => false,
    };
    let common = match kinship {
        Kinship::Foreign => matches!(name, "idempotency-key" | "user-agent"),
        Kinship::Native | Kinship::Unseen => COMMON.contains(&name),
    };
    own || common || (kinship == Kinship::Unseen && PASS_THROUGH.contains(&name))
}

/// Writes the client's headers that `account` may see, the account's own, and the key where it goes.
pub(super) fn to_provider(
    client: &HeaderMap,
    account: &Account,
    request_id: &str,
    kinship: Kinship,
    credential: Credential<'_>,
    upstream: &mut HeaderMap,
) -> pingora_core::Result<()> {
    let hop = Hop::of(client);
    for (name, value) in client {
        if is_forwarded(name.as_str(), account.preset.name, kinship) && !hop.names(name) {
            upstream.append(name, value.clone());
        }
    }
    if kinship == Kinship::Foreign {
        upstream.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    }
    if kinship != Kinship::Unseen {
        // Compressed events could neither be weighed nor spliced.
        upstream.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
    }
    upstream.insert(HeaderName::from_static("x-request-id"), value(request_id)?);
    for (name, source) in &account.headers {
        let value = match source {
            HeaderSource::Fixed(value) => Some(value),
            HeaderSource::Client(from) => client.get(from).filter(|_| !hop.names(from)),
        };
        if let Some(value) = value {
            upstream.insert(name, value.clone());
        }
    }
    show(credential, &account.headers, upstream)
}

/// The headers that belong to a message's connection because its `connection` names them.
struct Hop<'a>(smallvec::SmallVec<[&'a [u8]; 2]>);

impl<'a> Hop<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let listed = headers.get_all(header::CONNECTION).into_iter();
        let listed = listed.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
        Self(
            listed
                .map(<[u8]>::trim_ascii)
                .filter(|word| {
                    // These are what nearly every message says, and no headers.
                    !word.eq_ignore_ascii_case(b"keep-alive")
                        && !word.eq_ignore_ascii_case(b"close")
                })
                .collect(),
        )
    }

    fn names(&self, name: &HeaderName) -> bool {
        let name = name.as_str().as_bytes();
        self.0.iter().any(|word| word.eq_ignore_ascii_case(name))
    }
}

/// A header's value; a client's or an operator's text may be none.
pub(super) fn value(text: &str) -> pingora_core::Result<HeaderValue> {
    HeaderValue::from_str(text).or_err(
        ErrorType::InvalidHTTPHeader,
        "a header of the upstream request",
    )
}

/// What a request shows to its provider.
#[derive(Clone, Copy)]
pub(super) enum Credential<'a> {
    /// A key, in its place.
    Key(KeyHeader, &'a Secret),
    /// A token as it is sent.
    Token(&'a HeaderValue),
}

fn show(
    credential: Credential<'_>,
    configured: &[(HeaderName, HeaderSource)],
    upstream: &mut HeaderMap,
) -> pingora_core::Result<()> {
    let (place, key) = match credential {
        Credential::Key(place, key) => (place, key),
        Credential::Token(header) => {
            upstream.insert(header::AUTHORIZATION, header.clone());
            return Ok(());
        }
    };
    let name = match place {
        KeyHeader::Bearer => header::AUTHORIZATION,
        KeyHeader::XApiKey => HeaderName::from_static("x-api-key"),
        KeyHeader::XGoogApiKey => HeaderName::from_static("x-goog-api-key"),
    };
    // An operator who sets the header by hand means it.
    if key.is_empty() || configured.iter().any(|(configured, _)| *configured == name) {
        return Ok(());
    }
    let mut key = match place {
        KeyHeader::Bearer => value(&["Bearer ", key.expose()].concat()),
        KeyHeader::XApiKey | KeyHeader::XGoogApiKey => value(key.expose()),
    }?;
    key.set_sensitive(true);
    upstream.insert(name, key);
    Ok(())
}

/// Makes a translated answer's header: nothing of the provider's own is true of it but its status.
pub(super) fn rewrite(
    answer: &mut ResponseHeader,
    (to, from): (Option<Format>, Format),
    wanted: &Wanted,
) {
    let shape = wanted.shape;
    let has_limits = || answer.headers.keys().any(|name| is_limit(name.as_str()));
    let limits = match (wanted.limits && has_limits(), to) {
        (true, Some(to)) => {
            let value = |name: &str| answer.headers.get(name)?.to_str().ok();
            let now = SystemTime::now();
            Limits::read(from, value, now).write(to, now)
        }
        _ => Vec::new(),
    };
    scrub(answer);
    let names: Vec<HeaderName> = answer.headers.keys().cloned().collect();
    for name in names {
        let is_ours = name == "x-aiproxy-upstream-request-id" || name == header::TRANSFER_ENCODING;
        if !is_ours {
            answer.remove_header(&name);
        }
    }
    let kind = match shape {
        Shape::Whole | Shape::JsonArray => "application/json",
        Shape::Sse if to == Some(Format::Gemini) => "text/event-stream",
        Shape::Sse => "text/event-stream; charset=utf-8",
    };
    let to = to.map_or("", Format::name);
    // All of them are valid values.
    let _ = answer.insert_header(header::CONTENT_TYPE, kind);
    let _ = answer.insert_header("x-aiproxy-translation", format!("{to};{}", from.name()));
    if shape == Shape::Sse {
        let _ = answer.insert_header(header::CACHE_CONTROL, "no-cache");
        let _ = answer.insert_header("x-accel-buffering", "no");
    }
    for (name, value) in limits {
        let _ = answer.insert_header(name, value);
    }
}

/// Takes out what the account's rate limits are: with several accounts they mislead.
pub(super) fn hide_limits(answer: &mut ResponseHeader) {
    let names: smallvec::SmallVec<[HeaderName; 8]> = answer
        .headers
        .keys()
        .filter(|name| is_limit(name.as_str()))
        .cloned()
        .collect();
    for name in &names {
        answer.remove_header(name);
    }
}

/// Removes from a provider's answer what is not the client's: who our accounts are, cookies, what
/// belongs to the other connection. The provider's request id moves to
/// `x-aiproxy-upstream-request-id`.
pub(super) fn scrub(answer: &mut ResponseHeader) {
    let mut gone: smallvec::SmallVec<[HeaderName; 8]> = smallvec::SmallVec::new();
    let mut request_id = None;
    let hop = Hop::of(&answer.headers);
    for (name, value) in &answer.headers {
        match name.as_str() {
            "x-request-id" | "request-id" => {
                request_id.get_or_insert_with(|| value.clone());
                gone.push(name.clone());
            }
            "set-cookie"
            | "alt-svc"
            | "server"
            | "via"
            | "nel"
            | "report-to"
            | "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "upgrade"
            | "openai-organization"
            | "openai-project"
            | "anthropic-organization-id"
            | "strict-transport-security"
            | "x-aiproxy-cost"
            | "x-aiproxy-upstream-request-id" => gone.push(name.clone()),
            other if other.starts_with("cf-") || cors::is_about(other) => gone.push(name.clone()),
            // They frame what comes, whatever else is said about them.
            "content-length" | "transfer-encoding" => {}
            _ if hop.names(name) => gone.push(name.clone()),
            _ => {}
        }
    }
    // It borrows what is taken out now.
    drop(hop);
    for name in &gone {
        answer.remove_header(name);
    }
    if let Some(id) = request_id {
        // A value that was a header value is one.
        let _ = answer.insert_header("x-aiproxy-upstream-request-id", id);
    }
}

/// Has a provider answer with all of a text: only into that can be put back what was masked.
pub(super) fn as_text(header: &mut HeaderMap) {
    let identity = HeaderValue::from_static("identity");
    header.insert(header::ACCEPT_ENCODING, identity);
    header.remove(header::RANGE);
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::account::testing::at;

    fn sent(
        preset: &str,
        client: &[(&'static str, &str)],
        configure: impl FnOnce(&mut Account),
    ) -> Vec<String> {
        let mut account = at("a", preset);
        account.key_header = account.preset.key_header;
        configure(&mut account);
        let client: HeaderMap = client
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let mut upstream = HeaderMap::new();
        let key = Credential::Key(account.key_header, &account.key);
        let native = Kinship::Native;
        to_provider(&client, &account, "req_1", native, key, &mut upstream).unwrap();
        let mut lines: Vec<_> = upstream
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    const CLIENT: &[(&str, &str)] = &[
        ("authorization", "Bearer client"),
        ("x-api-key", "client"),
        ("x-goog-api-key", "client"),
        ("cookie", "a=b"),
        ("host", "gateway"),
        ("x-forwarded-for", "10.0.0.1"),
        ("content-type", "application/json"),
        ("anthropic-version", "2023-06-01"),
        ("openai-organization", "org-1"),
        ("x-goog-user-project", "p"),
    ];

    #[test]
    fn a_provider_gets_its_own_headers_and_never_the_clients_credentials() {
        assert_eq!(
            sent("anthropic", CLIENT, |_| ()),
            [
                "accept-encoding: identity",
                "anthropic-version: 2023-06-01",
                "content-type: application/json",
                "x-api-key: sk-test",
                "x-request-id: req_1"
            ]
        );
        assert!(sent("openai", CLIENT, |_| ()).contains(&"openai-organization: org-1".to_owned()));
        assert!(
            sent("openai", CLIENT, |_| ()).contains(&"authorization: Bearer sk-test".to_owned())
        );
        let gemini = sent("gemini", CLIENT, |_| ());
        assert!(gemini.contains(&"x-goog-api-key: sk-test".to_owned()));
        assert!(gemini.contains(&"x-goog-user-project: p".to_owned()));
        let glm = sent("glm", CLIENT, |_| ());
        assert!(
            !glm.iter()
                .any(|line| line.contains("org-1") || line.contains("2023")),
            "{glm:?}"
        );
    }

    #[test]
    fn configured_headers_are_fixed_or_copied_from_the_client() {
        let headers = sent("glm", &[("x-team", "search")], |account| {
            account.headers = vec![
                (
                    "x-fixed".parse().unwrap(),
                    HeaderSource::Fixed(HeaderValue::from_static("1")),
                ),
                (
                    "x-copy".parse().unwrap(),
                    HeaderSource::Client("x-team".parse().unwrap()),
                ),
                (
                    "x-none".parse().unwrap(),
                    HeaderSource::Client("x-absent".parse().unwrap()),
                ),
                (
                    "authorization".parse().unwrap(),
                    HeaderSource::Fixed(HeaderValue::from_static("Custom 1")),
                ),
            ];
        });
        assert!(headers.contains(&"x-fixed: 1".to_owned()));
        assert!(headers.contains(&"x-copy: search".to_owned()));
        assert!(headers.contains(&"authorization: Custom 1".to_owned()));
        assert!(
            !headers
                .iter()
                .any(|line| line.starts_with("x-none") || line.contains("sk-test"))
        );
    }

    #[test]
    fn an_answer_says_nothing_about_our_accounts() {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        for (name, value) in [
            ("content-type", "application/json"),
            ("x-request-id", "up-1"),
            ("set-cookie", "a=b"),
            ("cf-ray", "1"),
            ("openai-organization", "org-1"),
            ("access-control-allow-origin", "*"),
            ("connection", "close, X-Hop,content-length"),
            ("x-hop", "1"),
            ("content-length", "2"),
            ("openai-processing-ms", "5"),
        ] {
            answer.insert_header(name, value).unwrap();
        }
        scrub(&mut answer);
        let mut names: Vec<_> = answer.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "content-length",
                "content-type",
                "openai-processing-ms",
                "x-aiproxy-upstream-request-id"
            ]
        );
    }
}
