//! Bodies of any size pass in constant memory, and a side that is slow slows the other down.
//!
//! `LARGE_BODY_MIB=1024 cargo test --test e2e large` moves a gigabyte each way.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A};
use crate::support::{Task, within};

const MIB: usize = 1 << 20;
const PIECE: usize = 64 << 10;
/// How much the gateway may grow by, whatever passes.
const GROWTH: usize = 32 * MIB;

fn size() -> usize {
    let mebibytes = std::env::var("LARGE_BODY_MIB").ok();
    mebibytes.map_or(256, |text| text.parse().unwrap()) * MIB
}

/// A number in bytes from the gateway's `/proc/PID/status`.
fn memory(gateway: &Gateway, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

/// An upstream that answers a GET with as many bytes as the path says, and reads everything else.
struct Upstream {
    addr: SocketAddr,
    /// Bytes of the body that have gone or come.
    moved: watch::Receiver<usize>,
    /// Whether it reads what is sent.
    reads: watch::Sender<bool>,
    _task: Task<()>,
}

async fn head(socket: &mut TcpStream) -> (String, BytesMut) {
    let mut read = BytesMut::new();
    loop {
        if let Some(end) = memchr::memmem::find(&read, b"\r\n\r\n") {
            let head = read.split_to(end + 4);
            return (String::from_utf8_lossy(&head).into_owned(), read);
        }
        if socket.read_buf(&mut read).await.unwrap() == 0 {
            return (String::new(), read);
        }
    }
}

impl Upstream {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, moved) = watch::channel(0);
        let (reads, may_read) = watch::channel(true);
        let task = async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut may_read = may_read.clone();
                // One connection at a time.
                loop {
                    let (asked, rest) = head(&mut socket).await;
                    if asked.is_empty() {
                        break;
                    }
                    sender.send_replace(0);
                    let size: usize = asked.split_once("size=").map_or(0, |(_, rest)| {
                        rest.split(' ').next().unwrap().parse().unwrap()
                    });
                    if asked.starts_with("GET") {
                        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n");
                        socket.write_all(answer.as_bytes()).await.unwrap();
                        if send(&mut socket, size, &sender).await.is_err() {
                            break;
                        }
                        continue;
                    }
                    may_read.wait_for(|reads| *reads).await.unwrap();
                    if receive(&mut socket, rest.len(), size, &sender).await < size {
                        break;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    socket.write_all(answer).await.unwrap();
                }
            }
        };
        Self {
            addr,
            moved,
            reads,
            _task: Task(tokio::spawn(task)),
        }
    }
}

async fn send(
    socket: &mut TcpStream,
    size: usize,
    moved: &watch::Sender<usize>,
) -> std::io::Result<()> {
    let piece = Bytes::from(vec![5; PIECE]);
    let mut sent = 0;
    while sent < size {
        let part = (size - sent).min(PIECE);
        socket.write_all(&piece[..part]).await?;
        sent += part;
        moved.send_replace(sent);
    }
    Ok(())
}

async fn receive(
    socket: &mut TcpStream,
    already: usize,
    size: usize,
    moved: &watch::Sender<usize>,
) -> usize {
    let mut piece = vec![0; PIECE];
    let mut received = already;
    while received < size {
        match socket.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(n) => received += n,
        }
        moved.send_replace(received);
    }
    received
}

/// Resolves when nothing has moved for a while.
async fn stalled(moved: &mut watch::Receiver<usize>) -> usize {
    let still = Duration::from_millis(400);
    let stalls = async { while tokio::time::timeout(still, moved.changed()).await.is_ok() {} };
    within("the other side to be slowed down", stalls).await;
    *moved.borrow()
}

async fn gateway(upstream: &Upstream, settings: &str) -> Gateway {
    Gateway::start(&format!(
        "{settings}\napi-keys: [{CLIENT_KEY}]\nrequest-retry: 0\nopenai-api-key:\n\
         - {{api-key: {UPSTREAM_KEY_A}, base-url: 'http://{}'}}\n",
        upstream.addr
    ))
    .await
}

