//! Shaping: what requests to one account look like, whoever made them.

mod key;
mod places;
mod system;
mod user;
mod words;

use std::sync::Arc;

pub use key::Key;
pub use system::System;
pub use user::UserId;
pub use words::{InvalidWord, Words};

use super::unmask::Masks;
use crate::chat::{Format, Glob};
use crate::secret::KeyHash;

/// How requests to an account are shaped.
#[derive(Debug)]
pub struct Cloak {
    /// Clients, by their `user-agent`, whose requests stay as they are.
    pub skip: Vec<Glob>,
    /// What the system says first, or alone.
    pub system: Option<System>,
    /// What stands for the client at the provider.
    pub user: Option<UserId>,
    /// Words that the provider does not see.
    pub words: Option<Words>,
}

/// Who has made a request.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// Its key; `None`: it came without one.
    pub key: Option<&'a KeyHash>,
    /// Its `user-agent`.
    pub agent: Option<&'a str>,
}

/// A request that was shaped.
#[derive(Debug, Default)]
pub struct Shaped {
    /// Its body; `None`: it stays as it is.
    pub body: Option<Vec<u8>>,
    /// What has to be put back into the answer; `None`: nothing.
    pub masks: Option<Arc<Masks>>,
}

impl Cloak {
    /// Shapes `body`, a JSON object in `format`. A request that only `counts` tokens has no place for a
    /// user.
    pub fn shape(&self, body: &[u8], format: Format, counts: bool, client: Client<'_>) -> Shaped {
        let Ok(before) = std::str::from_utf8(body) else {
            return Shaped::default();
        };
        if self.skips(client) {
            return Shaped::default();
        }
        let mut after: Option<String> = None;
        if let Some(system) = &self.system
            && let Some(text) = system.put(before, format, counts)
        {
            after = Some(text);
        }
        if let Some(user) = self.user.as_ref().filter(|_| !counts)
            && let Some(text) = user.put(after.as_deref().unwrap_or(before), format, client.key)
        {
            after = Some(text);
        }
        let mut masks = None;
        if let Some(words) = &self.words {
            let (text, needed) = words.mask(after.as_deref().unwrap_or(before), format);
            after = text.or(after);
            masks = needed;
        }
        Shaped {
            body: after.map(String::into_bytes),
            masks,
        }
    }

    /// What has to be put back into an answer that may repeat what earlier requests said.
    pub fn remembered(&self, client: Client<'_>) -> Option<Arc<Masks>> {
        let words = self.words.as_ref().filter(|_| !self.skips(client))?;
        Some(Arc::clone(words.usual()))
    }

    fn skips(&self, client: Client<'_>) -> bool {
        let is_skipped = |agent| self.skip.iter().any(|glob| glob.matches(agent));
        client.agent.is_some_and(is_skipped)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
