//! Writes `contents`.

use std::collections::HashMap;

use super::super::super::Profile;
use super::super::super::json::{ArrayWriter, Kind, Node, ObjectWriter, array, quote};
use super::super::media::{
    MAX_DEPTH, document_texts, is_media, object_arguments, resolution, write_extra, write_inner,
    write_media, write_native, write_server_call, write_server_result,
};
use super::super::members::signature;
use crate::chat::{
    CallKind, Change, Content, Fault, Format, Image, LazyStr, Losses, Opaque, Part, Reasoned,
    Request, Role, ToolCall, ToolResult, Turn,
};

/// Writes the conversation. A turn that nothing is left of is left out.
pub(super) fn write(
    o: &mut ObjectWriter<'_>,
    request: &Request<'_>,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let mut writer = Writer {
        is_own: request.origin == Format::Gemini,
        profile,
        losses,
        names: HashMap::new(),
        waiting: None,
    };
    let mut done = Ok(());
    o.array("contents", |a| {
        done = request
            .turns
            .iter()
            .try_for_each(|turn| writer.turn(a, turn));
    });
    done
}

struct Writer<'r, 'l> {
    is_own: bool,
    profile: &'r Profile,
    losses: &'l mut Losses,
    /// The names of the calls so far, by id.
    names: HashMap<&'r str, &'r str>,
    /// The signature of the part that comes next.
    waiting: Option<&'r Opaque<'r>>,
}

impl<'r> Writer<'r, '_> {
    fn turn(&mut self, a: &mut ArrayWriter<'_>, turn: &'r Turn<'r>) -> Result<(), Fault> {
        let mut done = Ok(());
        a.object_if(|o| {
            let is_model = turn.role == Role::Assistant;
            o.str("role", if is_model { "model" } else { "user" });
            let mut is_empty = false;
            o.array("parts", |a| {
                done = turn.parts.iter().try_for_each(|part| self.part(a, part));
                if let Some(state) = self.waiting.take() {
                    self.text(a, "", Some(state));
                }
                is_empty = a.is_empty();
            });
            if self.is_own {
                for (key, value) in &turn.extra.0 {
                    o.raw(key, value.as_str());
                }
            }
            !is_empty
        });
        done
    }

    fn part(&mut self, a: &mut ArrayWriter<'_>, part: &'r Part<'r>) -> Result<(), Fault> {
        if let Content::Reasoning(reasoned) = &part.content {
            self.reasoning(a, reasoned, part);
            return Ok(());
        }
        let is_written = a.object_if(|o| {
            let is_written = self.content(o, part);
            let signed = part.signature.as_ref().or(self.waiting);
            self.waiting = None;
            self.sign(o, signed);
            if self.is_own {
                write_extra(o, &part.extra);
            }
            is_written
        });
        if is_written {
            return Ok(());
        }
        if let Content::Document(document) = &part.content {
            let texts = document_texts(document);
            for text in &texts {
                self.text(a, text, None);
            }
            if !texts.is_empty() {
                return Ok(());
            }
        }
        self.losses.dropped(part.at)
    }

    /// Writes what a part is. `false`: Gemini has no form for it.
    fn content(&mut self, o: &mut ObjectWriter<'_>, part: &'r Part<'r>) -> bool {
        match &part.content {
            Content::Text(text) => o.text("text", &text.text),
            Content::Refusal(text) => o.str("text", text),
            Content::ToolCall(call) => self.call(o, call, part),
            Content::ToolResult(result) => self.result(o, result, part),
            Content::ServerCall(call) => return write_server_call(o, call),
            Content::ServerResult(result) => return write_server_result(o, result),
            Content::Native(native) => return write_native(o, native),
            medium => {
                let is_written = write_media(o, medium, &part.extra, None);
                if let Content::Image(image) = medium {
                    self.detail(o, image);
                }
                return is_written;
            }
        }
        true
    }

    fn detail(&self, o: &mut ObjectWriter<'_>, image: &Image<'_>) {
        // Models that take media in responses of tools know how to look at one part closely, too.
        let is_known = self.is_own || self.profile.gemini.fn_response_parts;
        if let Some(level) = image.detail.and_then(resolution).filter(|_| is_known) {
            o.object("mediaResolution", |o| o.str("level", level));
        }
    }

    fn text(&self, a: &mut ArrayWriter<'_>, text: &str, signed: Option<&Opaque<'_>>) {
        a.object(|o| {
            o.str("text", text);
            self.sign(o, signed);
        });
    }

    fn sign(&self, o: &mut ObjectWriter<'_>, state: Option<&Opaque<'_>>) {
        if let Some(state) = state {
            o.str("thoughtSignature", &signature(state, &self.profile.family));
        }
    }

    fn reasoning(&mut self, a: &mut ArrayWriter<'_>, reasoned: &'r Reasoned<'r>, part: &Part<'_>) {
        let text = reasoned.text();
        let state = reasoned.opaque.first();
        if !self.is_own && text.is_empty() {
            // Clients of other formats keep the signature of a part in a block before it.
            self.waiting = state.or(self.waiting);
            return;
        }
        a.object(|o| {
            o.str("text", &text);
            o.bool("thought", true);
            self.sign(o, state);
            if self.is_own {
                write_extra(o, &part.extra);
            }
        });
    }

    fn call(&mut self, o: &mut ObjectWriter<'_>, call: &'r ToolCall<'r>, part: &Part<'_>) {
        self.names.insert(&call.id, &call.name);
        o.object("functionCall", |o| {
            if self.profile.gemini.fn_ids {
                o.str("id", &call.id);
            }
            o.str("name", &call.name);
            let text = &call.arguments;
            let is_text = call.kind == CallKind::Custom;
            match object_arguments(text).filter(|_| !is_text) {
                Some(arguments) => o.raw("args", arguments),
                None => o.object("args", |o| {
                    let value = Node::parse_any(text, MAX_DEPTH).filter(|_| !is_text);
                    match value {
                        Some(value) => o.raw("input", value.raw()),
                        None => o.str("input", text),
                    }
                }),
            }
            if self.is_own {
                write_inner(o, &part.extra, "functionCall", &[]);
            }
        });
    }

    fn result(&mut self, o: &mut ObjectWriter<'_>, result: &'r ToolResult<'r>, part: &Part<'_>) {
        let called = self.names.get(&*result.call).copied();
        let named = result.name.as_deref().filter(|name| !name.is_empty());
        let name = called.or(named).unwrap_or_else(|| {
            self.losses.note(part.at, Change::Synthesised);
            "unknown_function"
        });
        o.object("functionResponse", |o| {
            if self.profile.gemini.fn_ids {
                o.str("id", &result.call);
            }
            o.str("name", name);
            let rest = part.extra.get("functionResponse").filter(|_| self.is_own);
            let own = rest.and_then(|rest| Node::trusted(rest.as_str()).get("response"));
            match own {
                Some(response) => o.raw("response", response.raw()),
                None => o.object("response", |o| write_output(o, result)),
            }
            if media(result).next().is_some() {
                o.array("parts", |a| {
                    for (index, medium) in media(result).enumerate() {
                        let name = own.is_none().then(|| format!("r{}", index + 1));
                        a.object(|o| {
                            write_media(o, &medium.content, &medium.extra, name.as_deref());
                        });
                    }
                });
            }
            if self.is_own {
                write_inner(o, &part.extra, "functionResponse", &["response"]);
            }
        });
    }
}

