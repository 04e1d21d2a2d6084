//! A client that sees what the gateway really sends: each piece with its time, truncated bodies, closed
//! connections. HTTP/1.1 goes over a raw socket, HTTP/2 through hyper.
//!
//! Whatever arrives is searched for secrets.

pub mod answer;
mod http1;
mod http2;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

use super::certs::{Alpn, Authority};
use super::keys::assert_no_secret;
use super::reply::Step;
use super::wire::{Headers, Socket};
use super::within;

pub use answer::{Response, Streaming};

/// One connection to a server. Dropping it hangs up, also in the middle of an exchange.
pub struct Client {
    connection: Connection,
    host: String,
}

enum Connection {
    Http1(http1::Connection),
    Http2(http2::Connection),
}

impl Client {
    /// HTTP/1.1.
    pub async fn connect(addr: SocketAddr) -> Self {
        let connection = http1::Connection::new(Box::new(dial(addr).await));
        Self {
            connection: Connection::Http1(connection),
            host: addr.to_string(),
        }
    }

    /// HTTP/2 with prior knowledge.
    pub async fn h2c(addr: SocketAddr) -> Self {
        let connection = http2::Connection::new(Box::new(dial(addr).await)).await;
        Self {
            connection: Connection::Http2(connection),
            host: addr.to_string(),
        }
    }

    /// TLS to a server that `authority` has certified as `localhost`; HTTP/2 when it is agreed on.
    pub async fn tls(addr: SocketAddr, authority: &Authority, alpn: Alpn) -> std::io::Result<Self> {
        Self::tls_as(addr, authority.client(alpn)).await
    }

    /// The same with these settings.
    pub async fn tls_as(addr: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<Self> {
        let connector = TlsConnector::from(config);
        let name = ServerName::try_from("localhost").unwrap();
        let tls = connector.connect(name, dial(addr).await).await?;
        let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        let socket: Box<dyn Socket> = Box::new(tls);
        Ok(Self {
            connection: match h2 {
                true => Connection::Http2(http2::Connection::new(socket).await),
                false => Connection::Http1(http1::Connection::new(socket)),
            },
            host: format!("localhost:{}", addr.port()),
        })
    }

    /// Whether it speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        matches!(self.connection, Connection::Http2(_))
    }

    /// Starts a request; `host` is there unless the test sets it.
    pub fn request(&mut self, method: &str, path: &str) -> RequestBuilder<'_> {
        RequestBuilder {
            client: self,
            outgoing: Outgoing {
                method: method.to_owned(),
                path: path.to_owned(),
                headers: Headers::default(),
                upload: Upload::None,
            },
        }
    }

    /// Resolves when the server has closed the connection.
    pub async fn closed(&mut self) {
        let closed = async {
            match &mut self.connection {
                Connection::Http1(connection) => connection.closed().await,
                Connection::Http2(connection) => connection.closed().await,
            }
        };
        within("the server to close the connection", closed).await;
    }

    /// Whether the server closes the connection within `patience`.
    pub async fn closes_within(&mut self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.closed()).await.is_ok()
    }
}

async fn dial(addr: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(addr).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp
}

/// What is sent.
struct Outgoing {
    method: String,
    path: String,
    headers: Headers,
    upload: Upload,
}

enum Upload {
    None,
    /// With its `content-length`.
    Whole(Bytes),
    /// Step by step; in chunks, or with this `content-length`.
    Steps(Option<u64>, Vec<Step>),
}

/// A request to be.
pub struct RequestBuilder<'a> {
    client: &'a mut Client,
    outgoing: Outgoing,
}

