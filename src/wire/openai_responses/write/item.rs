//! The items of an output.

use super::super::super::json::{ObjectWriter, array, object};
use super::super::encode::{action_key, json_or_empty};
use super::wire::{Wire, number};
use crate::chat::CallKind;

/// How an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
    Failed,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

/// An item.
pub(super) struct Item {
    /// Its id.
    pub(super) id: String,
    /// What it holds so far.
    pub(super) body: Body,
    /// What it came to, once it is done.
    pub(super) done: Option<String>,
}

/// What an item holds.
pub(super) enum Body {
    Message(Vec<Said>),
    Reasoning {
        texts: Vec<Text>,
        state: Option<String>,
    },
    Call {
        call_id: String,
        name: String,
        namespace: Option<String>,
        kind: CallKind,
        arguments: String,
    },
    /// A search of the web; its action, and the pages it found.
    Search {
        action: String,
        sources: Option<String>,
    },
    /// Code that ran, and what it printed.
    Code {
        code: String,
        logs: Option<String>,
    },
    /// A picture.
    Picture(String),
    /// An item as this format wrote it.
    Native(String),
}

/// A part of a message.
#[derive(Default)]
pub(super) struct Said {
    pub(super) is_refusal: bool,
    pub(super) text: String,
    /// Its length in code points.
    pub(super) points: u64,
    pub(super) annotations: Vec<String>,
    /// The inside of the list.
    pub(super) logprobs: String,
    /// The block that writes it now.
    pub(super) writer: Option<u32>,
    pub(super) is_done: bool,
}

/// A text of reasoning.
pub(super) struct Text {
    pub(super) is_raw: bool,
    pub(super) text: String,
    pub(super) is_done: bool,
}

impl Item {
    pub(super) const fn new(id: String, body: Body) -> Self {
        Self {
            id,
            body,
            done: None,
        }
    }

    /// The item as JSON.
    pub(super) fn json(&self, status: Status) -> String {
        if let Body::Native(json) = &self.body {
            return json.clone();
        }
        let mut out = Vec::new();
        object(&mut out, |o| {
            o.str("id", &self.id);
            self.members(status, o);
        });
        String::from_utf8(out).unwrap_or_default()
    }

    fn members(&self, status: Status, o: &mut ObjectWriter<'_>) {
        let begun = status == Status::InProgress;
        match &self.body {
            Body::Message(parts) => {
                o.str("type", "message");
                o.str("status", status.name());
                o.str("role", "assistant");
                o.array("content", |list| {
                    for part in parts.iter().filter(|_| !begun) {
                        list.raw(&part.json());
                    }
                });
            }
            Body::Reasoning { texts, state } => {
                o.str("type", "reasoning");
                let of = |raw| {
                    texts
                        .iter()
                        .filter(move |text| text.is_raw == raw && !begun)
                };
                o.array("summary", |list| {
                    of(false).for_each(|text| list.raw(&text.json()));
                });
                if of(true).next().is_some() {
                    o.array("content", |list| {
                        of(true).for_each(|text| list.raw(&text.json()));
                    });
                }
                if !begun {
                    o.opt_str("encrypted_content", state.as_deref());
                }
            }
            Body::Call {
                call_id,
                name,
                namespace,
                kind,
                arguments,
            } => {
                let (kind, key) = match kind {
                    CallKind::Function => ("function_call", "arguments"),
                    CallKind::Custom => ("custom_tool_call", "input"),
                    CallKind::Typed(kind) => (*kind, action_key(kind, arguments)),
                };
                o.str("type", kind);
                o.str("status", status.name());
                o.str("call_id", call_id);
                if key == "arguments" || key == "input" {
                    o.str("name", name);
                    o.opt_str("namespace", namespace.as_deref());
                    o.str(key, if begun { "" } else { arguments });
                } else {
                    o.raw(key, json_or_empty(arguments));
                    if kind == "computer_call" {
                        o.raw("pending_safety_checks", "[]");
                    }
                }
            }
            Body::Search { action, sources } => {
                o.str("type", "web_search_call");
                o.str("status", status.name());
                if let (false, Some(sources)) = (begun, sources) {
                    let action = action.strip_suffix('}').unwrap_or(action);
                    o.raw("action", &format!("{action},\"sources\":{sources}}}"));
                } else {
                    o.raw("action", action);
                }
            }
            Body::Code { code, logs } => {
                o.str("type", "code_interpreter_call");
                o.str("status", status.name());
                o.str("code", if begun { "" } else { code });
                o.str("container_id", "");
                o.array("outputs", |list| {
                    for logs in logs.iter().filter(|_| !begun) {
                        list.object(|o| {
                            o.str("type", "logs");
                            o.str("logs", logs);
                        });
                    }
                });
            }
            Body::Picture(base64) => {
                o.str("type", "image_generation_call");
                o.str("status", status.name());
                o.str_or_null("result", Some(&**base64).filter(|_| !begun));
            }
            Body::Native(_) => {}
        }
    }

