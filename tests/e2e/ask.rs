//! What the suites about clients ask: one request in each format, and how an error must look in it.

use crate::support::client::{Client, Key, RequestBuilder, Response};
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

/// The format that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Chat,
    Responses,
    Messages,
    Gemini,
}

impl Ask {
    pub const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Messages, Self::Gemini];
    /// Those that name the model in the body.
    pub const IN_BODY: [Self; 3] = [Self::Chat, Self::Responses, Self::Messages];

    /// A model that its provider has.
    pub fn model(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses => "gpt-5",
            Self::Messages => "claude-sonnet-4-5",
            Self::Gemini => "gemini-2.5-pro",
        }
    }

    /// The list of the config that its provider stands in.
    pub fn list(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses => "openai-api-key",
            Self::Messages => "claude-api-key",
            Self::Gemini => "gemini-api-key",
        }
    }

    pub fn path(self, model: &str) -> String {
        match self {
            Self::Chat => "/v1/chat/completions".into(),
            Self::Responses => "/v1/responses".into(),
            Self::Messages => "/v1/messages".into(),
            Self::Gemini => format!("/v1beta/models/{model}:generateContent"),
        }
    }

    /// A body with spacing, numbers and decoys that a parser would not keep.
    pub fn body(self, model: &str) -> String {
        let turns = match self {
            Self::Chat => r#""messages" : [ {"role":"user","content":"model \"up\" \u00e9"} ]"#,
            Self::Responses => "\"input\" : \"hi\"",
            Self::Messages => r#""max_tokens":9, "messages":[{"role":"user","content":"hi"}]"#,
            Self::Gemini => {
                return "{ \"contents\" :[{\"parts\":[{\"text\":\"hi\"}]}] ,\"n\":1.0}\n".into();
            }
        };
        let decoys = r#""meta":{"model":"nested"},"n":1.0,"list":[{"model":"deep"}]"#;
        format!("{{ {turns},\n\t\"model\" : \"{model}\" , {decoys} }} \n")
    }

    pub fn key(self, key: &str) -> Key {
        match self {
            Self::Chat | Self::Responses => Key::Bearer(key.into()),
            Self::Messages => Key::Anthropic(key.into()),
            Self::Gemini => Key::Gemini(key.into()),
        }
    }

    /// A request without a body.
    pub fn bare<'a>(self, client: &'a mut Client, model: &str) -> RequestBuilder<'a> {
        let request = client.request("POST", &self.path(model));
        request.key(self.key(CLIENT_KEY))
    }

    pub async fn send(self, client: &mut Client, model: &str) -> Response {
        let body = self.body(model);
        self.bare(client, model).body(body).send().await
    }

    /// That the next request on this connection is served.
    pub async fn is_served(self, client: &mut Client) {
        let response = self.send(client, self.model()).await;
        assert_eq!(response.status, 200, "{self:?} {response:?}");
    }

    /// That this is an error of the gateway in this format.
    pub fn assert_error(self, response: &Response, status: u16, code: &str) {
        assert_eq!(response.status, status, "{self:?} {response:?}");
        assert_eq!(
            response.header("x-aiproxy-error"),
            Some(code),
            "{response:?}"
        );
        assert_eq!(response.header("content-type"), Some("application/json"));
        let id = response.header("x-request-id").expect("a request id");
        let document = response.json();
        let error = &document["error"];
        assert!(error["message"].as_str().is_some_and(|text| text.len() > 5));
        match self {
            Self::Chat | Self::Responses => {
                assert!(error["type"].is_string() && error.get("param").is_some());
                assert!(error.get("code").is_some(), "{document}");
            }
            Self::Messages => {
                assert_eq!(document["type"], "error", "{document}");
                assert!(error["type"].is_string(), "{document}");
                assert_eq!(document["request_id"], id);
                assert_eq!(response.header("request-id"), Some(id));
            }
            Self::Gemini => {
                assert_eq!(error["code"], status, "{document}");
                assert!(error["status"].is_string(), "{document}");
            }
        }
    }
}

/// An upstream that is every provider, and a gateway in front of it.
pub struct Bench {
    pub upstream: Upstream,
    pub gateway: Gateway,
}

impl Bench {
    /// Everything is answered with `{"ok":true}`; `settings` are more lines of the config.
    pub async fn new(settings: &str) -> Self {
        let ok = Reply::json(200, serde_json::json!({"ok": true}));
        Self::with(settings, Upstream::always(ok).await).await
    }

    pub async fn with(settings: &str, upstream: Upstream) -> Self {
        let gateway = Gateway::start(&every_provider(settings, &upstream.url())).await;
        Self { upstream, gateway }
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.gateway.addr()).await
    }
}

/// A config with one account at each provider.
pub fn every_provider(settings: &str, url: &str) -> String {
    let mut yaml = format!("{settings}\n");
    if !settings.contains("api-keys:") {
        yaml += &format!("api-keys: [{CLIENT_KEY}]\n");
    }
    for list in ["claude-api-key", "openai-api-key", "gemini-api-key"] {
        yaml += &format!("{list}: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{url}'}}]\n");
    }
    yaml
}