impl<'a> RequestBuilder<'a> {
    /// Adds a field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let field = (name.to_owned(), value.to_owned());
        self.outgoing.headers.0.push(field);
        self
    }

    /// Adds the field that carries the key.
    pub fn key(self, key: impl Into<Key>) -> Self {
        match key.into().field() {
            Some((name, value)) => self.header(name, &value),
            None => self,
        }
    }

    /// A body with its length.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.outgoing.upload = Upload::Whole(body.into());
        self
    }

    /// A JSON body with its length and type.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    /// A body in chunks, one for each piece sent. `Step::Close` ends the upload (and on HTTP/1.1 the
    /// sending side of the connection) before the body is complete.
    pub fn upload<S: Into<Step>>(mut self, steps: impl IntoIterator<Item = S>) -> Self {
        let steps = steps.into_iter().map(Into::into).collect();
        self.outgoing.upload = Upload::Steps(None, steps);
        self
    }

    /// The same with a declared length, true or not.
    pub fn upload_of<S: Into<Step>>(
        mut self,
        length: u64,
        steps: impl IntoIterator<Item = S>,
    ) -> Self {
        let steps = steps.into_iter().map(Into::into).collect();
        self.outgoing.upload = Upload::Steps(Some(length), steps);
        self
    }

    /// The whole answer.
    pub async fn send(self) -> Response {
        self.stream().await.rest().await
    }

    /// The answer from its header on.
    pub async fn stream(self) -> Streaming<'a> {
        let error = |error| panic!("no answer: {error}");
        self.try_stream().await.unwrap_or_else(error)
    }

    /// Like [`stream`](Self::stream) for a connection that may end before the header.
    pub async fn try_stream(self) -> Result<Streaming<'a>, String> {
        let Client { connection, host } = self.client;
        let outgoing = self.outgoing;
        let begin = async {
            match connection {
                Connection::Http1(connection) => connection.begin(outgoing, host).await,
                Connection::Http2(connection) => connection.begin(outgoing, host).await,
            }
        };
        let (head, body) = within("the header of an answer", begin).await?;
        assert_no_secret(
            "an answer's header",
            format!("{:?}", head.headers).as_bytes(),
        );
        Ok(Streaming::new(head, body))
    }
}

/// Status and fields of an answer.
struct Head {
    status: u16,
    headers: Headers,
}

enum Body<'a> {
    Http1(http1::Body<'a>),
    Http2(hyper::body::Incoming),
}

/// A client key, in the field where each dialect carries it.
pub enum Key {
    /// No key.
    None,
    /// OpenAI: `authorization: Bearer`.
    Bearer(String),
    /// Anthropic: `x-api-key`.
    Anthropic(String),
    /// Gemini: `x-goog-api-key`.
    Gemini(String),
}

impl Key {
    fn field(self) -> Option<(&'static str, String)> {
        match self {
            Self::None => None,
            Self::Bearer(key) => Some(("authorization", format!("Bearer {key}"))),
            Self::Anthropic(key) => Some(("x-api-key", key)),
            Self::Gemini(key) => Some(("x-goog-api-key", key)),
        }
    }
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self::Bearer(key.to_owned())
    }
}

/// One POST on a connection of its own. A `&str` key goes as a bearer token.
pub async fn post_json(
    addr: SocketAddr,
    path: &str,
    key: impl Into<Key>,
    body: &Value,
) -> Response {
    let mut client = Client::connect(addr).await;
    let request = client.request("POST", path).key(key).json(body);
    request.send().await
}

/// One GET on a connection of its own.
pub async fn get(addr: SocketAddr, path: &str, key: impl Into<Key>) -> Response {
    let mut client = Client::connect(addr).await;
    client.request("GET", path).key(key).send().await
}

/// Sends these bytes and returns what comes until the server closes, so a well-formed (last) request
/// should say `connection: close`.
pub async fn raw(addr: SocketAddr, bytes: impl AsRef<[u8]>) -> Bytes {
    let mut tcp = dial(addr).await;
    let mut answer = BytesMut::new();
    let exchange = async {
        // A server that refuses the request may close before it has read it.
        if tcp.write_all(bytes.as_ref()).await.is_ok() {
            while tcp.read_buf(&mut answer).await.is_ok_and(|n| n > 0) {}
        } else {
            let _ = tcp.read_buf(&mut answer).await;
        }
    };
    within("the server to answer and close", exchange).await;
    assert_no_secret("a raw answer", &answer);
    answer.freeze()
}
