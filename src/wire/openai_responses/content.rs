//! Content parts: of messages and of what tools gave, read.

use std::borrow::Cow;

use super::super::json::{Kind, Node, Object};
use crate::chat::{
    Audio, CacheMark, Citation, CitationKind, Content, Detail, Document, Extra, Format, Image,
    Json, Native, Part, Place, Source, Text,
};

/// On the first part of a message: its members apart from role and content, so that it can be written
/// back as it was.
pub(super) const MESSAGE: &str = "@message";
/// The content, output or input was a string, not a list.
pub(super) const STRING: &str = "@string";
/// The output of a tool was a list.
pub(super) const LIST: &str = "@list";
/// The id that an output has is not its call's, but that of the call's item.
pub(super) const BY_ITEM: &str = "@by-item";
/// A part that nobody here knows, inside a message.
pub(super) const INSIDE: &str = "@inside";
/// An item that changes how the conversation goes on, as it is written.
pub(super) const ITEM: &str = "@item";

/// Notes something about how the client wrote it.
pub(super) fn mark(extra: &mut Extra<'_>, name: &'static str) {
    extra.0.push((Cow::Borrowed(name), Json::trusted("true")));
}

/// The members as one JSON object.
pub(super) fn as_object(members: &Extra<'_>) -> Json<'static> {
    let mut out = Vec::new();
    super::super::json::object(&mut out, |o| {
        for (key, value) in &members.0 {
            o.raw(key, value.as_str());
        }
    });
    Json::trusted(String::from_utf8(out).unwrap_or_default())
}

/// Reads a content: a string or a list of parts. `at` is the place of the item, `field` the member of
/// it that `node` is.
pub(super) fn parts<'a>(node: Node<'a>, at: Place, field: &'static str) -> Vec<Part<'a>> {
    match node.kind() {
        Kind::Array => node
            .items()
            .enumerate()
            .map(|(index, item)| part(item, at.of(field).part(index)))
            .collect(),
        Kind::String => {
            let mut part = Part::text(node.text().unwrap_or_default()).at(at.of(field));
            mark(&mut part.extra, STRING);
            vec![part]
        }
        Kind::Null => Vec::new(),
        // A single part without its list.
        Kind::Object if node.get("type").is_some() => vec![part(node, at.of(field))],
        _ => vec![Part::text(node.raw()).at(at.of(field))],
    }
}

/// Reads one part.
fn part<'a>(node: Node<'a>, at: Place) -> Part<'a> {
    if node.kind() == Kind::String {
        return Part::text(node.text().unwrap_or_default()).at(at);
    }
    let mut object = node.object();
    let kind = object.take_str("type").unwrap_or_default();
    let content = match &*kind {
        "input_text" | "output_text" | "text" | "summary_text" => {
            Some(Content::Text(text(&mut object)))
        }
        "refusal" => object.take_str("refusal").map(Content::Refusal),
        "input_image" | "image_url" | "computer_screenshot" => {
            image(&mut object).map(Content::Image)
        }
        "input_file" => file(&mut object).map(Content::Document),
        "input_audio" => audio(&mut object).map(Content::Audio),
        _ => None,
    };
    let Some(content) = content else {
        let json = node.json();
        let mut part = Part::new(Content::Native(Native {
            format: Format::OpenAiResponses,
            json,
        }));
        mark(&mut part.extra, INSIDE);
        return part.at(at);
    };
    let cache = object.take("prompt_cache_breakpoint").map(cache_mark);
    Part {
        cache,
        extra: object.rest(),
        ..Part::new(content).at(at)
    }
}

fn cache_mark(node: Node<'_>) -> CacheMark {
    match node.get_str("ttl").as_deref() {
        Some("30m") => CacheMark::Minutes30,
        Some("12h") => CacheMark::Hours12,
        _ => CacheMark::Default,
    }
}

/// Reads the members of an `output_text` or `input_text`.
pub(super) fn text<'a>(object: &mut Object<'a>) -> Text<'a> {
    let text = object.take_text("text").unwrap_or_default();
    let citations = object
        .take("annotations")
        .map(|list| list.items().map(citation).collect())
        .unwrap_or_default();
    let logprobs = object.take("logprobs").filter(|list| has_items(*list));
    Text {
        text,
        citations,
        logprobs: logprobs.map(Node::json),
    }
}