/// The media that a tool gave.
fn media<'a, 'b>(result: &'a ToolResult<'b>) -> impl Iterator<Item = &'a Part<'b>> {
    result.content.iter().filter(|part| is_media(&part.content))
}

fn write_output(o: &mut ObjectWriter<'_>, result: &ToolResult<'_>) {
    let is_error = result.is_error == Some(true);
    let mut texts = Vec::new();
    for part in &result.content {
        match &part.content {
            Content::Text(text) => texts.push(text.text.borrowed()),
            Content::Document(document) => {
                texts.extend(document_texts(document).into_iter().map(LazyStr::from));
            }
            _ => {}
        }
    }
    if let ([text], None) = (&texts[..], media(result).next())
        && !may_be_json(text)
    {
        o.text(if is_error { "error" } else { "output" }, text);
        return;
    }
    let texts: Vec<&str> = texts.iter().map(LazyStr::as_str).collect();
    let said = (!texts.is_empty()).then(|| texts.join("\n"));
    let references = media(result).count();
    let out = o.key(if is_error { "error" } else { "output" });
    if references == 0 {
        out.extend_from_slice(embedded(said.as_deref().unwrap_or_default()).as_bytes());
        return;
    }
    let reference = |number: usize| format!(r#"{{"$ref":"r{number}"}}"#);
    if let (None, 1) = (&said, references) {
        out.extend_from_slice(reference(1).as_bytes());
        return;
    }
    array(out, |a| {
        if let Some(said) = &said {
            a.raw(&embedded(said));
        }
        for number in 1..=references {
            a.raw(&reference(number));
        }
    });
}

/// Whether text may be a JSON object or array; decodes nothing.
fn may_be_json(text: &LazyStr<'_>) -> bool {
    let raw = text.raw().unwrap_or_else(|| text.as_str());
    matches!(raw.trim_start().as_bytes(), [b'{' | b'[' | b'\\', ..])
}

/// Text that is a JSON object or array as what it is, any other as a string.
fn embedded(text: &str) -> String {
    let value = match text.trim_start().as_bytes() {
        [b'{' | b'[', ..] => Node::parse_any(text, MAX_DEPTH),
        _ => None,
    };
    match value {
        Some(value) if matches!(value.kind(), Kind::Object | Kind::Array) => value.raw().to_owned(),
        _ => quote(text),
    }
}
