//! Parts as content.

use super::super::super::json::{ArrayWriter, ObjectWriter};
use super::items;
use crate::chat::{
    Audio, CacheMark, Content, Detail, Document, Fault, Format, Json, Losses, Part, Role, Source,
    Text,
};

/// How parts are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) role: Role,
    /// The request came in this format.
    pub(super) own: bool,
    /// Marks of prompt caches are understood.
    pub(super) breakpoints: bool,
}

/// Writes one part.
pub(super) fn part(
    part: &Part<'_>,
    style: Style,
    losses: &mut Losses,
    list: &mut ArrayWriter<'_>,
) -> Result<(), Fault> {
    let end = |o: &mut ObjectWriter<'_>| {
        if style.breakpoints {
            cache_mark(part.cache, o);
        }
        items::extra(&part.extra, style.own, o);
    };
    match &part.content {
        Content::Text(text) => list.object(|o| {
            write_text(text, style.role, o);
            end(o);
        }),
        Content::Refusal(text) => list.object(|o| {
            o.str("type", "refusal");
            o.str("refusal", text);
            end(o);
        }),
        Content::Image(image) => list.object(|o| {
            o.str("type", "input_image");
            image_source(&image.source, o);
            // The types of the official SDKs require it.
            let otherwise = (!style.own).then_some("auto");
            o.opt_str("detail", image.detail.map(detail_name).or(otherwise));
            end(o);
        }),
        Content::Document(document) => list.object(|o| {
            write_document(document, o);
            end(o);
        }),
        Content::Audio(Audio {
            source: Source::Bytes { mime, base64 },
            ..
        }) => list.object(|o| {
            o.str("type", "input_audio");
            o.object("input_audio", |o| {
                o.str("data", base64);
                o.str("format", audio_format(mime));
            });
            end(o);
        }),
        Content::Native(native) if native.format == Format::OpenAiResponses => {
            list.raw(native.json.as_str());
        }
        _ => losses.dropped(part.at)?,
    }
    Ok(())
}

fn write_text(text: &Text<'_>, role: Role, o: &mut ObjectWriter<'_>) {
    if role != Role::Assistant {
        o.str("type", "input_text");
        o.text("text", &text.text);
        return;
    }
    o.str("type", "output_text");
    o.text("text", &text.text);
    o.array("annotations", |list| {
        for citation in &text.citations {
            if let Some(native) = &citation.native
                && native.format == Format::OpenAiResponses
            {
                list.raw(native.json.as_str());
            }
        }
    });
    o.opt_raw("logprobs", text.logprobs.as_ref().map(Json::as_str));
}

fn cache_mark(mark: Option<CacheMark>, o: &mut ObjectWriter<'_>) {
    let ttl = match mark {
        None => return,
        Some(CacheMark::Hour1 | CacheMark::Hours12) => Some("12h"),
        Some(CacheMark::Minutes30) => Some("30m"),
        Some(CacheMark::Default | CacheMark::Minutes5) => None,
    };
    o.object("prompt_cache_breakpoint", |o| {
        o.str("mode", "explicit");
        o.opt_str("ttl", ttl);
    });
}

/// Writes where a picture is.
pub(super) fn image_source(source: &Source<'_>, o: &mut ObjectWriter<'_>) {
    match source {
        Source::Bytes { mime, base64 } => o.str("image_url", &data_url(mime, base64)),
        Source::Url { url, .. } => o.str("image_url", url),
        Source::File { id, .. } => o.str("file_id", id),
        Source::Text(_) | Source::Parts(_) => {}
    }
}

fn write_document(document: &Document<'_>, o: &mut ObjectWriter<'_>) {
    if let Source::Text(_) | Source::Parts(_) = document.source {
        o.str("type", "input_text");
        o.str("text", &plain(document));
        return;
    }
    o.str("type", "input_file");
    match &document.source {
        Source::Bytes { mime, base64 } => {
            let mime = if mime.is_empty() {
                "application/pdf"
            } else {
                mime
            };
            match (&document.filename, &document.title) {
                (Some(name), _) => o.str("filename", name),
                // The kind of a file is told by the end of its name.
                (None, Some(title)) if mime == "application/pdf" && !title.ends_with(".pdf") => {
                    o.str("filename", &format!("{title}.pdf"));
                }
                (None, title) => o.str("filename", title.as_deref().unwrap_or("document.pdf")),
            }
            o.str("file_data", &data_url(mime, base64));
        }
        Source::Url { url, .. } => {
            o.opt_str("filename", document.filename.as_deref());
            o.str("file_url", url);
        }
        Source::File { id, .. } => {
            o.opt_str("filename", document.filename.as_deref());
            o.str("file_id", id);
        }
        Source::Text(_) | Source::Parts(_) => {}
    }
}

/// A document that is text, in words.
fn plain(document: &Document<'_>) -> String {
    let text = match &document.source {
        Source::Text(text) => text.clone().into_owned(),
        Source::Parts(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(Part::as_text).collect();
            texts.join("\n")
        }
        _ => String::new(),
    };
    match &document.title {
        Some(title) => format!(
            "<document title=\"{}\">\n{text}\n</document>",
            title.replace('"', "'")
        ),
        None => format!("<document>\n{text}\n</document>"),
    }
}

fn data_url(mime: &str, base64: &str) -> String {
    ["data:", mime, ";base64,", base64].concat()
}

const fn detail_name(detail: Detail) -> &'static str {
    match detail {
        Detail::Low => "low",
        // Only Gemini has it.
        Detail::Medium | Detail::Auto => "auto",
        Detail::High => "high",
        Detail::Original => "original",
    }
}

fn audio_format(mime: &str) -> &str {
    match mime {
        "audio/mpeg" => "mp3",
        "audio/x-wav" | "audio/wave" | "" => "wav",
        mime => mime.strip_prefix("audio/").unwrap_or(mime),
    }
}
