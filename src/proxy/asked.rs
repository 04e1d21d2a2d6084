//! What a request that names a model asks for: read one level deep in its body, or off its path.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::context::CallTarget;
use super::paths;
use crate::chat::{Fault, FaultKind};
use crate::wire::json::{self, HeadError, JsonError, Note, Survey};
use crate::wire::{Marks, Shape};

/// What a request that names a model asks for.
pub(super) struct Asked {
    /// The model's name.
    pub model: Arc<str>,
    /// Where the name stands in the body.
    pub span: Option<Range<usize>>,
    /// The body to send on.
    pub body: Bytes,
    /// What of it a provider might refuse.
    pub marks: Marks,
    /// Where its long values stand, if that was to be noted.
    pub note: Option<Note>,
    /// Where it goes.
    pub target: CallTarget,
    /// How the answer is to be framed.
    pub shape: Shape,
}

/// Reads a request whose body names the model.
pub(super) fn in_body(
    mut body: Bytes,
    depth: usize,
    noted: bool,
    uri: &http::Uri,
    accept: Option<&http::HeaderValue>,
) -> Result<Asked, Fault> {
    let head = json::surveyed_head(&body, depth, noted);
    let (
        head,
        Survey {
            marks, mut note, ..
        },
    ) = head.map_err(|error| unreadable(&error))?;
    let Some(model) = &head.model else {
        return Err(no_model("the body has no 'model'"));
    };
    if model.value.is_empty() {
        return Err(no_model("'model' is empty"));
    }
    let (name, span) = (model.value.as_ref().into(), model.span.clone());
    let stream = match &head.stream {
        Some(stream) => stream.value,
        None => accept.is_some_and(wants_events) && is_streamable(uri.path()),
    };
    if stream && head.stream.is_none() {
        body = json::insert_member(&body, &head, "stream", "true").into();
        note = None;
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(Asked {
        model: name,
        span: Some(span),
        body,
        marks,
        note,
        target: CallTarget::Path(path.to_owned()),
        shape: if stream { Shape::Sse } else { Shape::Whole },
    })
}

/// Reads a request whose path names the model.
pub(super) fn in_path(
    body: Bytes,
    depth: usize,
    noted: bool,
    uri: &http::Uri,
    (version, model, action): (&str, &str, &str),
) -> Result<Asked, Fault> {
    let survey = json::survey(&body, depth, noted, |_| {});
    let Survey { marks, note, .. } = survey.map_err(|error| unreadable(&error.into()))?;
    if paths::gemini_path(version, model, action).is_none() {
        return Err(no_model("the model's name is no name"));
    }
    Ok(Asked {
        model: model.into(),
        span: None,
        body,
        marks,
        note,
        target: CallTarget::Gemini {
            version: version.to_owned(),
            action: action.to_owned(),
            query: uri
                .query()
                .map(paths::query_without_key)
                .unwrap_or_default(),
        },
        shape: paths::gemini_shape(action, uri.query()),
    })
}

/// Whether an `accept` header asks for events and nothing else would do.
fn wants_events(accept: &http::HeaderValue) -> bool {
    let kinds = accept.to_str().unwrap_or_default().split(',');
    let mut events = false;
    for kind in kinds {
        match kind.split(';').next().unwrap_or_default().trim() {
            "text/event-stream" => events = true,
            "application/json" => return false,
            _ => {}
        }
    }
    events
}

fn is_streamable(path: &str) -> bool {
    matches!(
        path,
        "/v1/chat/completions" | "/v1/responses" | "/v1/messages"
    )
}

fn unreadable(error: &HeadError) -> Fault {
    let code = match error {
        HeadError::Json(JsonError::NotJson { .. }) => "invalid_json",
        HeadError::Json(JsonError::NotAnObject) => "not_an_object",
        HeadError::Json(JsonError::TooDeep { .. }) => "json_too_deep",
        HeadError::DuplicateKey(_) => "duplicate_key",
        HeadError::ModelNotAString | HeadError::StreamNotABool => "invalid_type",
    };
    let fault = Fault::new(FaultKind::InvalidRequest, code, error.to_string());
    match error.param() {
        Some(param) => fault.with_param(param),
        None => fault,
    }
}

fn no_model(message: &'static str) -> Fault {
    Fault::new(FaultKind::InvalidRequest, "missing_model", message).with_param("model")
}
