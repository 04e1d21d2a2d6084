//! Outbound proxies: HTTP CONNECT (also inside TLS) and SOCKS5, just large enough to be asked.

mod connect;
mod socks5;

use std::future::{Future, IntoFuture};
use std::io::Result;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Task;
use super::certs::{Authority, HTTP1};
use super::keys::{PROXY_PASSWORD, PROXY_USER};
use super::wire::Socket;

/// What a proxy does with those who may use it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Forward,
    Refuse,
    Silent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connect,
    Socks5,
}

/// How a proxy behaves, and what it has seen.
struct Shared {
    mode: Mode,
    authenticated: bool,
    hosts: Vec<(String, SocketAddr)>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    rejected: usize,
    targets: Vec<String>,
}

impl Shared {
    /// Opens the tunnel's far side to `host:port`.
    async fn dial(&self, target: &str) -> Result<TcpStream> {
        let known = self.hosts.iter().find(|(host, _)| {
            let prefix = target.strip_prefix(host.as_str());
            prefix.is_some_and(|rest| rest.starts_with(':'))
        });
        match known {
            Some((_, addr)) => TcpStream::connect(addr).await,
            None => TcpStream::connect(target).await,
        }
    }

    fn asked_for(&self, target: &str) {
        self.seen.lock().unwrap().targets.push(target.to_owned());
    }

    fn rejected(&self) {
        self.seen.lock().unwrap().rejected += 1;
    }
}

/// A running proxy; it and its tunnels stop when it is dropped.
pub struct Proxy {
    kind: Kind,
    addr: SocketAddr,
    authority: Option<Arc<Authority>>,
    shared: Arc<Shared>,
    _accepting: Task<()>,
}

impl Proxy {
    /// An HTTP CONNECT proxy.
    pub fn http() -> Builder {
        Builder::new(Kind::Connect)
    }

    /// A SOCKS5 proxy.
    pub fn socks5() -> Builder {
        Builder::new(Kind::Socks5)
    }

    /// For `proxy-url`, with the credentials when it wants some.
    pub fn url(&self) -> String {
        match self.shared.authenticated {
            true => self.url_as(&format!("{PROXY_USER}:{PROXY_PASSWORD}@")),
            false => self.url_as(""),
        }
    }

    /// The same with other credentials, `user:password@` or nothing.
    pub fn url_as(&self, credentials: &str) -> String {
        let port = self.addr.port();
        match (self.kind, &self.authority) {
            (Kind::Connect, None) => format!("http://{credentials}127.0.0.1:{port}"),
            (Kind::Connect, Some(_)) => format!("https://{credentials}localhost:{port}"),
            (Kind::Socks5, _) => format!("socks5://{credentials}127.0.0.1:{port}"),
        }
    }

    /// The URL of a SOCKS5 proxy that is to resolve names itself.
    pub fn url_resolving(&self) -> String {
        assert!(self.kind == Kind::Socks5, "an HTTP proxy always resolves");
        self.url().replace("socks5://", "socks5h://")
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The root certificate's file.
    pub fn ca_pem(&self) -> PathBuf {
        let authority = self.authority.as_ref();
        authority.expect("this proxy has no TLS").ca_pem()
    }

    /// What it was asked for, as `host:port`, by those who may use it.
    pub fn targets(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().targets.clone()
    }

    /// Connections that have come in.
    pub fn connections(&self) -> usize {
        self.shared.seen.lock().unwrap().connections
    }

    /// Connections with wrong or missing credentials.
    pub fn rejected(&self) -> usize {
        self.shared.seen.lock().unwrap().rejected
    }
}

/// A proxy to be; `.await` starts it.
pub struct Builder {
    kind: Kind,
    mode: Mode,
    authenticated: bool,
    hosts: Vec<(String, SocketAddr)>,
    authority: Option<Arc<Authority>>,
}

impl Builder {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            mode: Mode::Forward,
            authenticated: false,
            hosts: Vec::new(),
            authority: None,
        }
    }

    /// Wants `PROXY_USER` and `PROXY_PASSWORD` (Basic, or SOCKS5 user/password).
    pub fn authenticated(mut self) -> Self {
        self.authenticated = true;
        self
    }

    /// Stands behind TLS, as `https://localhost`.
    pub fn tls_by(mut self, authority: &Arc<Authority>) -> Self {
        assert!(self.kind == Kind::Connect, "SOCKS5 has no TLS here");
        self.authority = Some(Arc::clone(authority));
        self
    }

    /// Knows this host name, which nobody else does.
    pub fn host(mut self, name: &str, addr: SocketAddr) -> Self {
        self.hosts.push((name.to_owned(), addr));
        self
    }

    /// Refuses every target (403, or SOCKS5 "not allowed").
    pub fn refusing(mut self) -> Self {
        self.mode = Mode::Refuse;
        self
    }

    /// Takes the request for a target and never answers it.
    pub fn silent(mut self) -> Self {
        self.mode = Mode::Silent;
        self
    }

    async fn start(self) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            mode: self.mode,
            authenticated: self.authenticated,
            hosts: self.hosts,
            seen: Mutex::default(),
        });
        let server = |authority: &Arc<Authority>| authority.server(&["localhost"], HTTP1);
        let tls = self.authority.as_ref().map(|it| server(it).into());
        let accepting = accept(listener, self.kind, tls, Arc::clone(&shared));
        Proxy {
            kind: self.kind,
            addr,
            authority: self.authority,
            shared,
            _accepting: Task(tokio::spawn(accepting)),
        }
    }
}

impl IntoFuture for Builder {
    type Output = Proxy;
    type IntoFuture = Pin<Box<dyn Future<Output = Proxy> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

async fn accept(listener: TcpListener, kind: Kind, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        shared.seen.lock().unwrap().connections += 1;
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        // Either side may break off at any time; the test sees it at its ends.
        connections.spawn(async move {
            let socket: Box<dyn Socket> = match tls {
                Some(tls) => Box::new(tls.accept(tcp).await?),
                None => Box::new(tcp),
            };
            match kind {
                Kind::Connect => connect::serve(socket, &shared).await,
                Kind::Socks5 => socks5::serve(socket, &shared).await,
            }
        });
    }
}

/// Copies both ways until both sides are done.
async fn tunnel(mut near: Box<dyn Socket>, early: Bytes, mut far: TcpStream) -> Result<()> {
    far.set_nodelay(true)?;
    far.write_all(&early).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