async fn ask(gateway: &Gateway, method: &str, size: usize) -> TcpStream {
    let mut socket = TcpStream::connect(gateway.addr()).await.unwrap();
    let length = match method {
        "POST" => format!("content-length: {size}\r\n"),
        _ => String::new(),
    };
    let head = format!(
        "{method} /v1/files?size={size} HTTP/1.1\r\nhost: x\r\nx-provider: openai\r\n\
         authorization: Bearer {CLIENT_KEY}\r\n{length}\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

/// Reads an answer of `size` bytes, of which `read` are here.
async fn read_body(socket: &mut TcpStream, mut read: usize, size: usize) {
    let mut piece = vec![0; PIECE];
    while read < size {
        let n = within("more of an answer", socket.read(&mut piece))
            .await
            .unwrap();
        assert!(n > 0, "cut off after {read} of {size}");
        assert!(piece[..n].iter().all(|byte| *byte == 5));
        read += n;
    }
    assert_eq!(read, size);
}

async fn download(gateway: &Gateway, size: usize) {
    let mut socket = ask(gateway, "GET", size).await;
    let (answer, rest) = head(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    read_body(&mut socket, rest.len(), size).await;
}

async fn upload(gateway: &Gateway, size: usize) {
    let mut socket = ask(gateway, "POST", size).await;
    let (progress, _) = watch::channel(0);
    send(&mut socket, size, &progress).await.unwrap();
    let (answer, _) = within("the answer", head(&mut socket)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_body_passes_in_constant_memory() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "").await;
    upload(&gateway, 4 * MIB).await;
    download(&gateway, 4 * MIB).await;
    let before = memory(&gateway, "VmRSS");
    let size = size();
    for (what, is_upload) in [("upload", true), ("download", false)] {
        let begun = std::time::Instant::now();
        match is_upload {
            true => upload(&gateway, size).await,
            false => download(&gateway, size).await,
        }
        let grown = memory(&gateway, "VmHWM").saturating_sub(before);
        let (took, mebibytes) = (begun.elapsed(), size / MIB);
        println!(
            "{what} of {mebibytes} MiB in {took:?}: {} KiB more",
            grown >> 10
        );
        assert!(
            grown < GROWTH,
            "{what} of {mebibytes} MiB: {grown} bytes more"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_slowly_slows_the_provider_down() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "").await;
    download(&gateway, MIB).await;
    let before = memory(&gateway, "VmRSS");
    let size = 64 * MIB;
    let mut socket = ask(&gateway, "GET", size).await;
    let (_, rest) = head(&mut socket).await;
    let sent = stalled(&mut upstream.moved).await;
    assert!(sent < size, "{sent} bytes went where nobody reads");
    let grown = memory(&gateway, "VmHWM").saturating_sub(before);
    assert!(grown < GROWTH, "{grown} bytes more");
    read_body(&mut socket, rest.len(), size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_reads_slowly_slows_the_client_down() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "").await;
    upload(&gateway, MIB).await;
    let before = memory(&gateway, "VmRSS");
    upstream.reads.send_replace(false);
    let size = 64 * MIB;
    let mut socket = ask(&gateway, "POST", size).await;
    let (progress, mut moved) = watch::channel(0);
    let sending = async {
        send(&mut socket, size, &progress).await.unwrap();
        let (answer, _) = within("the answer", head(&mut socket)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    let watching = async {
        let sent = stalled(&mut moved).await;
        assert!(sent < size, "{sent} bytes went where nobody reads");
        let grown = memory(&gateway, "VmHWM").saturating_sub(before);
        assert!(grown < GROWTH, "{grown} bytes more");
        upstream.reads.send_replace(true);
    };
    tokio::join!(sending, watching);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_stops_reading_is_given_up() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "timeouts: {first-byte: 0.4, idle: 0.4}").await;
    upstream.reads.send_replace(false);
    let size = 64 * MIB;
    let mut socket = ask(&gateway, "POST", size).await;
    let (progress, _) = watch::channel(0);
    let (mut reader, mut writer) = socket.split();
    let sending = async {
        let piece = vec![5; PIECE];
        let mut sent = 0;
        while sent < size && writer.write_all(&piece).await.is_ok() {
            sent += PIECE;
            progress.send_replace(sent);
        }
    };
    let mut answer = BytesMut::new();
    let reading = async { reader.read_buf(&mut answer).await };
    let both = async { tokio::join!(sending, reading) };
    let _ = within("the gateway to give up", both).await;
    let line = gateway
        .wait_log(|line| line.contains("POST /v1/files"))
        .await;
    assert!(line.contains("error=upstream_timeout"), "{line}");
    assert!(answer.starts_with(b"HTTP/1.1 504") || answer.is_empty());
}
