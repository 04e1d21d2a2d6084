//! Token counting: the question and its answer in each format.

use super::Format;
use super::json::{self, Node};
use crate::chat::{Content, OutputFormat, Part, Request, Source, ToolKind};

/// What one picture is taken to cost where nobody counts.
const IMAGE: u64 = 1_600;

/// Members of a request that Anthropic's counting does not take.
const NOT_COUNTED_CLAUDE: &[&str] = &[
    "max_tokens",
    "stream",
    "metadata",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "service_tier",
];

/// Members of a request that OpenAI's counting does not take.
const NOT_COUNTED_RESPONSES: &[&str] = &[
    "max_output_tokens",
    "stream",
    "stream_options",
    "metadata",
    "temperature",
    "top_p",
    "store",
    "include",
    "service_tier",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "background",
    "top_logprobs",
];

/// The question of `format` for an encoded request of it. `None`: the format has none.
pub fn question(format: Format, request: &[u8], model: &str) -> Option<Vec<u8>> {
    let node = Node::parse(request, usize::MAX).ok()?;
    let without = |names: &[&str]| {
        let mut out = Vec::with_capacity(request.len());
        json::object(&mut out, |o| {
            for (key, value) in node.members() {
                if !names.contains(&&*key) {
                    o.raw(&key, value.raw());
                }
            }
        });
        out
    };
    match format {
        Format::OpenAiChat => None,
        Format::Claude => Some(without(NOT_COUNTED_CLAUDE)),
        Format::OpenAiResponses => Some(without(NOT_COUNTED_RESPONSES)),
        Format::Gemini => {
            let mut out = Vec::with_capacity(request.len() + 64);
            json::object(&mut out, |o| {
                o.object("generateContentRequest", |o| {
                    o.str("model", &format!("models/{model}"));
                    for (key, value) in node.members() {
                        o.raw(&key, value.raw());
                    }
                });
            });
            Some(out)
        }
    }
}

/// The request inside a question of `format`: Gemini may ask with a whole request in it.
pub fn asked<'a>(format: Format, question: Node<'a>) -> Node<'a> {
    match format {
        Format::Gemini => question
            .get("generateContentRequest")
            .or_else(|| question.get("generate_content_request"))
            .unwrap_or(question),
        _ => question,
    }
}

/// The number in an answer of `format`.
pub fn read(format: Format, answer: &[u8]) -> Option<u64> {
    let answer = Node::parse(answer, 64).ok()?;
    let answer = answer.get("response").unwrap_or(answer);
    let key = match format {
        Format::Claude | Format::OpenAiResponses => "input_tokens",
        Format::Gemini => "totalTokens",
        Format::OpenAiChat => return None,
    };
    // An empty prompt may be left out, as proto JSON does with zeros.
    match answer.get(key) {
        Some(number) => number.u64(),
        None => (format == Format::Gemini).then_some(0),
    }
}

/// An answer of `format`.
pub fn write(format: Format, tokens: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    json::object(&mut out, |o| match format {
        Format::Gemini => o.num("totalTokens", tokens),
        Format::OpenAiResponses => {
            o.str("object", "response.input_tokens");
            o.num("input_tokens", tokens);
        }
        Format::Claude | Format::OpenAiChat => o.num("input_tokens", tokens),
    });
    out
}

/// What a request may cost where nobody counts: a token for every four bytes of text and a tenth more,
/// and a fixed sum for every picture.
pub fn estimate(request: &Request<'_>) -> u64 {
    let mut bytes = 0;
    let pictures = texts(request, &mut |text| bytes += text.len() as u64);
    let tokens = bytes.div_ceil(4);
    tokens + tokens.div_ceil(10) + pictures
}

