//! Clients that keep asking until they are told to stop, and count.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::chat::{PATH, question};
use crate::support::certs::{Alpn, Authority, H2_OR_HTTP1, HTTP1};
use crate::support::client::{Client, Response};
use crate::support::keys::CLIENT_KEY;
use crate::support::{Task, within};

/// What the clients have seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests that were answered as they should be.
    pub(crate) served: usize,
    /// Connections that the server had told its client to give up.
    pub(crate) moved: usize,
    /// Everything else.
    pub(crate) failures: Vec<String>,
}

/// Running clients; they stop when it is dropped.
pub(crate) struct Traffic {
    stop: watch::Sender<bool>,
    clients: Vec<Task<Tally>>,
}

impl Traffic {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            stop: watch::Sender::new(false),
            clients: Vec::new(),
        }
    }

    /// Adds clients that reuse their connection until an answer says `connection: close`.
    pub(crate) fn keep_alive(mut self, count: usize, addr: SocketAddr) -> Self {
        for _ in 0..count {
            let stop = self.stop.subscribe();
            self.clients
                .push(Task(tokio::spawn(keep_alive(Dial::Plain, addr, stop))));
        }
        self
    }

    /// Adds clients that take a new connection for each request.
    pub(crate) fn newcomers(mut self, count: usize, addr: SocketAddr) -> Self {
        for _ in 0..count {
            let stop = self.stop.subscribe();
            self.clients
                .push(Task(tokio::spawn(newcomer(Dial::Plain, addr, stop))));
        }
        self
    }

    /// Adds clients that send one request after the other over HTTP/2.
    pub(crate) fn h2c(mut self, count: usize, addr: SocketAddr) -> Self {
        for _ in 0..count {
            let stop = self.stop.subscribe();
            self.clients
                .push(Task(tokio::spawn(http2(Dial::H2c, addr, stop))));
        }
        self
    }

    /// Adds clients inside TLS: some that keep their connection, some that do not, some over HTTP/2.
    pub(crate) fn tls(
        mut self,
        count: usize,
        addr: SocketAddr,
        authority: &Arc<Authority>,
    ) -> Self {
        for _ in 0..count {
            let inside = |alpn| Dial::Tls(Arc::clone(authority), alpn);
            let stop = || self.stop.subscribe();
            let clients = [
                tokio::spawn(keep_alive(inside(HTTP1), addr, stop())),
                tokio::spawn(newcomer(inside(HTTP1), addr, stop())),
                tokio::spawn(http2(inside(H2_OR_HTTP1), addr, stop())),
            ];
            self.clients.extend(clients.map(Task));
        }
        self
    }

    /// Tells the clients to stop; what they have seen together.
    pub(crate) async fn stop(self) -> Tally {
        self.stop.send_replace(true);
        let mut sum = Tally::default();
        for mut client in self.clients {
            let tally = within("a client to stop", &mut client.0).await.unwrap();
            sum.served += tally.served;
            sum.moved += tally.moved;
            sum.failures.extend(tally.failures);
        }
        sum
    }
}

/// How a client connects.
enum Dial {
    Plain,
    H2c,
    Tls(Arc<Authority>, Alpn),
}

impl Dial {
    async fn connect(&self, addr: SocketAddr) -> Client {
        match self {
            Self::Plain => Client::connect(addr).await,
            Self::H2c => Client::h2c(addr).await,
            Self::Tls(authority, alpn) => Client::tls(addr, authority, alpn).await.unwrap(),
        }
    }
}

/// One request on `client`; an error when there is no answer.
async fn ask(client: &mut Client) -> Result<Response, String> {
    let request = client.request("POST", PATH).key(CLIENT_KEY);
    let streaming = request.json(&question()).try_stream().await?;
    Ok(streaming.rest().await)
}

impl Tally {
    fn count(&mut self, answer: Result<Response, String>) {
        match answer {
            Ok(answer) if answer.status == 200 && answer.complete => self.served += 1,
            other => self.failures.push(format!("{other:?}")),
        }
    }
}

async fn keep_alive(dial: Dial, addr: SocketAddr, stop: watch::Receiver<bool>) -> Tally {
    let mut tally = Tally::default();
    while !*stop.borrow() {
        let mut client = dial.connect(addr).await;
        while !*stop.borrow() {
            let answer = ask(&mut client).await;
            let told = |answer: &Response| answer.headers.lists("connection", "close");
            let last = answer.as_ref().map_or(true, told);
            tally.moved += usize::from(answer.as_ref().is_ok_and(told));
            tally.count(answer);
            if last {
                break;
            }
        }
    }
    tally
}

async fn newcomer(dial: Dial, addr: SocketAddr, stop: watch::Receiver<bool>) -> Tally {
    let mut tally = Tally::default();
    while !*stop.borrow() {
        let mut client = dial.connect(addr).await;
        tally.count(ask(&mut client).await);
    }
    tally
}

async fn http2(dial: Dial, addr: SocketAddr, stop: watch::Receiver<bool>) -> Tally {
    let mut tally = Tally::default();
    while !*stop.borrow() {
        let mut client = dial.connect(addr).await;
        while !*stop.borrow() {
            match ask(&mut client).await {
                // The connection was going away and took no more: a client asks on another one.
                Err(error) if error.contains("Canceled") || error.contains("NO_ERROR") => {
                    tally.moved += 1;
                    break;
                }
                answer => tally.count(answer),
            }
        }
    }
    tally
}
