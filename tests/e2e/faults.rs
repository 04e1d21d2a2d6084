//! An attempt that fails before its first content is taken to another key, unseen; when no key is
//! left, the client is told in its own format.

use serde_json::json;

use crate::dialect::{Dialect, Mode, account};
use crate::support::certs::Authority;
use crate::support::client::Client;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::{Reply, Step};
use crate::support::upstream::Upstream;

/// What the client hears when nobody is left to try.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Limited,
    Unavailable,
}

/// What HTTP/2 has no way to do.
const ONLY_HTTP1: [&str; 5] = [
    "another protocol",
    "a document cut where only the connection ends it",
    "no HTTP",
    "broken chunks",
    "hints before a 503",
];

/// What the provider speaks.
#[derive(Clone, Copy, Debug)]
enum Wire {
    Http1,
    Http2,
}

/// One way to fail.
struct Fault {
    name: &'static str,
    mode: Mode,
    reply: Reply,
    told: Told,
}

fn faults(dialect: Dialect) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name, mode, reply, told| {
        faults.push(Fault {
            name,
            mode,
            reply,
            told,
        });
    };
    use Mode::{Stream, Whole};
    use Told::{Limited, Unavailable};
    let refusal = |status, class| dialect.refusal(status, class, "no");
    for mode in [Whole, Stream] {
        add("429", mode, refusal(429, "rate_limit_error"), Limited);
        add("500", mode, refusal(500, "api_error"), Unavailable);
        add(
            "reset before the header",
            mode,
            Reply::reset_before_header(),
            Unavailable,
        );
    }
    add("408", Whole, refusal(408, "timeout"), Unavailable);
    add("502", Stream, refusal(502, "bad_gateway"), Unavailable);
    add("503", Whole, refusal(503, "unavailable"), Unavailable);
    add("529", Stream, refusal(529, "overloaded_error"), Unavailable);
    add(
        "401",
        Whole,
        refusal(401, "authentication_error"),
        Unavailable,
    );
    add("403", Stream, refusal(403, "permission_error"), Unavailable);
    add("402", Whole, refusal(402, "billing_error"), Limited);
    add("quota", Stream, refusal(429, "insufficient_quota"), Limited);
    add(
        "empty 429",
        Stream,
        Reply::status(429).header("retry-after", "90"),
        Limited,
    );
    add("empty 500", Whole, Reply::status(500), Unavailable);
    add(
        "empty 503 in chunks",
        Whole,
        Reply::status(503).chunked(),
        Unavailable,
    );
    add(
        "empty 401 until close",
        Whole,
        Reply::status(401).until_close(),
        Unavailable,
    );
    let page = Reply::content_length_body("<html>Bad gateway</html>").with_status(502);
    add(
        "a page",
        Whole,
        page.header("content-type", "text/html"),
        Unavailable,
    );
    let closed = Reply::status(200).first(Step::Close);
    add("closed before the header", Stream, closed, Unavailable);
    let cut = refusal(429, "rate_limit_error")
        .declared_length(5_000)
        .then(Step::Reset);
    add("429 whose body is cut", Whole, cut, Limited);

    let garbage = || Reply::raw("220 mail.example ESMTP\r\n\r\n").then(Step::Close);
    add("no HTTP", Whole, garbage(), Unavailable);
    let framing = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                   transfer-encoding: chunked\r\n\r\nzz\r\n";
    let broken = Reply::raw(framing).then(Step::Close);
    add("broken chunks", Stream, broken, Unavailable);
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n\
                 HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}";
    add("hints before a 503", Stream, Reply::raw(hints), Unavailable);
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nxx";
    let upgraded = Reply::raw(upgrade).then(&Gate::new());
    add("another protocol", Whole, upgraded, Unavailable);
    for (mode, status) in [(Whole, 302), (Stream, 308)] {
        let moved = Reply::status(status).header("location", "http://elsewhere.example/");
        add("a redirect", mode, moved, Unavailable);
    }
    add("204", Stream, Reply::status(204), Unavailable);

    let none: [&str; 0] = [];
    add(
        "reset after the header",
        Stream,
        Reply::sse(none).then(Step::Reset),
        Unavailable,
    );
    add(
        "closed after the header",
        Stream,
        Reply::sse(none).then(Step::Close),
        Unavailable,
    );
    add("a stream of nothing", Stream, Reply::sse(none), Unavailable);
    let nothing = Reply::content_length_body("").header("content-type", "text/event-stream");
    add("a stream of length 0", Stream, nothing, Unavailable);
    let prelude = || Reply::sse([dialect.prelude()]);
    add(
        "reset before content",
        Stream,
        prelude().then(Step::Reset),
        Unavailable,
    );
    add(
        "closed before content",
        Stream,
        prelude().then(Step::Close),
        Unavailable,
    );
    add("ended before content", Stream, prelude(), Unavailable);
    let half = dialect.says("half an event");
    let half = Reply::sse([dialect.prelude(), half[..half.len() / 2].to_owned()]);
    add(
        "cut in the first content",
        Stream,
        half.then(Step::Close),
        Unavailable,
    );
    let error = || dialect.overloaded_event();
    add(
        "an error event first",
        Stream,
        Reply::sse([error()]),
        Unavailable,
    );
    let late = Reply::sse([dialect.prelude(), error()]);
    add("an error event before content", Stream, late, Unavailable);

    let document = dialect.document("a whole answer").to_string();
    let (start, length) = (document[..document.len() / 2].to_owned(), document.len());
    let cut = |reply: Reply| reply.header("content-type", "application/json");
    let short = Reply::content_length_body(start.clone()).declared_length(length as u64);
    add(
        "a document cut by FIN",
        Whole,
        cut(short.clone()).then(Step::Close),
        Unavailable,
    );
    add(
        "a document cut by RST",
        Whole,
        cut(short).then(Step::Reset),
        Unavailable,
    );
    let unframed = Reply::content_length_body(start.clone()).until_close();
    add(
        "a document cut where only the connection ends it",
        Whole,
        cut(unframed),
        Unavailable,
    );
    let nothing = Reply::content_length_body("");
    add(
        "an empty document",
        Whole,
        cut(nothing.clone()),
        Unavailable,
    );
    add(
        "an empty document in chunks",
        Whole,
        cut(nothing.chunked()),
        Unavailable,
    );
    let chunked = Reply::content_length_body(start)
        .chunked()
        .then(Step::Close);
    add(
        "a document cut between chunks",
        Whole,
        cut(chunked),
        Unavailable,
    );

    match dialect {
        Dialect::Gemini => {
            let body = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT",
                "message": "API key not valid. Please pass a valid API key.",
                "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID"}]}});
            add(
                "a key that is no key",
                Whole,
                Reply::json(400, body),
                Unavailable,
            );
        }
        Dialect::Claude => {
            let message = "Your credit balance is too low to access the Anthropic API.";
            let poor = dialect.refusal(400, "invalid_request_error", message);
            add("no credit", Stream, poor, Limited);
        }
        Dialect::Chat | Dialect::Responses => {}
    }
    faults
}

