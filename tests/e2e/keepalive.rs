//! Keep-alives: what a client gets while a provider is silent, and what may still become of its
//! request after the first one.

use std::time::Duration;

use futures::future::join_all;

use crate::dialect::{Dialect, Mode, account};
use crate::support::client::Client;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::{Reply, Step};
use crate::support::upstream::Upstream;

const SETTINGS: &str = "streaming: {keepalive-seconds: 0.1}\nrequest-retry: 0";
/// Long enough for several keep-alives.
const SILENCE: Duration = Duration::from_millis(450);

/// A gateway in front of `upstream`, one account for each of `keys`.
async fn start(dialect: Dialect, upstream: &Upstream, keys: &[&str], settings: &str) -> Gateway {
    let entry = |(n, key): (usize, &&str)| account(&format!("a{n}"), key, &upstream.url(), "");
    let entries: Vec<_> = keys.iter().enumerate().map(entry).collect();
    Gateway::start(&dialect.config(settings, &entries)).await
}

/// How many keep-alives `text` begins with, and what follows them.
fn pings(dialect: Dialect, mut text: &str) -> (usize, &str) {
    let mut count = 0;
    while let Some(rest) = text.strip_prefix(dialect.ping()) {
        text = rest;
        count += 1;
    }
    (count, text)
}

