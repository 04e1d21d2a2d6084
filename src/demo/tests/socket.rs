//! The provider as an app of Pingora, and the transcript against it.

use std::net::SocketAddr;
use std::sync::Arc;

use pingora_core::protocols::l4::stream::Stream;
use pingora_core::services::listening::Service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{CHAT, chat, streamed};
use crate::demo::provider::DemoProvider;
use crate::demo::transcript;

/// Runs the app as Pingora does, for `connections` connections.
async fn serve(connections: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Arc::new(DemoProvider::hurried());
    tokio::spawn(async move {
        let (_stop, shutdown) = tokio::sync::watch::channel(false);
        for _ in 0..connections {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = Box::new(Stream::from(stream));
            Service::handle_event(stream, app.clone(), shutdown.clone()).await;
        }
    });
    address
}

#[tokio::test]
async fn one_connection_carries_a_streamed_and_then_a_whole_answer() {
    let mut stream = TcpStream::connect(serve(1).await).await.unwrap();
    let mut received = String::new();
    for (body, close) in [
        (streamed(chat("one")), ""),
        (chat("two"), "connection: close\r\n"),
    ] {
        let body = body.to_string();
        let length = body.len();
        let request = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\n{close}content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        while close.is_empty() && !received.ends_with("\r\n0\r\n\r\n") {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "closed after {received}");
            received.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
    }
    let streamed = std::mem::take(&mut received);
    stream.read_to_string(&mut received).await.unwrap();
    assert!(streamed.starts_with("HTTP/1.1 200 OK\r\n"), "{streamed}");
    assert!(streamed.contains("data: [DONE]\n\n"), "{streamed}");
    assert!(received.starts_with("HTTP/1.1 200 OK\r\n"), "{received}");
    assert!(received.contains("You said: \\\"two\\\""), "{received}");
}

#[tokio::test]
async fn the_transcript_fits_a_screen_and_hides_the_key() {
    let gateway = serve(4).await;
    let mut out = Vec::new();
    transcript::run(gateway, "k-2", &mut out).await.unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.lines().count() <= 60,
        "{} lines\n{out}",
        out.lines().count()
    );
    let (shown, footer) = out.split_once("── your turn ──").unwrap();
    assert_eq!(shown.matches("< 200\n").count(), 4);
    assert!(!shown.contains("k-2"));
    assert!(footer.contains(&format!("OPENAI_BASE_URL=http://{gateway}/v1")));
    assert!(footer.contains(&format!("ANTHROPIC_BASE_URL=http://{gateway}")));
}
