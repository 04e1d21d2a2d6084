//! Responses that a provider has stored: only the account that made one can go on from it.

use serde_json::json;

use crate::dialect::{Dialect, Mode, account};
use crate::support::client::{Client, Key, Response};
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::Reply;
use crate::support::upstream::{Request, Upstream};

const DIALECT: Dialect = Dialect::Responses;

/// What tells the keys apart.
fn last(key: &str) -> char {
    key.chars().last().expect("a key")
}

/// A provider whose response ids name the key that made them.
async fn provider() -> Upstream {
    Upstream::handler(|request: &Request| {
        let key = last(&DIALECT.key_of(request));
        let mut document = DIALECT.document("fine");
        document["id"] = json!(format!("resp_{key}"));
        if !request.body.is_empty() && request.json()["stream"] == true {
            let stream = DIALECT.stream("fine");
            return Reply::sse([stream.replace("resp_1", &format!("resp_{key}"))]);
        }
        Reply::json(200, document)
    })
    .await
}

async fn ask(gateway: &Gateway, previous: Option<&str>, mode: Mode) -> Response {
    let mut client = Client::connect(gateway.addr()).await;
    let mut body = DIALECT.body(DIALECT.model(), mode);
    if let Some(previous) = previous {
        body["previous_response_id"] = json!(previous);
    }
    let request = client.request("POST", "/v1/responses").key(DIALECT.key());
    request.json(&body).send().await
}

#[tokio::test]
async fn a_stored_response_stays_with_the_account_that_made_it() {
    let provider = provider().await;
    let entries = [("a", UPSTREAM_KEY_A), ("b", UPSTREAM_KEY_B)];
    let entries = entries.map(|(name, key)| account(name, key, &provider.url(), ""));
    let other = "sk-client-other-0123456789";
    let yaml = DIALECT.config("", &entries);
    let yaml = yaml.replace(
        &format!("api-keys: [{CLIENT_KEY}]"),
        &format!("api-keys: [{CLIENT_KEY}, {other}]"),
    );
    let gateway = Gateway::start(&yaml).await;
    for mode in [Mode::Whole, Mode::Stream] {
        for _ in 0..2 {
            assert_eq!(ask(&gateway, None, mode).await.status, 200);
        }
        for key in [
            UPSTREAM_KEY_A,
            UPSTREAM_KEY_B,
            UPSTREAM_KEY_B,
            UPSTREAM_KEY_A,
        ] {
            let id = format!("resp_{}", last(key));
            assert_eq!(ask(&gateway, Some(&id), mode).await.status, 200);
            let by = |n: usize| {
                let requests = provider.requests();
                DIALECT.key_of(&requests[requests.len() - n])
            };
            assert_eq!(by(1), key);
            for (method, tail) in [("GET", ""), ("POST", "/cancel"), ("DELETE", "")] {
                let mut client = Client::connect(gateway.addr()).await;
                let path = format!("/v1/responses/{id}{tail}");
                let request = client.request(method, &path).key(DIALECT.key());
                assert_eq!(request.send().await.status, 200, "{method} {path}");
                assert_eq!(by(1), key);
                let asked = provider.requests().len();
                let request = client.request(method, &path).key(Key::Bearer(other.into()));
                let response = request.send().await;
                assert_eq!(response.status, 404, "another client's: {response:?}");
                assert_eq!(response.json()["error"]["code"], "response_not_found");
                assert_eq!(provider.requests().len(), asked);
            }
        }
    }
    let asked = provider.requests().len();
    let unknown = ask(&gateway, Some("resp_nobody"), Mode::Whole).await;
    assert_eq!(unknown.status, 400, "{unknown:?}");
    let error = unknown.json()["error"].clone();
    assert_eq!(error["code"], "previous_response_not_found");
    assert_eq!(error["param"], "previous_response_id");
    assert_eq!(provider.requests().len(), asked);
}

#[tokio::test]
async fn the_only_account_may_have_made_any_response() {
    let provider = provider().await;
    let entry = account("a", UPSTREAM_KEY_A, &provider.url(), "");
    let gateway = Gateway::start(&DIALECT.config("", &[entry])).await;
    assert_eq!(
        ask(&gateway, Some("resp_old"), Mode::Whole).await.status,
        200
    );
    let mut client = Client::connect(gateway.addr()).await;
    let request = client
        .request("GET", "/v1/responses/resp_old")
        .key(DIALECT.key());
    assert_eq!(request.send().await.status, 200);
}
