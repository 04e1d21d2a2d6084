//! Which conversation a request belongs to, so that it can stay with one account: a provider's
//! prompt cache belongs to a key, and a conversation that wanders pays for its history again.

use std::hash::{DefaultHasher, Hash, Hasher};

use http::HeaderMap;

use crate::account::pool::Seat;
use crate::wire::json;

/// The seat of the conversation: by `x-session-id`, Claude's `metadata.user_id`, OpenAI's
/// `prompt_cache_key` or `previous_response_id`; else by what does not change between its turns, the
/// system prompt and the turns up to the first of the user.
pub(super) fn seat(headers: &HeaderMap, body: &[u8]) -> Seat {
    if let Some(id) = headers.get("x-session-id") {
        return Seat::Fixed(hash(id.as_bytes()));
    }
    let names = [
        "prompt_cache_key",
        "previous_response_id",
        "metadata",
        "system",
        "instructions",
        "systemInstruction",
        "system_instruction",
        "messages",
        "input",
        "contents",
    ];
    let Some(
        [
            cache_key,
            previous,
            metadata,
            fixed @ ..,
            messages,
            input,
            contents,
        ],
    ) = json::pick(body, names)
    else {
        return Seat::Turn(0);
    };
    let user = metadata.and_then(|metadata| json::pick(metadata, ["user_id"])?[0]);
    if let Some(id) = user
        .or(cache_key)
        .or(previous)
        .filter(|id| !json::is_blank(id))
    {
        return Seat::Fixed(hash(id));
    }
    let mut hasher = DefaultHasher::new();
    fixed.hash(&mut hasher);
    let Some(turns) = messages.or(input).or(contents) else {
        return Seat::Fixed(hasher.finish());
    };
    match json::elements(turns) {
        None => turns.hash(&mut hasher),
        Some(turns) => {
            for turn in turns {
                turn.hash(&mut hasher);
                if is_users(turn) {
                    break;
                }
            }
        }
    }
    Seat::Fixed(hasher.finish())
}

fn is_users(turn: &[u8]) -> bool {
    json::pick(turn, ["role"]).is_some_and(|[role]| role.is_none_or(|role| role == b"\"user\""))
}

/// A hash that is the same in every process of one build.
pub(super) fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Seat {
        seat(&HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn the_turns_of_one_conversation_have_one_seat() {
        let first =
            of(r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}]}"#);
        let second = of(
            r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}],"x":1}"#,
        );
        let other =
            of(r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"b"}]}"#);
        assert_eq!(first, second);
        assert_ne!(first, other);
    }

    #[test]
    fn an_explicit_id_wins() {
        let a = of(r#"{"prompt_cache_key":"k","messages":[{"role":"user","content":"a"}]}"#);
        let b = of(r#"{"prompt_cache_key":"k","messages":[{"role":"user","content":"b"}]}"#);
        assert_eq!(a, b);
        let user = of(r#"{"metadata":{"user_id":"u"},"messages":[{"role":"user","content":"a"}]}"#);
        assert_eq!(
            user,
            of(r#"{"system":"x","metadata":{"user_id":"u"},"messages":[]}"#)
        );
        let headers: HeaderMap = [(
            http::HeaderName::from_static("x-session-id"),
            "s".parse().unwrap(),
        )]
        .into_iter()
        .collect();
        assert_eq!(
            seat(&headers, b"{}"),
            seat(&headers, br#"{"prompt_cache_key":"k"}"#)
        );
    }

    #[test]
    fn gemini_and_responses_have_conversations_too() {
        let contents = |text: &str| {
            of(&format!(
                r#"{{"contents":[{{"role":"user","parts":[{{"text":"{text}"}}]}}]}}"#
            ))
        };
        assert_eq!(contents("a"), contents("a"));
        assert_ne!(contents("a"), contents("b"));
        assert_ne!(of(r#"{"input":"a"}"#), of(r#"{"input":"b"}"#));
    }
}