#[tokio::test]
async fn a_silent_provider_is_bridged_before_its_first_byte() {
    for dialect in Dialect::KEPT_ALIVE {
        for h2 in [false, true] {
            let gate = Gate::new();
            let reply = dialect.answer(Mode::Stream).first(&gate);
            let upstream = Upstream::always(reply).await;
            let gateway = start(dialect, &upstream, &[UPSTREAM_KEY_A], SETTINGS).await;
            let mut client = match h2 {
                false => Client::connect(gateway.addr()).await,
                true => Client::h2c(gateway.addr()).await,
            };
            let request = dialect.request(&mut client, dialect.model(), Mode::Stream);
            let mut stream = request.stream().await;
            assert_eq!(stream.status, 200);
            let kind = stream.headers.get("content-type").unwrap();
            assert!(kind.starts_with("text/event-stream"), "{kind}");
            assert!(stream.headers.get("x-request-id").is_some());
            stream.until(&dialect.ping().repeat(2)).await;
            gate.open();
            let response = stream.rest().await;
            assert!(response.complete);
            let (count, rest) = pings(dialect, response.text());
            assert!(count >= 2);
            assert_eq!(
                rest,
                dialect.answer_text(Mode::Stream),
                "{dialect:?}, h2: {h2}"
            );
            assert_eq!(upstream.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn the_connection_serves_the_next_request_after_keep_alives() {
    let dialect = Dialect::Claude;
    let late = dialect.answer(Mode::Stream).first(SILENCE);
    let upstream = Upstream::script([late, dialect.answer(Mode::Whole)]).await;
    let gateway = start(dialect, &upstream, &[UPSTREAM_KEY_A], SETTINGS).await;
    let mut client = Client::connect(gateway.addr()).await;
    for mode in [Mode::Stream, Mode::Whole] {
        let response = dialect
            .request(&mut client, dialect.model(), mode)
            .send()
            .await;
        assert!(response.complete && response.status == 200, "{response:?}");
        assert!(response.text().ends_with(&dialect.answer_text(mode)));
    }
}

#[tokio::test]
async fn gemini_clients_and_whole_answers_get_none() {
    for dialect in Dialect::ALL {
        let script = [Mode::Whole, Mode::Stream].map(|mode| dialect.answer(mode).first(SILENCE));
        let upstream = Upstream::script(script).await;
        let gateway = start(dialect, &upstream, &[UPSTREAM_KEY_A], SETTINGS).await;
        let mut client = Client::connect(gateway.addr()).await;
        for mode in [Mode::Whole, Mode::Stream] {
            let request = dialect.request(&mut client, dialect.model(), mode);
            let response = request.send().await;
            let (count, rest) = pings(dialect, response.text());
            let wanted = mode == Mode::Stream && dialect != Dialect::Gemini;
            assert_eq!(count > 0, wanted, "{dialect:?} {mode:?}");
            assert_eq!(rest, dialect.answer_text(mode));
        }
    }
}

#[tokio::test]
async fn they_fall_between_whole_events() {
    for dialect in Dialect::KEPT_ALIVE {
        let (gate, next) = (Gate::new(), dialect.says("two"));
        let (half, rest) = next.split_at(next.len() / 2);
        let reply = Reply::sse([dialect.prelude() + &dialect.says("one") + half])
            .then(&gate)
            .then(rest)
            .then(dialect.finale());
        let upstream = Upstream::always(reply).await;
        let gateway = start(dialect, &upstream, &[UPSTREAM_KEY_A], SETTINGS).await;
        let mut client = Client::connect(gateway.addr()).await;
        let request = dialect.request(&mut client, dialect.model(), Mode::Stream);
        let mut stream = request.stream().await;
        stream.until(&dialect.ping().repeat(3)).await;
        gate.open();
        let response = stream.rest().await;
        let first = dialect.prelude() + &dialect.says("one");
        let text = response
            .text()
            .strip_prefix(&first)
            .expect("the first events");
        let (_, rest) = pings(dialect, text);
        assert_eq!(rest, next + &dialect.finale(), "{dialect:?}");
    }
}

/// A provider that sends, but nothing that may pass: to the client it is as silent as the others.
#[tokio::test]
async fn they_go_out_while_a_provider_sends_nothing_that_may_pass() {
    let dialect = Dialect::Claude;
    let event = dialect.says("a long event that comes in small pieces");
    let pieces = |reply: Reply, pieces: &[&str]| {
        let pace = Duration::from_millis(60);
        pieces
            .iter()
            .fold(reply, |reply, piece| reply.then(pace).then(*piece))
    };
    let quiet = [dialect.ping(); 15];
    let slow: Vec<_> = (0..15)
        .map(|n| &event[n * event.len() / 15..(n + 1) * event.len() / 15])
        .collect();
    let start_of = |text: String| Reply::sse([text]);
    let begun = dialect.prelude() + &dialect.says("one");
    for (name, reply, before, after) in [
        (
            "quiet events",
            pieces(start_of(dialect.prelude()), &quiet),
            String::new(),
            None,
        ),
        (
            "an event in pieces",
            pieces(start_of(begun.clone()), &slow),
            begun,
            Some(&event),
        ),
    ] {
        let gate = Gate::new();
        let upstream = Upstream::always(reply.then(&gate).then(dialect.finale())).await;
        let gateway = start(dialect, &upstream, &[UPSTREAM_KEY_A], SETTINGS).await;
        let mut client = Client::connect(gateway.addr()).await;
        let request = dialect.request(&mut client, dialect.model(), Mode::Stream);
        let mut stream = request.stream().await;
        // While the pieces come, which takes 0.9 seconds.
        let wanted = before + &dialect.ping().repeat(4);
        let early = tokio::select! {
            _ = stream.until(&wanted) => true,
            () = gate.reached() => false,
        };
        assert!(early, "{name}: no keep-alives while the provider sent");
        gate.open();
        let response = stream.rest().await;
        assert!(response.complete, "{name}");
        let text = response.text().strip_suffix(&dialect.finale()).expect(name);
        assert!(
            after.is_none_or(|event| text.ends_with(event.as_str())),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_retry_after_keep_alives_is_invisible() {
    let none: [&str; 0] = [];
    let cases = Dialect::KEPT_ALIVE.into_iter().flat_map(|dialect| {
        let held = Reply::sse([dialect.prelude()]).then(SILENCE);
        let document = Reply::json(200, dialect.document("no"));
        let limited = dialect.refusal(429, "rate_limit_error", "no");
        [
            ("429", limited.first(SILENCE)),
            ("empty 500", Reply::status(500).first(SILENCE)),
            (
                "reset",
                Reply::status(200).first(SILENCE).first(Step::Reset),
            ),
            ("no stream", document.first(SILENCE)),
            ("nothing", Reply::sse(none).first(SILENCE)),
            ("cut", held.clone().then(Step::Reset)),
            ("error event", held.then(dialect.overloaded_event())),
        ]
        .map(|(name, reply)| retried(dialect, name, reply))
    });
    join_all(cases).await;
}

async fn retried(dialect: Dialect, name: &str, reply: Reply) {
    let upstream = Upstream::script([reply, dialect.answer(Mode::Stream)]).await;
    let keys = [UPSTREAM_KEY_A, UPSTREAM_KEY_B];
    let gateway = start(dialect, &upstream, &keys, SETTINGS).await;
    let mut client = Client::connect(gateway.addr()).await;
    let request = dialect.request(&mut client, dialect.model(), Mode::Stream);
    let response = request.send().await;
    let what = format!("{dialect:?}, {name}: {response:?}");
    assert!(response.status == 200 && response.complete, "{what}");
    let (count, rest) = pings(dialect, response.text());
    assert!(count > 0, "{what}");
    assert_eq!(rest, dialect.answer_text(Mode::Stream), "{what}");
    let requests = upstream.requests();
    let shown: Vec<_> = requests.iter().map(|one| dialect.key_of(one)).collect();
    assert_eq!(shown, keys, "{what}");
}

#[tokio::test]
async fn a_failure_after_keep_alives_is_told_in_the_stream() {
    let cases = Dialect::KEPT_ALIVE.into_iter().flat_map(|dialect| {
        let (limited, unavailable) = (dialect.limited(), dialect.unavailable());
        let refusal = dialect.refusal(429, "rate_limit_error", "no");
        let cut = Reply::sse([dialect.prelude()])
            .then(SILENCE)
            .then(Step::Reset);
        [
            (refusal.first(SILENCE), limited),
            (Reply::status(500).first(SILENCE), unavailable),
            (cut, unavailable),
        ]
        .into_iter()
        .flat_map(move |(reply, told)| {
            [false, true].map(|h2| told_in_stream(dialect, h2, reply.clone(), told))
        })
    });
    join_all(cases).await;
}

async fn told_in_stream(
    dialect: Dialect,
    h2: bool,
    reply: Reply,
    (_, class, code): (u16, &str, &str),
) {
    let upstream = Upstream::always(reply).await;
    let gateway = start(dialect, &upstream, &[UPSTREAM_KEY_A], SETTINGS).await;
    let mut client = match h2 {
        false => Client::connect(gateway.addr()).await,
        true => Client::h2c(gateway.addr()).await,
    };
    let request = dialect.request(&mut client, dialect.model(), Mode::Stream);
    let response = request.send().await;
    let what = format!("{dialect:?}, h2: {h2}: {response:?}");
    assert!(response.status == 200 && response.complete, "{what}");
    let before = dialect.before_error(response.text(), class, code);
    let (count, rest) = pings(dialect, before);
    assert!(count > 0 && rest.is_empty(), "{what}");
    assert_eq!(upstream.requests().len(), 1, "{what}");
}

#[tokio::test]
async fn the_clients_own_error_after_keep_alives_is_told_in_the_stream() {
    for dialect in Dialect::KEPT_ALIVE {
        let message = "max_tokens: must be at least 1";
        let reply = dialect
            .refusal(400, "invalid_request_error", message)
            .first(SILENCE);
        let upstream = Upstream::always(reply).await;
        let gateway = start(dialect, &upstream, &[UPSTREAM_KEY_A], SETTINGS).await;
        let mut client = Client::connect(gateway.addr()).await;
        let request = dialect.request(&mut client, dialect.model(), Mode::Stream);
        let response = request.send().await;
        assert!(response.complete, "{dialect:?}: {response:?}");
        let (count, rest) = pings(dialect, response.text());
        assert!(count > 0, "{dialect:?}: {response:?}");
        assert!(rest.contains(message), "{dialect:?}: {response:?}");
        assert!(
            rest.contains("\"invalid_request_error\""),
            "{dialect:?}: {response:?}"
        );
        assert_eq!(upstream.requests().len(), 1);
    }
}

#[tokio::test]
async fn they_go_out_between_rounds() {
    for dialect in Dialect::KEPT_ALIVE {
        let refusal = dialect.refusal(500, "api_error", "no");
        let upstream = Upstream::script([refusal, dialect.answer(Mode::Stream)]).await;
        let settings =
            "streaming: {keepalive-seconds: 0.1}\nrequest-retry: 1\ncooldown: {min: 0.5}";
        let gateway = start(dialect, &upstream, &[UPSTREAM_KEY_A], settings).await;
        let mut client = Client::connect(gateway.addr()).await;
        let request = dialect.request(&mut client, dialect.model(), Mode::Stream);
        let response = request.send().await;
        let (count, rest) = pings(dialect, response.text());
        assert!(count > 0, "{dialect:?}: {response:?}");
        assert_eq!(
            rest,
            dialect.answer_text(Mode::Stream),
            "{dialect:?}: {response:?}"
        );
        assert_eq!(upstream.requests().len(), 2);
    }
}
