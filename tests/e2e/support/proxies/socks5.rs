//! The proxy's side of SOCKS5 (RFC 1928) with user and password (RFC 1929).

use std::io::Result;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::keys::{PROXY_PASSWORD, PROXY_USER};
use super::super::wire::{Socket, Wire, invalid};
use super::{Mode, Shared, tunnel};

const NO_AUTHENTICATION: u8 = 0;
const USER_PASSWORD: u8 = 2;
const NOTHING_ACCEPTABLE: u8 = 0xff;

const SUCCEEDED: u8 = 0;
const NOT_ALLOWED: u8 = 2;
const HOST_UNREACHABLE: u8 = 4;

pub(super) async fn serve(mut socket: Box<dyn Socket>, shared: &Shared) -> Result<()> {
    if !authenticate(&mut socket, shared.authenticated).await? {
        shared.rejected();
        return socket.shutdown().await;
    }
    let target = target(&mut socket).await?;
    shared.asked_for(&target);
    match shared.mode {
        Mode::Refuse => refuse(&mut socket, NOT_ALLOWED).await,
        Mode::Silent => {
            Wire::new(socket).closed().await;
            Ok(())
        }
        Mode::Forward => match shared.dial(&target).await {
            Err(_) => refuse(&mut socket, HOST_UNREACHABLE).await,
            Ok(far) => {
                reply(&mut socket, SUCCEEDED).await?;
                tunnel(socket, Bytes::new(), far).await
            }
        },
    }
}

async fn authenticate(socket: &mut Box<dyn Socket>, wanted: bool) -> Result<bool> {
    if socket.read_u8().await? != 5 {
        return Err(invalid("not SOCKS5"));
    }
    let methods = counted(socket).await?;
    let method = match wanted {
        true => USER_PASSWORD,
        false => NO_AUTHENTICATION,
    };
    if !methods.contains(&method) {
        socket.write_all(&[5, NOTHING_ACCEPTABLE]).await?;
        return Ok(false);
    }
    socket.write_all(&[5, method]).await?;
    if !wanted {
        return Ok(true);
    }
    let _version = socket.read_u8().await?;
    let user = counted(socket).await?;
    let password = counted(socket).await?;
    let known = user == PROXY_USER.as_bytes() && password == PROXY_PASSWORD.as_bytes();
    socket.write_all(&[1, u8::from(!known)]).await?;
    Ok(known)
}

async fn target(socket: &mut Box<dyn Socket>) -> Result<String> {
    let mut request = [0; 4];
    socket.read_exact(&mut request).await?;
    let [5, 1, _, kind] = request else {
        return Err(invalid("not a CONNECT"));
    };
    match kind {
        1 => {
            let ip = Ipv4Addr::from(socket.read_u32().await?);
            Ok(SocketAddr::new(ip.into(), socket.read_u16().await?).to_string())
        }
        3 => {
            let name = counted(socket).await?;
            let name = String::from_utf8(name).map_err(|_| invalid("not a host name"))?;
            Ok(format!("{name}:{}", socket.read_u16().await?))
        }
        4 => {
            let ip = Ipv6Addr::from(socket.read_u128().await?);
            Ok(SocketAddr::new(ip.into(), socket.read_u16().await?).to_string())
        }
        _ => Err(invalid("unknown address type")),
    }
}

/// A byte with a length, then so many bytes.
async fn counted(socket: &mut Box<dyn Socket>) -> Result<Vec<u8>> {
    let length = socket.read_u8().await?;
    let mut bytes = vec![0; length.into()];
    socket.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn reply(socket: &mut Box<dyn Socket>, code: u8) -> Result<()> {
    socket.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await
}

async fn refuse(socket: &mut Box<dyn Socket>, code: u8) -> Result<()> {
    reply(socket, code).await?;
    socket.shutdown().await
}
