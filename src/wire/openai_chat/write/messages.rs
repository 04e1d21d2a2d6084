//! Writes the messages.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::Writer;
use super::parts::document_text;
use crate::chat::{
    CacheMark, Content, Document, Extra, Format, LazyStr, OutputFormat, Part, Role, Source,
    ToolResult, Turn,
};
use crate::wire::json::{ArrayWriter, ObjectWriter};

impl<'r> Writer<'r> {
    /// All messages.
    pub(super) fn messages(&mut self, a: &mut ArrayWriter<'_>) {
        let request = self.request;
        // A mark on the tools has no place of its own here: they come before the instructions.
        let mut of_tools = request.tools.iter().find_map(|tool| tool.cache);
        for turn in &request.instructions {
            self.instruction(a, turn, of_tools.take());
        }
        if request.output.format == OutputFormat::JsonObject && !self.is_own && !self.says_json() {
            a.object(|o| {
                o.str("role", self.instruction_role());
                o.str("content", "Answer in JSON.");
            });
        }
        let mut rest = &request.turns[..];
        while let Some((turn, following)) = rest.split_first() {
            rest = following;
            match turn.role {
                Role::Instruction(_) => self.instruction(a, turn, None),
                Role::User => self.user(a, turn),
                Role::Assistant => {
                    let mut parts: Vec<&Part<'_>> = turn.parts.iter().collect();
                    // All calls of a turn stand in one message.
                    while let Some((next, following)) = rest.split_first()
                        && next.role == Role::Assistant
                        && (parts.iter().copied().any(is_call) || next.parts.iter().any(is_call))
                    {
                        parts.extend(&next.parts);
                        rest = following;
                    }
                    self.assistant(a, turn, &parts);
                }
            }
        }
    }

