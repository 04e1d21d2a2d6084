//! Asks token endpoints of OAuth 2.0 (RFC 6749) for access tokens.
//!
//! A request goes through the account's outbound proxy and trusts the same roots as requests to providers.
//! No redirect is followed: what is sent holds a secret. Nothing of an answer is ever quoted.

mod found;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Proxy, Response, Url, header};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio_rustls::rustls::ClientConfig;

use self::found::Found;
use super::media::Reach;
use super::resolve::Resolver;
use super::{OutboundProxy, ProxyScheme};
use crate::secret::Secret;

/// How the gateway introduces itself.
const AGENT: &str = concat!("ai-proxy/", env!("CARGO_PKG_VERSION"));
/// Longest answer, in bytes.
const ANSWER: usize = 64 << 10;
/// Longest token, in bytes.
const TOKEN: usize = 16 << 10;
/// The longest life of a token that is believed.
const LIFE: f64 = 366.0 * 86_400.0;
/// What form fields and proxies' credentials keep as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Where tokens are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUrl(Url);

/// Why a URL is none for tokens. Quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokenUrl {
    /// Not a URL at all.
    #[error("is not a URL like https://host/path")]
    Syntax,
    /// Secrets would cross a network in clear.
    #[error("must start with https:// (http:// only for this machine)")]
    Scheme,
    /// What has no place in it.
    #[error("must not have a user, a password or a fragment")]
    Extra,
}

impl TokenUrl {
    /// Reads `https://host/path?query`; `http` only to this machine.
    pub fn try_new(text: &str) -> Result<Self, InvalidTokenUrl> {
        let url = Url::parse(text).map_err(|_| InvalidTokenUrl::Syntax)?;
        let host = url.host_str().ok_or(InvalidTokenUrl::Syntax)?;
        let is_here = matches!(host, "localhost" | "[::1]")
            || host
                .parse()
                .is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if is_here => {}
            _ => return Err(InvalidTokenUrl::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(InvalidTokenUrl::Extra);
        }
        Ok(Self(url))
    }

    /// The whole of it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// It for people, without its query.
    pub fn shown(&self) -> String {
        let mut url = self.0.clone();
        url.set_query(None);
        url.to_string()
    }
}

/// One request for a token.
pub struct TokenRequest<'a> {
    /// To whom.
    pub url: &'a TokenUrl,
    /// The form.
    pub form: Vec<(&'static str, &'a str)>,
    /// The client's id and secret where they go in a header.
    pub basic: Option<(&'a str, &'a Secret)>,
    /// Through this proxy.
    pub proxy: Option<&'a OutboundProxy>,
    /// How far the connection may go; `None`: anywhere. What is behind a proxy the proxy finds.
    pub reach: Option<Reach>,
    /// For the connection.
    pub connect: Duration,
    /// For all of it.
    pub total: Duration,
}

/// A token that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The access token: visible ASCII.
    pub access: Secret,
    /// How long it lives; `None`: nobody said.
    pub life: Option<Duration>,
    /// The refresh token that takes the place of the old one.
    pub refresh: Option<Secret>,
}

/// Why there is no token. In words that quote no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotGranted {
    /// `invalid_grant`: the refresh token is not valid any more.
    #[error("the refresh token is not valid any more (invalid_grant)")]
    Dead,
    /// Another error of the standard: something in the config is wrong.
    #[error("the token endpoint refuses: {0}")]
    Refused(&'static str),
    /// An error status with nothing that is understood.
    #[error("the token endpoint answered with status {0}")]
    Status(u16),
    /// Something else than an answer of a token endpoint.
    #[error("the token endpoint's answer is not valid: {0}")]
    Garbage(&'static str),
    /// No connection, or it broke.
    #[error("the token endpoint is not reachable")]
    Unreachable,
    /// No answer in time.
    #[error("the token endpoint did not answer in time")]
    Slow,
}

/// A refusal, and what has to be kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why there is no token.
    pub why: NotGranted,
    /// The refresh token that takes the place of the old one all the same.
    pub refresh: Option<Secret>,
}

impl From<NotGranted> for Refusal {
    fn from(why: NotGranted) -> Self {
        let refresh = None;
        Self { why, refresh }
    }
}

/// Asks for tokens.
pub struct TokenClient {
    resolver: Arc<Resolver>,
    tls: Arc<ClientConfig>,
}

impl TokenClient {
    /// One that finds hosts with `resolver` and trusts whom `tls` does.
    pub const fn new(resolver: Arc<Resolver>, tls: Arc<ClientConfig>) -> Self {
        Self { resolver, tls }
    }

    /// Asks once.
    pub async fn ask(&self, request: &TokenRequest<'_>) -> Result<Granted, Refusal> {
        let asked = tokio::time::timeout(request.total, Box::pin(self.exchange(request))).await;
        asked.unwrap_or_else(|_| Err(NotGranted::Slow.into()))
    }

