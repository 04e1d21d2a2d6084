//! What the operator wants changed in a request, once it is in the provider's format: shaping, then
//! payload rules.

use std::sync::Arc;

use http::header::USER_AGENT;

use super::context::{Ask, Call, CallTarget};
use crate::account::Account;
use crate::live::Live;
use crate::rewrite::{Client, Masks};
use crate::secret::KeyHash;
use crate::wire::Format;

/// A try, as far as the operator may want something of it.
#[derive(Clone, Copy)]
pub(super) struct Reshape<'a> {
    pub(super) live: &'a Live,
    pub(super) call: &'a Call,
    /// Whose key the request came with.
    pub(super) client: Option<&'a KeyHash>,
    pub(super) account: &'a Account,
    /// The provider's name for the model.
    pub(super) model: &'a Arc<str>,
}

/// What became of a body.
#[derive(Default)]
pub(super) struct Reshaped {
    /// `None`: it stays as it is.
    pub(super) body: Option<Vec<u8>>,
    /// What has to be put back into the answer.
    pub(super) masks: Option<Arc<Masks>>,
}

impl Reshape<'_> {
    /// What is made of `body`, which leaves as `to`.
    pub(super) fn of(self, to: Format, body: &[u8]) -> Reshaped {
        let mut reshaped = Reshaped::default();
        let Some(from) = self.call.format.filter(|_| self.call.ask != Ask::Other) else {
            return reshaped;
        };
        let counts = self.call.ask == Ask::Count;
        if let Some(cloak) = &self.account.cloak {
            let shaped = cloak.shape(body, to, counts, self.asker());
            (reshaped.body, reshaped.masks) = (shaped.body, shaped.masks);
        }
        // Rules are for what a model answers: a question for the number of tokens has other fields.
        if let Some(plans) = self.live.payload.as_ref().filter(|_| !counts) {
            let body = reshaped.body.as_deref().unwrap_or(body);
            let edited = plans.edit(self.model, (from, to), &self.call.headers, body);
            reshaped.body = edited.or(reshaped.body);
        }
        reshaped
    }

    /// What has to be put back into a stored response, which nobody looks into otherwise.
    pub(super) fn remembered(self) -> Option<Arc<Masks>> {
        let cloak = self.account.cloak.as_ref()?;
        match &self.call.target {
            CallTarget::Path(path) if path.starts_with("/v1/responses/") => {
                cloak.remembered(self.asker())
            }
            _ => None,
        }
    }

    fn asker(&self) -> Client<'_> {
        let agent = self.call.headers.get(USER_AGENT);
        Client {
            key: self.client,
            agent: agent.and_then(|agent| agent.to_str().ok()),
        }
    }
}
