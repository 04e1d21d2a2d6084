//! A provider that answers what the test scripted and remembers what it was asked.
//!
//! It runs on the test's runtime and speaks HTTP/1.1 by hand, so that it can break every rule of it;
//! HTTP/2 comes from `h2`. What the gateway must never send (two body framings, a request past the end
//! of a closed script) is remembered as a failure, and dropping the upstream reports it.

mod http1;
mod http2;

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::certs::{Alpn, Authority, H2_OR_HTTP1, HTTP1};
use super::reply::Reply;
use super::wire::{Headers, Socket};
use super::{Task, within};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// Path and query, as on the wire.
    pub target: String,
    /// HTTP/1.1 or HTTP/2.
    pub version: http::Version,
    /// Its fields; on HTTP/2 `:scheme` and `:authority` are among them.
    pub headers: Headers,
    /// What has arrived of its body.
    pub body: Bytes,
    /// Whether that is all of it.
    pub complete: bool,
    /// Whether the peer gave up before the answer was out.
    pub cancelled: bool,
    /// The connection it came on, counted from 0.
    pub connection: usize,
    /// Whether that connection had carried a request before.
    pub reused: bool,
}

impl Request {
    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the request body {:?}", self.body))
    }
}

enum Answers {
    Script(Vec<Reply>),
    Handler(Box<dyn Fn(&Request) -> Reply + Send + Sync>),
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    connections: usize,
    refused_handshakes: usize,
    failures: Vec<String>,
}

/// What the upstream and its connections share.
struct Shared {
    answers: Answers,
    exhausted_is_failure: bool,
    state: watch::Sender<State>,
}

impl Shared {
    /// Remembers a request's head; its number.
    fn record(&self, request: Request) -> usize {
        let mut number = 0;
        self.state.send_modify(|state| {
            number = state.requests.len();
            state.requests.push(request);
        });
        number
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut Request)) {
        self.state
            .send_modify(|state| change(&mut state.requests[number]));
    }

    fn cancelled(&self, number: usize) {
        self.change(number, |request| request.cancelled = true);
    }

    fn fail(&self, what: String) {
        self.state.send_modify(|state| state.failures.push(what));
    }

    /// The answer to a request whose body has not been read; a handler has none yet.
    fn scripted(&self, number: usize) -> Option<Reply> {
        let Answers::Script(script) = &self.answers else {
            return None;
        };
        if number >= script.len() && self.exhausted_is_failure {
            let count = script.len();
            self.fail(format!("request {number} came to a script of {count}"));
            return Some(Reply::status(500));
        }
        script.get(number).or_else(|| script.last()).cloned()
    }

    fn handled(&self, number: usize) -> Reply {
        let request = self.state.borrow().requests[number].clone();
        match &self.answers {
            Answers::Handler(handler) => handler(&request),
            Answers::Script(_) => unreachable!("a script answers before the body is read"),
        }
    }
}

/// A running upstream; it stops when it is dropped.
pub struct Upstream {
    shared: Arc<Shared>,
    addr: SocketAddr,
    authority: Option<Arc<Authority>>,
    _accepting: Task<()>,
}

impl Upstream {
    /// Gives these answers in order, over all connections; then the last one again and again.
    pub fn script(replies: impl IntoIterator<Item = Reply>) -> Builder {
        let script: Vec<_> = replies.into_iter().collect();
        assert!(!script.is_empty(), "a script needs a reply");
        Builder::new(Answers::Script(script))
    }

    /// Gives the same answer to everything.
    pub fn always(reply: Reply) -> Builder {
        Self::script([reply])
    }

