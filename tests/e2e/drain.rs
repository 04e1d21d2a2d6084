//! Stopping a gateway without losing a request.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpMaxSeg;
use tokio::net::{TcpSocket, TcpStream};

use crate::chat::{
    PATH, answer, ask, config, event, gated_bytes, gated_stream, question, streamed_question, text,
    wants_stream,
};
use crate::support::client::{Client, Response, get};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::CLIENT_KEY;
use crate::support::ledger::ledger;
use crate::support::upstream::Upstream;
use crate::support::within;
use crate::traffic::Traffic;

/// Streams wait for the gate, other answers do not.
async fn upstream(gate: &Gate) -> Upstream {
    let gate = gate.clone();
    let reply = move |request: &_| match wants_stream(request) {
        true => gated_stream(&gate),
        false => answer("whole"),
    };
    Upstream::handler(reply).await
}

async fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(&config(&[("a", &upstream.url(), "")])).await
}

async fn draining(gateway: &Gateway) {
    gateway.signal(Signal::SIGTERM);
    gateway
        .wait_log(|line| line.contains("SIGTERM: draining"))
        .await;
}

/// Resolves when new connections are refused.
async fn refused(gateway: &Gateway) {
    let refused = async {
        while TcpStream::connect(gateway.addr()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within("connections to be refused", refused).await;
}

fn told_to_close(answer: &Response) -> bool {
    answer.headers.lists("connection", "close")
}

fn whole_stream(answer: &Response) {
    assert_eq!(answer.status, 200);
    assert!(answer.complete);
    assert_eq!(answer.text(), gated_bytes());
}

#[tokio::test]
async fn an_idle_gateway_stops_at_once_and_says_so() {
    let upstream = Upstream::always(answer("x")).await;
    let gateway = gateway(&upstream).await;
    let mut idle = Client::connect(gateway.addr()).await;
    text(&ask(&mut idle, &question()).send().await);
    let start = Instant::now();
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(4), "took {took:?}");
    let log = gateway.log();
    assert!(log.last().unwrap().ends_with(" done"), "{log:?}");
    idle.closed().await;
}

#[tokio::test]
async fn a_running_stream_is_finished_and_ends_the_process() {
    let gate = Gate::new();
    let upstream = upstream(&gate).await;
    let gateway = gateway(&upstream).await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut stream = ask(&mut client, &streamed_question()).stream().await;
    stream.until("one").await;
    let mut open = Client::connect(gateway.addr()).await;
    let ready = open.request("GET", "/health/ready").send().await;
    assert_eq!((ready.status, told_to_close(&ready)), (200, false));
    draining(&gateway).await;
    let ready = open.request("GET", "/health/ready").send().await;
    assert_eq!((ready.status, told_to_close(&ready)), (503, true));
    assert_eq!(ready.json()["status"], "draining");
    refused(&gateway).await;
    gate.open();
    let start = Instant::now();
    whole_stream(&stream.rest().await);
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(3), "took {took:?}");
}

#[tokio::test]
async fn every_answer_tells_its_client_to_go_elsewhere() {
    let gate = Gate::new();
    let upstream = upstream(&gate).await;
    let gateway = gateway(&upstream).await;
    let mut holding = Client::connect(gateway.addr()).await;
    let mut stream = ask(&mut holding, &streamed_question()).stream().await;
    stream.until("one").await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(gateway.addr()).await;
        assert!(!told_to_close(&ask(&mut client, &question()).send().await));
        clients.push(client);
    }
    draining(&gateway).await;
    let [relayed, listed, refused, unknown] = &mut clients[..] else {
        unreachable!("four clients");
    };
    assert!(told_to_close(&ask(relayed, &question()).send().await));
    let list = listed.request("GET", "/v1/models").key(CLIENT_KEY);
    assert!(told_to_close(&list.send().await));
    let refusal = refused.request("GET", "/v1/models").send().await;
    assert!(refusal.status == 401 && told_to_close(&refusal));
    let unknown = unknown
        .request("GET", "/nowhere")
        .key(CLIENT_KEY)
        .send()
        .await;
    assert!(unknown.status == 404 && told_to_close(&unknown));
    gate.open();
    whole_stream(&stream.rest().await);
}

