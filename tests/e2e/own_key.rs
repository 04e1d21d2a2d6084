//! Clients that bring their own key for a provider.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::ask::Ask;
use crate::support::client::{Client, Key, RequestBuilder, Response};
use crate::support::gateway::Gateway;
use crate::support::keys::{
    CLIENT_KEY, CLIENT_KEY_B, OWN_KEY, UNKNOWN_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B,
};
use crate::support::reply::Reply;
use crate::support::upstream::{Request, Upstream};
use crate::support::websocket::{Scene, Server, dial, echo};

const KEYS: [&str; 3] = ["authorization", "x-api-key", "x-goog-api-key"];

fn ok() -> Reply {
    Reply::json(200, json!({"ok": true}))
}

/// One entry at each provider that takes clients' keys.
async fn open(settings: &str, upstream: &Upstream) -> Gateway {
    let mut yaml = format!("{settings}\nrequest-retry: 0\n");
    for list in ["claude-api-key", "openai-api-key", "gemini-api-key"] {
        let url = upstream.url();
        yaml += &format!(
            "{list}: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{url}', allow-client-keys: true}}]\n"
        );
    }
    Gateway::start(&yaml).await
}

fn clients() -> String {
    format!("api-keys: [{CLIENT_KEY}, {{key: {CLIENT_KEY_B}, models: ['other-*']}}]")
}

fn own(ask: Ask, client: &mut Client) -> RequestBuilder<'_> {
    let request = client.request("POST", &ask.path(ask.model()));
    let request = request.header("x-aiproxy-key", CLIENT_KEY);
    request.key(ask.key(OWN_KEY))
}

async fn asked(ask: Ask, client: &mut Client) -> Response {
    own(ask, client).body(ask.body(ask.model())).send().await
}

/// The credentials of an upstream request, none of which is the gateway's.
fn credentials(request: &Request) -> Vec<String> {
    assert!(!format!("{request:?}").contains(CLIENT_KEY));
    let named = |name: &&str| Some(format!("{name}: {}", request.header(name)?));
    KEYS.iter().filter_map(named).collect()
}

#[tokio::test]
async fn a_key_goes_to_its_provider_in_the_providers_way() {
    let upstream = Upstream::always(ok()).await;
    let gateway = open(&clients(), &upstream).await;
    let mut client = Client::connect(gateway.addr()).await;
    for (ask, want) in Ask::ALL.into_iter().zip([
        "authorization: Bearer ",
        "authorization: Bearer ",
        "x-api-key: ",
        "x-goog-api-key: ",
    ]) {
        assert_eq!(asked(ask, &mut client).await.status, 200, "{ask:?}");
        let sent = upstream.requests().pop().unwrap();
        assert_eq!(credentials(&sent), [format!("{want}{OWN_KEY}")]);
        assert_eq!(sent.header("x-aiproxy-key"), None);
        // Without one, the operator's.
        let request = client.request("POST", &ask.path(ask.model()));
        let request = request.header("x-aiproxy-key", CLIENT_KEY);
        let response = request.body(ask.body(ask.model())).send().await;
        assert_eq!(response.status, 200, "{ask:?}");
        let sent = upstream.requests().pop().unwrap();
        assert_eq!(credentials(&sent), [format!("{want}{UPSTREAM_KEY_A}")]);
        // The gateway's key where a provider's would be is none.
        assert_eq!(ask.send(&mut client, ask.model()).await.status, 200);
        let sent = upstream.requests().pop().unwrap();
        assert_eq!(credentials(&sent), [format!("{want}{UPSTREAM_KEY_A}")]);
    }
    gateway
        .wait_lines(4, |line| line.contains("own_key=true"))
        .await;
}

#[tokio::test]
async fn a_token_stays_one_and_a_query_becomes_a_header() {
    let upstream = Upstream::always(ok()).await;
    let gateway = open(&clients(), &upstream).await;
    let mut client = Client::connect(gateway.addr()).await;
    let gemini = Ask::Gemini.path(Ask::Gemini.model());
    let query = format!("{gemini}?key={OWN_KEY}&alt=json");
    for (ask, path, key, want) in [
        (
            Ask::Messages,
            "/v1/messages",
            Key::Bearer(OWN_KEY.into()),
            "authorization: Bearer ",
        ),
        (
            Ask::Gemini,
            &*gemini,
            Key::Bearer(OWN_KEY.into()),
            "authorization: Bearer ",
        ),
        (Ask::Gemini, &query, Key::None, "x-goog-api-key: "),
        (
            Ask::Chat,
            "/v1/chat/completions",
            Key::Anthropic(OWN_KEY.into()),
            "authorization: Bearer ",
        ),
    ] {
        let request = client.request("POST", path).key(key);
        let request = request.header("x-aiproxy-key", CLIENT_KEY);
        let response = request.body(ask.body(ask.model())).send().await;
        assert_eq!(response.status, 200, "{path} {response:?}");
        let sent = upstream.requests().pop().unwrap();
        assert_eq!(credentials(&sent), [format!("{want}{OWN_KEY}")]);
        assert!(!sent.target.contains(OWN_KEY));
    }
}

