//! Writes the parts that requests and answers share.

use super::super::json::{Node, ObjectWriter};
use crate::chat::{
    Content, Detail, Document, Extra, Format, Native, ServerCall, ServerResult, ServerTool, Source,
};
use crate::wire::json::compact;

/// Extra members that stand inside of the message of that name, not beside it.
const INNER: [&str; 4] = ["inlineData", "fileData", "functionCall", "functionResponse"];

/// Writes the members that only Gemini has of a part.
pub(super) fn write_extra(o: &mut ObjectWriter<'_>, extra: &Extra<'_>) {
    for (key, value) in &extra.0 {
        if !INNER.contains(&&**key) {
            o.raw(key, &compact(value.as_str()));
        }
    }
}

/// Writes the members that only Gemini has of the message `name` inside of a part, but those in
/// `written`.
pub(super) fn write_inner(
    o: &mut ObjectWriter<'_>,
    extra: &Extra<'_>,
    name: &str,
    written: &[&str],
) {
    if let Some(rest) = extra.get(name) {
        for (key, value) in Node::trusted(rest.as_str()).members() {
            if !written.contains(&&*key) {
                o.raw(&key, &compact(value.raw()));
            }
        }
    }
}

/// Whether a part is a medium that Gemini can get.
pub(super) const fn is_media(content: &Content<'_>) -> bool {
    let source = match content {
        Content::Image(image) => &image.source,
        Content::Audio(audio) => &audio.source,
        Content::Video(video) => &video.source,
        Content::Document(document) => &document.source,
        _ => return false,
    };
    match source {
        Source::Bytes { .. } | Source::Url { .. } => true,
        Source::File { origin, .. } => matches!(origin, Format::Gemini),
        Source::Text(_) | Source::Parts(_) => false,
    }
}

/// Writes a medium. `name` is what a tool's response calls it. `false`: it is none, or it is where
/// Gemini cannot get it.
pub(super) fn write_media(
    o: &mut ObjectWriter<'_>,
    content: &Content<'_>,
    extra: &Extra<'_>,
    name: Option<&str>,
) -> bool {
    let (source, fallback) = match content {
        Content::Image(image) => (&image.source, "image/png"),
        Content::Audio(audio) => (&audio.source, "audio/wav"),
        Content::Video(video) => (&video.source, "video/mp4"),
        Content::Document(document) => (&document.source, "application/pdf"),
        _ => return false,
    };
    match source {
        Source::Bytes { mime, base64 } => {
            let mime: &str = if mime.is_empty() { fallback } else { mime };
            o.object("inlineData", |o| {
                o.str("mimeType", mime);
                o.str("data", base64);
                o.opt_str("displayName", name);
                let written: &[&str] = if name.is_some() {
                    &["displayName"]
                } else {
                    &[]
                };
                write_inner(o, extra, "inlineData", written);
            });
        }
        Source::Url { url, mime } => o.object("fileData", |o| {
            o.opt_str("mimeType", mime.as_deref());
            o.str("fileUri", url);
            write_inner(o, extra, "fileData", &[]);
        }),
        Source::File { id, origin } if *origin == Format::Gemini => o.object("fileData", |o| {
            o.str("fileUri", id);
            write_inner(o, extra, "fileData", &[]);
        }),
        Source::File { .. } | Source::Text(_) | Source::Parts(_) => return false,
    }
    true
}

/// Gemini's word for how closely it should look.
pub(super) const fn resolution(detail: Detail) -> Option<&'static str> {
    match detail {
        Detail::Low => Some("MEDIA_RESOLUTION_LOW"),
        Detail::Medium => Some("MEDIA_RESOLUTION_MEDIUM"),
        Detail::High | Detail::Original => Some("MEDIA_RESOLUTION_HIGH"),
        Detail::Auto => None,
    }
}

/// The texts of a document that is nothing but text.
pub(super) fn document_texts<'a>(document: &'a Document<'_>) -> Vec<&'a str> {
    match &document.source {
        Source::Text(text) => vec![text],
        Source::Parts(parts) => parts.iter().filter_map(|part| part.as_text()).collect(),
        _ => Vec::new(),
    }
}

/// Writes the members of an object that Gemini wrote. `false`: somebody else did.
pub(super) fn write_native(o: &mut ObjectWriter<'_>, native: &Native<'_>) -> bool {
    let is_own = native.format == Format::Gemini;
    if is_own {
        for (key, value) in Node::trusted(native.json.as_str()).members() {
            o.raw(&key, &compact(value.raw()));
        }
    }
    is_own
}

/// Writes what a provider was asked to do. `false`: Gemini has no form for it.
pub(super) fn write_server_call(o: &mut ObjectWriter<'_>, call: &ServerCall<'_>) -> bool {
    if let Some(native) = &call.native
        && write_native(o, native)
    {
        return true;
    }
    if call.tool != ServerTool::CodeExecution {
        return false;
    }
    let input = Node::trusted(call.input.as_str());
    let Some(code) = input.get_str("code") else {
        return false;
    };
    o.object("executableCode", |o| {
        o.str("language", "PYTHON");
        o.str("code", &code);
    });
    true
}

/// Writes what came of it. `false`: Gemini has no form for it.
pub(super) fn write_server_result(o: &mut ObjectWriter<'_>, result: &ServerResult<'_>) -> bool {
    if let Some(native) = &result.native
        && write_native(o, native)
    {
        return true;
    }
    if result.tool != ServerTool::CodeExecution {
        return false;
    }
    let is_ok = result.error.is_none();
    o.object("codeExecutionResult", |o| {
        o.str(
            "outcome",
            if is_ok {
                "OUTCOME_OK"
            } else {
                "OUTCOME_FAILED"
            },
        );
        let output = result.output.as_deref().or(result.error.as_deref());
        o.opt_str("output", output);
    });
    true
}

/// The arguments of a call as the object that Gemini wants. `None`: they are no object.
pub(super) fn object_arguments(arguments: &str) -> Option<&str> {
    let text = arguments.trim();
    if text.is_empty() {
        return Some("{}");
    }
    (text.starts_with('{') && Node::parse_any(text, MAX_DEPTH).is_some()).then_some(text)
}

/// How deep the JSON of a model or a tool may nest before it counts as text.
pub(super) const MAX_DEPTH: usize = 128;