#[tokio::test]
async fn a_stream_that_ends_in_the_notice_leaves_its_connection_open_until_a_client_is_told() {
    let (held, freed) = (Gate::new(), Gate::new());
    let upstream =
        Upstream::script([gated_stream(&held), gated_stream(&freed), answer("told")]).await;
    let gateway = gateway(&upstream).await;
    let mut holding = Client::connect(gateway.addr()).await;
    let mut kept = ask(&mut holding, &streamed_question()).stream().await;
    kept.until("one").await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut stream = ask(&mut client, &streamed_question()).stream().await;
    stream.until("one").await;
    draining(&gateway).await;
    freed.open();
    whole_stream(&stream.rest().await);
    let next = ask(&mut client, &question()).send().await;
    assert!(text(&next) == "told" && told_to_close(&next));
    held.open();
    whole_stream(&kept.rest().await);
}

#[tokio::test]
async fn busy_connections_lose_nothing_until_they_are_told_to_close() {
    let upstream = Upstream::always(answer("x")).await;
    let gateway = gateway(&upstream).await;
    let addr = gateway.addr();
    let mut busy = Vec::new();
    for _ in 0..20 {
        busy.push(crate::support::Task(tokio::spawn(async move {
            let mut client = Client::connect(addr).await;
            let mut served = 0;
            loop {
                let answer = ask(&mut client, &question()).send().await;
                assert_eq!(text(&answer), "x");
                served += 1;
                if told_to_close(&answer) {
                    return served;
                }
            }
        })));
    }
    upstream.request(200).await;
    draining(&gateway).await;
    let mut served = 0;
    for mut client in busy {
        served += within("a client to be told", &mut client.0).await.unwrap();
    }
    assert_eq!(served, upstream.requests().len());
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
    assert_eq!(logged(&gateway), served, "access lines");
}

/// Access lines of chat requests.
fn logged(gateway: &Gateway) -> usize {
    let log = gateway.log();
    log.iter().filter(|line| line.contains(" access ")).count()
}

#[tokio::test]
async fn what_runs_too_long_is_cut_off_and_written_down() {
    let gate = Gate::new();
    let upstream = upstream(&gate).await;
    let yaml = config(&[("a", &upstream.url(), "")]);
    let gateway = Gateway::builder(&yaml)
        .pingora("grace_period_seconds: 16")
        .start()
        .await;
    let mut clients = [
        Client::connect(gateway.addr()).await,
        Client::h2c(gateway.addr()).await,
    ];
    let mut streams = Vec::new();
    for client in &mut clients {
        let mut stream = ask(client, &streamed_question()).stream().await;
        stream.until(&event("one")).await;
        streams.push(stream);
    }
    let rows = ledger(&gateway).await;
    let rows: Vec<_> = rows
        .values()
        .map(|row| (row.status, row.error.is_some()))
        .collect();
    assert_eq!(rows[0], (200, true));
    assert_eq!(rows.len(), 2);
    for line in ["2 requests are cut off", "done"] {
        assert!(gateway.log().iter().any(|one| one.contains(line)), "{line}");
    }
}

#[tokio::test]
async fn http2_connections_go_away_and_their_streams_finish() {
    let gate = Gate::new();
    let upstream = upstream(&gate).await;
    let gateway = gateway(&upstream).await;
    let mut client = Client::h2c(gateway.addr()).await;
    let mut stream = ask(&mut client, &streamed_question()).stream().await;
    stream.until("one").await;
    let mut idle = Client::h2c(gateway.addr()).await;
    text(&ask(&mut idle, &question()).send().await);
    let traffic = Traffic::new().h2c(1, gateway.addr());
    upstream.request(20).await;
    drop(traffic);
    draining(&gateway).await;
    idle.closed().await;
    gate.open();
    whole_stream(&stream.rest().await);
    client.closed().await;
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
}

