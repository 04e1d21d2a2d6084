//! Answers that a browser shows to pages of other origins.
//!
//! A browser asks first (a preflight, without a key), and then gives an answer to the page only when
//! the answer names the page's origin. Nothing here stops a request but a WebSocket: pages of other origins
//! are stopped by their browsers, which do not ask for those, and everybody else needs a key.

use http::Method;
use http::header::{self, HeaderName, HeaderValue};
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use crate::chat::{Fault, FaultKind};
use crate::config::Origins;

/// What paths are asked with, those that only pass through among them.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// What SDKs send, for a browser that asks for nothing by name.
const HEADERS: &str = "authorization, content-type, x-api-key, x-goog-api-key, anthropic-version";
/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: &str = "7200";
/// What pages may read of an answer's header: by name what matters, for browsers that do not know
/// the star, and everything else.
const EXPOSED: &str = "x-request-id, request-id, retry-after, retry-after-ms, x-aiproxy-error, \
                       x-aiproxy-cost, x-aiproxy-loss, x-aiproxy-translation, x-aiproxy-usage, \
                       x-aiproxy-upstream-request-id, *";
/// A list of names of request headers that is longer is not repeated.
const LONGEST: usize = 4 * 1024;

/// Who may read the answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Grant {
    /// Pages of every origin.
    All,
    /// Pages of the origin that has asked.
    Origin(HeaderValue),
    /// No page: another origin has asked, or none.
    Nobody,
}

impl Grant {
    /// What `origins` grant to whoever sent `request`.
    pub(super) fn of(origins: &Origins, request: &RequestHeader) -> Self {
        if origins.are_all() {
            return Self::All;
        }
        let origin = request.headers.get(header::ORIGIN);
        let may = |origin: &&HeaderValue| origin.to_str().is_ok_and(|it| origins.contain(it));
        origin
            .filter(may)
            .map_or(Self::Nobody, |origin| Self::Origin(origin.clone()))
    }

    /// Says so in an answer.
    pub(super) fn stamp(&self, answer: &mut ResponseHeader) -> Result<()> {
        let origin = match self {
            Self::All => HeaderValue::from_static("*"),
            Self::Origin(origin) => origin.clone(),
            Self::Nobody => {
                answer.append_header(header::VARY, "Origin")?;
                return Ok(());
            }
        };
        answer.insert_header(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)?;
        answer.insert_header(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED)?;
        if *self != Self::All {
            // A cache must not give it to another one.
            answer.append_header(header::VARY, "Origin")?;
        }
        Ok(())
    }
}

/// Whether a browser asks what a page may do.
pub(super) fn is_preflight(request: &RequestHeader) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(header::ORIGIN)
        && request
            .headers
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether a page of another origin asks for a WebSocket, which its browser lets it read.
pub(super) fn is_strange_page(request: &RequestHeader, grant: Option<&Grant>) -> bool {
    let Some(origin) = request.headers.get(header::ORIGIN) else {
        return false;
    };
    let host = request.headers.get(header::HOST);
    let own = host.and_then(|host| host.to_str().ok());
    // Clients that are no browsers name the host that they connect to.
    let is_own = origin.to_str().is_ok_and(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_some() && authority == own
    });
    !is_own && !matches!(grant, Some(Grant::All | Grant::Origin(_)))
}

/// Why a preflight, or a WebSocket, is refused.
pub(super) fn refusal() -> Fault {
    Fault::new(
        FaultKind::Permission,
        "origin_not_allowed",
        "pages of this origin may not call the gateway: it is not one of cors.origins",
    )
}

/// What a page may do, in answer to a preflight, without what every answer has.
pub(super) fn permission(request: &RequestHeader) -> Result<ResponseHeader> {
    let asked = request.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let asked = asked.filter(|names| are_names(names.as_bytes())).cloned();
    let mut answer = ResponseHeader::build(204, Some(10))?;
    answer.insert_header(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS)?;
    answer.insert_header(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        asked.unwrap_or(HeaderValue::from_static(HEADERS)),
    )?;
    answer.insert_header(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE)?;
    answer.insert_header(
        header::VARY,
        "Access-Control-Request-Method, Access-Control-Request-Headers",
    )?;
    Ok(answer)
}

/// Whether `list` is names of headers.
fn are_names(list: &[u8]) -> bool {
    list.len() <= LONGEST
        && list
            .split(|&byte| byte == b',')
            .all(|name| HeaderName::from_bytes(name.trim_ascii()).is_ok())
}

/// Whether a header of an answer is about what pages may do: a provider's words about its own pages
/// are no one else's.
pub(super) fn is_about(name: &str) -> bool {
    name.starts_with("access-control-")
}
