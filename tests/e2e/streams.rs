//! Streams that have begun: whole ones pass byte for byte, broken ones end in an error of the
//! client's format.

use std::fs;
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;

use crate::dialect::{Dialect, Mode, account};
use crate::support::client::Client;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::{Reply, Step};
use crate::support::upstream::Upstream;

/// The recorded streams of a format, by name.
fn recorded(dialect: Dialect) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let folder = folder.join(dialect.fixtures()).join("streams");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() > 4);
    files
}

/// Longest recording that is sent byte by byte.
const SMALL: usize = 8_000;

async fn recordings_pass_untouched(dialect: Dialect) {
    let mut script = Vec::new();
    let mut wanted = Vec::new();
    for (name, body) in recorded(dialect) {
        // One is refused before any content, one is cut: neither is an answer.
        if matches!(
            &*name,
            "vai-openai-error-1.sse" | "auth-truncated-no-finish.sse"
        ) {
            continue;
        }
        let array = name.ends_with(".json");
        let kind = if array {
            "application/json"
        } else {
            "text/event-stream"
        };
        for size in [1, 7, usize::MAX] {
            if size == 1 && body.len() > SMALL {
                continue;
            }
            let reply = Reply::sse([body.clone()]).header("content-type", kind);
            script.push(reply.in_pieces_of(size));
            wanted.push((name.clone(), array, size, body.clone()));
        }
    }
    let upstream = Upstream::script(script).exhausted_is_failure().await;
    // Some recordings end in an error, which rests an account.
    let settings = "cooldown: {min: 0.001, max: 0.001}";
    let keys = [UPSTREAM_KEY_A, UPSTREAM_KEY_B];
    let entry = |key: &&str| account(&key[key.len() - 1..], key, &upstream.url(), "");
    let entries: Vec<_> = keys.iter().map(entry).collect();
    let gateway = Gateway::start(&dialect.config(settings, &entries)).await;
    let mut client = Client::connect(gateway.addr()).await;
    for (n, (name, array, size, body)) in wanted.iter().enumerate() {
        let request = match array {
            false => dialect.request(&mut client, dialect.model(), Mode::Stream),
            true => array_request(&mut client, dialect.model()),
        };
        let response = request.send().await;
        let what = format!("{name} in pieces of {size}");
        assert!(
            response.status == 200 && response.complete,
            "{what}: {response:?}"
        );
        assert!(response.body == body[..], "{what}: {}", response.text());
        assert_eq!(upstream.requests().len(), n + 1, "{what}");
    }
}

/// A Gemini stream without `alt=sse`.
fn array_request<'a>(
    client: &'a mut Client,
    model: &str,
) -> crate::support::client::RequestBuilder<'a> {
    let path = format!("/v1beta/models/{model}:streamGenerateContent");
    let body = Dialect::Gemini.body(model, Mode::Stream);
    client
        .request("POST", &path)
        .key(Dialect::Gemini.key())
        .json(&body)
}

#[tokio::test]
async fn recorded_chat_streams_pass_byte_for_byte() {
    recordings_pass_untouched(Dialect::Chat).await;
}

#[tokio::test]
async fn recorded_responses_streams_pass_byte_for_byte() {
    recordings_pass_untouched(Dialect::Responses).await;
}

#[tokio::test]
async fn recorded_claude_streams_pass_byte_for_byte() {
    recordings_pass_untouched(Dialect::Claude).await;
}

#[tokio::test]
async fn recorded_gemini_streams_pass_byte_for_byte() {
    recordings_pass_untouched(Dialect::Gemini).await;
}

/// One account, no second round.
async fn single(dialect: Dialect, upstream: &Upstream, settings: &str) -> Gateway {
    let only = account("a", UPSTREAM_KEY_A, &upstream.url(), "");
    let settings = format!("request-retry: 0\ncooldown: {{min: 60}}\n{settings}");
    Gateway::start(&dialect.config(&settings, &[only])).await
}

