//! What the provider did itself, pictures, and what only this format has.

use super::super::super::json::{Node, object};
use super::Responses;
use super::item::{Body, Status, list};
use crate::chat::{
    Change, Content, Format, Losses, Native, Part, ServerCall, ServerResult, ServerTool, Source,
};

impl Responses {
    /// Writes what comes all at once.
    pub(super) fn part(&mut self, part: Part<'_>, losses: &mut Losses, out: &mut Vec<u8>) {
        let is_written = match part.content {
            Content::ServerCall(call) => self.server_call(&call, out),
            Content::ServerResult(result) => self.server_result(&result, out),
            Content::Native(native) => self.native(Some(&native), out),
            Content::Image(image) => match image.source {
                Source::Bytes { base64, .. } => {
                    self.picture(base64.into_owned(), out);
                    true
                }
                _ => false,
            },
            _ => false,
        };
        if !is_written {
            losses.note_at("output".to_owned(), Change::Dropped);
        }
    }

    /// An item of this very format goes through as it is.
    fn native(&mut self, native: Option<&Native<'_>>, out: &mut Vec<u8>) -> bool {
        let Some(native) = native.filter(|native| native.format == Format::OpenAiResponses) else {
            return false;
        };
        let mut json = native.json.as_str().to_owned();
        // Clients tell items apart by their ids.
        let is_own = |id: &str| {
            let mut done = self.items.iter().filter_map(|item| item.done.as_deref());
            done.all(|item| Node::trusted(item).get_str("id").as_deref() != Some(id))
        };
        let id = Node::trusted(&json).get_str("id");
        if !id.is_some_and(|id| is_own(&id)) {
            json = with_id(&json, &self.head.item_id("item_", self.items.len()));
        }
        let index = self.add("item_", Body::Native(json), out);
        self.finish(index, Status::Completed, out);
        true
    }

    fn server_call(&mut self, call: &ServerCall<'_>, out: &mut Vec<u8>) -> bool {
        let id = call.id.clone().into_owned();
        if self.native(call.native.as_ref(), out) {
            self.servers.push((id, None));
            return true;
        }
        let input = Node::trusted(call.input.as_str());
        let index = match call.tool {
            ServerTool::WebSearch | ServerTool::WebFetch => self.search(input, out),
            ServerTool::CodeExecution => self.code(input, out),
            // The picture itself follows.
            ServerTool::ImageGeneration => {
                self.servers.push((id, None));
                return true;
            }
            _ => return false,
        };
        self.servers.push((id, Some(index)));
        true
    }

    fn search(&mut self, input: Node<'_>, out: &mut Vec<u8>) -> usize {
        let mut action = Vec::new();
        object(&mut action, |o| match input.get_str("url") {
            Some(url) if input.get("query").is_none() => {
                o.str("type", "open_page");
                o.str("url", &url);
            }
            _ => {
                o.str("type", "search");
                let queries = input.get("queries");
                let first = queries.and_then(|queries| queries.items().next()?.str());
                let query = input.get_str("query").or(first);
                o.str("query", query.as_deref().unwrap_or(""));
                o.opt_raw("queries", queries.map(Node::raw));
            }
        });
        let body = Body::Search {
            action: String::from_utf8(action).unwrap_or_default(),
            sources: None,
        };
        let index = self.add("ws_", body, out);
        self.tell(
            index,
            &[
                "response.web_search_call.in_progress",
                "response.web_search_call.searching",
            ],
            out,
        );
        index
    }

    fn code(&mut self, input: Node<'_>, out: &mut Vec<u8>) -> usize {
        let code = input.get_str("code").or_else(|| input.get_str("command"));
        let code = code.unwrap_or_default();
        let body = Body::Code {
            code: code.clone().into_owned(),
            logs: None,
        };
        let index = self.add("ci_", body, out);
        self.tell(index, &["response.code_interpreter_call.in_progress"], out);
        if let Some(item) = self.items.get(index) {
            let about = (&*item.id, index);
            for (event, key) in [
                ("response.code_interpreter_call_code.delta", "delta"),
                ("response.code_interpreter_call_code.done", "code"),
            ] {
                self.wire.about(out, event, about, |o| o.str(key, &code));
            }
        }
        self.tell(index, &["response.code_interpreter_call.interpreting"], out);
        index
    }

    fn picture(&mut self, base64: String, out: &mut Vec<u8>) {
        let index = self.add("ig_", Body::Picture(base64), out);
        self.tell(
            index,
            &[
                "response.image_generation_call.in_progress",
                "response.image_generation_call.generating",
            ],
            out,
        );
        self.finish(index, Status::Completed, out);
    }

    /// How an item gets on.
    fn tell(&mut self, index: usize, events: &[&str], out: &mut Vec<u8>) {
        if let Some(item) = self.items.get(index) {
            for event in events {
                self.wire.about(out, event, (&item.id, index), |_| {});
            }
        }
    }

    fn server_result(&mut self, result: &ServerResult<'_>, out: &mut Vec<u8>) -> bool {
        if self.native(result.native.as_ref(), out) {
            return true;
        }
        let call = self.servers.iter().rev().find(|(id, _)| *id == result.call);
        let index = match call {
            Some((_, Some(index))) => *index,
            // It is in the item of its call.
            Some((_, None)) => return true,
            None => return false,
        };
        if let Some(item) = self.items.get_mut(index) {
            match &mut item.body {
                Body::Search { sources, .. } if !result.sources.is_empty() => {
                    *sources = Some(list(result.sources.iter().map(|source| {
                        let mut out = Vec::new();
                        object(&mut out, |o| {
                            o.str("type", "url");
                            o.str("url", &source.url);
                        });
                        String::from_utf8(out).unwrap_or_default()
                    })));
                }
                Body::Code { logs, .. } => {
                    *logs = result.output.as_deref().map(str::to_owned);
                }
                _ => {}
            }
        }
        let status = match result.error {
            Some(_) => Status::Failed,
            None => Status::Completed,
        };
        self.finish(index, status, out);
        true
    }
}

fn with_id(json: &str, id: &str) -> String {
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.str("id", id);
        for (key, value) in Node::trusted(json).members() {
            if key != "id" {
                o.raw(&key, value.raw());
            }
        }
    });
    String::from_utf8(out).unwrap_or_default()
}
