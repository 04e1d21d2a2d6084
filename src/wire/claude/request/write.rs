//! Writes content blocks.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::{media, server};
use super::blocks::SEARCH_RESULT;
use super::encode::cache_control;
use crate::chat::{
    Change, Content, Document, Fault, Format, Losses, Opaque, OpaqueKind, Part, Reasoned, Source,
    Text, ToolResult,
};
use crate::wire::json::{ArrayWriter, ObjectWriter, quote};

/// Writes one part as one block or none. `own`: the request came in this format, so what only this
/// format has goes back too.
pub(super) fn part(
    part: &Part<'_>,
    own: bool,
    losses: &mut Losses,
    a: &mut ArrayWriter<'_>,
) -> Result<(), Fault> {
    match &part.content {
        Content::Text(text) => a.object(|o| {
            o.str("type", "text");
            text_members(text, o);
            common(part, own, o);
        }),
        Content::Refusal(words) => a.object(|o| {
            o.str("type", "text");
            o.str("text", words);
            common(part, own, o);
        }),
        Content::Image(image) => {
            let Some(source) = source(&image.source) else {
                return losses.dropped(part.at);
            };
            a.object(|o| {
                o.str("type", "image");
                o.raw("source", &source);
                common(part, own, o);
            });
        }
        Content::Document(document) => {
            if own && part.extra.get(SEARCH_RESULT).is_some() {
                a.object(|o| search_result(document, part, o));
                return Ok(());
            }
            return document_block(document, part, own, losses, a);
        }
        Content::Reasoning(reasoned) => reasoning(reasoned, part, own, a),
        Content::ToolCall(call) => a.object(|o| {
            o.str("type", "tool_use");
            o.str("id", &call.id);
            o.str("name", &call.name);
            o.raw("input", &server::input(&call.arguments));
            common(part, own, o);
        }),
        Content::ToolResult(result) => return tool_result(result, part, own, losses, a),
        Content::ServerCall(call) => native(call.native.as_ref(), part, losses, a),
        Content::ServerResult(result) => native(result.native.as_ref(), part, losses, a),
        Content::Native(one) => native(Some(one), part, losses, a),
        Content::Audio(_) | Content::Video(_) => return losses.dropped(part.at),
    }
    Ok(())
}

/// The members that every block may have.
fn common(part: &Part<'_>, own: bool, o: &mut ObjectWriter<'_>) {
    cache_control(part.cache, own, o);
    if own {
        for (key, value) in &part.extra.0 {
            o.raw(key, value.as_str());
        }
    }
}

fn text_members(text: &Text<'_>, o: &mut ObjectWriter<'_>) {
    o.text("text", &text.text);
    let citations = || text.citations.iter().filter_map(server::native_citation);
    if citations().next().is_some() {
        o.array("citations", |a| citations().for_each(|one| a.raw(one)));
    }
}

