//! What OpenAI Chat messages hold beyond OpenAI's own fields: reasoning that an answer of ours, or of a
//! compatible server, has shown. OpenAI itself has no place for it.

use super::{edit, items_mut};
use crate::wire::json::Tree;

/// Members of assistant messages; a request that has one bears
/// [`Marks::EXTENSION`](crate::wire::Marks::EXTENSION).
const OF_MESSAGES: [&str; 5] = [
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "thinking_blocks",
    "extra_content",
];

/// The request without them. `None`: there are none, or it cannot be read.
pub fn without_extensions(body: &[u8]) -> Option<Vec<u8>> {
    edit(body, |request| {
        let mut any = false;
        for message in items_mut(request, "messages").into_iter().flatten() {
            if message.get("role").and_then(Tree::as_str) != Some("assistant") {
                continue;
            }
            for name in OF_MESSAGES {
                any |= message.remove(name).is_some();
            }
            for call in items_mut(message, "tool_calls").into_iter().flatten() {
                any |= call.remove("extra_content").is_some();
            }
        }
        any
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Marks, json};

    #[test]
    fn only_the_models_own_messages_lose_what_openai_does_not_know() {
        let body = r#"{"model":"m","reasoning":{"effort":"low"},"messages":[{"role":"user","content":"\"reasoning_content\"","reasoning_content":1},{"role":"assistant","content":"a","reasoning_content":"r","reasoning_details":[],"tool_calls":[{"id":"c","extra_content":{"google":{}},"type":"function"}]}],"n":1.0}"#;
        let may = |body: &[u8]| {
            let survey = json::survey(body, 9, false, |_| {}).unwrap();
            survey.marks.has(Marks::EXTENSION)
        };
        assert!(may(body.as_bytes()));
        for name in OF_MESSAGES {
            assert!(may(format!("{{\"{name}\":1}}").as_bytes()), "{name}");
        }
        let clean = without_extensions(body.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(clean).unwrap(),
            r#"{"model":"m","reasoning":{"effort":"low"},"messages":[{"role":"user","content":"\"reasoning_content\"","reasoning_content":1},{"role":"assistant","content":"a","tool_calls":[{"id":"c","type":"function"}]}],"n":1.0}"#
        );
        let plain = br#"{"messages":[{"role":"assistant","content":"a"}]}"#;
        assert_eq!(without_extensions(plain), None);
        assert!(!may(plain));
    }
}
