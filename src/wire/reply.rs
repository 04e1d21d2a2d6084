//! What the answer's codecs must know about the request it answers.

use std::sync::Arc;

use super::Profile;
use crate::chat::Extra;

/// What the answer's codecs must know about the request it answers.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The model's name for the client; empty: the upstream's own.
    pub model: String,
    /// The gateway's id of the request.
    pub request_id: String,
    /// 24 random letters and digits: what ids are made of that the upstream does not give.
    pub seed: String,
    /// Unix seconds, for what the upstream does not date.
    pub now: u64,
    /// OpenAI Chat: a stream ends with its usage.
    pub include_usage: bool,
    /// OpenAI Chat: calls are written as `function_call`.
    pub legacy_functions: bool,
    /// The client wants to see reasoning.
    pub expose_reasoning: bool,
    /// Members of the request that OpenAI Responses repeats in its answer, as the client wrote them.
    pub echo: Extra<'static>,
    /// The upstream model's profile; its family goes into carriers.
    pub profile: Arc<Profile>,
}

impl Reply {
    /// An id that the upstream did not give: `prefix` and letters and digits that no other id of this
    /// answer has. `number` tells them apart.
    pub fn id(&self, prefix: &str, number: usize) -> String {
        if number == 0 {
            return format!("{prefix}{}", self.seed);
        }
        let mut id = format!("{prefix}{}", self.seed);
        let tail = format!("x{number}");
        id.truncate(id.len() - tail.len().min(self.seed.len()));
        id.push_str(&tail);
        id
    }

    /// The model's name for the client.
    pub fn model<'a>(&'a self, upstream: &'a str) -> &'a str {
        if self.model.is_empty() {
            upstream
        } else {
            &self.model
        }
    }
}
