//! How an error looks to a client of each format.

use serde_json::{Value, json};

use super::Dialect;
use crate::support::client::Response;

impl Dialect {
    /// Asserts that `response` is this error, told as clients of the format expect it.
    pub fn assert_told(self, response: &Response, status: u16, class: &str, code: &str) {
        let what = format!("{self:?}: {response:?}");
        assert_eq!(response.status, status, "{what}");
        assert!(response.complete, "{what}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("x-aiproxy-error"), Some(code), "{what}");
        let id = response.header("x-request-id").expect(&what);
        assert!(!id.is_empty(), "{what}");
        let body = response.json();
        self.assert_error(&body, class, code);
        match self {
            Self::Claude => {
                assert_eq!(body["type"], "error", "{what}");
                assert_eq!(body["request_id"], id, "{what}");
                assert_eq!(response.header("request-id"), Some(id), "{what}");
            }
            Self::Gemini => assert_eq!(body["error"]["code"], status, "{what}"),
            Self::Chat | Self::Responses => {}
        }
    }

    /// Asserts that `body` holds an error of this class (Gemini: status) and code.
    fn assert_error(self, body: &Value, class: &str, code: &str) {
        let error = &body["error"];
        let (found_class, found_code) = match self {
            Self::Chat | Self::Responses => (&error["type"], error["code"].clone()),
            Self::Claude => (&error["type"], error["details"]["error_code"].clone()),
            Self::Gemini => (
                &error["status"],
                json!(
                    error["details"][0]["reason"]
                        .as_str()
                        .map(str::to_lowercase)
                ),
            ),
        };
        assert_eq!(
            (found_class, &found_code),
            (&json!(class), &json!(code)),
            "{self:?}: {body}"
        );
    }

    /// Asserts that a stream ends in this error and returns what stands before it.
    pub fn before_error<'a>(self, stream: &'a str, class: &str, code: &str) -> &'a str {
        let end = stream.strip_suffix("\n\n").expect("a whole last event");
        let cut = |text: &'a str| text.rfind("\n\n").map_or(0, |at| at + 2);
        let last = cut(end);
        let start = match self {
            Self::Responses => {
                assert!(
                    stream[last..].starts_with("event: response.failed\n"),
                    "{stream}"
                );
                cut(&stream[..last - 2])
            }
            _ => last,
        };
        let event = stream[start..].split("\n\n").next().unwrap();
        let event = match self {
            Self::Responses | Self::Claude => event.strip_prefix("event: error\n").expect(event),
            _ => event,
        };
        let data = event.strip_prefix("data: ").expect(event);
        self.assert_error(&serde_json::from_str(data).expect(data), class, code);
        &stream[..start]
    }

    /// The class of an error that says: too much for now.
    pub fn limited(self) -> (u16, &'static str, &'static str) {
        let code = "all_accounts_rate_limited";
        match self {
            Self::Gemini => (429, "RESOURCE_EXHAUSTED", code),
            _ => (429, "rate_limit_error", code),
        }
    }

    /// … nobody can serve it now.
    pub fn unavailable(self) -> (u16, &'static str, &'static str) {
        let code = "no_account_available";
        match self {
            Self::Chat | Self::Responses => (503, "server_error", code),
            Self::Claude => (529, "overloaded_error", code),
            Self::Gemini => (503, "UNAVAILABLE", code),
        }
    }

    /// … a provider took too long.
    pub fn timed_out(self, code: &'static str) -> (u16, &'static str, &'static str) {
        match self {
            Self::Chat | Self::Responses => (504, "server_error", code),
            Self::Claude => (504, "timeout_error", code),
            Self::Gemini => (504, "DEADLINE_EXCEEDED", code),
        }
    }

    /// … a provider's stream broke off.
    pub fn interrupted(self) -> (&'static str, &'static str) {
        let class = match self {
            Self::Chat | Self::Responses => "server_error",
            Self::Claude => "api_error",
            Self::Gemini => "INTERNAL",
        };
        (class, "stream_interrupted")
    }
}
