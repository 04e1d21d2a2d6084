//! What operators ask for on the clients' port, when the config allows it: metrics, and the admin
//! interface. What is answered is decided behind [`Desk`], which also serves a listener of its own.

use std::net::IpAddr;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, header};
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use super::body::{self, Rejection};
use super::context::Context;
use super::{client_address, respond};

/// A question, without its body.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path.
    pub path: &'a str,
    /// Its query; may be empty.
    pub query: &'a str,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// Who asks.
    pub peer: Option<IpAddr>,
}

impl<'a> Asked<'a> {
    /// What `request` asks, which comes from `peer`.
    pub fn of(request: &'a RequestHeader, peer: Option<IpAddr>) -> Self {
        Self {
            method: &request.method,
            path: request.uri.path(),
            query: request.uri.query().unwrap_or_default(),
            headers: &request.headers,
            peer,
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its `content-type`.
    pub kind: &'static str,
    /// More header fields.
    pub headers: Vec<(HeaderName, String)>,
    /// Its body.
    pub body: Bytes,
}

/// The place of a question in the table of whoever answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(pub usize);

/// Answers operators.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Whether the question is for the clients' port.
    fn is_mounted(&self, path: &str) -> bool;

    /// Who may ask this, and what it is; an answer that ends it here otherwise. The body is not read before.
    fn admit(&self, asked: &Asked<'_>) -> std::result::Result<Place, Answer>;

    /// Answers a question that was let in.
    async fn answer(&self, place: Place, asked: &Asked<'_>, body: Bytes) -> Answer;
}

/// Whether a question may come with a body.
pub fn has_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Whether a path may be for operators.
pub(super) fn concerns(path: &str) -> bool {
    path == "/metrics" || path == "/admin" || path.starts_with("/admin/")
}

/// Answers `session` at the `desk`.
pub(super) async fn serve(
    desk: &dyn Desk,
    session: &mut Session,
    ctx: &mut Context,
) -> std::result::Result<(), Rejection> {
    ctx.timing.leave_out();
    let socket = session
        .client_addr()
        .and_then(|address| address.as_inet())
        .copied();
    let request = session.req_header().clone();
    let trusted = &ctx.live.config.trusted_proxies;
    let peer = socket.map(|socket| {
        client_address::behind(socket, &request.headers, trusted).unwrap_or_else(|| socket.ip())
    });
    let asked = Asked::of(&request, peer);
    let answer = match desk.admit(&asked) {
        Ok(place) => {
            // Only who has shown the key may send a body.
            let body = match has_body(&request.method) {
                true => body::read(session, &ctx.live.config.limits.clone()).await?,
                false => Bytes::new(),
            };
            desk.answer(place, &asked, body).await
        }
        Err(answer) => answer,
    };
    respond::answer(session, ctx, answer).await?;
    Ok(())
}

impl Answer {
    /// Its header.
    pub fn header(&self) -> Result<ResponseHeader> {
        let mut header = ResponseHeader::build(self.status, Some(8))?;
        header.insert_header(header::CONTENT_TYPE, self.kind)?;
        header.insert_header(header::CONTENT_LENGTH, self.body.len())?;
        for (name, value) in &self.headers {
            header.insert_header(name, value)?;
        }
        Ok(header)
    }
}
