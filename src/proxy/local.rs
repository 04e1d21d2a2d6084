//! What the gateway answers without a provider: health and the list of models.

use pingora_core::Result;
use pingora_proxy::Session;
use serde::Serialize;

use super::context::Context;
use super::not_found::model_not_found;
use super::paths::{Health, ModelList};
use super::{Gateway, respond};
use crate::lifecycle::Lifecycle;
use crate::live::Current;
use crate::routing::Listed;
use crate::wire::Format;

/// `/health/*`: open to all, says nothing about accounts.
pub(super) async fn health(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Context,
    question: Health,
) -> Result<()> {
    let (status, body) = status(&gateway.lifecycle, &gateway.current, question);
    respond::json(session, ctx, status, body).await
}

/// The status and the body that answer a question for health.
pub fn status(lifecycle: &Lifecycle, current: &Current, question: Health) -> (u16, String) {
    let (status, word) = match question {
        Health::Live => (200, "ok"),
        Health::Ready if lifecycle.is_draining() => (503, "draining"),
        Health::Ready if !current.has_usable_account() => (503, "no usable account"),
        Health::Ready => (200, "ok"),
    };
    let body = format!(
        "{{\"status\":\"{word}\",\"version\":\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    (status, body)
}

/// The models that are listed by name and that the client may use, or one of them.
pub(super) async fn models(
    session: &mut Session,
    ctx: &mut Context,
    list: ModelList,
    one: Option<&str>,
) -> Result<()> {
    let live = ctx.live.clone();
    let may_use = |model: &Listed| {
        let client = ctx.client.as_deref();
        client.is_none_or(|client| client.may_use(&model.name))
    };
    let models: Vec<&Listed> = live
        .router
        .listed()
        .iter()
        .filter(|model| may_use(model))
        .collect();
    let form = match (list, ctx.dialect) {
        (ModelList::Gemini, _) | (ModelList::V1, Format::Gemini) => Form::Gemini,
        (ModelList::V1, Format::Claude) => Form::Claude,
        (ModelList::V1, _) => Form::OpenAi,
    };
    let written = match one {
        None => form.list(&models),
        Some(name) => match models.iter().find(|model| *model.name == *name) {
            Some(model) => form.one(model),
            None => return respond::fault(session, ctx, model_not_found(name)).await,
        },
    };
    match written {
        Ok(body) => respond::json(session, ctx, 200, body).await,
        Err(error) => pingora_core::Error::e_explain(
            pingora_core::ErrorType::InternalError,
            format!("writing the model list: {error}"),
        ),
    }
}

#[derive(Clone, Copy)]
enum Form {
    OpenAi,
    Claude,
    Gemini,
}

impl Form {
    fn list(self, models: &[&Listed]) -> serde_json::Result<String> {
        match self {
            Self::OpenAi => {
                let data = models.iter().map(|model| OpenAiModel::of(model)).collect();
                serde_json::to_string(&OpenAiList {
                    object: "list",
                    data,
                })
            }
            Self::Claude => serde_json::to_string(&ClaudeList {
                data: models.iter().map(|model| ClaudeModel::of(model)).collect(),
                has_more: false,
                first_id: models.first().map(|model| &*model.name),
                last_id: models.last().map(|model| &*model.name),
            }),
            Self::Gemini => {
                let models = models.iter().map(|model| GeminiModel::of(model)).collect();
                serde_json::to_string(&GeminiList { models })
            }
        }
    }

    fn one(self, model: &Listed) -> serde_json::Result<String> {
        match self {
            Self::OpenAi => serde_json::to_string(&OpenAiModel::of(model)),
            Self::Claude => serde_json::to_string(&ClaudeModel::of(model)),
            Self::Gemini => serde_json::to_string(&GeminiModel::of(model)),
        }
    }
}

#[derive(Serialize)]
struct OpenAiList<'a> {
    object: &'static str,
    data: Vec<OpenAiModel<'a>>,
}

#[derive(Serialize)]
struct OpenAiModel<'a> {
    id: &'a str,
    object: &'static str,
    /// Unknown here; SDKs require a number.
    created: u64,
    owned_by: &'a str,
}

impl<'a> OpenAiModel<'a> {
    fn of(model: &'a Listed) -> Self {
        Self {
            id: &model.name,
            object: "model",
            created: 0,
            owned_by: &model.provider,
        }
    }
}

#[derive(Serialize)]
struct ClaudeList<'a> {
    data: Vec<ClaudeModel<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ClaudeModel<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    /// Unknown here; SDKs require a time.
    created_at: &'static str,
}

impl<'a> ClaudeModel<'a> {
    fn of(model: &'a Listed) -> Self {
        Self {
            r#type: "model",
            id: &model.name,
            display_name: &model.name,
            created_at: "1970-01-01T00:00:00Z",
        }
    }
}

#[derive(Serialize)]
struct GeminiList<'a> {
    models: Vec<GeminiModel<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GeminiModel<'a> {
    name: String,
    display_name: &'a str,
    supported_generation_methods: [&'static str; 3],
}

impl<'a> GeminiModel<'a> {
    fn of(model: &'a Listed) -> Self {
        Self {
            name: format!("models/{}", model.name),
            display_name: &model.name,
            supported_generation_methods: [
                "generateContent",
                "streamGenerateContent",
                "countTokens",
            ],
        }
    }
}
