//! What a path asks for, and in which format its caller speaks.

use std::borrow::Cow;

use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::context::Ask;
use super::desk;
use crate::wire::{Format, Shape};

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint<'a> {
    /// `/health`, `/health/live`, `/health/ready`.
    Health(Health),
    /// What operators ask for, if it is served here.
    Operators,
    /// All models, or one.
    Models(ModelList, Option<Cow<'a, str>>),
    /// A request that names a model, in a format.
    Model(Format, ModelCall<'a>),
    /// Anything else under a version: for a provider that the client names.
    PassThrough,
    /// A known path with another method; holds the methods it has.
    WrongMethod(&'static str),
    /// Nothing of ours.
    Unknown,
}

/// A health question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Is the process there?
    Live,
    /// Can it serve?
    Ready,
}

/// The form of a model list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelList {
    /// `/v1/models`: in the OpenAI form, with `anthropic-version` in the Anthropic one, with
    /// `x-goog-api-key` in the Gemini one.
    V1,
    /// `/v1beta/models`.
    Gemini,
}

/// How a request names its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ModelCall<'a> {
    /// In the body.
    Body,
    /// In the path: `/{version}/models/{model}:{action}`.
    Path {
        /// `v1beta`, `v1alpha` or `v1`.
        version: &'a str,
        /// The name, percent-decoded.
        model: Cow<'a, str>,
        /// `generateContent`, …
        action: &'a str,
    },
}

impl ModelCall<'_> {
    /// What of its format a call of `path` asks for.
    pub(super) fn ask(&self, path: &str) -> Ask {
        let action = match self {
            Self::Body => path.rsplit('/').next().unwrap_or_default(),
            Self::Path { action, .. } => action,
        };
        match action {
            "completions"
            | "responses"
            | "messages"
            | "generateContent"
            | "streamGenerateContent" => Ask::Generate,
            "count_tokens" | "input_tokens" | "countTokens" => Ask::Count,
            _ => Ask::Other,
        }
    }
}

/// Finds out what `method` on `path` asks for.
pub(super) fn endpoint<'a>(method: &Method, path: &'a str) -> Endpoint<'a> {
    let on = |wanted: &Method, found: Endpoint<'a>, methods| match method == wanted {
        true => found,
        false => Endpoint::WrongMethod(methods),
    };
    let get = |found| match *method {
        Method::GET | Method::HEAD => found,
        _ => Endpoint::WrongMethod("GET, HEAD"),
    };
    let post = |format| {
        on(
            &Method::POST,
            Endpoint::Model(format, ModelCall::Body),
            "POST",
        )
    };
    match path {
        "/health" | "/health/live" => get(Endpoint::Health(Health::Live)),
        "/health/ready" => get(Endpoint::Health(Health::Ready)),
        "/v1/chat/completions" => post(Format::OpenAiChat),
        "/v1/responses" | "/v1/responses/input_tokens" => post(Format::OpenAiResponses),
        "/v1/messages" | "/v1/messages/count_tokens" => post(Format::Claude),
        "/v1/models" => get(Endpoint::Models(ModelList::V1, None)),
        "/v1beta/models" | "/v1alpha/models" => get(Endpoint::Models(ModelList::Gemini, None)),
        _ if desk::concerns(path) => Endpoint::Operators,
        _ => versioned(method, path).unwrap_or(Endpoint::Unknown),
    }
}

fn versioned<'a>(method: &Method, path: &'a str) -> Option<Endpoint<'a>> {
    let (version, rest) = path.strip_prefix('/')?.split_once('/')?;
    if !is_version(version) {
        let beside = match version {
            "upload" => is_version(rest.split('/').next()?),
            "ws" => rest.starts_with("google."),
            _ => false,
        };
        return beside.then_some(Endpoint::PassThrough);
    }
    let Some(model) = rest
        .strip_prefix("models/")
        .filter(|model| !model.is_empty())
    else {
        return Some(Endpoint::PassThrough);
    };
    if let Some((model, action)) = model.rsplit_once(':')
        && !action.is_empty()
        && action.bytes().all(|byte| byte.is_ascii_alphabetic())
    {
        let model = percent_decode_str(model).decode_utf8().ok()?;
        return Some(match *method {
            Method::POST => Endpoint::Model(
                Format::Gemini,
                ModelCall::Path {
                    version,
                    model,
                    action,
                },
            ),
            _ => Endpoint::WrongMethod("POST"),
        });
    }
    let list = if version == "v1" {
        ModelList::V1
    } else {
        ModelList::Gemini
    };
    let model = percent_decode_str(model).decode_utf8().ok()?;
    Some(match *method {
        Method::GET | Method::HEAD => Endpoint::Models(list, Some(model)),
        _ => Endpoint::PassThrough,
    })
}

/// Whose paths begin so speaks Gemini.
const GEMINI: [&str; 4] = ["/v1beta/", "/v1alpha/", "/upload/", "/ws/google."];

fn is_version(segment: &str) -> bool {
    matches!(segment, "v1" | "v1beta" | "v1alpha")
}