    /// Computes each answer from its complete request.
    pub fn handler(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Builder {
        Builder::new(Answers::Handler(Box::new(handler)))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`.
    pub fn url(&self) -> String {
        match self.authority {
            Some(_) => format!("https://localhost:{}", self.addr.port()),
            None => format!("http://{}", self.addr),
        }
    }

    /// The root certificate's file, for `upstream-ca`.
    pub fn ca_pem(&self) -> PathBuf {
        let authority = self.authority.as_ref();
        authority.expect("this upstream has no TLS").ca_pem()
    }

    /// Everything that has arrived, complete or not.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state.borrow().requests.clone()
    }

    /// Connections that have come in.
    pub fn connections(&self) -> usize {
        self.shared.state.borrow().connections
    }

    /// TLS handshakes that the peer broke off.
    pub fn refused_handshakes(&self) -> usize {
        self.shared.state.borrow().refused_handshakes
    }

    /// Request `n`, counted from 0, when it has arrived with its body.
    pub async fn request(&self, n: usize) -> Request {
        self.when(n, "arrive", |request| request.complete).await
    }

    /// Request `n` when its head has arrived.
    pub async fn request_head(&self, n: usize) -> Request {
        self.when(n, "begin", |_| true).await
    }

    /// Request `n` when the peer has closed its connection (HTTP/2: reset its stream) before the answer
    /// was complete.
    pub async fn cancelled(&self, n: usize) -> Request {
        self.when(n, "be cancelled", |request| request.cancelled)
            .await
    }

    async fn when(&self, n: usize, what: &str, is: impl Fn(&Request) -> bool) -> Request {
        let mut state = self.shared.state.subscribe();
        let wait = state.wait_for(|state| state.requests.get(n).is_some_and(&is));
        let state = within(&format!("upstream request {n} to {what}"), wait).await;
        state.expect("the upstream holds the sender").requests[n].clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let failures = &self.shared.state.borrow().failures;
        if !std::thread::panicking() {
            assert!(failures.is_empty(), "at the upstream: {failures:?}");
        }
    }
}

/// An upstream to be; `.await` starts it.
pub struct Builder {
    answers: Answers,
    exhausted_is_failure: bool,
    authority: Option<Arc<Authority>>,
    alpn: Alpn,
    names: &'static [&'static str],
    h2c: bool,
}

impl Builder {
    fn new(answers: Answers) -> Self {
        Self {
            answers,
            exhausted_is_failure: false,
            authority: None,
            alpn: H2_OR_HTTP1,
            names: &["localhost", "127.0.0.1"],
            h2c: false,
        }
    }

    /// Fails the test when more requests come than the script has replies.
    pub fn exhausted_is_failure(mut self) -> Self {
        self.exhausted_is_failure = true;
        self
    }

    /// TLS with a certificate of its own authority, offering HTTP/2 and HTTP/1.1.
    pub fn tls(self) -> Self {
        self.tls_by(&Authority::new())
    }

    /// TLS with a certificate of this authority.
    pub fn tls_by(mut self, authority: &Arc<Authority>) -> Self {
        self.authority = Some(Arc::clone(authority));
        self
    }

    /// TLS offers HTTP/1.1 only.
    pub fn http1_only(mut self) -> Self {
        self.alpn = HTTP1;
        self
    }

    /// The certificate is for another host.
    pub fn wrong_host(mut self) -> Self {
        self.names = &["elsewhere.example"];
        self
    }

    /// HTTP/2 without TLS, from the first byte (prior knowledge).
    pub fn h2c(mut self) -> Self {
        self.h2c = true;
        self
    }

    async fn start(self) -> Upstream {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answers: self.answers,
            exhausted_is_failure: self.exhausted_is_failure,
            state: watch::Sender::default(),
        });
        let entrance = match &self.authority {
            Some(authority) => Entrance::Tls(authority.server(self.names, self.alpn).into()),
            None if self.h2c => Entrance::H2c,
            None => Entrance::Plain,
        };
        Upstream {
            addr,
            authority: self.authority,
            _accepting: Task(tokio::spawn(accept(
                listener,
                entrance,
                Arc::clone(&shared),
            ))),
            shared,
        }
    }
}

impl IntoFuture for Builder {
    type Output = Upstream;
    type IntoFuture = Pin<Box<dyn Future<Output = Upstream> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

#[derive(Clone)]
enum Entrance {
    Plain,
    H2c,
    Tls(TlsAcceptor),
}

/// Owns the connections: they end when this is aborted.
async fn accept(listener: TcpListener, entrance: Entrance, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut number = 0;
        shared.state.send_modify(|state| {
            number = state.connections;
            state.connections += 1;
        });
        connections.spawn(serve(tcp, entrance.clone(), number, Arc::clone(&shared)));
    }
}

async fn serve(tcp: TcpStream, entrance: Entrance, number: usize, shared: Arc<Shared>) {
    // Each step of a script is to be a packet of its own.
    tcp.set_nodelay(true).unwrap();
    let (socket, h2): (Box<dyn Socket>, bool) = match entrance {
        Entrance::Plain => (Box::new(tcp), false),
        Entrance::H2c => (Box::new(tcp), true),
        Entrance::Tls(acceptor) => match acceptor.accept(tcp).await {
            Ok(tls) => {
                let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
                (Box::new(tls), h2)
            }
            Err(_) => {
                let count = |state: &mut State| state.refused_handshakes += 1;
                return shared.state.send_modify(count);
            }
        },
    };
    match h2 {
        true => http2::serve(socket, number, &shared).await,
        false => http1::serve(socket, number, &shared).await,
    }
}
