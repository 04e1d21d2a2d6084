//! Which conversation a request belongs to, so that it can stay with one account: a provider's
//! prompt cache belongs to a key, and a conversation that wanders pays for its history again.

use std::hash::{DefaultHasher, Hash, Hasher};

use http::HeaderMap;

use crate::secret::KeyHash;
use crate::wire::json;

/// The conversation that a request for `model` of `client` belongs to, as a hash; `None`: it says nothing
/// that could tell. Known by `x-session-id`, Claude's `metadata.user_id`, OpenAI's `prompt_cache_key` or
/// `previous_response_id`; else by what does not change between its turns, the system prompt and the turns
/// up to the first of the user.
///
/// The client's key and the model are part of it: nobody moves another's conversation, and a provider's
/// cache is one model's.
pub(super) fn conversation(
    client: Option<&KeyHash>,
    model: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    client.hash(&mut hasher);
    model.hash(&mut hasher);
    if let Some(id) = headers.get("x-session-id").filter(|id| !id.is_empty()) {
        named(b"x-session-id", id.as_bytes(), &mut hasher);
        return Some(hasher.finish());
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
    let [
        cache_key,
        previous,
        metadata,
        fixed @ ..,
        messages,
        input,
        contents,
    ] = json::pick(body, names)?;
    let user = metadata.and_then(|metadata| json::pick(metadata, ["user_id"])?[0]);
    let ids: [(&[u8], _); 3] = [
        (b"user_id", user),
        (b"prompt_cache_key", cache_key),
        (b"previous_response_id", previous),
    ];
    for (name, id) in ids {
        if let Some(id) = id.filter(|id| !json::is_blank(id)) {
            named(name, id, &mut hasher);
            return Some(hasher.finish());
        }
    }
    for text in fixed.into_iter().flatten() {
        unmarked(text, &mut hasher);
    }
    let turns = messages.or(input).or(contents)?;
    match json::elements(turns) {
        None => unmarked(turns, &mut hasher),
        Some(turns) => {
            for turn in turns {
                unmarked(turn, &mut hasher);
                if is_users(turn) {
                    break;
                }
            }
        }
    }
    Some(hasher.finish())
}

fn named(name: &[u8], id: &[u8], hasher: &mut DefaultHasher) {
    hasher.write(name);
    hasher.write_u8(0);
    hasher.write(id);
}

/// Hashes JSON without its `cache_control`: clients move that mark from turn to turn.
fn unmarked(mut json: &[u8], hasher: &mut DefaultHasher) {
    const MARK: &[u8] = b"\"cache_control\"";
    hasher.write_u8(0);
    while let Some(at) = memchr::memmem::find(json, MARK) {
        let (before, rest) = json.split_at(at);
        let before = before.trim_ascii_end();
        let value = &rest[MARK.len()..];
        // An object without texts that have braces in them, or `null`.
        let Some(end) = value.iter().position(|byte| matches!(byte, b'}' | b',')) else {
            break;
        };
        let is_object = value.trim_ascii_start().strip_prefix(b":");
        let is_object = is_object.is_some_and(|value| value.trim_ascii_start().starts_with(b"{"));
        let end = match is_object {
            true => memchr::memchr(b'}', value).map_or(value.len(), |end| end + 1),
            false => end,
        };
        let after = value[end..].trim_ascii_start();
        // One of the commas around it goes with it.
        match before.strip_suffix(b",") {
            Some(before) => {
                hasher.write(before);
                json = after;
            }
            None => {
                hasher.write(before);
                json = after.strip_prefix(b",").unwrap_or(after).trim_ascii_start();
            }
        }
    }
    hasher.write(json);
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

    fn of(body: &str) -> Option<u64> {
        conversation(None, "m", &HeaderMap::new(), body.as_bytes())
    }

    fn session(id: &str) -> HeaderMap {
        let name = http::HeaderName::from_static("x-session-id");
        [(name, id.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn the_turns_of_one_conversation_are_one_in_every_format() {
        for (first, second, other) in [
            (
                r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}]}"#,
                r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}],"x":1}"#,
                r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"b"}]}"#,
            ),
            (
                r#"{"system":"s","messages":[{"role":"user","content":"a"}]}"#,
                r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"system":"s"}"#,
                r#"{"system":"t","messages":[{"role":"user","content":"a"}]}"#,
            ),
            (
                r#"{"instructions":"s","input":"a"}"#,
                r#"{"instructions":"s","input":"a","temperature":1}"#,
                r#"{"instructions":"s","input":"b"}"#,
            ),
            (
                r#"{"input":[{"role":"user","content":"a"}]}"#,
                r#"{"input":[{"role":"user","content":"a"},{"type":"reasoning"},{"role":"user","content":"b"}]}"#,
                r#"{"input":[{"role":"user","content":"b"}]}"#,
            ),
            (
                r#"{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"a"}]}]}"#,
                r#"{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[]}]}"#,
                r#"{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"b"}]}]}"#,
            ),
        ] {
            assert!(of(first).is_some());
            assert_eq!(of(first), of(second), "{first}");
            assert_ne!(of(first), of(other), "{first}");
        }
        assert_eq!(of("{}"), None);
        assert_eq!(of("[]"), None);
    }

    #[test]
    fn what_names_the_conversation_wins_in_order() {
        let body =
            |keys: &str| format!(r#"{{{keys}"messages":[{{"role":"user","content":"a"}}]}}"#);
        let bare = of(&body(""));
        let previous = of(&body(r#""previous_response_id":"r","#));
        let cache = of(&body(
            r#""previous_response_id":"x","prompt_cache_key":"r","#,
        ));
        let user = of(&body(
            r#""prompt_cache_key":"x","metadata":{"user_id":"user_1_account__session_2"},"#,
        ));
        assert_eq!(cache, of(r#"{"prompt_cache_key":"r","messages":[]}"#));
        assert_eq!(
            user,
            of(
                r#"{"system":"x","metadata":{"user_id":"user_1_account__session_2"},"messages":[]}"#
            )
        );
        assert_ne!(
            user,
            of(r#"{"metadata":{"user_id":"user_1_account__session_3"},"messages":[]}"#)
        );
        let all = [bare, previous, cache, user];
        for (n, one) in all.iter().enumerate() {
            assert!(
                one.is_some() && all[n + 1..].iter().all(|other| other != one),
                "{n}"
            );
        }
        for blank in [
            r#""prompt_cache_key":"","#,
            r#""prompt_cache_key":null,"#,
            r#""metadata":{},"#,
        ] {
            assert_eq!(of(&body(blank)), bare, "{blank}");
        }
        let headed = |body: &str| conversation(None, "m", &session("s"), body.as_bytes());
        assert_eq!(headed("{}"), headed(r#"{"metadata":{"user_id":"u"}}"#));
        assert_ne!(headed("{}"), conversation(None, "m", &session("t"), b"{}"));
    }

    #[test]
    fn clients_and_models_have_conversations_of_their_own() {
        let body = br#"{"messages":[]}"#;
        let of = |key: Option<&[u8]>, model| {
            let key = key.map(KeyHash::of);
            conversation(key.as_ref(), model, &session("s"), body)
        };
        let all = [
            of(None, "m"),
            of(Some(b"a"), "m"),
            of(Some(b"b"), "m"),
            of(None, "n"),
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(all[n + 1..].iter().all(|other| other != one), "{n}");
        }
    }

    #[test]
    fn a_cache_mark_that_moves_changes_nothing() {
        let plain = of(r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}"#);
        for marked in [
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}]}"#,
            r#"{"messages":[{"role":"user","content":[{"cache_control": {"type":"ephemeral","ttl":"1h"} ,"type":"text","text":"a"}]}]}"#,
            r#"{"messages":[{"role":"user","content":[{"type":"text","cache_control":null,"text":"a"}]}]}"#,
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a", "cache_control" : null}]}]}"#,
        ] {
            assert_eq!(of(marked), plain, "{marked}");
        }
        for odd in [
            r#"{"input":"\"cache_control\""}"#,
            r#"{"input":"a\"cache_control\":{"}"#,
        ] {
            assert!(of(odd).is_some(), "{odd}");
        }
    }
}