/// The format in which the caller of `path` reads errors.
pub(super) fn dialect(path: &str, headers: &HeaderMap) -> Format {
    let is_action = || {
        path.contains("/models/")
            && path
                .rsplit('/')
                .next()
                .is_some_and(|last| last.contains(':'))
    };
    if path.starts_with("/v1/messages") || path.starts_with("/v1/complete") {
        Format::Claude
    } else if GEMINI.iter().any(|start| path.starts_with(start)) || is_action() {
        Format::Gemini
    } else if headers.contains_key("anthropic-version") {
        Format::Claude
    } else if path.starts_with("/v1/models") && headers.contains_key("x-goog-api-key") {
        // Google's SDKs ask for models under /v1 since version 3.
        Format::Gemini
    } else if path.starts_with("/v1/responses") {
        Format::OpenAiResponses
    } else {
        Format::OpenAiChat
    }
}

/// How the answer of a Gemini `action` is framed.
pub(super) fn gemini_shape(action: &str, query: Option<&str>) -> Shape {
    let sse = || query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    match action {
        "streamGenerateContent" if sse() => Shape::Sse,
        "streamGenerateContent" => Shape::JsonArray,
        _ => Shape::Whole,
    }
}

/// Everything that a path segment cannot hold; `/` and `:` stay.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Everything that a value in a query cannot hold.
const VALUE: &AsciiSet = &SEGMENT.add(b'&').add(b'+').add(b'=');

/// `/{version}/models/{model}:{action}`; `None` when the name would lead somewhere else.
pub(super) fn gemini_path(version: &str, model: &str, action: &str) -> Option<String> {
    let odd = |segment: &str| matches!(segment, "" | "." | "..");
    if model.split('/').any(odd) {
        return None;
    }
    Some(format!(
        "/{version}/models/{}:{action}",
        utf8_percent_encode(model, SEGMENT)
    ))
}

/// Whether a path has segments that a server may resolve to another path than the one they are in.
pub(super) fn leads_elsewhere(path: &str) -> bool {
    percent_decode_str(path)
        .decode_utf8_lossy()
        .split(['/', '\\'])
        .any(|segment| matches!(segment, "." | ".."))
}

/// The query without the client's key.
pub(super) fn query_without_key(query: &str) -> String {
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_key(pair)).collect();
    kept.join("&")
}

/// The model that a query names. None when it does so twice: the provider might believe the other one.
pub(super) fn model_in_query(query: &str) -> Option<Cow<'_, str>> {
    let mut named = query.split('&').filter(|pair| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        percent_decode_str(name).eq(b"model".iter().copied())
    });
    let value = named.next()?.strip_prefix("model=")?;
    if named.next().is_some() {
        return None;
    }
    percent_decode_str(value).decode_utf8().ok()
}

/// The same target with `model` as the model that its query names.
pub(super) fn with_model_in_query(target: &str, model: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return target.to_owned();
    };
    let model = utf8_percent_encode(model, VALUE);
    let pair = |pair: &str| match pair.starts_with("model=") {
        true => format!("model={model}"),
        false => pair.to_owned(),
    };
    let pairs: Vec<String> = query.split('&').map(pair).collect();
    format!("{path}?{}", pairs.join("&"))
}

/// The client's key in a query.
pub(super) fn key_in_query(query: &str) -> Option<Cow<'_, str>> {
    let pair = query.split('&').find(|pair| is_key(pair))?;
    percent_decode_str(pair.split_once('=')?.1)
        .decode_utf8()
        .ok()
}

fn is_key(pair: &str) -> bool {
    pair.split_once('=').is_some_and(|(name, _)| name == "key")
}

