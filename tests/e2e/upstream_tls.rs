//! Providers behind TLS, over HTTP/1.1 and HTTP/2; names.

use http::Version;

use crate::chat::{
    answer, answered, ask, config, config_trusting, end, event, gated_bytes, gated_stream,
    question, streamed_question, text,
};
use crate::support::Task;
use crate::support::certs::Authority;
use crate::support::client::Client;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::reply::{Reply, Step};
use crate::support::upstream::Upstream;
use crate::support::within;

async fn gateway(upstream: &Upstream) -> Gateway {
    let yaml = config_trusting(&upstream.ca_pem(), &[("a", &upstream.url(), "")]);
    Gateway::start(&yaml).await
}

#[tokio::test]
async fn http2_is_spoken_where_it_is_offered() {
    for (builder, version) in [
        (Upstream::always(answer("x")).tls(), Version::HTTP_2),
        (
            Upstream::always(answer("x")).tls().http1_only(),
            Version::HTTP_11,
        ),
    ] {
        let upstream = builder.await;
        let gateway = gateway(&upstream).await;
        let mut client = Client::connect(gateway.addr()).await;
        for n in 0..3 {
            assert_eq!(text(&ask(&mut client, &question()).send().await), "x");
            assert_eq!(upstream.request(n).await.version, version);
        }
        assert_eq!(upstream.connections(), 1);
        let request = upstream.request(0).await;
        let authority = upstream.url().replace("https://", "");
        let host = if version == Version::HTTP_2 {
            ":authority"
        } else {
            "host"
        };
        assert_eq!(request.header(host), Some(&*authority));
        assert!(request.header("connection").is_none() || version == Version::HTTP_11);
    }
}

#[tokio::test]
async fn requests_at_the_same_time_share_an_http2_connection() {
    let gate = Gate::new();
    let upstream = Upstream::always(gated_stream(&gate)).tls().await;
    let gateway = gateway(&upstream).await;
    let addr = gateway.addr();
    let mut streams = Vec::new();
    for n in 0..20 {
        streams.push(Task(tokio::spawn(async move {
            let mut client = Client::connect(addr).await;
            ask(&mut client, &streamed_question()).send().await
        })));
        upstream.request(n).await;
    }
    assert_eq!(upstream.connections(), 1);
    gate.open();
    for mut stream in streams {
        let whole = within("a stream to end", &mut stream.0).await.unwrap();
        assert!(whole.complete);
        assert_eq!(whole.text(), gated_bytes());
    }
}

#[tokio::test]
async fn a_certificate_has_to_be_trusted_and_for_the_host() {
    let good = Upstream::always(answer("good")).await;
    let (known, unknown) = (Authority::new(), Authority::new());
    let strange = Upstream::always(answer("strange")).tls_by(&unknown).await;
    let wrong = Upstream::always(answer("wrong"))
        .tls_by(&known)
        .wrong_host()
        .await;
    for bad in [&strange, &wrong] {
        let accounts = [
            ("bad", &*bad.url(), "priority: 1"),
            ("good", &good.url(), ""),
        ];
        let gateway = Gateway::start(&config_trusting(&known.ca_pem(), &accounts)).await;
        assert_eq!(text(&answered(&gateway).await), "good");
        gateway
            .wait_log(|line| line.contains("WARN") && line.contains("account bad: "))
            .await;
        assert!(bad.requests().is_empty());
        assert!(bad.refused_handshakes() > 0);
        let only = config_trusting(&known.ca_pem(), &accounts[..1]);
        let gateway = Gateway::start(&format!("request-retry: 0\n{only}")).await;
        assert_eq!(answered(&gateway).await.status, 503);
    }
}

#[tokio::test]
async fn streams_come_piece_by_piece_over_http2() {
    let gate = Gate::new();
    let upstream = Upstream::always(gated_stream(&gate)).tls().await;
    let gateway = gateway(&upstream).await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut stream = ask(&mut client, &streamed_question()).stream().await;
    stream.until("one").await;
    gate.open();
    let whole = stream.rest().await;
    assert!(whole.complete);
    assert_eq!(whole.text(), gated_bytes());
    assert_eq!(upstream.request(0).await.version, Version::HTTP_2);
}

