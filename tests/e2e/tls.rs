//! TLS towards clients: what is agreed on, who may connect, certificates that change, ends that lose
//! nothing.

use std::fs;
use std::sync::Arc;

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;

use crate::chat::{
    answer, ask, config, gated_bytes, gated_stream, question, streamed_question, text, wants_stream,
};
use crate::support::certs::{Alpn, Authority, H2_OR_HTTP1, HTTP1};
use crate::support::client::{Client, raw};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::upstream::{Request, Upstream};
use crate::support::{Task, within};
use crate::traffic::Traffic;

const TLS: &str = "tls: {enable: true}\n";
const MUTUAL: &str = "tls: {enable: true, client-ca: clients.pem}\n";

/// A gateway with a certificate of `authority` for `localhost`; `settings` are more lines of its
/// config.
async fn gateway(settings: &str, authority: &Authority, upstream: &Upstream) -> Gateway {
    let (cert, key) = authority.localhost();
    let yaml = settings.to_owned() + &config(&[("a", &upstream.url(), "")]);
    Gateway::builder(&yaml)
        .file("server.pem", cert)
        .file("server.key", key)
        .file("clients.pem", authority.ca_text())
        .start()
        .await
}

/// Puts files in the place of others, each in one step.
fn put(gateway: &Gateway, files: &[(&str, &str)]) {
    for (name, content) in files {
        let draft = gateway.directory().join("draft");
        fs::write(&draft, content).unwrap();
        fs::rename(draft, gateway.directory().join(name)).unwrap();
    }
}

fn reloaded(line: &str) -> bool {
    line.contains("config reloaded: 1 accounts")
}

/// Whether a client with these settings gets an answer.
async fn is_served(gateway: &Gateway, config: Arc<ClientConfig>) -> bool {
    // A client hears of a refusal in the handshake or, with TLS 1.3, after it.
    let Ok(mut client) = Client::tls_as(gateway.addr(), config).await else {
        return false;
    };
    match client.request("GET", "/health").try_stream().await {
        Ok(answer) => answer.rest().await.status == 200,
        Err(_) => false,
    }
}

#[tokio::test]
async fn alpn_decides_what_is_spoken() {
    let upstream = Upstream::always(answer("x")).await;
    let authority = Authority::new();
    let long = "long ".repeat(200_000);
    for (settings, offered, http2) in [
        ("", H2_OR_HTTP1, true),
        ("", HTTP1, false),
        ("", &[] as Alpn, false),
        ("allow-http2: false\n", H2_OR_HTTP1, false),
        ("allow-http2: false\n", HTTP1, false),
    ] {
        let gateway = gateway(&format!("{TLS}{settings}"), &authority, &upstream).await;
        assert!(gateway.url().starts_with("https://"), "{}", gateway.url());
        let mut client = Client::tls(gateway.addr(), &authority, offered)
            .await
            .unwrap();
        assert_eq!(client.is_http2(), http2, "{settings} {offered:?}");
        for path in ["/health", "/health/live", "/health/ready"] {
            assert_eq!(client.request("GET", path).send().await.status, 200);
        }
        for content in ["Why?", &long] {
            let mut question = question();
            question["messages"][0]["content"] = content.into();
            assert_eq!(text(&ask(&mut client, &question).send().await), "x");
            assert!(upstream.requests().pop().unwrap().json() == question);
        }
        let line = gateway.wait_log(|line| line.contains("/v1/chat")).await;
        assert!(line.contains(" peer=127.0.0.1:"), "{line}");
    }
    // Nothing that both speak: no connection.
    let gateway = gateway(TLS, &authority, &upstream).await;
    assert!(!is_served(&gateway, authority.client(&["spdy/1"])).await);
    let only_h2 = Client::tls(gateway.addr(), &authority, &["h2"]).await;
    assert!(only_h2.unwrap().is_http2());
}