/// Each fault at an upstream of its own, all behind one gateway.
async fn arrange(
    dialect: Dialect,
    keys: &[&str],
    wire: Wire,
) -> (Gateway, Vec<(String, Fault, Upstream)>) {
    let authority = Authority::new();
    let mut entries = Vec::new();
    let mut cases = Vec::new();
    // HTTP/2 tells the end of a body itself.
    let can_be = |fault: &Fault| match wire {
        Wire::Http1 => true,
        Wire::Http2 => !ONLY_HTTP1.contains(&fault.name),
    };
    for (n, fault) in faults(dialect).into_iter().filter(can_be).enumerate() {
        let model = format!("model-{n}");
        let script = [fault.reply.clone(), dialect.answer(fault.mode)];
        let upstream = match wire {
            Wire::Http1 => Upstream::script(script).await,
            Wire::Http2 => Upstream::script(script).tls_by(&authority).await,
        };
        for (k, key) in keys.iter().enumerate() {
            let name = format!("a{n}-{k}");
            let models = format!("models: [{model}]");
            entries.push(account(&name, key, &upstream.url(), &models));
        }
        cases.push((model, fault, upstream));
    }
    let ca = authority.ca_pem();
    let settings = format!("request-retry: 0\nupstream-ca: {}", ca.display());
    let gateway = Gateway::start(&dialect.config(&settings, &entries)).await;
    (gateway, cases)
}