/// The `source` of a picture or a document.
fn source(source: &Source<'_>) -> Option<String> {
    Some(match source {
        Source::Bytes { mime, base64 } => format!(
            r#"{{"type":"base64","media_type":{},"data":{}}}"#,
            quote(mime),
            quote(base64)
        ),
        Source::Url { url, .. } => format!(r#"{{"type":"url","url":{}}}"#, quote(url)),
        Source::File { id, .. } => format!(r#"{{"type":"file","file_id":{}}}"#, quote(id)),
        Source::Text(text) => format!(
            r#"{{"type":"text","media_type":"text/plain","data":{}}}"#,
            quote(text)
        ),
        Source::Parts(_) => return None,
    })
}

fn document_block(
    document: &Document<'_>,
    part: &Part<'_>,
    own: bool,
    losses: &mut Losses,
    a: &mut ArrayWriter<'_>,
) -> Result<(), Fault> {
    let mut result = Ok(());
    a.object(|o| {
        o.str("type", "document");
        match &document.source {
            Source::Parts(parts) => o.object("source", |o| {
                o.str("type", "content");
                o.array("content", |a| {
                    for inner in parts {
                        if result.is_ok() {
                            result = self::part(inner, own, losses, a);
                        }
                    }
                });
            }),
            // Text is taken as text only.
            Source::Bytes { mime, base64 } if mime.starts_with("text/") => {
                let bytes = STANDARD.decode(base64.as_bytes()).unwrap_or_default();
                let text = Source::Text(String::from_utf8_lossy(&bytes));
                o.opt_raw("source", source(&text).as_deref());
            }
            Source::Bytes { mime, base64 } if mime.is_empty() => {
                let pdf = Source::Bytes {
                    mime: Cow::Borrowed("application/pdf"),
                    base64: Cow::Borrowed(base64),
                };
                o.opt_raw("source", source(&pdf).as_deref());
            }
            other => o.opt_raw("source", source(other).as_deref()),
        }
        let title = document.title.as_deref().or(document.filename.as_deref());
        o.opt_str("title", title);
        o.opt_str("context", document.context.as_deref());
        if let Some(enabled) = document.citations {
            o.object("citations", |o| o.bool("enabled", enabled));
        }
        common(part, own, o);
    });
    result
}

fn search_result(document: &Document<'_>, part: &Part<'_>, o: &mut ObjectWriter<'_>) {
    o.str("type", "search_result");
    o.opt_str("source", document.context.as_deref());
    o.opt_str("title", document.title.as_deref());
    if let Some(enabled) = document.citations {
        o.object("citations", |o| o.bool("enabled", enabled));
    }
    cache_control(part.cache, true, o);
    for (key, value) in &part.extra.0 {
        let key = if key == SEARCH_RESULT { "content" } else { key };
        o.raw(key, value.as_str());
    }
}

/// Reasoning goes back only with Anthropic's own state: without it the request would fail.
fn reasoning(reasoned: &Reasoned<'_>, part: &Part<'_>, own: bool, a: &mut ArrayWriter<'_>) {
    let is_native = |opaque: &&Opaque<'_>| opaque.origin == Format::Claude;
    for opaque in reasoned.opaque.iter().filter(is_native) {
        a.object(|o| {
            if opaque.kind == OpaqueKind::Redacted {
                o.str("type", "redacted_thinking");
                o.str("data", &opaque.data);
            } else {
                o.str("type", "thinking");
                o.str("thinking", &reasoned.text());
                o.str("signature", &opaque.data);
            }
            common(part, own, o);
        });
    }
}

fn tool_result(
    result: &ToolResult<'_>,
    part: &Part<'_>,
    own: bool,
    losses: &mut Losses,
    a: &mut ArrayWriter<'_>,
) -> Result<(), Fault> {
    let mut written = Ok(());
    a.object(|o| {
        o.str("type", "tool_result");
        o.str("tool_use_id", &result.call);
        if !result.content.is_empty() {
            o.array("content", |a| {
                for inner in &result.content {
                    if written.is_ok() {
                        written = result_part(inner, part, own, losses, a);
                    }
                }
            });
        }
        o.opt_bool("is_error", result.is_error);
        common(part, own, o);
    });
    written
}

/// A part of a result. What a result cannot hold is told in words.
fn result_part(
    inner: &Part<'_>,
    result: &Part<'_>,
    own: bool,
    losses: &mut Losses,
    a: &mut ArrayWriter<'_>,
) -> Result<(), Fault> {
    let words = match &inner.content {
        Content::Audio(audio) => placeholder("audio", &audio.source),
        Content::Video(video) => placeholder("video", &video.source),
        Content::Native(native) if native.format != Format::Claude => {
            native.json.as_str().to_owned()
        }
        _ => return part(inner, own, losses, a),
    };
    losses.note(result.at, Change::Approximated);
    a.object(|o| {
        o.str("type", "text");
        o.str("text", &words);
    });
    Ok(())
}

/// What stands for media that cannot be carried: its type and its size in bytes.
fn placeholder(kind: &str, source: &Source<'_>) -> String {
    match source {
        Source::Bytes { mime, base64 } => {
            let kind = if mime.is_empty() { kind } else { mime };
            format!("[{kind}, {} bytes]", media::size(base64))
        }
        Source::Url { url, .. } => format!("[{kind}, {url}]"),
        _ => format!("[{kind}]"),
    }
}

fn native(
    native: Option<&crate::chat::Native<'_>>,
    part: &Part<'_>,
    losses: &mut Losses,
    a: &mut ArrayWriter<'_>,
) {
    match native.filter(|native| native.format == Format::Claude) {
        Some(native) => a.raw(native.json.as_str()),
        // What another provider did cannot be told to this one.
        None => losses.note(part.at, Change::Dropped),
    }
}