    const fn instruction_role(&self) -> &'static str {
        if self.chat.developer_role {
            "developer"
        } else {
            "system"
        }
    }

    fn instruction(&mut self, a: &mut ArrayWriter<'_>, turn: &Turn<'_>, mark: Option<CacheMark>) {
        let mut parts: Vec<&Part<'_>> = turn.parts.iter().collect();
        let marked;
        if let Some(first) = parts.first_mut()
            && mark.is_some()
            && self.chat.cache_breakpoints
            && first.cache.is_none()
        {
            marked = Part {
                cache: mark,
                ..first.clone()
            };
            *first = &marked;
        }
        a.object(|o| {
            o.str("role", self.instruction_role());
            self.content(o, &parts, "\n\n");
            self.speaker(o, turn);
        });
    }

    /// Text as one string, unless there is more to a part than its text.
    pub(super) fn content(&mut self, o: &mut ObjectWriter<'_>, parts: &[&Part<'_>], between: &str) {
        if parts.iter().all(|part| self.is_plain(part)) {
            o.text("content", &joined(parts.iter().copied(), between));
        } else {
            o.array("content", |a| {
                for part in parts {
                    self.part(a, part);
                }
            });
        }
    }

    /// Who speaks, and what else only this format knows.
    pub(super) fn speaker(&self, o: &mut ObjectWriter<'_>, turn: &Turn<'_>) {
        o.opt_str("name", turn.name.as_deref());
        self.extra(o, &turn.extra);
    }

    pub(super) fn extra(&self, o: &mut ObjectWriter<'_>, extra: &Extra<'_>) {
        if self.is_own {
            for (name, value) in &extra.0 {
                o.raw(name, value.as_str());
            }
        }
    }

    fn user(&mut self, a: &mut ArrayWriter<'_>, turn: &'r Turn<'r>) {
        let mut attached = Vec::new();
        let mut rest = Vec::new();
        let mut number = 0;
        for part in &turn.parts {
            if let Content::ToolResult(result) = &part.content {
                number += 1;
                self.result(a, part, result, number, &mut attached);
            } else {
                rest.push(part);
            }
        }
        if number > 0 && rest.is_empty() && attached.is_empty() {
            return;
        }
        a.object(|o| {
            o.str("role", "user");
            match (&rest[..], &attached[..]) {
                ([], []) => o.str("content", ""),
                ([one], []) if self.is_plain(one) => self.content(o, &[one], ""),
                _ => o.array("content", |a| {
                    for (label, parts) in attached {
                        a.object(|o| {
                            o.str("type", "text");
                            o.str("text", &label);
                        });
                        for part in parts {
                            self.part(a, part);
                        }
                    }
                    for part in rest {
                        self.part(a, part);
                    }
                }),
            }
            self.speaker(o, turn);
        });
    }

    /// A result. What is no text goes into the user's message behind it.
    fn result(
        &mut self,
        a: &mut ArrayWriter<'_>,
        part: &'r Part<'r>,
        result: &'r ToolResult<'r>,
        number: usize,
        attached: &mut Vec<(String, Vec<&'r Part<'r>>)>,
    ) {
        let is_legacy = self.request.legacy_functions && is_legacy_id(&result.call);
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for inner in &result.content {
            match &inner.content {
                Content::Text(_)
                | Content::Document(Document {
                    source: Source::Text(_),
                    ..
                }) => here.push(inner),
                Content::Image(_) if self.chat.tool_image => here.push(inner),
                Content::Native(native) if native.format == Format::OpenAiChat => here.push(inner),
                _ => there.push(inner),
            }
        }
        a.object(|o| {
            match (&result.name, is_legacy) {
                (Some(name), true) => {
                    o.str("role", "function");
                    o.str("name", name);
                }
                (name, _) => {
                    o.str("role", "tool");
                    o.str("tool_call_id", &result.call);
                    o.opt_str("name", name.as_deref().filter(|_| self.is_own));
                }
            }
            let is_text = |part: &&Part<'_>| self.is_plain(part) || as_document(part).is_some();
            if here.iter().all(is_text) {
                let mut text = joined(here.iter().copied(), "\n");
                if text.is_empty() && !there.is_empty() {
                    text = "See attached content for this result.".into();
                }
                if result.is_error == Some(true) && !says_error(&text) {
                    text = format!("Error: {text}").into();
                }
                if part.cache.is_some() && self.chat.cache_breakpoints && !self.is_own {
                    o.array("content", |a| {
                        a.object(|o| {
                            o.str("type", "text");
                            o.text("text", &text);
                            self.marks(o, &part.extra, part.cache);
                        });
                    });
                } else {
                    o.text("content", &text);
                }
            } else {
                o.array("content", |a| {
                    for inner in here {
                        self.part(a, inner);
                    }
                });
            }
            self.extra(o, &part.extra);
        });
        if !there.is_empty() {
            let name = result
                .name
                .as_deref()
                .or_else(|| self.name_of(&result.call));
            let name = name.unwrap_or("a tool");
            let label = format!("Tool result {number} for {name} (call {}):", result.call);
            attached.push((label, there));
        }
    }

    fn name_of(&self, id: &str) -> Option<&'r str> {
        let mut parts = self.request.turns.iter().flat_map(|turn| &turn.parts);
        parts.find_map(|part| match &part.content {
            Content::ToolCall(call) if call.id == id => Some(&*call.name),
            _ => None,
        })
    }
}

fn is_call(part: &Part<'_>) -> bool {
    matches!(part.content, Content::ToolCall(_))
}

/// An id that was made up for a call of the form that has none.
pub(super) fn is_legacy_id(id: &str) -> bool {
    id.strip_prefix("fc_")
        .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn as_document<'p>(part: &'p Part<'_>) -> Option<Cow<'p, str>> {
    match &part.content {
        Content::Document(document) => match &document.source {
            Source::Text(text) => Some(Cow::Owned(document_text(document, text))),
            _ => None,
        },
        _ => None,
    }
}

fn says_error(text: &str) -> bool {
    let head = text.get(..5);
    head.is_some_and(|head| head.eq_ignore_ascii_case("error"))
}

fn joined<'p>(parts: impl Iterator<Item = &'p Part<'p>>, between: &str) -> LazyStr<'p> {
    let mut texts: SmallVec<[LazyStr<'p>; 1]> = parts
        .filter_map(|part| {
            part.as_lazy()
                .map(LazyStr::borrowed)
                .or_else(|| as_document(part).map(LazyStr::from))
        })
        .collect();
    if texts.len() > 1 {
        let texts: Vec<&str> = texts.iter().map(LazyStr::as_str).collect();
        return texts.join(between).into();
    }
    texts.pop().unwrap_or_default()
}