#[tokio::test]
async fn five_megabytes_go_both_ways_over_http2() {
    let long = "long ".repeat(1_000_000);
    let reply = long.clone();
    let upstream = Upstream::handler(move |_| answer(&reply)).tls().await;
    let gateway = gateway(&upstream).await;
    let mut question = question();
    question["messages"][0]["content"] = long.clone().into();
    for http2 in [false, true] {
        let mut client = match http2 {
            true => Client::h2c(gateway.addr()).await,
            false => Client::connect(gateway.addr()).await,
        };
        assert!(text(&ask(&mut client, &question).send().await) == long);
    }
    for n in 0..2 {
        let request = upstream.request(n).await;
        assert_eq!(request.version, Version::HTTP_2);
        assert!(request.json() == question);
    }
}

#[tokio::test]
async fn a_limit_over_http2_moves_to_the_next_account_and_keeps_the_connection() {
    let limited = Reply::status(429).header("retry-after", "60");
    let upstream = Upstream::script([limited, answer("x")]).tls().await;
    let accounts = [("a", &*upstream.url(), ""), ("b", &upstream.url(), "")];
    let gateway = Gateway::start(&config_trusting(&upstream.ca_pem(), &accounts)).await;
    assert_eq!(text(&answered(&gateway).await), "x");
    assert_eq!(text(&answered(&gateway).await), "x");
    assert_eq!(upstream.requests().len(), 3);
    assert!(upstream.connections() <= 2, "{}", upstream.connections());
}

#[tokio::test]
async fn a_stream_that_is_reset_over_http2_ends_with_an_error_event() {
    let gate = Gate::new();
    let reply = Reply::sse([event("one")]).then(&gate).then(Step::Reset);
    let upstream = Upstream::always(reply).tls().await;
    let gateway = gateway(&upstream).await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut stream = ask(&mut client, &streamed_question()).stream().await;
    stream.until("one").await;
    gate.open();
    let broken = stream.rest().await;
    assert_eq!(broken.status, 200);
    assert!(broken.complete);
    assert!(
        broken.text().starts_with(&event("one")),
        "{}",
        broken.text()
    );
    assert!(broken.text().contains("\"error\""), "{}", broken.text());
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn what_fails_before_the_first_content_over_http2_is_asked_again() {
    for broken in [
        Reply::reset_before_header(),
        Reply::status(200).first(Step::Close),
        Reply::sse([": hello\n\n"]).then(Step::Reset),
        Reply::sse([": hello\n\n"]).then(Step::Close),
    ] {
        let good = Reply::sse([event("one"), event("two"), end()]);
        let script = Upstream::script([good.clone(), broken, good]).exhausted_is_failure();
        let upstream = script.tls().await;
        let accounts = [("a", &*upstream.url(), ""), ("b", &upstream.url(), "")];
        let gateway = Gateway::start(&config_trusting(&upstream.ca_pem(), &accounts)).await;
        for requests in [1, 3] {
            let mut client = Client::connect(gateway.addr()).await;
            let whole = ask(&mut client, &streamed_question()).send().await;
            assert_eq!(whole.text(), gated_bytes());
            assert_eq!(upstream.requests().len(), requests);
        }
    }
}

#[tokio::test]
async fn an_http2_connection_that_the_provider_closes_is_no_failure() {
    let upstream = Upstream::script([
        answer("one"),
        Reply::status(200).first(Step::Close),
        answer("two"),
    ])
    .tls()
    .await;
    let gateway = gateway(&upstream).await;
    let mut client = Client::connect(gateway.addr()).await;
    for said in ["one", "two"] {
        assert_eq!(text(&ask(&mut client, &question()).send().await), said);
    }
    assert_eq!(upstream.connections(), 2);
    let log = gateway.log();
    assert!(!log.iter().any(|line| line.contains(" rests ")), "{log:?}");
}

#[tokio::test]
async fn a_host_without_an_address_makes_way_and_localhost_has_one() {
    let upstream = Upstream::always(answer("x")).await;
    let near = format!("http://localhost:{}", upstream.addr().port());
    let accounts = [
        ("lost", "https://provider.invalid", "priority: 1"),
        ("near", &*near, ""),
    ];
    let gateway = Gateway::start(&config(&accounts)).await;
    assert_eq!(text(&answered(&gateway).await), "x");
    let lost = "account lost: cannot resolve provider.invalid";
    gateway.wait_log(|line| line.contains(lost)).await;
    let request = upstream.request(0).await;
    let host = near.replace("http://", "");
    assert_eq!(request.header("host"), Some(&*host));
    let only = config(&accounts[..1]);
    let gateway = Gateway::start(&format!("request-retry: 0\n{only}")).await;
    assert_eq!(answered(&gateway).await.status, 503);
}
