//! Limits of time: connecting, the first byte, silence inside an answer, the whole request; for all
//! accounts and for one.

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::dialect::{Dialect, Mode, account};
use crate::support::client::{Client, Response};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

/// What a client of one account hears, and how long it takes.
async fn asked(
    dialect: Dialect,
    mode: Mode,
    upstream: &Upstream,
    settings: &str,
    entry: &str,
) -> (Response, Duration) {
    let only = account("a", UPSTREAM_KEY_A, &upstream.url(), entry);
    let settings = format!("request-retry: 0\n{settings}");
    let gateway = Gateway::start(&dialect.config(&settings, &[only])).await;
    let mut client = Client::connect(gateway.addr()).await;
    let begun = Instant::now();
    let request = dialect.request(&mut client, dialect.model(), mode);
    (request.send().await, begun.elapsed())
}

const SHORT: &str = "timeouts: {first-byte: 0.2, connect: 0.2}";

#[tokio::test]
async fn a_provider_that_does_not_begin_to_answer_in_time_is_a_504() {
    let cases = Dialect::ALL.map(|dialect| async move {
        for mode in [Mode::Whole, Mode::Stream] {
            for (settings, entry) in [(SHORT, ""), ("", SHORT)] {
                let upstream = Upstream::always(Reply::silence()).await;
                let (response, took) = asked(dialect, mode, &upstream, settings, entry).await;
                let (status, class, code) = dialect.timed_out("upstream_timeout");
                dialect.assert_told(&response, status, class, code);
                assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(10));
                upstream.cancelled(0).await;
            }
        }
    });
    join_all(cases).await;
}

#[tokio::test]
async fn a_provider_that_only_announces_an_answer_is_a_504() {
    let cases = Dialect::ALL.map(|dialect| async move {
        let hint = "HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n";
        let reply = (0..600).fold(Reply::raw(hint), |reply, _| {
            reply.then(Duration::from_millis(50)).then(hint)
        });
        let upstream = Upstream::always(reply).await;
        let (response, took) = asked(dialect, Mode::Stream, &upstream, SHORT, "").await;
        let (status, class, code) = dialect.timed_out("upstream_timeout");
        dialect.assert_told(&response, status, class, code);
        assert!(took < Duration::from_secs(10), "{took:?}");
        upstream.cancelled(0).await;
    });
    join_all(cases).await;
}

#[tokio::test]
async fn an_answer_that_stops_before_its_content_is_a_504() {
    let cases = Dialect::ALL.map(|dialect| async move {
        let document = dialect.document("a whole answer").to_string();
        let half = Reply::content_length_body(document[..20].to_owned())
            .declared_length(document.len() as u64)
            .header("content-type", "application/json");
        let prelude = Reply::sse([dialect.prelude()]);
        for (mode, reply) in [(Mode::Whole, half), (Mode::Stream, prelude)] {
            let upstream = Upstream::always(reply.then(&Gate::new())).await;
            let settings = "timeouts: {idle: 0.2}";
            let (response, _) = asked(dialect, mode, &upstream, settings, "").await;
            let (status, class, code) = dialect.timed_out("upstream_timeout");
            dialect.assert_told(&response, status, class, code);
            upstream.cancelled(0).await;
        }
    });
    join_all(cases).await;
}

#[tokio::test]
async fn a_silent_provider_is_passed_over() {
    for dialect in Dialect::ALL {
        let script = [Reply::silence(), dialect.answer(Mode::Stream)];
        let upstream = Upstream::script(script).await;
        let entries = [("a", UPSTREAM_KEY_A), ("b", UPSTREAM_KEY_B)]
            .map(|(name, key)| account(name, key, &upstream.url(), ""));
        let settings = format!("request-retry: 0\n{SHORT}");
        let gateway = Gateway::start(&dialect.config(&settings, &entries)).await;
        let mut client = Client::connect(gateway.addr()).await;
        let request = dialect.request(&mut client, dialect.model(), Mode::Stream);
        let response = request.send().await;
        assert_eq!(
            response.text(),
            dialect.answer_text(Mode::Stream),
            "{response:?}"
        );
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_altogether_is_a_504() {
    let cases = Dialect::ALL.map(|dialect| async move {
        let silent = Upstream::always(Reply::silence()).await;
        let refusal = dialect.refusal(500, "api_error", "no");
        let failing = Upstream::always(refusal).await;
        // While it waits for the provider, and while it waits for the next round.
        for (upstream, rounds) in [(&silent, 0), (&failing, 3)] {
            let only = account("a", UPSTREAM_KEY_A, &upstream.url(), "");
            let settings =
                format!("request-retry: {rounds}\ntimeouts: {{total: 0.4}}\ncooldown: {{min: 5}}");
            let gateway = Gateway::start(&dialect.config(&settings, &[only])).await;
            for mode in [Mode::Whole, Mode::Stream] {
                let mut client = Client::connect(gateway.addr()).await;
                let begun = Instant::now();
                let request = dialect.request(&mut client, dialect.model(), mode);
                let response = request.send().await;
                let (status, class, code) = dialect.timed_out("request_timeout_total");
                dialect.assert_told(&response, status, class, code);
                assert!(begun.elapsed() < Duration::from_secs(10));
            }
        }
        silent.cancelled(1).await;
    });
    join_all(cases).await;
}

#[tokio::test]
async fn a_stream_that_takes_too_long_altogether_ends_in_an_error_event() {
    let cases = Dialect::ALL.map(|dialect| async move {
        let begun = dialect.prelude() + &dialect.says("one");
        // It never stops for long.
        let pace = Duration::from_millis(50);
        let reply = (0..100).fold(Reply::sse([begun.clone()]), |reply, _| {
            reply.then(pace).then(dialect.says("more"))
        });
        let upstream = Upstream::always(reply).await;
        let settings = "timeouts: {total: 0.6, idle: 0.3}";
        let (response, took) = asked(dialect, Mode::Stream, &upstream, settings, "").await;
        assert!(response.status == 200 && response.complete, "{response:?}");
        assert!(took < Duration::from_secs(10));
        let (_, class, code) = dialect.timed_out("request_timeout_total");
        let before = dialect.before_error(response.text(), class, code);
        let more = before.strip_prefix(&begun).expect("the first events");
        assert_eq!(more.replace(&dialect.says("more"), ""), "");
        upstream.cancelled(0).await;
    });
    join_all(cases).await;
}

/// Nobody answers there: the kernel's queue of a listener that never accepts is full.
#[tokio::test]
async fn a_provider_that_cannot_be_connected_to_in_time_is_passed_over() {
    let listener = tokio::net::TcpSocket::new_v4().unwrap();
    listener.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = listener.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(tcp) = tokio::time::timeout(
        Duration::from_millis(300),
        tokio::net::TcpStream::connect(addr),
    )
    .await
    {
        queue.push(tcp.unwrap());
    }
    let dialect = Dialect::Claude;
    let upstream = Upstream::always(dialect.answer(Mode::Whole)).await;
    let entries = [
        account(
            "a",
            UPSTREAM_KEY_A,
            &format!("http://{addr}"),
            "timeouts: {connect: 0.3}, priority: 1",
        ),
        account("b", UPSTREAM_KEY_B, &upstream.url(), ""),
    ];
    let gateway = Gateway::start(&dialect.config("request-retry: 0", &entries)).await;
    let mut client = Client::connect(gateway.addr()).await;
    let begun = Instant::now();
    let request = dialect.request(&mut client, dialect.model(), Mode::Whole);
    assert_eq!(request.send().await.status, 200);
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_secs(10),
        "{took:?}"
    );
}