#[tokio::test]
async fn the_health_command_asks_inside_tls_where_the_url_says_so() {
    let upstream = Upstream::always(answer("x")).await;
    let authority = Authority::new();
    let (open, closed) = (
        gateway(TLS, &authority, &upstream).await,
        gateway(MUTUAL, &authority, &upstream).await,
    );
    let health = |url: &str| Gateway::command(["health", "--url", url, "--timeout", "5"]).run();
    assert_eq!(health(open.url()).await.code, Some(0));
    let missing = format!("{}/v1/models", open.url());
    assert_eq!(health(&missing).await.code, Some(1));
    let plain = open.url().replace("https", "http");
    assert_eq!(health(&plain).await.code, Some(1));
    assert_eq!(health(closed.url()).await.code, Some(1));
}

#[tokio::test]
async fn tls_1_2_is_spoken_as_well() {
    let upstream = Upstream::always(answer("x")).await;
    let authority = Authority::new();
    let gateway = gateway(TLS, &authority, &upstream).await;
    for old in [true, false] {
        assert!(is_served(&gateway, authority.client_of(&authority, old)).await);
    }
}

#[tokio::test]
async fn what_is_not_tls_gets_no_answer_and_harms_nobody() {
    let upstream = Upstream::always(answer("x")).await;
    let authority = Authority::new();
    let gateway = gateway(TLS, &authority, &upstream).await;
    for bytes in [
        "GET /health HTTP/1.1\r\nhost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x00\x05hello",
    ] {
        let got = raw(gateway.addr(), bytes).await;
        assert!(!got.starts_with(b"HTTP"), "{got:?}");
    }
    // Something else comes than was agreed on.
    for (alpn, bytes) in [
        (
            &["h2"] as Alpn,
            "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n",
        ),
        (HTTP1, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ] {
        let tls = tokio_rustls::TlsConnector::from(authority.client(alpn));
        let tcp = TcpStream::connect(gateway.addr()).await.unwrap();
        let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
        let mut tls = tls.connect(name, tcp).await.unwrap();
        tls.write_all(bytes.as_bytes()).await.unwrap();
        let mut got = Vec::new();
        let _ = within("the end", tls.read_to_end(&mut got)).await;
        let text = String::from_utf8_lossy(&got);
        let refused = got.is_empty() || text.starts_with("HTTP/1.1 400 ");
        assert!(refused, "{text}");
    }
    assert!(is_served(&gateway, authority.client(HTTP1)).await);
    let log = gateway.log();
    assert!(!log.iter().any(|line| line.contains("ERROR")), "{log:?}");
}

#[tokio::test]
async fn clients_need_a_certificate_where_roots_for_them_are_configured() {
    let upstream = Upstream::always(answer("x")).await;
    let (ours, strange) = (Authority::new(), Authority::new());
    let gateway = gateway(MUTUAL, &ours, &upstream).await;
    for old in [true, false] {
        assert!(is_served(&gateway, ours.client_of(&ours, old)).await);
        assert!(!is_served(&gateway, ours.client_of(&strange, old)).await);
    }
    assert!(!is_served(&gateway, ours.client(H2_OR_HTTP1)).await);
    assert!(!is_served(&gateway, ours.client(HTTP1)).await);
    // Other roots: who had a certificate before has none now, also not a session to go on with.
    let before = ours.client_of(&ours, false);
    assert!(is_served(&gateway, Arc::clone(&before)).await);
    put(&gateway, &[("clients.pem", &strange.ca_text())]);
    gateway.wait_log(reloaded).await;
    assert!(!is_served(&gateway, before).await);
    assert!(is_served(&gateway, ours.client_of(&strange, false)).await);
}

#[tokio::test]
async fn certificates_change_under_open_connections() {
    let gate = Gate::new();
    let scripted = gate.clone();
    let reply = move |request: &Request| match wants_stream(request) {
        true => gated_stream(&scripted),
        false => answer("x"),
    };
    let upstream = Upstream::handler(reply).await;
    let (old, new) = (Authority::new(), Authority::new());
    let gateway = gateway(TLS, &old, &upstream).await;
    let addr = gateway.addr();
    let mut streams = Vec::new();
    for alpn in [HTTP1, H2_OR_HTTP1] {
        let mut client = Client::tls(addr, &old, alpn).await.unwrap();
        let begun = Gate::new();
        let there = begun.clone();
        streams.push(Task(tokio::spawn(async move {
            let mut stream = ask(&mut client, &streamed_question()).stream().await;
            stream.until("one").await;
            there.open();
            let whole = stream.rest().await;
            // The connection serves on, too.
            let next = text(&ask(&mut client, &question()).send().await);
            (whole, next)
        })));
        within("a stream to begin", begun.pass()).await;
    }
    let mut idle = Client::tls(addr, &old, HTTP1).await.unwrap();
    assert_eq!(text(&ask(&mut idle, &question()).send().await), "x");

    let (cert, key) = new.localhost();
    put(&gateway, &[("server.pem", &cert), ("server.key", &key)]);
    gateway.wait_log(reloaded).await;
    assert!(is_served(&gateway, new.client(H2_OR_HTTP1)).await);
    assert!(!is_served(&gateway, old.client(H2_OR_HTTP1)).await);
    assert_eq!(text(&ask(&mut idle, &question()).send().await), "x");
    gate.open();
    for mut stream in streams {
        let (whole, next) = within("a stream to end", &mut stream.0).await.unwrap();
        assert!(whole.complete);
        assert_eq!((whole.text(), &*next), (&*gated_bytes(), "x"));
    }
}

#[tokio::test]
async fn a_bad_certificate_leaves_the_old_one_in_force_until_it_is_mended() {
    let upstream = Upstream::always(answer("x")).await;
    let (first, second) = (Authority::new(), Authority::new());
    let gateway = gateway(TLS, &first, &upstream).await;
    let (cert, key) = second.localhost();
    let (_, other) = second.localhost();
    for (file, content, says) in [
        (
            "server.pem",
            "garbage",
            "tls.cert: holds no PEM certificates",
        ),
        (
            "server.pem",
            &*cert,
            "tls.key: does not belong to the certificate in tls.cert",
        ),
        (
            "server.key",
            "",
            "tls.key: holds no PEM private key that is not encrypted",
        ),
    ] {
        put(&gateway, &[(file, content)]);
        let says = format!("config not reloaded, the old one stays: {says}");
        let line = gateway.wait_log(|line| line.contains(&says)).await;
        assert!(line.contains("ERROR"), "{line}");
        assert!(is_served(&gateway, first.client(HTTP1)).await);
    }
    put(&gateway, &[("server.key", &other)]);
    gateway
        .wait_lines(2, |line| line.contains("tls.key: does not belong"))
        .await;
    fs::remove_file(gateway.directory().join("server.key")).unwrap();
    gateway
        .wait_log(|line| line.contains("tls.key: cannot be read"))
        .await;
    assert!(is_served(&gateway, first.client(HTTP1)).await);
    assert!(!gateway.log().iter().any(|line| reloaded(line)));
    put(&gateway, &[("server.key", &key)]);
    gateway.wait_log(reloaded).await;
    assert!(is_served(&gateway, second.client(HTTP1)).await);
    assert!(!is_served(&gateway, first.client(HTTP1)).await);
}

#[tokio::test]
async fn tls_begins_and_ends_with_a_restart_only_and_its_files_may_move() {
    let upstream = Upstream::always(answer("x")).await;
    let (first, second) = (Authority::new(), Authority::new());
    let restart = |line: &str| line.contains("tls.enable changes only with a restart");
    let secret = gateway(TLS, &first, &upstream).await;
    let yaml = config(&[("a", &upstream.url(), "")]);
    secret.write_config(&yaml);
    secret.wait_log(restart).await;
    assert!(is_served(&secret, first.client(HTTP1)).await);
    let (cert, key) = second.issue(&["localhost"]);
    let moved = format!(
        "tls: {{enable: true, cert: '{}', key: '{}'}}\n{yaml}",
        cert.display(),
        key.display()
    );
    secret.write_config(&moved);
    secret.wait_lines(2, reloaded).await;
    assert!(is_served(&secret, second.client(HTTP1)).await);

    let open = gateway("", &first, &upstream).await;
    open.write_config(&format!("{TLS}{yaml}"));
    open.wait_log(restart).await;
    let mut client = Client::connect(open.addr()).await;
    assert_eq!(text(&ask(&mut client, &question()).send().await), "x");
}

#[tokio::test]
async fn all_that_is_wrong_with_the_files_is_said_at_once() {
    let authority = Authority::new();
    let ((cert, _), (_, key)) = (authority.localhost(), authority.localhost());
    let check = |yaml: &str| Gateway::command(["check"]).file("config.yaml", yaml);
    let none = check("tls: {enable: true, cert: none.pem, key: none.key, client-ca: empty.pem}");
    let done = none.file("empty.pem", "").run().await;
    assert_eq!(done.code, Some(2));
    for says in [
        "tls.cert: cannot be read: ",
        "tls.key: cannot be read: ",
        "tls.client-ca: holds no PEM certificates",
    ] {
        assert!(done.stderr.contains(says), "{}", done.stderr);
    }
    let done = check(TLS)
        .file("server.pem", cert)
        .file("server.key", &key)
        .run()
        .await;
    assert_eq!(done.code, Some(2));
    let says = "tls.key: does not belong to the certificate in tls.cert";
    assert!(done.stderr.contains(says), "{}", done.stderr);
    assert!(!done.stderr.contains(&key[40..80]));
    assert_eq!(check("tls: {cert: none.pem}").run().await.code, Some(0));
}

#[tokio::test]
async fn a_connection_without_a_request_does_not_delay_the_end() {
    let upstream = Upstream::always(answer("x")).await;
    let authority = Authority::new();
    let gateway = gateway(TLS, &authority, &upstream).await;
    let addr = gateway.addr();
    let mut silent = Vec::new();
    for alpn in [HTTP1, &["h2"]] {
        // Shaken hands, and nothing else.
        let tls = tokio_rustls::TlsConnector::from(authority.client(alpn));
        let tcp = TcpStream::connect(addr).await.unwrap();
        let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
        silent.push(tls.connect(name, tcp).await.unwrap());
    }
    let half = TcpStream::connect(addr).await.unwrap();
    let mut kept = Client::tls(addr, &authority, H2_OR_HTTP1).await.unwrap();
    assert_eq!(text(&ask(&mut kept, &question()).send().await), "x");
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
    let log = gateway.log();
    let late = |line: &String| line.contains("clients are still connected");
    assert!(!log.iter().any(late), "{log:?}");
    drop((silent, half));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_under_load_loses_no_request_inside_tls() {
    let gate = Gate::new();
    let scripted = gate.clone();
    let reply = move |request: &Request| match wants_stream(request) {
        true => gated_stream(&scripted),
        false => answer("x"),
    };
    let upstream = Upstream::handler(reply).await;
    let authority = Authority::new();
    let current = gateway(TLS, &authority, &upstream).await;
    let addr = current.addr();
    let mut client = Client::tls(addr, &authority, H2_OR_HTTP1).await.unwrap();
    let mut stream = ask(&mut client, &streamed_question()).stream().await;
    stream.until("one").await;
    let traffic = Traffic::new().tls(3, addr, &authority);
    let next = current.start_upgrade();
    next.wait_log(|line| line.contains("No incoming socket transfer"))
        .await;
    current.signal(Signal::SIGQUIT);
    next.ready().await;
    current.wait_log(|line| line.contains("finishing ")).await;
    gate.open();
    let whole = stream.rest().await;
    assert!(whole.complete);
    assert_eq!(whole.text(), gated_bytes());
    drop(client);
    assert_eq!(current.wait_exit().await.code(), Some(0));
    let before = upstream.requests().len();
    upstream.request(before + 20).await;
    let seen = traffic.stop().await;
    assert!(seen.failures.is_empty(), "{:?}", seen.failures);
    assert!(seen.served > 20 && seen.moved > 0, "{seen:?}");
}
