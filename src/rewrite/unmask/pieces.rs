//! Which texts an event goes on with.

use smallvec::{SmallVec, smallvec};

use crate::chat::Format;
use crate::wire::json::{Kind, Node, inside};

/// Deeper events are passed as something else.
const DEPTH: usize = 512;

/// One of the texts that an answer consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// What it is a part of, in which one text follows the other: a block, an item, a candidate.
    pub(super) group: u64,
    /// Which text of it.
    pub(super) part: Part,
}

/// Which text of a group: its kind, and a number where there are several.
pub(super) type Part = (&'static str, u64);

/// What an event is about.
#[derive(Debug, Default)]
pub(super) struct About<'a> {
    /// Pieces of texts: the insides of JSON strings, in order; none is empty.
    pub(super) pieces: SmallVec<[(Text, &'a str); 2]>,
    /// What goes on no further.
    pub(super) ends: Ends,
}

/// Which texts do not go on behind an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Ends {
    /// None.
    #[default]
    Nothing,
    /// Those of these groups.
    Groups(SmallVec<[u64; 2]>),
    /// All.
    All,
}

/// What an event with this data is about; `None`: it says nothing, to nobody.
pub(super) fn about(format: Format, data: &[u8]) -> Option<About<'_>> {
    let Ok(event) = Node::parse(data, DEPTH) else {
        return Some(other());
    };
    match format {
        Format::Claude => claude(event),
        Format::OpenAiChat => Some(chat(event)),
        Format::OpenAiResponses => Some(responses(event)),
        Format::Gemini => Some(gemini(event.get("response").unwrap_or(event))),
    }
}

fn other<'a>() -> About<'a> {
    About {
        pieces: SmallVec::new(),
        ends: Ends::All,
    }
}

impl<'a> About<'a> {
    fn say(&mut self, group: u64, part: Part, text: Option<Node<'a>>) {
        if let Some(text) = text
            .filter(|text| text.kind() == Kind::String)
            .and_then(inside)
            && !text.is_empty()
        {
            self.pieces.push((Text { group, part }, text));
        }
    }

    fn end(&mut self, group: u64) {
        match &mut self.ends {
            Ends::Groups(groups) => groups.push(group),
            ends => *ends = Ends::Groups(smallvec![group]),
        }
    }
}

fn number(node: Node<'_>, key: &str) -> u64 {
    node.get(key).and_then(Node::u64).unwrap_or(0)
}

fn claude(event: Node<'_>) -> Option<About<'_>> {
    let mut about = About::default();
    let block = number(event, "index");
    let Some(kind) = event.get_str("type") else {
        return Some(other());
    };
    match &*kind {
        "ping" => return None,
        "content_block_delta" => {
            let Some(delta) = event.get("delta") else {
                return Some(other());
            };
            let mut goes_on = false;
            for part in ["text", "thinking", "partial_json"] {
                let text = delta.get(part);
                goes_on |= text.is_some();
                about.say(block, (part, 0), text);
            }
            if !goes_on {
                about.end(block);
            }
        }
        "content_block_start" | "content_block_stop" => about.end(block),
        _ => return Some(other()),
    }
    Some(about)
}

fn chat(event: Node<'_>) -> About<'_> {
    let Some(choices) = event
        .get("choices")
        .filter(|choices| choices.items().next().is_some())
    else {
        return other();
    };
    let mut about = About::default();
    for choice in choices.items() {
        let group = number(choice, "index");
        if let Some(delta) = choice.get("delta") {
            for part in ["reasoning_content", "reasoning", "content", "refusal"] {
                about.say(group, (part, 0), delta.get(part));
            }
            // Some models answer in parts, of which one may be what they think.
            let parts = delta.get("content").into_iter().flat_map(Node::items);
            for part in parts {
                about.say(group, ("content", 0), part.get("text"));
                let thoughts = part.get("thinking").into_iter().flat_map(Node::items);
                for thought in thoughts {
                    about.say(group, ("thinking", 0), thought.get("text"));
                }
            }
            let function = delta
                .get("function_call")
                .and_then(|call| call.get("arguments"));
            about.say(group, ("function_call", 0), function);
            let calls = delta.get("tool_calls");
            for (n, call) in calls.into_iter().flat_map(Node::items).enumerate() {
                let at = call.get("index").and_then(Node::u64).unwrap_or(n as u64);
                let arguments = call.get("function").and_then(|one| one.get("arguments"));
                about.say(group, ("arguments", at), arguments);
                let input = call.get("custom").and_then(|one| one.get("input"));
                about.say(group, ("input", at), input);
            }
        }
        if choice.get("finish_reason").is_some() {
            about.end(group);
        }
    }
    about
}

fn responses(event: Node<'_>) -> About<'_> {
    /// Kinds of pieces.
    const DELTAS: [&str; 10] = [
        "response.output_text.delta",
        "response.refusal.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.code_interpreter_call_code.delta",
        "response.audio.transcript.delta",
        "response.shell_call_command.delta",
    ];
    let (kind, item) = (
        event.get_str("type").unwrap_or_default(),
        number(event, "output_index"),
    );
    let mut about = About::default();
    if let Some(delta) = DELTAS.into_iter().find(|delta| *delta == kind) {
        let n = ["summary_index", "command_index", "content_index"]
            .into_iter()
            .find_map(|key| event.get(key)?.u64())
            .unwrap_or(0);
        about.say(item, (delta, n), event.get("delta"));
    } else if event.get("output_index").is_some() {
        about.end(item);
    } else {
        return other();
    }
    about
}

fn gemini(event: Node<'_>) -> About<'_> {
    let mut about = About::default();
    let candidates = event.get("candidates");
    for candidate in candidates.into_iter().flat_map(Node::items) {
        let group = number(candidate, "index");
        let parts = candidate
            .get("content")
            .and_then(|content| content.get("parts"));
        let mut goes_on = true;
        for part in parts.into_iter().flat_map(Node::items) {
            let thought = part.get("thought").and_then(Node::bool).unwrap_or(false);
            let text = part.get("text");
            goes_on = text.is_some();
            about.say(group, (if thought { "thought" } else { "text" }, 0), text);
        }
        if !goes_on || candidate.get("finishReason").is_some() {
            about.end(group);
        }
    }
    about
}