    async fn exchange(&self, request: &TokenRequest<'_>) -> Result<Granted, Refusal> {
        // What is connected to; a name is looked at when it is found.
        let (host, reach) = match request.proxy {
            None => {
                let host = request.url.0.host_str().unwrap_or_default();
                (host.trim_matches(['[', ']']), request.reach)
            }
            Some(proxy) => (&*proxy.host, proxy.reach),
        };
        if let (Ok(ip), Some(reach)) = (host.parse(), reach)
            && Reach::of(ip) > reach
        {
            return Err(NotGranted::Unreachable.into());
        }
        let client = self.client(request).map_err(|_| NotGranted::Unreachable)?;
        let mut post = client
            .post(request.url.0.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(form(&request.form));
        if let Some((id, secret)) = request.basic {
            let pair = format!("{}:{}", encode(id), encode(secret.expose()));
            let basic = format!("Basic {}", BASE64_STANDARD.encode(pair));
            post = post.header(header::AUTHORIZATION, basic);
        }
        let response = post.send().await.map_err(|error| fault(&error))?;
        let status = response.status().as_u16();
        let body = read(response).await?;
        understand(status, &body)
    }

    /// A client for one request. Nothing is kept between two of them: they are minutes apart.
    fn client(&self, request: &TokenRequest<'_>) -> reqwest::Result<Client> {
        let builder = Client::builder()
            .tls_backend_preconfigured((*self.tls).clone())
            .dns_resolver(Found {
                resolver: Arc::clone(&self.resolver),
                reach: request.reach,
                proxy: request.proxy.map(|proxy| (proxy.host.clone(), proxy.reach)),
            })
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(request.connect)
            .user_agent(AGENT);
        match request.proxy {
            None => builder.build(),
            Some(proxy) => builder.proxy(Proxy::all(proxy_url(proxy))?).build(),
        }
    }
}

fn proxy_url(proxy: &OutboundProxy) -> String {
    let scheme = match proxy.scheme {
        ProxyScheme::Http => "http",
        ProxyScheme::Https => "https",
        ProxyScheme::Socks5 => "socks5",
        ProxyScheme::Socks5h => "socks5h",
    };
    let user = match &proxy.credentials {
        None => String::new(),
        Some((user, password)) => format!("{}:{}@", encode(user), encode(password.expose())),
    };
    match proxy.host.contains(':') {
        true => format!("{scheme}://{user}[{}]:{}", proxy.host, proxy.port),
        false => format!("{scheme}://{user}{}:{}", proxy.host, proxy.port),
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

fn form(fields: &[(&'static str, &str)]) -> String {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    fields.join("&")
}

fn fault(error: &reqwest::Error) -> NotGranted {
    match error.is_timeout() {
        true => NotGranted::Slow,
        false => NotGranted::Unreachable,
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, NotGranted> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
        if body.len() + chunk.len() > ANSWER {
            return Err(NotGranted::Garbage("it is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<Count>,
    refresh_token: Option<String>,
    error: Option<String>,
}

/// A number, which some endpoints put in quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(f64),
    Text(String),
    Other(IgnoredAny),
}

/// What counts of an answer that has other things in wrong places.
#[derive(Deserialize)]
struct Rest {
    refresh_token: String,
}

impl Count {
    /// So many seconds, within reason.
    fn life(&self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(number) => *number,
            Self::Text(text) => text.trim().parse().ok()?,
            Self::Other(_) => return None,
        };
        (seconds >= 1.0).then(|| Duration::from_secs_f64(seconds.min(LIFE)))
    }
}

/// Reads an answer.
fn understand(status: u16, body: &[u8]) -> Result<Granted, Refusal> {
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    let error = answer.as_ref().and_then(|answer| answer.error.as_deref());
    match (status, error.and_then(known)) {
        (200 | 400..=499, Some("invalid_grant")) => return Err(NotGranted::Dead.into()),
        (200 | 400..=499, Some(code)) => return Err(NotGranted::Refused(code).into()),
        (200, _) => {}
        _ => return Err(NotGranted::Status(status).into()),
    }
    let (access, refresh, life) = match answer {
        Some(answer) => {
            let life = answer.expires_in.and_then(|count| count.life());
            let kind = answer.token_type;
            let access = match kind.is_none_or(|kind| kind.eq_ignore_ascii_case("bearer")) {
                true => usable(answer.access_token),
                false => Err(NotGranted::Garbage("the token is no bearer token")),
            };
            (access, answer.refresh_token, life)
        }
        None => {
            let rest: Option<Rest> = serde_json::from_slice(body).ok();
            let why = NotGranted::Garbage("it is no JSON object of a token");
            (Err(why), rest.map(|rest| rest.refresh_token), None)
        }
    };
    let refresh = refresh.filter(|token| !token.is_empty()).map(Secret::new);
    match access {
        Ok(access) => Ok(Granted {
            access,
            life,
            refresh,
        }),
        Err(why) => Err(Refusal { why, refresh }),
    }
}

fn usable(token: Option<String>) -> Result<Secret, NotGranted> {
    let is_token = |token: &String| {
        !token.is_empty()
            && token.len() <= TOKEN
            && token.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let token = token.filter(is_token).map(Secret::new);
    token.ok_or(NotGranted::Garbage("it holds no usable token"))
}

/// The error codes of RFC 6749.
fn known(code: &str) -> Option<&'static str> {
    const CODES: &[&str] = &[
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ];
    CODES.iter().copied().find(|known| *known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_asked_for_over_tls_only() {
        for (url, want) in [
            ("https://id.example/token?tenant=1", Ok(())),
            ("http://127.0.0.1:8080/token", Ok(())),
            ("http://localhost/token", Ok(())),
            ("http://[::1]/token", Ok(())),
            ("http://id.example/token", Err(InvalidTokenUrl::Scheme)),
            ("http://127.0.0.1.evil/t", Err(InvalidTokenUrl::Scheme)),
            ("ftp://id.example/token", Err(InvalidTokenUrl::Scheme)),
            ("https://u:p@id.example/", Err(InvalidTokenUrl::Extra)),
            ("https://id.example/#a", Err(InvalidTokenUrl::Extra)),
            ("id.example/token", Err(InvalidTokenUrl::Syntax)),
            ("", Err(InvalidTokenUrl::Syntax)),
        ] {
            assert_eq!(TokenUrl::try_new(url).map(drop), want, "{url}");
        }
        let url = TokenUrl::try_new("https://id.example/token?secret=1").unwrap();
        assert_eq!(url.shown(), "https://id.example/token");
    }

    #[test]
    fn answers_are_read() {
        let granted = |body: &str| understand(200, body.as_bytes());
        let full = granted(
            r#"{"access_token":"at","token_type":"Bearer","expires_in":3599,"refresh_token":"rt","scope":"x"}"#,
        );
        let full = full.unwrap();
        assert_eq!(full.access.expose(), "at");
        assert_eq!(full.life, Some(Duration::from_secs(3599)));
        assert_eq!(full.refresh.unwrap().expose(), "rt");
        for (text, life) in [
            (r#""3600""#, Some(3600)),
            ("12.9", Some(12)),
            ("1e300", Some(366 * 86_400)),
            ("-5", None),
            ("0", None),
            (r#""soon""#, None),
            ("null", None),
        ] {
            let body = format!(r#"{{"access_token":"at","expires_in":{text}}}"#);
            let life: Option<u64> = life;
            let got = granted(&body).unwrap().life.map(|life| life.as_secs());
            assert_eq!(got, life, "{text}");
        }
    }

    #[test]
    fn what_is_no_token_is_said_without_quoting() {
        use NotGranted::{Dead, Garbage, Refused, Status};
        for (status, body, want) in [
            (
                400,
                r#"{"error":"invalid_grant","error_description":"hunter2"}"#,
                Dead,
            ),
            (
                401,
                r#"{"error":"invalid_client"}"#,
                Refused("invalid_client"),
            ),
            (200, r#"{"error":"invalid_grant"}"#, Dead),
            (400, r#"{"error":"hunter2"}"#, Status(400)),
            (500, r#"{"error":"invalid_grant"}"#, Status(500)),
            (429, "slow down", Status(429)),
            (302, "", Status(302)),
            (200, "<html>", Garbage("it is no JSON object of a token")),
            (200, "[]", Garbage("it holds no usable token")),
            (200, "{}", Garbage("it holds no usable token")),
            (
                200,
                r#"{"access_token":""}"#,
                Garbage("it holds no usable token"),
            ),
            (
                200,
                r#"{"access_token":"a\nb"}"#,
                Garbage("it holds no usable token"),
            ),
            (
                200,
                r#"{"access_token":"a","token_type":"mac"}"#,
                Garbage("the token is no bearer token"),
            ),
        ] {
            let error = understand(status, body.as_bytes()).unwrap_err();
            assert_eq!(error, want.into(), "{body}");
            assert!(!error.why.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn a_refresh_token_is_kept_whatever_else_is_wrong() {
        for body in [
            r#"{"access_token":"a\nb","refresh_token":"rt"}"#,
            r#"{"access_token":"a","token_type":"mac","refresh_token":"rt"}"#,
            r#"{"access_token":7,"refresh_token":"rt"}"#,
            r#"{"token_type":[],"refresh_token":"rt"}"#,
        ] {
            let refusal = understand(200, body.as_bytes()).unwrap_err();
            assert_eq!(refusal.refresh.unwrap().expose(), "rt", "{body}");
        }
        let odd = r#"{"access_token":"a","expires_in":true,"refresh_token":"rt"}"#;
        let granted = understand(200, odd.as_bytes()).unwrap();
        assert_eq!((granted.life, granted.refresh.is_some()), (None, true));
    }

    #[test]
    fn forms_and_proxies_are_encoded() {
        assert_eq!(
            form(&[("a", "x y&="), ("b", "ü")]),
            "a=x%20y%26%3D&b=%C3%BC"
        );
        let proxy = OutboundProxy::try_new("socks5h://us%40er:p%3Aw@[::1]:9").unwrap();
        assert_eq!(proxy_url(&proxy), "socks5h://us%40er:p%3Aw@[::1]:9");
    }
}
