//! What requests cost: in the header of answers, and in the ledger.

use ai_proxy::state::sql::{Database, DatabaseUrl};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::dialect::{Dialect, Mode, account};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::keys::UPSTREAM_KEY_A;
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

const PRICE: &str =
    "input: 3, cache-read: 0.3, cache-write: 3.75, output: 15, reasoning: 20, request: 0.001";

/// A whole answer that used 1,000 tokens of input, 300 of them cached and, where that is told, 200 written
/// to the cache, and 60 of output, 40 of them reasoning.
fn answer(upstream: Dialect) -> Value {
    let mut document = upstream.document("fine");
    match upstream {
        Dialect::Chat => {
            document["usage"] = json!({
                "prompt_tokens": 1000, "completion_tokens": 60, "total_tokens": 1060,
                "prompt_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 200},
                "completion_tokens_details": {"reasoning_tokens": 40},
            });
        }
        Dialect::Responses => {
            document["usage"] = json!({
                "input_tokens": 1000, "output_tokens": 60, "total_tokens": 1060,
                "input_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 200},
                "output_tokens_details": {"reasoning_tokens": 40},
            });
        }
        Dialect::Claude => {
            document["usage"] = json!({
                "input_tokens": 500, "cache_read_input_tokens": 300,
                "cache_creation_input_tokens": 200, "output_tokens": 60,
                "output_tokens_details": {"thinking_tokens": 40},
            });
        }
        Dialect::Gemini => {
            document["usageMetadata"] = json!({
                "promptTokenCount": 1000, "cachedContentTokenCount": 300,
                "candidatesTokenCount": 20, "thoughtsTokenCount": 40, "totalTokenCount": 1060,
            });
        }
    }
    document
}

/// 500 × 3 + 300 × 0.30 + 200 × 3.75 + 20 × 15 + 40 × 20 dollars a million, and 0.001 for the request;
/// Gemini does not tell what was written to a cache.
fn wanted(upstream: Dialect) -> &'static str {
    match upstream {
        Dialect::Gemini => "0.00429",
        _ => "0.00444",
    }
}

fn config(upstream: Dialect, url: &str, price: &str) -> String {
    let entry = account("a", UPSTREAM_KEY_A, url, "models: [{id: real, alias: m}]");
    upstream.config(&format!("prices: [{{model: real, {price}}}]"), &[entry])
}

async fn upstream(dialect: Dialect) -> Upstream {
    Upstream::handler(move |request| {
        // OpenAI speaks both.
        let dialect = match &*request.target {
            "/v1/responses" => Dialect::Responses,
            "/v1/chat/completions" => Dialect::Chat,
            _ => dialect,
        };
        let streams = request.target.contains("stream") || request.json()["stream"] == true;
        match streams {
            true => dialect.answer(Mode::Stream),
            false => Reply::json(200, answer(dialect)),
        }
    })
    .await
}

/// Cost, price and status of what is in the ledger of a gateway that ends now.
async fn ledger(gateway: &Gateway) -> Vec<(Option<i64>, Option<String>, i64)> {
    gateway.signal(Signal::SIGTERM);
    gateway.wait_exit().await;
    let path = gateway.directory().join("data/ai-proxy.db");
    let database = Database::new(DatabaseUrl::file(path));
    let sql = "SELECT cost_nano_dollars, price_version, status FROM request_logs ORDER BY time, id";
    let rows = database.rows(sql, Vec::new()).await.unwrap();
    rows.into_iter()
        .map(|row| {
            let version = row.maybe_text(1).unwrap();
            (row.maybe_int(0).unwrap(), version, row.int(2).unwrap())
        })
        .collect()
}