/// What a broken stream has sent of its good part.
fn begun(dialect: Dialect) -> String {
    dialect.prelude() + &dialect.says("one") + &dialect.says("two")
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_in_an_error_event() {
    let cases = Dialect::ALL.into_iter().flat_map(|dialect| {
        let next = dialect.says("never whole");
        let half = begun(dialect) + &next[..next.len() / 2];
        let cases = [
            ("RST", begun(dialect), Some(Step::Reset)),
            ("FIN", begun(dialect), Some(Step::Close)),
            ("no terminal event", begun(dialect), None),
            ("RST inside an event", half.clone(), Some(Step::Reset)),
            ("FIN inside an event", half.clone(), Some(Step::Close)),
            ("the end inside an event", half, None),
        ];
        let both = |case: (_, String, _)| [(false, case.clone()), (true, case)];
        let cases = cases.into_iter().flat_map(both);
        cases.map(move |(h2, (name, sent, end))| cut(dialect, h2, name, sent, end))
    });
    join_all(cases).await;
}

async fn cut(dialect: Dialect, h2: bool, name: &str, sent: String, end: Option<Step>) {
    let gate = Gate::new();
    let reply = end
        .into_iter()
        .fold(Reply::sse([sent]).then(&gate), Reply::then);
    let upstream = Upstream::always(reply).await;
    let gateway = single(dialect, &upstream, "").await;
    let mut client = match h2 {
        false => Client::connect(gateway.addr()).await,
        true => Client::h2c(gateway.addr()).await,
    };
    let request = dialect.request(&mut client, dialect.model(), Mode::Stream);
    let mut stream = request.stream().await;
    stream.until(&begun(dialect)).await;
    gate.open();
    let response = stream.rest().await;
    let what = format!("{dialect:?}, {name}, h2: {h2}: {response:?}");
    assert!(response.status == 200 && response.complete, "{what}");
    let (class, code) = dialect.interrupted();
    let before = dialect.before_error(response.text(), class, code);
    assert_eq!(before, begun(dialect), "{what}");

    // The account takes it: the next client is told at once.
    let mut client = Client::connect(gateway.addr()).await;
    let request = dialect.request(&mut client, dialect.model(), Mode::Whole);
    let response = request.send().await;
    assert_eq!(
        response.status,
        dialect.unavailable().0,
        "{what}: {response:?}"
    );
    assert_eq!(upstream.requests().len(), 1, "{what}");
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_kept_alive_and_then_ended_with_an_error() {
    let cases = Dialect::ALL.map(|dialect| async move {
        let silent = Reply::sse([begun(dialect)]).then(Duration::from_secs(600));
        let upstream = Upstream::always(silent).await;
        let settings = "timeouts: {idle: 0.5}\nstreaming: {keepalive-seconds: 0.15}";
        let gateway = single(dialect, &upstream, settings).await;
        let mut client = Client::connect(gateway.addr()).await;
        let request = dialect.request(&mut client, dialect.model(), Mode::Stream);
        let response = request.send().await;
        let what = format!("{dialect:?}: {response:?}");
        assert!(response.status == 200 && response.complete, "{what}");
        let (_, class, code) = dialect.timed_out("stream_timeout");
        let before = dialect.before_error(response.text(), class, code);
        let pings = before.strip_prefix(&begun(dialect)).expect(&what);
        match dialect {
            Dialect::Gemini => assert_eq!(pings, "", "{what}"),
            _ => assert!(pings.starts_with(dialect.ping()), "{what}"),
        }
        assert_eq!(pings.replace(dialect.ping(), ""), "", "{what}");
        upstream.cancelled(0).await;
    });
    join_all(cases).await;
}

/// Streams `sent` to a client and then ends the upstream's connection so.
async fn ended(
    dialect: Dialect,
    sent: &str,
    end: Option<Step>,
    next: Reply,
) -> (Gateway, Upstream) {
    let gate = Gate::new();
    let reply = Reply::sse([sent]).then(&gate);
    let reply = end.iter().cloned().fold(reply, Reply::then);
    let upstream = Upstream::script([reply, next]).await;
    let gateway = single(dialect, &upstream, "").await;
    let mut client = Client::connect(gateway.addr()).await;
    let request = dialect.request(&mut client, dialect.model(), Mode::Stream);
    let mut stream = request.stream().await;
    stream.until(sent).await;
    gate.open();
    let response = stream.rest().await;
    let what = format!("{dialect:?}, {end:?}: {response:?}");
    assert!(response.status == 200 && response.complete, "{what}");
    assert_eq!(response.text(), sent, "{what}");
    (gateway, upstream)
}

const ENDS: [Option<Step>; 3] = [None, Some(Step::Reset), Some(Step::Close)];

#[tokio::test]
async fn the_providers_own_error_event_passes_once() {
    for dialect in Dialect::ALL {
        for end in ENDS {
            let sent = begun(dialect) + &dialect.overloaded_event();
            let next = dialect.answer(Mode::Whole);
            let (gateway, upstream) = ended(dialect, &sent, end, next).await;
            let mut client = Client::connect(gateway.addr()).await;
            let request = dialect.request(&mut client, dialect.model(), Mode::Whole);
            let response = request.send().await;
            assert_eq!(
                response.status,
                dialect.unavailable().0,
                "it rests: {response:?}"
            );
            assert_eq!(upstream.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_whole_stream_stays_whole_when_its_connection_does_not() {
    for dialect in Dialect::ALL {
        for end in ENDS {
            let next = dialect.answer(Mode::Whole);
            let (gateway, _upstream) = ended(dialect, &dialect.stream("fine"), end, next).await;
            let mut client = Client::connect(gateway.addr()).await;
            let request = dialect.request(&mut client, dialect.model(), Mode::Whole);
            assert_eq!(request.send().await.status, 200, "the account is well");
            let wrong = |line: &String| line.contains("internal");
            assert!(!gateway.log().iter().any(wrong), "{dialect:?}");
        }
    }
}

#[tokio::test]
async fn a_gemini_array_that_is_cut_is_still_an_array_and_ends_in_an_error() {
    let element = |text: &str| {
        let event = Dialect::Gemini.says(text);
        event.trim().strip_prefix("data: ").unwrap().to_owned()
    };
    let (one, two) = (element("one"), element("two"));
    let half = &two[..two.len() / 2];
    let last = r#"{"candidates":[{"content":{"parts":[{"text":"."}]},"finishReason":"STOP"}]}"#;
    let last = last.to_owned();
    for (name, pieces, passed, end, error) in [
        (
            "FIN",
            vec![format!("[{one}"), format!(",\r\n{two}")],
            &two,
            Step::Close,
            true,
        ),
        (
            "RST",
            vec![format!("[{one}"), format!(",\r\n{half}")],
            &one,
            Step::Reset,
            true,
        ),
        ("comma", vec![format!("[{one}\n,")], &one, Step::Close, true),
        (
            "after the last",
            vec![format!("[{one}"), format!(",{last}")],
            &last,
            Step::Close,
            false,
        ),
    ] {
        let gate = Gate::new();
        let reply = Reply::sse(pieces).header("content-type", "application/json");
        let upstream = Upstream::always(reply.then(&gate).then(end)).await;
        let gateway = single(Dialect::Gemini, &upstream, "").await;
        let mut client = Client::connect(gateway.addr()).await;
        let mut stream = array_request(&mut client, "gemini-2.5-pro").stream().await;
        stream.until(passed).await;
        gate.open();
        let response = stream.rest().await;
        assert!(
            response.status == 200 && response.complete,
            "{name}: {response:?}"
        );
        let elements: Vec<Value> = serde_json::from_slice(&response.body).expect(name);
        assert!(elements[0]["candidates"].is_array(), "{name}: {response:?}");
        let status = &elements.last().unwrap()["error"]["status"];
        assert_eq!(status == "INTERNAL", error, "{name}: {response:?}");
    }
}

#[tokio::test]
async fn what_waits_for_content_is_bounded() {
    for dialect in Dialect::ALL {
        let quiet = dialect.prelude().repeat(20);
        let gate = Gate::new();
        let reply = Reply::sse([quiet.clone()]).then(&gate).then(Step::Close);
        let upstream = Upstream::always(reply).await;
        let gateway = single(dialect, &upstream, "streaming: {hold-back: 1KiB}").await;
        let mut client = Client::connect(gateway.addr()).await;
        let request = dialect.request(&mut client, dialect.model(), Mode::Stream);
        let mut stream = request.stream().await;
        stream.until(&quiet).await;
        gate.open();
        let response = stream.rest().await;
        let (class, code) = dialect.interrupted();
        assert_eq!(dialect.before_error(response.text(), class, code), quiet);
    }
}
