//! Reading a request's body: to its limit, in its time, decompressed.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap};
use pingora_core::protocols::http::ServerSession;
use pingora_core::{Error, ErrorType};
use pingora_proxy::Session;
use pingora_timeout::timeout;

use crate::chat::{Fault, FaultKind};
use crate::config::Limits;

/// A body longer than this is decompressed off the worker threads.
const BLOCKING: usize = 256 * 1024;

/// Why a request is not taken in.
pub(super) enum Rejection {
    /// The client is told.
    Fault(Fault),
    /// There is no client left to tell.
    Lost(Box<Error>),
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Box<Error>> for Rejection {
    fn from(error: Box<Error>) -> Self {
        Self::Lost(error)
    }
}

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Zstd,
}

/// The body, decompressed.
pub(super) async fn read(session: &mut Session, limits: &Limits) -> Result<Bytes, Rejection> {
    let coding = coding(session)?;
    let body = read_raw(session, limits).await?;
    let Some(coding) = coding else {
        return Ok(body);
    };
    session
        .req_header_mut()
        .remove_header(&header::CONTENT_ENCODING);
    let limit = limits.body;
    let decoded = if body.len() > BLOCKING {
        let work = tokio::task::spawn_blocking(move || decode(&body, coding, limit));
        work.await.unwrap_or_else(|_| Err(broken_coding()))
    } else {
        decode(&body, coding, limit)
    };
    Ok(decoded?)
}

/// The body as it was sent.
pub(super) async fn read_raw(session: &mut Session, limits: &Limits) -> Result<Bytes, Rejection> {
    let length = announced(&session.req_header().headers);
    if length.is_some_and(|length| length > limits.body) {
        return Err(too_large(limits.body).into());
    }
    invite(session).await?;
    let session = &mut session.downstream_session;
    let collect = async {
        let mut body: Option<BytesMut> = None;
        let mut first: Option<Bytes> = None;
        while let Some(piece) = session.read_request_body().await? {
            match (&mut body, first.take()) {
                (Some(body), _) => body.extend_from_slice(&piece),
                (None, None) => {
                    first = Some(piece);
                    continue;
                }
                (empty @ None, Some(start)) => {
                    let mut both =
                        BytesMut::with_capacity(length.unwrap_or(start.len() + piece.len()));
                    both.extend_from_slice(&start);
                    both.extend_from_slice(&piece);
                    *empty = Some(both);
                }
            }
            if body.as_ref().is_some_and(|body| body.len() > limits.body) {
                return Ok(None);
            }
        }
        Ok(Some(
            body.map(BytesMut::freeze).or(first).unwrap_or_default(),
        ))
    };
    match timeout(limits.body_timeout, collect).await {
        Ok(Ok(Some(body))) if body.len() <= limits.body => Ok(body),
        Ok(Ok(_)) => Err(too_large(limits.body).into()),
        Ok(Err(error)) => {
            // Nobody knows where the next request would begin.
            session.set_keepalive(None);
            Err(lost(error))
        }
        Err(_) => Err(too_slow().into()),
    }
}

/// The length that a request's header says its body has.
pub(super) fn announced(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Sends `100 Continue` to a client that waits for it, which Pingora leaves to the upstream. What
/// was expected is taken out of the header, so that it is done once and it shows that the client sends.
pub(super) async fn invite(session: &mut Session) -> pingora_core::Result<()> {
    let header = session.req_header_mut();
    if header.remove_header(&header::EXPECT).is_some()
        && header.version == http::Version::HTTP_11
        && let ServerSession::H1(session) = &mut *session.downstream_session
    {
        session.write_continue_response().await?;
    }
    Ok(())
}

fn lost(error: Box<Error>) -> Rejection {
    match error.etype() {
        ErrorType::ReadTimedout => Rejection::Fault(too_slow()),
        ErrorType::ReadError | ErrorType::ConnectionClosed | ErrorType::H2Error => {
            Rejection::Lost(error.into_down())
        }
        _ => Rejection::Fault(Fault::new(
            FaultKind::InvalidRequest,
            "invalid_body_framing",
            "the request's body is not framed as HTTP wants it",
        )),
    }
}

fn too_slow() -> Fault {
    Fault::new(
        FaultKind::SlowRequest,
        "request_timeout",
        "the request's body did not arrive in time",
    )
}

fn too_large(limit: usize) -> Fault {
    let message = format!("the request's body is longer than the limit of {limit} bytes");
    Fault::new(FaultKind::TooLarge, "request_too_large", message)
}

fn coding(session: &Session) -> Result<Option<Coding>, Fault> {
    let Some(value) = session.req_header().headers.get(header::CONTENT_ENCODING) else {
        return Ok(None);
    };
    match value
        .to_str()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
        .as_str()
    {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Coding::Gzip)),
        "deflate" => Ok(Some(Coding::Deflate)),
        "zstd" => Ok(Some(Coding::Zstd)),
        _ => Err(Fault::new(
            FaultKind::UnsupportedMedia,
            "unsupported_content_encoding",
            "content-encoding may be gzip, deflate or zstd",
        )),
    }
}

/// Decompresses up to `limit` bytes: a small body can hold a very large one.
fn decode(body: &[u8], coding: Coding, limit: usize) -> Result<Bytes, Fault> {
    let reader: Box<dyn Read + '_> = match coding {
        Coding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(body)),
        Coding::Deflate => Box::new(flate2::read::ZlibDecoder::new(body)),
        Coding::Zstd => Box::new(zstd::Decoder::new(body).map_err(|_| broken_coding())?),
    };
    let mut decoded = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader
        .take(most)
        .read_to_end(&mut decoded)
        .map_err(|_| broken_coding())?;
    match decoded.len() <= limit {
        true => Ok(decoded.into()),
        false => Err(too_large(limit)),
    }
}

fn broken_coding() -> Fault {
    Fault::new(
        FaultKind::InvalidRequest,
        "invalid_content_encoding",
        "the request's body is not what its content-encoding says",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_bodies_are_read_to_their_limit() {
        assert_eq!(decode(&gzip(b"hello"), Coding::Gzip, 5).unwrap(), "hello");
        let zstd = zstd::encode_all(&b"hello"[..], 1).unwrap();
        assert_eq!(decode(&zstd, Coding::Zstd, 5).unwrap(), "hello");
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 100_000);
        assert_eq!(
            decode(&bomb, Coding::Gzip, 1_000).unwrap_err().kind,
            FaultKind::TooLarge
        );
    }

    #[test]
    fn garbage_is_no_compressed_body() {
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Zstd] {
            let fault = decode(b"{\"model\":\"x\"}", coding, 1_000).unwrap_err();
            assert_eq!(fault.code.as_deref(), Some("invalid_content_encoding"));
        }
        let cut = &gzip(b"hello hello hello hello")[..12];
        assert!(decode(cut, Coding::Gzip, 1_000).is_err());
    }
}