async fn a_second_key_serves(dialect: Dialect, wire: Wire) {
    let keys = [UPSTREAM_KEY_A, UPSTREAM_KEY_B];
    let (gateway, cases) = arrange(dialect, &keys, wire).await;
    let mut client = Client::connect(gateway.addr()).await;
    for (model, fault, upstream) in &cases {
        let response = dialect.request(&mut client, model, fault.mode).send().await;
        let what = format!("{dialect:?}, {}: {response:?}", fault.name);
        assert_eq!(response.status, 200, "{what}");
        assert!(response.complete, "{what}");
        assert_eq!(response.text(), dialect.answer_text(fault.mode), "{what}");
        assert_eq!(response.header("x-aiproxy-error"), None, "{what}");

        let requests = upstream.requests();
        let shown: Vec<_> = requests.iter().map(|one| dialect.key_of(one)).collect();
        assert_eq!(shown, keys, "{what}");
        assert_eq!(requests[0].body, requests[1].body, "{what}");
        assert_eq!(requests[0].target, requests[1].target, "{what}");
    }
}

async fn the_last_key_s_failure_is_told(dialect: Dialect, wire: Wire) {
    let (gateway, cases) = arrange(dialect, &[UPSTREAM_KEY_A], wire).await;
    for (model, fault, upstream) in &cases {
        let mut client = Client::connect(gateway.addr()).await;
        let response = dialect.request(&mut client, model, fault.mode).send().await;
        let what = format!("{dialect:?}, {}: {response:?}", fault.name);
        let (status, class, code) = match fault.told {
            Told::Limited => dialect.limited(),
            Told::Unavailable => dialect.unavailable(),
        };
        dialect.assert_told(&response, status, class, code);
        assert!(response.header("retry-after").is_some(), "{what}");
        assert_eq!(upstream.requests().len(), 1, "{what}");
    }
    let wait = |name| cases.iter().find(|(_, fault, _)| fault.name == name);
    let (model, fault, _) = wait("empty 429").unwrap();
    let mut client = Client::connect(gateway.addr()).await;
    let response = dialect.request(&mut client, model, fault.mode).send().await;
    let seconds: u32 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((20..=90).contains(&seconds), "{dialect:?}: {response:?}");
}

#[tokio::test]
async fn chat_a_second_key_serves_whatever_became_of_the_first() {
    a_second_key_serves(Dialect::Chat, Wire::Http1).await;
}

#[tokio::test]
async fn responses_a_second_key_serves_whatever_became_of_the_first() {
    a_second_key_serves(Dialect::Responses, Wire::Http1).await;
}

#[tokio::test]
async fn claude_a_second_key_serves_whatever_became_of_the_first() {
    a_second_key_serves(Dialect::Claude, Wire::Http1).await;
}

#[tokio::test]
async fn gemini_a_second_key_serves_whatever_became_of_the_first() {
    a_second_key_serves(Dialect::Gemini, Wire::Http1).await;
}

#[tokio::test]
async fn chat_clients_are_told_when_no_key_is_left() {
    the_last_key_s_failure_is_told(Dialect::Chat, Wire::Http1).await;
}

#[tokio::test]
async fn responses_clients_are_told_when_no_key_is_left() {
    the_last_key_s_failure_is_told(Dialect::Responses, Wire::Http1).await;
}

#[tokio::test]
async fn claude_clients_are_told_when_no_key_is_left() {
    the_last_key_s_failure_is_told(Dialect::Claude, Wire::Http1).await;
}

#[tokio::test]
async fn gemini_clients_are_told_when_no_key_is_left() {
    the_last_key_s_failure_is_told(Dialect::Gemini, Wire::Http1).await;
}

#[tokio::test]
async fn a_second_key_serves_when_the_provider_speaks_http2() {
    a_second_key_serves(Dialect::Claude, Wire::Http2).await;
}

#[tokio::test]
async fn clients_are_told_when_the_provider_speaks_http2() {
    the_last_key_s_failure_is_told(Dialect::Claude, Wire::Http2).await;
}
