//! Reads content blocks.

use std::borrow::Cow;
use std::collections::HashSet;

use super::super::server;
use super::decode::{cache_mark, unreadable};
use crate::chat::{
    CallKind, Content, Document, Fault, Format, Image, Native, Opaque, OpaqueKind, Part, Place,
    ReasonKind, ReasonText, Reasoned, Source, Text, ToolCall, ToolResult,
};
use crate::wire::carrier;
use crate::wire::json::{Kind, Node, Object, compact};

/// Reads a list of blocks; `place` says where each stands.
pub(super) fn read<'a>(
    list: Node<'a>,
    place: impl Fn(usize) -> Place,
) -> Result<Vec<Part<'a>>, Fault> {
    let synthesised: HashSet<Cow<'_, str>> = list
        .items()
        .filter(|block| server::is_synthesised(*block))
        .filter_map(|block| block.get_str("tool_use_id"))
        .collect();
    let mut parts: Vec<Part<'a>> = Vec::new();
    // A tool call's state stands just before it.
    let mut waiting: Option<(Place, Opaque<'a>)> = None;
    for (at, block) in list.items().enumerate() {
        let at = place(at);
        if block.kind() != Kind::Object {
            return Err(unreadable(at, "must be an object"));
        }
        let kind = block.get_str("type").unwrap_or_default();
        let is_search = matches!(&*kind, "server_tool_use" | "web_search_tool_result");
        if is_search && !synthesised.is_empty() {
            let id = block.get_str("id").or_else(|| block.get_str("tool_use_id"));
            if id.is_some_and(|id| synthesised.contains(&id)) {
                continue;
            }
        }
        let carried = (kind == "redacted_thinking")
            .then(|| carrier::unwrap(&block.get_str("data")?))
            .flatten()
            .filter(|state| state.kind == OpaqueKind::Thought);
        if let Some(state) = carried {
            place_state(&mut parts, waiting.replace((at, state)));
            continue;
        }
        let mut part = one(&kind, block, at)?.at(at);
        if matches!(part.content, Content::ToolCall(_)) {
            part.signature = waiting.take().map(|(_, state)| state);
        }
        place_state(&mut parts, waiting.take());
        parts.push(part);
    }
    place_state(&mut parts, waiting);
    Ok(parts)
}

/// State that no tool call follows is that of the text before it, or stands for itself.
fn place_state<'a>(parts: &mut Vec<Part<'a>>, state: Option<(Place, Opaque<'a>)>) {
    let Some((at, opaque)) = state else {
        return;
    };
    match parts.last_mut() {
        Some(part) if matches!(part.content, Content::Text(_)) && part.signature.is_none() => {
            part.signature = Some(opaque);
        }
        _ => {
            let reasoned = Reasoned {
                opaque: vec![opaque],
                ..Reasoned::default()
            };
            parts.push(Part::new(Content::Reasoning(reasoned)).at(at));
        }
    }
}

fn one<'a>(kind: &str, block: Node<'a>, at: Place) -> Result<Part<'a>, Fault> {
    let mut members = block.object();
    members.take("type");
    let cache = members.take("cache_control").map(cache_mark);
    let content = match kind {
        "text" => Content::Text(Text {
            text: members.take_text("text").unwrap_or_default(),
            citations: server::citations(members.take("citations")),
            logprobs: None,
        }),
        "image" => match members.take("source").and_then(media) {
            Some(source) => Content::Image(Image {
                source,
                detail: None,
            }),
            None => return Ok(native(block)),
        },
        "document" => match document(&mut members, at)? {
            Some(document) => Content::Document(document),
            None => return Ok(native(block)),
        },
        "search_result" => {
            let content = search_result(&mut members);
            let mut part = Part::new(content);
            part.cache = cache;
            part.extra = members.rest();
            // What makes it a search result again for Anthropic.
            if let Some(inner) = block.get("content") {
                part.extra.0.push((SEARCH_RESULT.into(), inner.json()));
            }
            return Ok(part);
        }
        "thinking" => Content::Reasoning(thinking(&mut members)),
        "redacted_thinking" => {
            let data = members.take_str("data").unwrap_or_default();
            Content::Reasoning(Reasoned {
                opaque: state(data, OpaqueKind::Redacted),
                ..Reasoned::default()
            })
        }
        "tool_use" => Content::ToolCall(ToolCall {
            id: members.take_str("id").unwrap_or_default(),
            name: members.take_str("name").unwrap_or_default(),
            arguments: members
                .take("input")
                .map_or(Cow::Borrowed(""), |input| compact(input.raw())),
            kind: CallKind::Function,
            namespace: None,
            item_id: None,
        }),
        "tool_result" => Content::ToolResult(tool_result(&mut members, at)?),
        _ => {
            let mut part = Part::new(server::read(kind, block));
            part.cache = cache;
            return Ok(part);
        }
    };
    let mut part = Part::new(content);
    part.cache = cache;
    part.extra = members.rest();
    Ok(part)
}

