//! The proxy's side of HTTP CONNECT.

use std::io::Result;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use super::super::keys::{PROXY_PASSWORD, PROXY_USER};
use super::super::wire::{Headers, Socket, Wire, invalid};
use super::{Mode, Shared, tunnel};

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";
const UNAUTHENTICATED: &str = "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"test\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const UNREACHABLE: &str =
    "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

pub(super) async fn serve(socket: Box<dyn Socket>, shared: &Shared) -> Result<()> {
    let mut wire = Wire::new(socket);
    let Some(head) = wire.head().await? else {
        return Ok(());
    };
    let (mut socket, early) = wire.into_parts();
    if shared.authenticated && !is_authenticated(&head.headers) {
        shared.rejected();
        return answer(&mut socket, UNAUTHENTICATED).await;
    }
    let target = head
        .start
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.strip_suffix(" HTTP/1.1"))
        .ok_or_else(|| invalid("not a CONNECT"))?;
    shared.asked_for(target);
    match shared.mode {
        Mode::Refuse => answer(&mut socket, FORBIDDEN).await,
        Mode::Silent => {
            Wire::new(socket).closed().await;
            Ok(())
        }
        Mode::Forward => forward(socket, early, target, shared).await,
    }
}

async fn forward(
    mut socket: Box<dyn Socket>,
    early: Bytes,
    target: &str,
    shared: &Shared,
) -> Result<()> {
    let Ok(far) = shared.dial(target).await else {
        return answer(&mut socket, UNREACHABLE).await;
    };
    socket.write_all(ESTABLISHED.as_bytes()).await?;
    socket.flush().await?;
    tunnel(socket, early, far).await
}

async fn answer(socket: &mut Box<dyn Socket>, text: &str) -> Result<()> {
    socket.write_all(text.as_bytes()).await?;
    socket.shutdown().await
}

fn is_authenticated(headers: &Headers) -> bool {
    let expected = STANDARD.encode(format!("{PROXY_USER}:{PROXY_PASSWORD}"));
    headers.get("proxy-authorization") == Some(&format!("Basic {expected}"))
}
