use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_socks::tcp::Socks5Stream;

use crate::support::certs::{Authority, HTTP1};
use crate::support::client::raw;
use crate::support::keys::{PROXY_PASSWORD, PROXY_USER};
use crate::support::proxies::Proxy;
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;
use crate::support::{DeadPort, within};

const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";

async fn hello() -> Upstream {
    Upstream::always(Reply::content_length_body("hello")).await
}

/// Asks for a tunnel and, without waiting for it, for what is behind it.
fn connect(target: &str, fields: &str) -> String {
    format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{fields}\r\n{GET}")
}

fn status(answer: &[u8]) -> &str {
    std::str::from_utf8(&answer[9..12]).unwrap()
}

async fn talk(mut tunnel: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> Bytes {
    let mut answer = BytesMut::new();
    let exchange = async {
        tunnel.write_all(text.as_bytes()).await.unwrap();
        while tunnel.read_buf(&mut answer).await.is_ok_and(|n| n > 0) {}
    };
    within("the far end to answer and close", exchange).await;
    answer.freeze()
}

#[tokio::test]
async fn a_connect_proxy_opens_tunnels_to_those_with_credentials() {
    let upstream = hello().await;
    let proxy = Proxy::http()
        .authenticated()
        .host("far.test", upstream.addr());
    let proxy = proxy.await;
    let basic = |text: &str| format!("proxy-authorization: Basic {}\r\n", STANDARD.encode(text));
    let good = basic(&format!("{PROXY_USER}:{PROXY_PASSWORD}"));
    let target = "far.test:443";
    for fields in ["", &basic("proxy-user:wrong")] {
        let answer = raw(proxy.addr(), connect(target, fields)).await;
        assert_eq!(status(&answer), "407");
    }
    let answer = raw(proxy.addr(), connect(target, &good)).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"hello"));
    assert_eq!(proxy.targets(), [target]);
    assert_eq!((proxy.connections(), proxy.rejected()), (3, 2));
    assert!(
        proxy
            .url()
            .contains(&format!("{PROXY_USER}:{PROXY_PASSWORD}@"))
    );
}

#[tokio::test]
async fn a_connect_proxy_may_refuse_or_find_nobody() {
    let port = DeadPort::take();
    let nobody = port.addr().to_string();
    let (refusing, open) = (Proxy::http().refusing().await, Proxy::http().await);
    for (proxy, expected) in [(refusing, "403"), (open, "502")] {
        let answer = raw(proxy.addr(), connect(&nobody, "")).await;
        assert_eq!(status(&answer), expected);
        assert_eq!(proxy.targets(), [nobody.as_str()]);
    }
}

#[tokio::test]
async fn a_connect_proxy_may_stand_behind_tls() {
    let authority = Authority::new();
    let upstream = hello().await;
    let proxy = Proxy::http().tls_by(&authority).await;
    let tcp = TcpStream::connect(proxy.addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = TlsConnector::from(authority.client(HTTP1)).connect(name, tcp);
    let target = upstream.addr().to_string();
    let answer = talk(tls.await.unwrap(), &connect(&target, "")).await;
    assert!(answer.ends_with(b"hello"));
    assert!(proxy.url().starts_with("https://localhost:"));
}

#[tokio::test]
async fn a_socks_proxy_takes_addresses_and_names() {
    let upstream = hello().await;
    let proxy = Proxy::socks5().host("far.test", upstream.addr()).await;
    let by_name = Socks5Stream::connect(proxy.addr(), ("far.test", 80)).await;
    assert!(talk(by_name.unwrap(), GET).await.ends_with(b"hello"));
    let by_address = Socks5Stream::connect(proxy.addr(), upstream.addr()).await;
    assert!(talk(by_address.unwrap(), GET).await.ends_with(b"hello"));
    let address = upstream.addr().to_string();
    assert_eq!(proxy.targets(), ["far.test:80", &address]);
    assert!(proxy.url_resolving().starts_with("socks5h://127.0.0.1:"));
}

#[tokio::test]
async fn a_socks_proxy_may_want_a_password() {
    let upstream = hello().await;
    let proxy = Proxy::socks5().authenticated().await;
    let with = async |password: &'static str| {
        Socks5Stream::connect_with_password(proxy.addr(), upstream.addr(), PROXY_USER, password)
            .await
    };
    let tunnel = with(PROXY_PASSWORD).await.unwrap();
    assert!(talk(tunnel, GET).await.ends_with(b"hello"));
    assert!(with("wrong").await.is_err());
    let none = Socks5Stream::connect(proxy.addr(), upstream.addr()).await;
    assert!(none.is_err());
    assert_eq!((proxy.connections(), proxy.rejected()), (3, 2));
    assert_eq!(proxy.targets().len(), 1);
}

#[tokio::test]
async fn a_socks_proxy_may_refuse_find_nobody_or_be_silent() {
    let nobody = DeadPort::take();
    let target: SocketAddr = nobody.addr();
    for proxy in [Proxy::socks5().refusing().await, Proxy::socks5().await] {
        let refused = Socks5Stream::connect(proxy.addr(), target).await;
        assert!(refused.is_err());
        assert_eq!(proxy.targets(), [target.to_string()]);
    }
    let proxy = Proxy::socks5().silent().await;
    let patience = std::time::Duration::from_millis(50);
    let connecting = Socks5Stream::connect(proxy.addr(), target);
    assert!(tokio::time::timeout(patience, connecting).await.is_err());
}
