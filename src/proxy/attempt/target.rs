//! Where the request of a try goes: the call's path under the account's base URL, with the account's name
//! for the model.

use pingora_core::{Error, ErrorType, Result};

use super::super::context::{Attempt, Call, CallTarget};
use super::super::paths;

/// The request target, query included.
pub(super) fn of(call: &Call, attempt: &Attempt) -> Result<String> {
    let base = attempt.base();
    let (version, action, query) = match (&attempt.target, &call.target) {
        (Some(path), _) => return Ok(base.target(path)),
        (None, CallTarget::Path(path)) => {
            return Ok(match is_renamed_in_query(call, &attempt.model) {
                true => base.target(&paths::with_model_in_query(path, &attempt.model)),
                false => base.target(path),
            });
        }
        (
            None,
            CallTarget::Gemini {
                version,
                action,
                query,
            },
        ) => (version, action, query),
    };
    let path = paths::gemini_path(version, &attempt.model, action).ok_or_else(|| {
        Error::explain(
            ErrorType::InternalError,
            "the provider's name for the model is no path segment",
        )
    })?;
    Ok(match query.as_str() {
        "" => base.target(&path),
        query => base.target(&format!("{path}?{query}")),
    })
}

/// Whether the model that a path's query names has another name at this account.
fn is_renamed_in_query(call: &Call, model: &str) -> bool {
    call.format.is_none() && !call.model.is_empty() && *call.model != *model
}