/// Whether `method` on `path` is for clients to ask.
#[cfg(test)]
pub(crate) fn is_served(method: &Method, path: &str) -> bool {
    !matches!(
        endpoint(method, path),
        Endpoint::Unknown | Endpoint::WrongMethod(_) | Endpoint::Operators
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gemini<'a>(version: &'a str, model: &'a str, action: &'a str) -> Endpoint<'a> {
        Endpoint::Model(
            Format::Gemini,
            ModelCall::Path {
                version,
                model: model.into(),
                action,
            },
        )
    }

    #[test]
    fn paths_and_what_they_ask_for() {
        use Endpoint as E;
        for (method, path, want) in [
            ("GET", "/health", E::Health(Health::Live)),
            ("GET", "/health/ready", E::Health(Health::Ready)),
            ("POST", "/health", E::WrongMethod("GET, HEAD")),
            (
                "POST",
                "/v1/chat/completions",
                E::Model(Format::OpenAiChat, ModelCall::Body),
            ),
            ("GET", "/v1/chat/completions", E::WrongMethod("POST")),
            (
                "POST",
                "/v1/messages/count_tokens",
                E::Model(Format::Claude, ModelCall::Body),
            ),
            ("GET", "/v1/models", E::Models(ModelList::V1, None)),
            (
                "GET",
                "/v1/models/gpt-5",
                E::Models(ModelList::V1, Some("gpt-5".into())),
            ),
            (
                "GET",
                "/v1/models/team%2Fgpt-5",
                E::Models(ModelList::V1, Some("team/gpt-5".into())),
            ),
            (
                "GET",
                "/v1beta/models/x",
                E::Models(ModelList::Gemini, Some("x".into())),
            ),
            (
                "POST",
                "/v1beta/models/g:generateContent",
                gemini("v1beta", "g", "generateContent"),
            ),
            (
                "POST",
                "/v1/models/team/g:countTokens",
                gemini("v1", "team/g", "countTokens"),
            ),
            (
                "GET",
                "/v1beta/models/g:generateContent",
                E::WrongMethod("POST"),
            ),
            ("POST", "/v1/embeddings", E::PassThrough),
            ("DELETE", "/v1/responses/resp_1", E::PassThrough),
            ("POST", "/upload/v1beta/files", E::PassThrough),
            (
                "GET",
                "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
                E::PassThrough,
            ),
            ("GET", "/v1/files/", E::PassThrough),
            ("POST", "/upload/x", E::Unknown),
            ("GET", "/ws/x", E::Unknown),
            ("GET", "/", E::Unknown),
            ("GET", "/v2/models", E::Unknown),
            ("POST", "/v1", E::Unknown),
        ] {
            assert_eq!(
                endpoint(&method.parse().unwrap(), path),
                want,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn the_dialect_of_an_error_goes_by_path() {
        let none = HeaderMap::new();
        for (path, want) in [
            ("/v1/messages", Format::Claude),
            ("/v1/complete", Format::Claude),
            ("/v1/responses", Format::OpenAiResponses),
            ("/v1/chat/completions", Format::OpenAiChat),
            ("/v1beta/models/x:generateContent", Format::Gemini),
            ("/v1/models/x:generateContent", Format::Gemini),
            ("/v1/models", Format::OpenAiChat),
            ("/upload/v1beta/files", Format::Gemini),
            ("/nothing", Format::OpenAiChat),
        ] {
            assert_eq!(dialect(path, &none), want, "{path}");
        }
        let anthropic: HeaderMap = [(
            http::HeaderName::from_static("anthropic-version"),
            "2023-06-01".parse().unwrap(),
        )]
        .into_iter()
        .collect();
        assert_eq!(dialect("/v1/models", &anthropic), Format::Claude);
        let google: HeaderMap = [(
            http::HeaderName::from_static("x-goog-api-key"),
            "key".parse().unwrap(),
        )]
        .into_iter()
        .collect();
        assert_eq!(dialect("/v1/models", &google), Format::Gemini);
        assert_eq!(dialect("/v1/models/gemini", &google), Format::Gemini);
        assert_eq!(dialect("/v1/responses", &google), Format::OpenAiResponses);
    }

    #[test]
    fn a_model_name_cannot_lead_out_of_its_path() {
        let path = |model| gemini_path("v1beta", model, "x");
        assert_eq!(
            path("gemini-2.5-pro").as_deref(),
            Some("/v1beta/models/gemini-2.5-pro:x")
        );
        assert_eq!(
            path("a b?c#d%2e").as_deref(),
            Some("/v1beta/models/a%20b%3Fc%23d%252e:x")
        );
        for model in ["../../secrets", "a/../b", ".", "a//b", ""] {
            assert_eq!(path(model), None, "{model}");
        }
    }

    #[test]
    fn dots_in_a_path_are_seen_through_their_encoding() {
        for path in [
            "/v1/files/../x",
            "/v1/%2e%2E/x",
            "/v1/a%2F..%2fx",
            "/v1/..%5Cx",
            "/v1/.",
        ] {
            assert!(leads_elsewhere(path), "{path}");
        }
        for path in ["/v1/files/a..b", "/v1/files/.hidden", "/v1/files/..."] {
            assert!(!leads_elsewhere(path), "{path}");
        }
    }

    #[test]
    fn a_model_in_the_query_is_found_and_renamed() {
        let query = "intent=x&model=a%2Fb&monkey=model";
        assert_eq!(model_in_query(query).as_deref(), Some("a/b"));
        assert_eq!(model_in_query("mymodel=x"), None);
        for twice in [
            "model=a&model=b",
            "mod%65l=b&model=a",
            "model=a&mod%65l=b",
            "mod%65l=a",
            "model&model=a",
        ] {
            assert_eq!(model_in_query(twice), None, "{twice}");
        }
        assert_eq!(
            with_model_in_query(&format!("/v1/realtime?{query}"), "c&d e/f"),
            "/v1/realtime?intent=x&model=c%26d%20e/f&monkey=model"
        );
    }

    #[test]
    fn a_key_is_taken_out_of_the_query() {
        assert_eq!(key_in_query("alt=sse&key=a%2Bb").as_deref(), Some("a+b"));
        assert_eq!(
            query_without_key("alt=sse&key=x&monkey=1"),
            "alt=sse&monkey=1"
        );
        assert_eq!(
            gemini_shape("streamGenerateContent", Some("key=1&alt=sse")),
            Shape::Sse
        );
        assert_eq!(
            gemini_shape("streamGenerateContent", None),
            Shape::JsonArray
        );
        assert_eq!(
            gemini_shape("generateContent", Some("alt=sse")),
            Shape::Whole
        );
    }
}
