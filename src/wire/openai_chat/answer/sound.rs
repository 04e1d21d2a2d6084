//! Sound in an answer, which comes in pieces and is passed on whole.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::chat::{Audio, Content, Extra, Json, Part, Source};
use crate::wire::json::{Node, quote};

/// The sound so far.
#[derive(Debug, Default)]
pub(super) struct Sound {
    id: Option<String>,
    pieces: Vec<String>,
    transcript: String,
    expires_at: Option<u64>,
}

impl Sound {
    /// Takes the next piece.
    pub(super) fn push(&mut self, audio: Node<'_>) {
        if let Some(id) = audio.get_str("id") {
            self.id = Some(id.into_owned());
        }
        if let Some(data) = audio.get_str("data") {
            self.pieces.push(data.into_owned());
        }
        if let Some(said) = audio.get_str("transcript") {
            self.transcript.push_str(&said);
        }
        let expires_at = audio.get("expires_at").and_then(Node::u64);
        self.expires_at = expires_at.or(self.expires_at);
    }

    /// All of it.
    pub(super) fn part(self) -> Part<'static> {
        let mut part = Part::new(Content::Audio(Audio {
            source: Source::Bytes {
                mime: Cow::Borrowed(""),
                base64: Cow::Owned(joined(&self.pieces)),
            },
            transcript: (!self.transcript.is_empty()).then_some(Cow::Owned(self.transcript)),
            expires_at: self.expires_at,
        }));
        if let Some(id) = self.id {
            part.extra = Extra(vec![(Cow::Borrowed("id"), Json::trusted(quote(&id)))]);
        }
        part
    }
}

/// Pieces of base64 as one: a piece that is padded cannot simply be followed by another.
fn joined(pieces: &[String]) -> String {
    let all_but_last = pieces.len().saturating_sub(1);
    let is_padded = |piece: &String| piece.ends_with('=');
    if !pieces.iter().take(all_but_last).any(is_padded) {
        return pieces.concat();
    }
    let bytes = pieces
        .iter()
        .filter_map(|piece| STANDARD.decode(piece).ok());
    STANDARD.encode(bytes.flatten().collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_pieces_are_joined_as_bytes() {
        let joined =
            |pieces: &[&str]| joined(&pieces.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert_eq!(joined(&["YWJj", "ZGVm"]), "YWJjZGVm");
        assert_eq!(joined(&["YQ==", "YmM="]), "YWJj");
        assert_eq!(joined(&["YQ=="]), "YQ==");
    }
}