/// Hands out every text of a request that a model reads, and says what its pictures are taken to cost.
pub(super) fn texts(request: &Request<'_>, each: &mut dyn FnMut(&str)) -> u64 {
    let mut sum = Sum { each, images: 0 };
    for turn in request.instructions.iter().chain(&request.turns) {
        sum.parts(&turn.parts);
    }
    for tool in &request.tools {
        sum.tool(&tool.kind);
    }
    if let OutputFormat::JsonSchema { schema, .. } | OutputFormat::Enum { schema } =
        &request.output.format
    {
        sum.text(schema.as_str());
    }
    sum.images * IMAGE
}

struct Sum<'s> {
    each: &'s mut dyn FnMut(&str),
    images: u64,
}

impl Sum<'_> {
    fn text(&mut self, text: &str) {
        (self.each)(text);
    }

    fn parts(&mut self, parts: &[Part<'_>]) {
        for part in parts {
            match &part.content {
                Content::Text(text) => self.text(&text.text),
                Content::Refusal(text) => self.text(text),
                Content::Reasoning(reasoned) => self.text(&reasoned.text()),
                Content::ToolCall(call) => {
                    self.text(&call.name);
                    self.text(&call.arguments);
                }
                Content::ToolResult(result) => self.parts(&result.content),
                Content::Document(document) => self.source(&document.source),
                Content::Image(_) => self.images += 1,
                Content::Audio(audio) => self.source(&audio.source),
                Content::Video(_) => self.images += 1,
                Content::ServerCall(call) => self.text(call.input.as_str()),
                Content::ServerResult(result) => {
                    self.text(result.output.as_deref().unwrap_or_default());
                }
                Content::Native(native) => self.text(native.json.as_str()),
            }
        }
    }

    fn source(&mut self, source: &Source<'_>) {
        match source {
            Source::Text(text) => self.text(text),
            Source::Parts(parts) => self.parts(parts),
            // Bytes of a file are no text: a page of it costs about as much as a picture.
            Source::Bytes { .. } | Source::Url { .. } | Source::File { .. } => self.images += 1,
        }
    }

    fn tool(&mut self, tool: &ToolKind<'_>) {
        match tool {
            ToolKind::Function(function) => {
                self.text(&function.name);
                self.text(function.description.as_deref().unwrap_or_default());
                if let Some(schema) = &function.schema {
                    self.text(schema.as_str());
                }
            }
            ToolKind::Custom(custom) => {
                self.text(&custom.name);
                self.text(custom.description.as_deref().unwrap_or_default());
            }
            ToolKind::Namespace { tools, .. } => {
                for tool in tools {
                    self.tool(&tool.kind);
                }
            }
            ToolKind::Provider(tool) => self.text(tool.native.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Role, Turn};

    #[test]
    fn a_question_leaves_out_what_is_not_counted() {
        let request = br#"{"model":"m","max_tokens":5,"messages":[ 1.0 ],"stream":true}"#;
        assert_eq!(
            question(Format::Claude, request, "m").unwrap(),
            br#"{"model":"m","messages":[ 1.0 ]}"#
        );
        assert_eq!(
            question(Format::Gemini, br#"{"contents":[]}"#, "g").unwrap(),
            br#"{"generateContentRequest":{"model":"models/g","contents":[]}}"#
        );
        assert_eq!(question(Format::OpenAiChat, request, "m"), None);
    }

    #[test]
    fn answers_go_both_ways() {
        for format in [Format::Claude, Format::OpenAiResponses, Format::Gemini] {
            assert_eq!(read(format, &write(format, 42)), Some(42), "{format:?}");
        }
        assert_eq!(read(Format::Gemini, b"{}"), Some(0));
        assert_eq!(read(Format::Claude, b"{}"), None);
        assert_eq!(read(Format::Claude, b"nonsense"), None);
    }

    #[test]
    fn an_estimate_grows_with_text_and_pictures() {
        let mut request = Request::new(Format::Claude);
        assert_eq!(estimate(&request), 0);
        let part = Part::text("x".repeat(400));
        request.turns = vec![Turn::new(Role::User, vec![part])];
        assert_eq!(estimate(&request), 110);
    }
}
