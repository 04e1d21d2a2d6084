//! WebSockets at both ends of the gateway, by a library that others use too.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::certs::{Authority, H2_OR_HTTP1};
use super::keys::assert_no_secret;
use super::wire::Socket;
use super::{Task, within};

/// What a server does with one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Answers the handshake with this status.
    Refuse(u16),
    /// Sends back what comes.
    Echo,
    /// Waits for one message and closes as it should be done.
    Close,
    /// Waits for one message and is gone.
    Die,
    /// Sends without end and reads nothing.
    Flood,
    /// Reads nothing and sends nothing.
    Freeze,
}

/// A provider that speaks WebSocket.
pub struct Server {
    addr: SocketAddr,
    scheme: &'static str,
    asked: Arc<Mutex<Vec<Request>>>,
    ended: tokio::sync::watch::Receiver<usize>,
    _task: Task<()>,
}

impl Server {
    /// The scenes in order, the last one for ever.
    pub async fn start(scenes: &[Scene]) -> Self {
        Self::serve(scenes, None).await
    }

    /// The same inside TLS, with HTTP/2 on offer.
    pub async fn tls(scenes: &[Scene], authority: &Authority) -> Self {
        let config = authority.server(&["localhost"], H2_OR_HTTP1);
        Self::serve(scenes, Some(TlsAcceptor::from(config))).await
    }

    async fn serve(scenes: &[Scene], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let (count, ended) = tokio::sync::watch::channel(0);
        let (scenes, seen) = (scenes.to_vec(), Arc::clone(&asked));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let task = async move {
            let mut running = Vec::new();
            for n in 0.. {
                let (tcp, _) = listener.accept().await.unwrap();
                let scene = *scenes.get(n).or_else(|| scenes.last()).unwrap();
                let (seen, tls, count) = (Arc::clone(&seen), tls.clone(), count.clone());
                running.push(Task(tokio::spawn(async move {
                    let socket: Box<dyn Socket> = match tls {
                        None => Box::new(tcp),
                        Some(tls) => Box::new(tls.accept(tcp).await.unwrap()),
                    };
                    play(socket, scene, &seen).await;
                    count.send_modify(|count| *count += 1);
                })));
            }
        };
        Self {
            addr,
            scheme,
            asked,
            ended,
            _task: Task(tokio::spawn(task)),
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        match self.scheme {
            "https" => format!("https://localhost:{}", self.addr.port()),
            scheme => format!("{scheme}://{}", self.addr),
        }
    }

    /// The handshakes so far.
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    /// Resolves when so many of its connections have ended.
    pub async fn ended(&self, count: usize) {
        let mut ended = self.ended.clone();
        let what = "the provider's side of a WebSocket to end";
        within(what, ended.wait_for(|ended| *ended >= count))
            .await
            .unwrap();
    }
}

#[allow(clippy::result_large_err, reason = "the library's own callback")]
async fn play(socket: Box<dyn Socket>, scene: Scene, seen: &Mutex<Vec<Request>>) {
    let handshake = |request: &Request, mut answer: Response| {
        seen.lock().unwrap().push(request.clone());
        if let Scene::Refuse(status) = scene {
            let body = r#"{"error":{"message":"no","type":"x"}}"#.to_owned();
            let mut refusal = ErrorResponse::new(Some(body));
            *refusal.status_mut() = status.try_into().unwrap();
            return Err(refusal);
        }
        let offered = request.headers().get("sec-websocket-protocol");
        if let Some(first) = offered.and_then(|all| all.to_str().unwrap().split(',').next()) {
            let headers = answer.headers_mut();
            headers.insert("sec-websocket-protocol", first.parse().unwrap());
        }
        let headers = answer.headers_mut();
        headers.insert("set-cookie", "a=b".parse().unwrap());
        Ok(answer)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(socket, handshake).await else {
        return;
    };
    match scene {
        Scene::Refuse(_) => {}
        Scene::Echo => {
            while let Some(Ok(message)) = socket.next().await {
                if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err()
                {
                    return;
                }
            }
        }
        Scene::Close => {
            socket.next().await;
            socket.close(None).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
        }
        Scene::Die => {
            socket.next().await;
        }
        Scene::Flood => {
            let piece = Message::binary(vec![7; 64 << 10]);
            while socket.send(piece.clone()).await.is_ok() {}
        }
        Scene::Freeze => std::future::pending().await,
    }
}

/// A client's WebSocket.
pub type Client = WebSocketStream<TcpStream>;

/// Asks for a WebSocket at `path`, with these headers.
pub async fn dial(
    addr: SocketAddr,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<(Client, http::Response<Option<Vec<u8>>>), Error> {
    let mut request = http::Request::get(format!("ws://{addr}{path}"))
        .header("host", addr.to_string())
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let tcp = TcpStream::connect(addr).await.unwrap();
    let request = request.body(()).unwrap();
    let handshake = tokio_tungstenite::client_async(request, tcp);
    let result = within("the answer to a handshake", handshake).await;
    let answer = match &result {
        Ok((_, answer)) => Some(format!("{:?}", answer.headers())),
        Err(Error::Http(answer)) => Some(format!("{answer:?}")),
        Err(_) => None,
    };
    if let Some(answer) = answer {
        assert_no_secret("a handshake's answer", answer.as_bytes());
    }
    result
}

/// Status and error code of a handshake that was refused.
pub fn refusal<T>(result: Result<T, Error>) -> (u16, String) {
    match result {
        Err(Error::Http(answer)) => {
            let code = answer.headers().get("x-aiproxy-error");
            let code = code.map_or("", |code| code.to_str().unwrap());
            (answer.status().as_u16(), code.to_owned())
        }
        Err(error) => panic!("no answer: {error}"),
        Ok(_) => panic!("was not refused"),
    }
}

/// What comes next; `None` when the connection has ended, however that was.
pub async fn next(client: &mut Client) -> Option<Message> {
    let next = within("a message", client.next()).await;
    next.and_then(Result::ok)
}

/// Sends a message and returns what comes back.
pub async fn echo(client: &mut Client, message: Message) -> Option<Message> {
    client.send(message).await.ok()?;
    next(client).await
}