pub(super) fn has_items(list: Node<'_>) -> bool {
    list.items().next().is_some()
}

/// Reads an annotation.
pub(super) fn citation(node: Node<'_>) -> Citation<'_> {
    let kind = node.get_str("type").unwrap_or_default();
    let number = |key: &str| node.get(key).and_then(Node::u64);
    let span = match (number("start_index"), number("end_index")) {
        (Some(start), Some(end)) => Some((start, end)),
        _ => None,
    };
    Citation {
        kind: if kind == "url_citation" {
            CitationKind::Web
        } else {
            CitationKind::File
        },
        url: node.get_str("url"),
        title: node.get_str("title"),
        cited: None,
        span,
        file_id: node.get_str("file_id"),
        filename: node.get_str("filename"),
        native: Some(Native {
            format: Format::OpenAiResponses,
            json: node.json(),
        }),
    }
}

fn image<'a>(object: &mut Object<'a>) -> Option<Image<'a>> {
    let url = object.take("image_url").and_then(|url| match url.kind() {
        // As Chat Completions writes it.
        Kind::Object => url.get_str("url"),
        _ => url.str(),
    });
    let id = object.take_str("file_id");
    let detail = object.take_str("detail");
    Some(Image {
        source: match (url, id) {
            (Some(url), _) => address(url),
            (None, Some(id)) => stored(id),
            (None, None) => return None,
        },
        detail: detail.and_then(|word| detail_named(&word)),
    })
}

fn detail_named(word: &str) -> Option<Detail> {
    Some(match word {
        "low" => Detail::Low,
        "medium" => Detail::Medium,
        "high" => Detail::High,
        "auto" => Detail::Auto,
        "original" => Detail::Original,
        _ => return None,
    })
}

fn file<'a>(object: &mut Object<'a>) -> Option<Document<'a>> {
    let data = object.take_str("file_data");
    let url = object.take_str("file_url");
    let id = object.take_str("file_id");
    let filename = object.take_str("filename");
    let source = match (data, url, id) {
        (Some(data), _, _) if data.starts_with("data:") => address(data),
        (Some(base64), _, _) => Source::Bytes {
            mime: match &filename {
                Some(name) if name.to_ascii_lowercase().ends_with(".pdf") => {
                    "application/pdf".into()
                }
                _ => Cow::Borrowed(""),
            },
            base64,
        },
        (None, Some(url), _) => address(url),
        (None, None, Some(id)) => stored(id),
        (None, None, None) => return None,
    };
    Some(Document {
        source,
        title: None,
        context: None,
        filename,
        citations: None,
    })
}

fn audio<'a>(object: &mut Object<'a>) -> Option<Audio<'a>> {
    let inner = object.take("input_audio")?;
    let format = inner.get_str("format").unwrap_or_default();
    let mime = match &*format {
        "" => String::new(),
        "mp3" => "audio/mpeg".to_owned(),
        format => format!("audio/{format}"),
    };
    Some(Audio {
        source: Source::Bytes {
            mime: mime.into(),
            base64: inner.get_str("data")?,
        },
        transcript: None,
        expires_at: None,
    })
}

fn stored(id: Cow<'_, str>) -> Source<'_> {
    Source::File {
        id,
        origin: Format::OpenAiResponses,
    }
}

/// A `data:` URL is its content.
fn address(url: Cow<'_, str>) -> Source<'_> {
    let data = url
        .strip_prefix("data:")
        .and_then(|data| data.split_once(','));
    let Some((head, _)) = data else {
        return Source::Url { url, mime: None };
    };
    let Some(mime) = head.strip_suffix(";base64") else {
        return Source::Url { url, mime: None };
    };
    let start = "data:".len() + head.len() + 1;
    match &url {
        Cow::Borrowed(url) => Source::Bytes {
            mime: Cow::Borrowed(&url["data:".len().."data:".len() + mime.len()]),
            base64: Cow::Borrowed(&url[start..]),
        },
        Cow::Owned(url) => Source::Bytes {
            mime: Cow::Owned(mime.to_owned()),
            base64: Cow::Owned(url[start..].to_owned()),
        },
    }
}
