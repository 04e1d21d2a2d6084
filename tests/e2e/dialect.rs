//! The four formats as the suites speak them: what is asked and what a provider answers.
#![allow(
    unreachable_pub,
    reason = "a test binary has no outside; `pub` marks what suites may use"
)]

mod told;

use serde_json::{Value, json};

use crate::support::client::{Client, Key, RequestBuilder};
use crate::support::keys::CLIENT_KEY;
use crate::support::reply::Reply;
use crate::support::upstream::Request;

/// The format that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Chat,
    Responses,
    Claude,
    Gemini,
}

/// How the answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Whole,
    Stream,
}

impl Dialect {
    pub const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Claude, Self::Gemini];
    /// Those whose clients get keep-alives.
    pub const KEPT_ALIVE: [Self; 3] = [Self::Chat, Self::Responses, Self::Claude];

    /// A model that its provider has.
    pub fn model(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses => "gpt-5",
            Self::Claude => "claude-sonnet-4-5",
            Self::Gemini => "gemini-2.5-pro",
        }
    }

    /// The key of the config under which its accounts stand.
    pub fn list(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses => "openai-api-key",
            Self::Claude => "claude-api-key",
            Self::Gemini => "gemini-api-key",
        }
    }

    /// The folder of its recorded traffic.
    pub fn fixtures(self) -> &'static str {
        match self {
            Self::Chat => "openai-chat",
            Self::Responses => "openai-responses",
            Self::Claude => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// A config whose accounts are `entries` of this format's provider.
    pub fn config(self, settings: &str, entries: &[String]) -> String {
        let mut yaml = format!("api-keys: [{CLIENT_KEY}]\n{settings}\n{}:\n", self.list());
        for entry in entries {
            yaml += &format!("  - {{{entry}}}\n");
        }
        yaml
    }

    /// A request for `model`.
    pub fn request<'a>(
        self,
        client: &'a mut Client,
        model: &str,
        mode: Mode,
    ) -> RequestBuilder<'a> {
        let request = client.request("POST", &self.path(model, mode));
        let request = match self {
            Self::Claude => request.header("anthropic-version", "2023-06-01"),
            _ => request,
        };
        request.key(self.key()).json(&self.body(model, mode))
    }

    pub fn key(self) -> Key {
        match self {
            Self::Chat | Self::Responses => Key::Bearer(CLIENT_KEY.into()),
            Self::Claude => Key::Anthropic(CLIENT_KEY.into()),
            Self::Gemini => Key::Gemini(CLIENT_KEY.into()),
        }
    }

    pub fn path(self, model: &str, mode: Mode) -> String {
        match (self, mode) {
            (Self::Chat, _) => "/v1/chat/completions".into(),
            (Self::Responses, _) => "/v1/responses".into(),
            (Self::Claude, _) => "/v1/messages".into(),
            (Self::Gemini, Mode::Whole) => format!("/v1beta/models/{model}:generateContent"),
            (Self::Gemini, Mode::Stream) => {
                format!("/v1beta/models/{model}:streamGenerateContent?alt=sse")
            }
        }
    }

    pub fn body(self, model: &str, mode: Mode) -> Value {
        let stream = mode == Mode::Stream;
        let turn = json!([{"role": "user", "content": "hi"}]);
        match self {
            Self::Chat => json!({"model": model, "stream": stream, "messages": turn}),
            Self::Responses => json!({"model": model, "stream": stream, "input": "hi"}),
            Self::Claude => {
                json!({"model": model, "max_tokens": 9, "stream": stream, "messages": turn})
            }
            Self::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
        }
    }

    /// What the gateway showed to the provider as its key.
    pub fn key_of(self, request: &Request) -> String {
        let field = match self {
            Self::Chat | Self::Responses => "authorization",
            Self::Claude => "x-api-key",
            Self::Gemini => "x-goog-api-key",
        };
        let value = request.header(field).unwrap_or_default();
        value.trim_start_matches("Bearer ").to_owned()
    }

    /// A whole answer that says `text`.
    pub fn document(self, text: &str) -> Value {
        match self {
            Self::Chat => json!({
                "id": "c1", "object": "chat.completion", "created": 1, "model": self.model(),
                "choices": [{"index": 0, "finish_reason": "stop",
                    "message": {"role": "assistant", "content": text}}],
            }),
            Self::Responses => json!({
                "id": "resp_1", "object": "response", "created_at": 1, "model": self.model(),
                "status": "completed",
                "output": [{"type": "message", "id": "msg_1", "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": text, "annotations": []}]}],
            }),
            Self::Claude => json!({
                "id": "msg_1", "type": "message", "role": "assistant", "model": self.model(),
                "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
                "usage": {"input_tokens": 1, "output_tokens": 1},
            }),
            Self::Gemini => json!({
                "candidates": [{"index": 0, "finishReason": "STOP",
                    "content": {"role": "model", "parts": [{"text": text}]}}],
                "modelVersion": self.model(),
            }),
        }
    }

    /// What a stream begins with and nobody would miss.
    pub fn prelude(self) -> String {
        let model = self.model();
        match self {
            Self::Chat => data(&json!({
                "id": "c1", "object": "chat.completion.chunk", "model": model,
                "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""},
                    "finish_reason": null}],
            })),
            Self::Responses => named(&json!({
                "type": "response.created", "sequence_number": 0,
                "response": {"id": "resp_1", "object": "response", "model": model,
                    "status": "in_progress", "output": []},
            })),
            Self::Claude => {
                named(&json!({
                    "type": "message_start",
                    "message": {"id": "msg_1", "type": "message", "role": "assistant",
                        "model": model, "content": [], "stop_reason": null,
                        "usage": {"input_tokens": 1, "output_tokens": 1}},
                })) + &named(&json!({
                    "type": "content_block_start", "index": 0,
                    "content_block": {"type": "text", "text": ""},
                }))
            }
            Self::Gemini => data(&json!({
                "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": ""}]}}],
                "modelVersion": model,
            })),
        }
    }

    /// One event that says `text`.
    pub fn says(self, text: &str) -> String {
        match self {
            Self::Chat => data(&json!({
                "id": "c1", "object": "chat.completion.chunk", "model": self.model(),
                "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}],
            })),
            Self::Responses => named(&json!({
                "type": "response.output_text.delta", "sequence_number": 1, "item_id": "msg_1",
                "output_index": 0, "content_index": 0, "delta": text,
            })),
            Self::Claude => named(&json!({
                "type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": text},
            })),
            Self::Gemini => data(&json!({
                "candidates": [{"index": 0,
                    "content": {"role": "model", "parts": [{"text": text}]}}],
                "modelVersion": self.model(),
            })),
        }
    }

    /// What a whole stream ends with.
    pub fn finale(self) -> String {
        match self {
            Self::Chat => {
                data(&json!({
                    "id": "c1", "object": "chat.completion.chunk", "model": self.model(),
                    "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                })) + "data: [DONE]\n\n"
            }
            Self::Responses => named(&json!({
                "type": "response.completed", "sequence_number": 2,
                "response": self.document("done"),
            })),
            Self::Claude => {
                named(&json!({"type": "content_block_stop", "index": 0}))
                    + &named(&json!({
                        "type": "message_delta", "delta": {"stop_reason": "end_turn"},
                        "usage": {"output_tokens": 2},
                    }))
                    + &named(&json!({"type": "message_stop"}))
            }
            Self::Gemini => data(&json!({
                "candidates": [{"index": 0, "finishReason": "STOP",
                    "content": {"role": "model", "parts": [{"text": ""}]}}],
                "modelVersion": self.model(),
            })),
        }
    }

    /// A whole stream that says `text`.
    pub fn stream(self, text: &str) -> String {
        self.prelude() + &self.says(text) + &self.finale()
    }

    /// The provider's good answer.
    pub fn answer(self, mode: Mode) -> Reply {
        match mode {
            Mode::Whole => Reply::json(200, self.document("fine")),
            Mode::Stream => Reply::sse([self.prelude(), self.says("fine"), self.finale()]),
        }
    }

    /// The body of the provider's good answer.
    pub fn answer_text(self, mode: Mode) -> String {
        match mode {
            Mode::Whole => self.document("fine").to_string(),
            Mode::Stream => self.stream("fine"),
        }
    }

    /// An error as the provider writes it.
    pub fn refusal(self, status: u16, class: &str, message: &str) -> Reply {
        let body = match self {
            Self::Chat | Self::Responses => {
                json!({"error": {"message": message, "type": class, "param": null, "code": class}})
            }
            Self::Claude => {
                json!({"type": "error", "error": {"type": class, "message": message}})
            }
            Self::Gemini => {
                json!({"error": {"code": status, "message": message, "status": class}})
            }
        };
        Reply::json(status, body)
    }

    /// The provider's error event inside a stream: it has no capacity.
    pub fn overloaded_event(self) -> String {
        let error = json!({"message": "busy", "type": "server_error", "code": "overloaded"});
        match self {
            Self::Chat => data(&json!({"error": error})),
            Self::Responses => named(&json!({
                "type": "error", "sequence_number": 1, "code": "overloaded", "message": "busy",
            })),
            Self::Claude => named(&json!({
                "type": "error", "error": {"type": "overloaded_error", "message": "busy"},
            })),
            Self::Gemini => data(&json!({
                "error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"},
            })),
        }
    }

    /// The keep-alive of its clients.
    pub fn ping(self) -> &'static str {
        match self {
            Self::Claude => "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            _ => ": ping\n\n",
        }
    }
}

/// An account: `account("a", UPSTREAM_KEY_A, &upstream.url(), "weight: 2")`.
pub fn account(name: &str, key: &str, url: &str, more: &str) -> String {
    format!("name: {name}, api-key: {key}, base-url: '{url}', {more}")
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn named(value: &Value) -> String {
    let name = value["type"].as_str().expect("a type");
    format!("event: {name}\ndata: {value}\n\n")
}
