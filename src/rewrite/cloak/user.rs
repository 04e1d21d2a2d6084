//! What stands for the client at the provider.

use super::key::{Key, hex};
use crate::chat::Format;
use crate::rewrite::edit::{Document, Found};
use crate::rewrite::path::Path;
use crate::secret::KeyHash;
use crate::wire::json::{Kind, Node, quote};

/// Hexadecimal digits of an id.
const DIGITS: usize = 32;

/// How an id is made.
#[derive(Debug, Clone)]
pub enum UserId {
    /// A new one for each try.
    Random,
    /// The same one for the same client, made with a key.
    Hashed {
        /// The key.
        key: Key,
        /// The provider: ids at one say nothing about those at another.
        provider: Box<str>,
    },
}

impl UserId {
    /// The request with an id; `None`: it has one, or its format has no place for it.
    pub(super) fn put(
        &self,
        text: &str,
        format: Format,
        client: Option<&KeyHash>,
    ) -> Option<String> {
        let document = Document::new(text, false);
        let given = |node: Node<'_>| node.kind() != Kind::Null;
        let has = |key| {
            let member = document.member(document.root(), key);
            member.is_some_and(given)
        };
        let place = match format {
            Format::Claude => "metadata.user_id",
            Format::OpenAiChat if !has("safety_identifier") => "user",
            Format::OpenAiResponses if !has("user") => "safety_identifier",
            Format::OpenAiChat | Format::OpenAiResponses | Format::Gemini => return None,
        };
        let place = Path::try_new(place).ok()?;
        match document.find(&place) {
            Found::Value(node) if given(node) => None,
            _ => document.set(&place, &quote(&self.id(client))),
        }
    }

    fn id(&self, client: Option<&KeyHash>) -> String {
        let digits = match self {
            Self::Random => hex(&rand::random::<[u8; 16]>(), DIGITS),
            Self::Hashed { key, provider } => {
                let client: &[u8] = client.map_or(b"", |client| client.as_bytes());
                key.hash(&[b"user", provider.as_bytes(), client], DIGITS)
            }
        };
        format!("user_{digits}")
    }
}
