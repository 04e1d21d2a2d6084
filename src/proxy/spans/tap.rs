//! What an answer tells about itself: its model, and the tokens that it took. Read from its first and
//! last bytes as they went to the client, once, when a traced request has ended.

use std::collections::VecDeque;

use memchr::memmem;
use serde::Deserialize;

/// How much of the beginning is kept: the first event.
const HEAD: usize = 4 << 10;
/// How much of the end is kept: the last events.
const TAIL: usize = 16 << 10;

/// The first and last bytes of an answer.
#[derive(Debug, Default)]
pub(super) struct Tap {
    head: Vec<u8>,
    tail: VecDeque<u8>,
}

/// What an answer tells about itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The model that it names.
    pub(super) model: Option<String>,
    /// Tokens of the request, cached ones included.
    pub(super) input: Option<u64>,
    /// Tokens of the answer, reasoning included.
    pub(super) output: Option<u64>,
}

/// `usage` of three formats and `usageMetadata` of the fourth.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    #[serde(rename = "promptTokenCount")]
    prompt: Option<u64>,
    #[serde(rename = "candidatesTokenCount")]
    candidates: Option<u64>,
    #[serde(rename = "thoughtsTokenCount")]
    thoughts: Option<u64>,
}

impl Tap {
    /// A piece of the answer passes.
    pub(super) fn passes(&mut self, data: &[u8]) {
        let room = HEAD - self.head.len();
        let (head, rest) = data.split_at(room.min(data.len()));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(TAIL)..];
        let over = (self.tail.len() + rest.len()).saturating_sub(TAIL);
        self.tail.drain(..over);
        self.tail.extend(rest);
    }

    /// What it told.
    pub(super) fn told(mut self) -> Told {
        let tail = self.tail.make_contiguous();
        let begun = usage(&self.head, memmem::find);
        let ended = usage(tail, memmem::rfind).or_else(|| usage(&self.head, memmem::rfind));
        let (begun, ended) = (begun.unwrap_or_default(), ended.unwrap_or_default());
        Told {
            model: model(&self.head).or_else(|| model(tail)),
            input: ended.input().or_else(|| begun.input()),
            output: ended.output().or_else(|| begun.output()),
        }
    }
}

impl Usage {
    fn input(&self) -> Option<u64> {
        let tokens = self.prompt_tokens.or(self.prompt).or(self.input_tokens)?;
        // Anthropic counts what came from its cache apart.
        let cached = [
            self.cache_read_input_tokens,
            self.cache_creation_input_tokens,
        ];
        Some(
            cached
                .into_iter()
                .flatten()
                .fold(tokens, u64::saturating_add),
        )
    }

    fn output(&self) -> Option<u64> {
        let gemini = || match (self.candidates, self.thoughts) {
            (None, None) => None,
            (said, thought) => Some(said.unwrap_or(0).saturating_add(thought.unwrap_or(0))),
        };
        self.completion_tokens
            .or(self.output_tokens)
            .or_else(gemini)
    }
}

/// The counts behind a name. In a text of the model its quotes would be escaped.
fn usage(data: &[u8], find: fn(&[u8], &[u8]) -> Option<usize>) -> Option<Usage> {
    ["\"usage\":", "\"usageMetadata\":"]
        .iter()
        .find_map(|name| {
            let at = find(data, name.as_bytes())? + name.len();
            first(&data[at..])
        })
}

fn model(data: &[u8]) -> Option<String> {
    ["\"model\":", "\"modelVersion\":"].iter().find_map(|name| {
        let at = memmem::find(data, name.as_bytes())? + name.len();
        first(&data[at..])
    })
}

/// The value that `data` begins with.
fn first<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Option<T> {
    serde_json::Deserializer::from_slice(data)
        .into_iter()
        .next()?
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &str) -> (Option<String>, Option<u64>, Option<u64>) {
        let whole = |size: usize| {
            let mut tap = Tap::default();
            answer
                .as_bytes()
                .chunks(size)
                .for_each(|piece| tap.passes(piece));
            tap.told()
        };
        let told = whole(usize::MAX);
        assert_eq!(told, whole(7), "in pieces");
        (told.model, told.input, told.output)
    }

    #[test]
    fn every_format_tells_its_tokens() {
        let long = "x".repeat(50_000);
        for (answer, model, input, output) in [
            (r#"{"model":"gpt-5","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"d":{"a":1}}}"#.to_owned(), "gpt-5", 3, 4),
            (format!("data: {{\"model\":\"m\",\"usage\":null}}\n\ndata: {{\"t\":\"{long}\"}}\n\ndata: {{\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":2}}}}\n\ndata: [DONE]\n\n"), "m", 1, 2),
            (format!("data: {{\"type\":\"response.created\",\"response\":{{\"model\": \"r\",\"usage\":null}}}}\n\n{long}data: {{\"response\":{{\"usage\": {{\"input_tokens\":5,\"output_tokens\":6}}}}}}\n\n"), "r", 5, 6),
            (format!("data: {{\"message\":{{\"model\":\"c\",\"usage\":{{\"input_tokens\":1,\"cache_read_input_tokens\":10,\"output_tokens\":1}}}}}}\n\n{long}data: {{\"usage\":{{\"output_tokens\":9}}}}\n\ndata: {{\"type\":\"message_stop\"}}\n\n"), "c", 11, 9),
            (r#"{"candidates":[],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":8,"thoughtsTokenCount":2},"modelVersion":"g"}"#.to_owned(), "g", 7, 10),
        ] {
            assert_eq!(told(&answer), (Some(model.to_owned()), Some(input), Some(output)));
        }
    }

    #[test]
    fn what_a_model_says_is_not_taken_for_its_count() {
        let said = r#"{"text":"\"usage\":{\"prompt_tokens\":1} \"model\":\"evil\""}"#;
        assert_eq!(told(said), (None, None, None));
        assert_eq!(told(r#"{"usage":"#), (None, None, None));
        assert_eq!(
            told(r#"{"usage":{"prompt_tokens":-1}}"#),
            (None, None, None)
        );
    }
}