#[tokio::test]
async fn told_twice_or_interrupted_it_stops_at_once() {
    for (first, second) in [
        (Some(Signal::SIGTERM), Signal::SIGTERM),
        (Some(Signal::SIGTERM), Signal::SIGINT),
        (Some(Signal::SIGQUIT), Signal::SIGTERM),
        (None, Signal::SIGINT),
    ] {
        let upstream = upstream(&Gate::new()).await;
        let gateway = gateway(&upstream).await;
        let mut client = Client::connect(gateway.addr()).await;
        let mut stream = ask(&mut client, &streamed_question()).stream().await;
        stream.until("one").await;
        if let Some(first) = first {
            gateway.signal(first);
            gateway
                .wait_log(|line| line.contains(&format!("{first}: ")))
                .await;
        }
        let start = Instant::now();
        gateway.signal(second);
        assert_eq!(
            gateway.wait_exit().await.code(),
            Some(0),
            "{first:?} {second}"
        );
        let took = start.elapsed();
        assert!(
            took < Duration::from_secs(3),
            "{first:?} {second} took {took:?}"
        );
        assert!(!stream.rest().await.complete);
    }
}

#[tokio::test]
async fn a_gateway_that_drains_is_alive_but_not_ready() {
    let gate = Gate::new();
    let upstream = upstream(&gate).await;
    let gateway = gateway(&upstream).await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut stream = ask(&mut client, &streamed_question()).stream().await;
    stream.until("one").await;
    draining(&gateway).await;
    assert_eq!(get(gateway.addr(), "/health", CLIENT_KEY).await.status, 200);
    gate.open();
    whole_stream(&stream.rest().await);
}

/// A connection on which the server can have little under way: small segments make its buffers small.
async fn narrow(gateway: &Gateway) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    setsockopt(&socket, TcpMaxSeg, &536).unwrap();
    socket.connect(gateway.addr()).await.unwrap()
}

#[tokio::test]
async fn the_last_bytes_reach_an_http2_client_that_reads_slowly() {
    let long = "long ".repeat(60_000);
    let upstream = Upstream::always(answer(&long)).await;
    let gateway = gateway(&upstream).await;
    let silent = narrow(&gateway).await;
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 20);
    let tcp = narrow(&gateway).await;
    let (mut sender, mut connection) = builder.handshake(tcp).await.unwrap();
    let request = http::Request::post(format!("http://{}{PATH}", gateway.addr()))
        .header("authorization", format!("Bearer {CLIENT_KEY}"))
        .body(())
        .unwrap();
    let (response, mut body) = sender.send_request(request, false).unwrap();
    let question = bytes::Bytes::from(question().to_string());
    body.send_data(question, true).unwrap();
    drop(sender);
    tokio::select! {
        // From here on nobody reads.
        _ = gateway.wait_log(|line| line.contains("status=200")) => {}
        ended = &mut connection => panic!("ended: {ended:?}"),
    }
    draining(&gateway).await;
    gateway
        .wait_log(|line| line.contains("finishing 0 requests"))
        .await;
    // The client is slow.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let _driver = crate::support::Task(tokio::spawn(connection));
    let mut body = response.await.unwrap().into_body();
    let mut received = Vec::new();
    while let Some(piece) = within("a piece", body.data()).await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        received.extend_from_slice(&piece);
    }
    assert!(received.len() > long.len() && received.ends_with(b"}"));
    let start = Instant::now();
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(3), "took {took:?}");
    drop(silent);
}

#[tokio::test]
async fn no_signal_kills_a_gateway_that_listens() {
    let upstream = Upstream::always(answer("x")).await;
    let yaml = config(&[("a", &upstream.url(), "")]);
    for _ in 0..10 {
        let gateway = Gateway::start(&yaml).await;
        gateway.signal(Signal::SIGHUP);
        gateway.signal(Signal::SIGTERM);
        assert_eq!(gateway.wait_exit().await.code(), Some(0));
    }
}