#[tokio::test]
async fn an_answer_says_what_it_cost_to_who_asks_in_every_pair_of_formats() {
    for provider in Dialect::ALL {
        let upstream = upstream(provider).await;
        let gateway = Gateway::start(&config(provider, &upstream.url(), PRICE)).await;
        let mut client = Client::connect(gateway.addr()).await;
        for dialect in Dialect::ALL {
            let what = format!("{dialect:?} to {provider:?}");
            for (asked, mode, told) in [
                (Some("true"), Mode::Whole, Some(wanted(provider))),
                (Some("false"), Mode::Whole, None),
                (None, Mode::Whole, None),
                (Some("true"), Mode::Stream, None),
            ] {
                let mut request = dialect.request(&mut client, "m", mode);
                if let Some(asked) = asked {
                    request = request.header("x-aiproxy-cost", asked);
                }
                let response = request.send().await;
                assert_eq!(response.status, 200, "{what}: {}", response.text());
                assert_eq!(response.header("x-aiproxy-cost"), told, "{what} {asked:?}");
            }
        }
        let rows = ledger(&gateway).await;
        let whole = |cost: &Option<i64>| *cost == Some(nano(wanted(provider)));
        let count = rows.iter().filter(|(cost, ..)| whole(cost)).count();
        assert_eq!((rows.len(), count), (16, 12), "{provider:?} {rows:?}");
        for (cost, version, _) in rows {
            assert!(cost.is_some(), "streams are priced too, estimated or not");
            assert!(version.unwrap().starts_with("config-"));
        }
    }
}

/// `0.00444` dollars in billionths.
fn nano(dollars: &str) -> i64 {
    let (whole, rest) = dollars.split_once('.').unwrap();
    format!("{whole}{rest:0<9}").parse().unwrap()
}

#[tokio::test]
async fn a_price_that_changes_is_for_what_comes_later() {
    let dialect = Dialect::Claude;
    let upstream = upstream(dialect).await;
    let gateway = Gateway::start(&config(dialect, &upstream.url(), PRICE)).await;
    let ask = async || {
        let mut client = Client::connect(gateway.addr()).await;
        let request = dialect.request(&mut client, "m", Mode::Whole);
        let response = request.header("x-aiproxy-cost", "true").send().await;
        response.header("x-aiproxy-cost").map(str::to_owned)
    };
    assert_eq!(ask().await.as_deref(), Some("0.00444"));
    for (price, told) in [
        ("input: 0, output: 0", Some("0")),
        ("input: 1", Some("0.001")),
    ] {
        let before = gateway
            .log()
            .iter()
            .filter(|line| line.contains("config reloaded"))
            .count();
        gateway.write_config(&config(dialect, &upstream.url(), price));
        gateway
            .wait_lines(before + 1, |line| line.contains("config reloaded"))
            .await;
        assert_eq!(ask().await.as_deref(), told);
    }
    // Without a price of its own, and none that is shipped.
    let before = gateway
        .log()
        .iter()
        .filter(|line| line.contains("config reloaded"))
        .count();
    let unknown =
        config(dialect, &upstream.url(), "input: 1").replace("model: real", "model: other");
    gateway.write_config(&unknown);
    gateway
        .wait_lines(before + 1, |line| line.contains("config reloaded"))
        .await;
    assert_eq!(ask().await, None);

    let rows = ledger(&gateway).await;
    let costs: Vec<_> = rows.iter().map(|(cost, ..)| *cost).collect();
    assert_eq!(costs, [Some(4_440_000), Some(0), Some(1_000_000), None]);
    let versions: std::collections::BTreeSet<_> = rows.iter().map(|(_, one, _)| one).collect();
    assert_eq!(versions.len(), 4, "three prices, and none");
}

#[tokio::test]
async fn another_word_is_refused_and_a_providers_own_header_does_not_pass() {
    let dialect = Dialect::Chat;
    let spoofed = Reply::json(200, dialect.document("fine")).header("x-aiproxy-cost", "9");
    let upstream = Upstream::always(spoofed).await;
    let gateway = Gateway::start(&config(dialect, &upstream.url(), PRICE)).await;
    let mut client = Client::connect(gateway.addr()).await;
    let request = dialect.request(&mut client, "m", Mode::Whole);
    let refused = request.header("x-aiproxy-cost", "yes").send().await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.header("x-aiproxy-error"), Some("invalid_header"));
    let mut client = Client::connect(gateway.addr()).await;
    let request = dialect.request(&mut client, "m", Mode::Whole);
    assert_eq!(request.send().await.header("x-aiproxy-cost"), None);
    let sent = upstream.request(0).await;
    assert_eq!(sent.header("x-aiproxy-cost"), None);
}