#[tokio::test]
async fn a_translated_request_takes_the_key_along() {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1}});
    let no = json!({"type": "error", "error": {"type": "authentication_error", "message": "no"}});
    let replies = [Reply::json(200, message), Reply::json(401, no)];
    let upstream = Upstream::script(replies).await;
    let gateway = open(&clients(), &upstream).await;
    let mut client = Client::connect(gateway.addr()).await;
    for status in [200, 401] {
        let request = client.request("POST", "/v1/chat/completions");
        let request = request
            .header("x-aiproxy-key", CLIENT_KEY)
            .key(OWN_KEY)
            .json(&json!({"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "x"}]}));
        let response = request.send().await;
        assert_eq!(response.status, status, "{response:?}");
        let sent = upstream.requests().pop().unwrap();
        assert_eq!(sent.target, "/v1/messages");
        assert_eq!(credentials(&sent), [format!("x-api-key: {OWN_KEY}")]);
        if status == 401 {
            assert!(response.json()["error"]["message"].is_string());
        }
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_told_and_harms_nobody_else() {
    for (status, streamed) in [401, 402, 403, 429]
        .into_iter()
        .flat_map(|status| [(status, false), (status, true)])
    {
        let no = Reply::json(
            status,
            json!({"error": {"message": "their own", "type": "x"}}),
        );
        let upstream =
            Upstream::handler(
                move |request| match credentials(request)[0].contains(OWN_KEY) {
                    true => no.clone().header("retry-after", "7"),
                    false => ok(),
                },
            )
            .await;
        let gateway = open(&clients(), &upstream).await;
        let mut client = Client::connect(gateway.addr()).await;
        for _ in 0..2 {
            let response = match streamed {
                false => asked(Ask::Chat, &mut client).await,
                true => {
                    let request = client.request("POST", "/v1/files").key(OWN_KEY);
                    let request = request.header("x-aiproxy-key", CLIENT_KEY);
                    let request = request.header("x-provider", "openai");
                    request.upload(["a", "b"]).send().await
                }
            };
            assert_eq!(response.status, status);
            assert_eq!(response.json()["error"]["message"], "their own");
            assert_eq!(response.header("retry-after"), Some("7"));
        }
        assert_eq!(upstream.requests().len(), 2, "each was tried once");
        Ask::Chat.is_served(&mut client).await;
        assert!(!gateway.log().iter().any(|line| line.contains("rests")));
    }
}

#[tokio::test]
async fn an_account_that_rests_still_takes_a_clients_key() {
    let upstream = Upstream::handler(|request| match credentials(request)[0].contains(OWN_KEY) {
        true => ok(),
        false => Reply::json(401, json!({"error": {"message": "ours", "type": "x"}})),
    })
    .await;
    let gateway = open(&clients(), &upstream).await;
    for _ in 0..2 {
        let mut client = Client::connect(gateway.addr()).await;
        let refused = Ask::Chat.send(&mut client, Ask::Chat.model()).await;
        assert_eq!(refused.status, 503);
    }
    let mut client = Client::connect(gateway.addr()).await;
    assert_eq!(asked(Ask::Chat, &mut client).await.status, 200);
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn it_goes_to_no_other_entry() {
    for reply in [
        Reply::json(500, json!({"error": {}})),
        Reply::reset_before_header(),
        Reply::json(401, json!({"error": {}})),
    ] {
        let (theirs, ours) = (Upstream::always(reply).await, Upstream::always(ok()).await);
        let gateway = Gateway::start(&format!(
            "{}\nrequest-retry: 1\ncooldown: {{min: 0.01}}\nopenai-api-key:\n\
             - {{api-key: {UPSTREAM_KEY_A}, base-url: '{}', priority: 9}}\n\
             - {{base-url: '{}', allow-client-keys: true}}\n\
             openai-compatibility:\n\
             - {{name: other, base-url: '{}', allow-client-keys: true, models: [gpt-5]}}\n\
             routes: [{{model: 'gpt-*', providers: [openai, other]}}]\n",
            clients(),
            ours.url(),
            theirs.url(),
            ours.url(),
        ))
        .await;
        let mut client = Client::connect(gateway.addr()).await;
        let response = asked(Ask::Chat, &mut client).await;
        assert!(response.status >= 401, "{response:?}");
        assert!(ours.requests().is_empty());
        let sent = theirs.requests();
        assert!(!sent.is_empty());
        for request in sent {
            assert_eq!(
                credentials(&request),
                [format!("authorization: Bearer {OWN_KEY}")]
            );
        }
        let tries = theirs.requests().len();
        let mut client = Client::connect(gateway.addr()).await;
        Ask::Chat.is_served(&mut client).await;
        assert_eq!(theirs.requests().len(), tries, "it has no key of its own");
        assert_eq!(
            credentials(&ours.request(0).await),
            [format!("authorization: Bearer {UPSTREAM_KEY_A}")]
        );
    }
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let upstream = Upstream::always(ok()).await;
    let url = upstream.url();
    let gateway = Gateway::start(&format!(
        "{}\nopenai-api-key: [{{base-url: '{url}', allow-client-keys: true}}]\n\
         claude-api-key: [{{api-key: {UPSTREAM_KEY_B}, base-url: '{url}'}}]\n",
        clients()
    ))
    .await;
    for (gateway_key, own, ask, status, code) in [
        (UNKNOWN_KEY, OWN_KEY, Ask::Chat, 401, "invalid_api_key"),
        ("", OWN_KEY, Ask::Chat, 401, "invalid_api_key"),
        (
            CLIENT_KEY,
            OWN_KEY,
            Ask::Messages,
            403,
            "client_key_not_allowed",
        ),
        (CLIENT_KEY, "", Ask::Chat, 401, "client_key_required"),
        (
            CLIENT_KEY,
            CLIENT_KEY_B,
            Ask::Chat,
            401,
            "client_key_required",
        ),
        (CLIENT_KEY, "sk-\u{e9}", Ask::Chat, 401, "invalid_api_key"),
        (CLIENT_KEY_B, OWN_KEY, Ask::Chat, 403, "model_not_allowed"),
    ] {
        let mut client = Client::connect(gateway.addr()).await;
        let request = client.request("POST", &ask.path(ask.model()));
        let request = request
            .header("x-aiproxy-key", gateway_key)
            .key(ask.key(own));
        let response = request.body(ask.body(ask.model())).send().await;
        ask.assert_error(&response, status, code);
    }
    let mut client = Client::connect(gateway.addr()).await;
    let request = client
        .request("POST", &Ask::Chat.path("gpt-5"))
        .key(OWN_KEY);
    let response = request.body(Ask::Chat.body("gpt-5")).send().await;
    Ask::Chat.assert_error(&response, 401, "invalid_api_key");
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn where_no_key_is_asked_for_the_usual_header_is_the_providers() {
    let upstream = Upstream::always(ok()).await;
    let url = upstream.url();
    let gateway = Gateway::start(&format!(
        "openai-api-key: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{url}', allow-client-keys: true}}]\n\
         claude-api-key: [{{api-key: {UPSTREAM_KEY_B}, base-url: '{url}'}}]\n",
    ))
    .await;
    let mut client = Client::connect(gateway.addr()).await;
    for (ask, key, want) in [
        (
            Ask::Chat,
            OWN_KEY,
            format!("authorization: Bearer {OWN_KEY}"),
        ),
        (
            Ask::Chat,
            "",
            format!("authorization: Bearer {UPSTREAM_KEY_A}"),
        ),
        (
            Ask::Messages,
            OWN_KEY,
            format!("x-api-key: {UPSTREAM_KEY_B}"),
        ),
    ] {
        let request = client
            .request("POST", &ask.path(ask.model()))
            .key(ask.key(key));
        let response = request.body(ask.body(ask.model())).send().await;
        assert_eq!(response.status, 200, "{ask:?} {response:?}");
        assert_eq!(credentials(&upstream.requests().pop().unwrap()), [want]);
    }
}

#[tokio::test]
async fn a_websocket_takes_the_key_along() {
    let server = Server::start(&[Scene::Echo]).await;
    let gateway = Gateway::start(&format!(
        "{}\nopenai-api-key: [{{base-url: '{}', allow-client-keys: true}}]\n",
        clients(),
        server.url()
    ))
    .await;
    let bearer = format!("Bearer {OWN_KEY}");
    let protocols = format!("realtime, openai-insecure-api-key.{OWN_KEY}");
    for own in [
        ("authorization", &*bearer),
        ("sec-websocket-protocol", &*protocols),
    ] {
        let headers = [("x-aiproxy-key", CLIENT_KEY), own];
        let path = "/v1/realtime?model=gpt-realtime";
        let (mut client, _) = dial(gateway.addr(), path, &headers).await.unwrap();
        assert!(echo(&mut client, Message::text("x")).await.is_some());
        let asked = server.asked().pop().unwrap();
        assert_eq!(asked.headers()["authorization"], bearer);
        assert!(!asked.headers().contains_key("x-aiproxy-key"));
        let protocols = asked.headers().get("sec-websocket-protocol");
        assert!(protocols.is_none_or(|protocols| protocols == "realtime"));
    }
}