    /// What has to be said before the item is done.
    pub(super) fn last_words(
        &mut self,
        index: usize,
        status: Status,
        wire: &mut Wire,
        out: &mut Vec<u8>,
    ) {
        if status == Status::Failed {
            return;
        }
        let about = (&*self.id, index);
        match &mut self.body {
            Body::Message(parts) => {
                for (at, part) in parts.iter_mut().enumerate() {
                    part.finish(about, at, wire, out);
                }
            }
            Body::Reasoning { texts, .. } => {
                let (mut summaries, mut raws) = (0, 0);
                for text in texts {
                    let at = if text.is_raw {
                        &mut raws
                    } else {
                        &mut summaries
                    };
                    text.finish(about, *at, wire, out);
                    *at += 1;
                }
            }
            Body::Call {
                kind,
                arguments,
                name,
                ..
            } => {
                let (event, key) = match kind {
                    CallKind::Function => ("response.function_call_arguments.done", "arguments"),
                    CallKind::Custom => ("response.custom_tool_call_input.done", "input"),
                    CallKind::Typed(_) => return,
                };
                wire.about(out, event, about, |o| {
                    if key == "arguments" {
                        o.str("name", name);
                    }
                    o.str(key, arguments);
                });
            }
            Body::Search { .. } => {
                wire.about(out, "response.web_search_call.completed", about, |_| {});
            }
            Body::Code { .. } => {
                wire.about(
                    out,
                    "response.code_interpreter_call.completed",
                    about,
                    |_| {},
                );
            }
            Body::Picture(_) => {
                wire.about(
                    out,
                    "response.image_generation_call.completed",
                    about,
                    |_| {},
                );
            }
            Body::Native(_) => {}
        }
    }
}

impl Said {
    /// The part as JSON.
    pub(super) fn json(&self) -> String {
        let mut out = Vec::new();
        object(&mut out, |o| {
            if self.is_refusal {
                o.str("type", "refusal");
                o.str("refusal", &self.text);
                return;
            }
            o.str("type", "output_text");
            o.str("text", &self.text);
            o.array("annotations", |list| {
                self.annotations.iter().for_each(|one| list.raw(one));
            });
            o.raw("logprobs", &self.list_of_logprobs());
        });
        String::from_utf8(out).unwrap_or_default()
    }

    fn list_of_logprobs(&self) -> String {
        ["[", &self.logprobs, "]"].concat()
    }

    /// Ends the part, if it is not over.
    pub(super) fn finish(
        &mut self,
        about: (&str, usize),
        at: usize,
        wire: &mut Wire,
        out: &mut Vec<u8>,
    ) {
        if std::mem::replace(&mut self.is_done, true) {
            return;
        }
        if self.is_refusal {
            wire.about(out, "response.refusal.done", about, |o| {
                o.num("content_index", number(at));
                o.str("refusal", &self.text);
            });
        } else {
            wire.about(out, "response.output_text.done", about, |o| {
                o.num("content_index", number(at));
                o.str("text", &self.text);
                o.raw("logprobs", &self.list_of_logprobs());
            });
        }
        wire.about(out, "response.content_part.done", about, |o| {
            o.num("content_index", number(at));
            o.raw("part", &self.json());
        });
    }
}

impl Text {
    fn json(&self) -> String {
        let mut out = Vec::new();
        object(&mut out, |o| {
            let kind = if self.is_raw {
                "reasoning_text"
            } else {
                "summary_text"
            };
            o.str("type", kind);
            o.str("text", &self.text);
        });
        String::from_utf8(out).unwrap_or_default()
    }

    /// Ends the text, if it is not over.
    pub(super) fn finish(
        &mut self,
        about: (&str, usize),
        at: usize,
        wire: &mut Wire,
        out: &mut Vec<u8>,
    ) {
        if std::mem::replace(&mut self.is_done, true) {
            return;
        }
        let (text, part, key) = if self.is_raw {
            (
                "response.reasoning_text.done",
                "response.content_part.done",
                "content_index",
            )
        } else {
            (
                "response.reasoning_summary_text.done",
                "response.reasoning_summary_part.done",
                "summary_index",
            )
        };
        wire.about(out, text, about, |o| {
            o.num(key, number(at));
            o.str("text", &self.text);
        });
        wire.about(out, part, about, |o| {
            o.num(key, number(at));
            o.raw("part", &self.json());
        });
    }
}

/// A list of values that are JSON already.
pub(super) fn list(values: impl Iterator<Item = String>) -> String {
    let mut out = Vec::new();
    array(&mut out, |list| {
        values.for_each(|value| list.raw(&value));
    });
    String::from_utf8(out).unwrap_or_default()
}
