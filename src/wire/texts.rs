//! The texts of a request and of an answer, for who counts them. They are looked for off the path of
//! requests, and in what may have been cut anywhere.

use std::ops::Range;

use memchr::{memchr, memmem};

use super::json::{Kind, Node, decode_lossy_into, string_end};
use super::{Format, codec, count};
use crate::chat::Request;

/// What a turn costs besides its texts.
const TURN: u64 = 3;
/// A longer text without a blank in it is no text: bytes of a file.
const UNBROKEN: usize = 4 << 10;
/// How deep a request may nest.
const DEPTH: usize = 512;

/// Members of answers, and of their events, whose strings the model has written.
const SAID: [&[u8]; 8] = [
    b"content",
    b"text",
    b"reasoning_content",
    b"reasoning",
    b"refusal",
    b"arguments",
    b"thinking",
    b"partial_json",
];
/// Those whose objects it has written: what it calls tools with.
const CALLED: [&[u8]; 2] = [b"input", b"args"];

/// Hands out every text of a request that a model reads, and says what the rest of it is taken to cost:
/// turns, pictures.
pub fn asked(format: Format, request: &[u8], each: &mut dyn FnMut(&str)) -> u64 {
    let Ok(node) = Node::parse(request, DEPTH) else {
        return 0;
    };
    match codec(format).decode_request(node) {
        Ok(request) if says_something(&request) => {
            TURN * (request.turns.len() as u64 + 1) + count::texts(&request, each)
        }
        // Another endpoint of the format: what it has of texts.
        _ => {
            strings(node, each);
            0
        }
    }
}

fn says_something(request: &Request<'_>) -> bool {
    !request.turns.is_empty() || !request.instructions.is_empty()
}

fn strings(node: Node<'_>, each: &mut dyn FnMut(&str)) {
    match node.kind() {
        Kind::Object => node.members().for_each(|(key, value)| {
            if key != "model" {
                strings(value, each);
            }
        }),
        Kind::Array => node.items().for_each(|item| strings(item, each)),
        Kind::String => {
            if let Some(text) = node.str()
                && (text.len() < UNBROKEN || text.contains(' '))
            {
                each(&text);
            }
        }
        _ => {}
    }
}

/// What a model has said in an answer of any format and framing, which may end anywhere.
pub fn answered(answer: &[u8]) -> String {
    let has = |word: &str| memmem::find(answer, word.as_bytes()).is_some();
    // Responses' events say everything twice: piece by piece, and whole at the end.
    let in_deltas = has("\"delta\":\"") || has("\"delta\": \"");
    // The same in two places.
    let is_detailed = has("\"reasoning_details\"");
    let is_said = |key: &[u8]| match in_deltas {
        true => key == b"delta",
        false => SAID.contains(&key) && !(is_detailed && key == b"reasoning"),
    };
    let mut out = String::new();
    let mut at = 0;
    while let Some(key) = string(answer, at) {
        at = key.end + 1;
        let Some(value) = value_at(answer, at) else {
            continue;
        };
        let name = &answer[key];
        match answer[value] {
            b'"' if is_said(name) => {
                let Some(text) = string(answer, value) else {
                    break;
                };
                at = text.end + 1;
                decode_lossy_into(&String::from_utf8_lossy(&answer[text]), &mut out);
            }
            b'{' if CALLED.contains(&name) => {
                let end = object_end(answer, value);
                at = end;
                if end - value > 2 {
                    out.push_str(&String::from_utf8_lossy(&answer[value..end]));
                }
            }
            _ => at = value,
        }
    }
    out
}

/// The inside of the first string from `from` on; where it was cut, what there is of it.
fn string(text: &[u8], from: usize) -> Option<Range<usize>> {
    let start = from + memchr(b'"', text.get(from..)?)? + 1;
    let end = string_end(text, start, &mut false).map_or(text.len(), |end| end - 1);
    Some(start..end)
}

/// Where the value begins of a key that ended before `at`; `None`: it was no key.
fn value_at(text: &[u8], at: usize) -> Option<usize> {
    let blank = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let colon = at + text.get(at..)?.iter().position(blank)?;
    if text[colon] != b':' {
        return None;
    }
    Some(colon + 1 + text.get(colon + 1..)?.iter().position(blank)?)
}

/// Where the object that begins at `at` ends, or the text.
fn object_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = string_end(text, at + 1, &mut false).unwrap_or(text.len());
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_model_said_is_found_in_every_format() {
        for (answer, said) in [
            (
                r#"{"choices":[{"message":{"role":"assistant","content":"a\nb","tool_calls":[{"function":{"name":"f","arguments":"{\"x\":1}"}}]}}]}"#,
                "a\nb{\"x\":1}",
            ),
            (
                "data: {\"choices\":[{\"delta\":{\"content\":\"\",\"role\":\"assistant\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"lo\"}}]}\n\ndata: [DONE]\n\n",
                "Hello",
            ),
            (
                "data: {\"choices\":[{\"delta\":{\"reasoning\":\"th\",\"reasoning_details\":[{\"text\":\"th\"}]}}]}\n\n",
                "th",
            ),
            (
                "event: x\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\ndata: {\"type\":\"response.output_text.done\",\"text\":\"Hi\"}\n\n",
                "Hi",
            ),
            (
                r#"{"output":[{"type":"message","content":[{"type":"output_text","text":"Hi \u00e9"}]}],"text":{"format":{"type":"text"}}}"#,
                "Hi é",
            ),
            (
                "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\ndata: {\"delta\":{\"type\":\"text_delta\",\"text\":\"ok\"}}\n\ndata: {\"delta\":{\"type\":\"signature_delta\",\"signature\":\"AAAA\"}}\n\n",
                "hmok",
            ),
            (
                r#"{"content":[{"type":"tool_use","name":"f","input":{"a":"}"}},{"type":"tool_use","input":{}}]}"#,
                r#"{"a":"}"}"#,
            ),
            (
                r#"[{"candidates":[{"content":{"parts":[{"text":"x"},{"functionCall":{"name":"f","args": {"k":[1]}}}]}}]}"#,
                r#"x{"k":[1]}"#,
            ),
            (r#"{"choices":[{"message":{"content":"cut he"#, "cut he"),
            ("", ""),
            ("<html>\"content\"</html>", ""),
        ] {
            assert_eq!(answered(answer.as_bytes()), said, "{answer}");
        }
    }

    #[test]
    fn the_texts_of_a_request_are_found_also_where_it_is_of_another_kind() {
        let texts = |format, body: &str| {
            let mut all = Vec::new();
            let others = asked(format, body.as_bytes(), &mut |text| {
                all.push(text.to_owned())
            });
            (all, others)
        };
        assert_eq!(
            texts(
                Format::OpenAiChat,
                r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#
            ),
            (vec!["hi".to_owned()], 6)
        );
        assert_eq!(
            texts(Format::OpenAiChat, r#"{"model":"m","input":["a","b c"]}"#),
            (vec!["a".to_owned(), "b c".to_owned()], 0)
        );
        assert_eq!(texts(Format::Claude, "nonsense"), (Vec::new(), 0));
    }

    proptest! {
        #[test]
        fn an_answer_may_be_cut_anywhere(answer in r#"([{}\[\]:," a]|\\.|"text":|"args":\{|"delta":"){0,40}"#, at in 0_usize..200) {
            let cut = &answer.as_bytes()[..at.min(answer.len())];
            let _ = answered(cut);
        }
    }
}