/// The extra member that keeps the content of a `search_result` as it was.
pub(super) const SEARCH_RESULT: &str = "search_result";

fn native(block: Node<'_>) -> Part<'_> {
    Part::new(Content::Native(Native {
        format: Format::Claude,
        json: block.json(),
    }))
}

fn thinking<'a>(members: &mut Object<'a>) -> Reasoned<'a> {
    let text = members.take_str("thinking").unwrap_or_default();
    let signature = members.take_str("signature").unwrap_or_default();
    let text = (!text.is_empty()).then_some(ReasonText {
        kind: ReasonKind::Summary,
        text,
    });
    Reasoned {
        texts: text.into_iter().collect(),
        opaque: state(signature, OpaqueKind::Signature),
        id: None,
    }
}

/// Anthropic's own state, or what a carrier holds.
fn state(data: Cow<'_, str>, kind: OpaqueKind) -> Vec<Opaque<'_>> {
    if data.is_empty() {
        return Vec::new();
    }
    vec![carrier::unwrap(&data).unwrap_or(Opaque {
        origin: Format::Claude,
        kind,
        family: Cow::Borrowed(""),
        data,
    })]
}

/// Where a picture or a document is; `None` for a kind of source that we do not know.
fn media(source: Node<'_>) -> Option<Source<'_>> {
    match source.get_str("type").as_deref()? {
        "base64" => Some(Source::Bytes {
            mime: source.get_str("media_type").unwrap_or_default(),
            base64: source.get_str("data")?,
        }),
        "url" => Some(Source::Url {
            url: source.get_str("url")?,
            mime: None,
        }),
        "file" => Some(Source::File {
            id: source.get_str("file_id")?,
            origin: Format::Claude,
        }),
        "text" => Some(Source::Text(source.get_str("data")?)),
        _ => None,
    }
}

fn document<'a>(members: &mut Object<'a>, at: Place) -> Result<Option<Document<'a>>, Fault> {
    let Some(source) = members.take("source") else {
        return Ok(None);
    };
    let content = (source.get_str("type").as_deref() == Some("content"))
        .then(|| source.get("content"))
        .flatten();
    let source = match content {
        Some(content) => Some(Source::Parts(inner(content, at)?)),
        None => media(source),
    };
    Ok(source.map(|source| Document {
        source,
        title: members.take_str("title"),
        context: members.take_str("context"),
        filename: None,
        citations: citing(members),
    }))
}

fn citing(members: &mut Object<'_>) -> Option<bool> {
    members.take("citations")?.get("enabled")?.bool()
}

fn search_result<'a>(members: &mut Object<'a>) -> Content<'a> {
    let content = members.take("content");
    let texts = content.into_iter().flat_map(Node::items);
    let texts: Vec<Cow<'a, str>> = texts.filter_map(|item| item.get_str("text")).collect();
    Content::Document(Document {
        source: Source::Text(Cow::Owned(texts.join("\n"))),
        title: members.take_str("title"),
        context: members.take_str("source"),
        filename: None,
        citations: citing(members),
    })
}

fn tool_result<'a>(members: &mut Object<'a>, at: Place) -> Result<ToolResult<'a>, Fault> {
    let call = members.take_str("tool_use_id").unwrap_or_default();
    let content = match members.take("content") {
        None => Vec::new(),
        Some(content) => inner(content, at)?,
    };
    Ok(ToolResult {
        call,
        name: None,
        content,
        is_error: members.take_bool("is_error"),
        kind: CallKind::Function,
    })
}

/// Content inside a block: text or blocks. What stands in it is where the block is.
fn inner(content: Node<'_>, at: Place) -> Result<Vec<Part<'_>>, Fault> {
    match content.kind() {
        Kind::String => {
            let text = content.text().unwrap_or_default();
            Ok(vec![Part::text(text).at(at)])
        }
        Kind::Array => read(content, |_| at),
        _ => Ok(vec![native(content).at(at)]),
    }
}
