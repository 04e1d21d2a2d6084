//! The parts of a message: text, pictures, sound, files.

use std::borrow::Cow;
use std::ops::Range;

use crate::chat::{
    Audio, Content, Detail, Document, Format, Image, Native, Part, Place, Source, Text, Video,
};
use crate::wire::json::{Kind, Node};
use crate::wire::openai_chat::cache_mark;

/// The parts of a message's `content`. A string that is empty has none.
pub(super) fn decode(content: Option<Node<'_>>, message: Place) -> Vec<Part<'_>> {
    let at = message.of("content");
    let Some(content) = content else {
        return Vec::new();
    };
    match content.kind() {
        Kind::Array => {
            let parts = content.items().enumerate();
            parts
                .map(|(index, node)| part(node, at.part(index)))
                .collect()
        }
        Kind::Object => vec![part(content, at)],
        _ => {
            let text = content.text().filter(|text| !text.is_empty());
            text.map(|text| Part::text(text).at(at))
                .into_iter()
                .collect()
        }
    }
}

/// One part, of a message or of an answer.
pub(in crate::wire::openai_chat) fn part(node: Node<'_>, at: Place) -> Part<'_> {
    if let Some(text) = node.text() {
        return Part::text(text).at(at);
    }
    let mut members = node.object();
    let kind = members.take_str("type").unwrap_or_default();
    let content = match &*kind {
        "text" | "input_text" | "output_text" => {
            let text = members.take_text("text");
            text.map(|text| Content::Text(Text::new(text)))
        }
        "refusal" => members.take_str("refusal").map(Content::Refusal),
        "image_url" => members.take("image_url").and_then(image),
        "input_audio" => members.take("input_audio").and_then(audio),
        "file" => members.take("file").and_then(file),
        "video_url" => members.take("video_url").and_then(video),
        _ => None,
    };
    let Some(content) = content else {
        let json = node.json();
        let format = Format::OpenAiChat;
        return Part::new(Content::Native(Native { format, json })).at(at);
    };
    let mut part = Part::new(content).at(at);
    part.extra = members.rest();
    part.cache = cache_mark(&part.extra);
    part
}

/// A picture: `{"url", "detail"}`, or only the address.
pub(in crate::wire::openai_chat) fn image(node: Node<'_>) -> Option<Content<'_>> {
    let url = node.str().or_else(|| node.get_str("url"))?;
    let detail = match node.get_str("detail").as_deref() {
        Some("low") => Some(Detail::Low),
        Some("medium") => Some(Detail::Medium),
        Some("high") => Some(Detail::High),
        Some("auto") => Some(Detail::Auto),
        Some("original") => Some(Detail::Original),
        _ => None,
    };
    let source = source(url);
    Some(Content::Image(Image { source, detail }))
}

fn audio(node: Node<'_>) -> Option<Content<'_>> {
    let base64 = node.get_str("data")?;
    let mime = node.get_str("format").map(|word| format!("audio/{word}"));
    Some(Content::Audio(Audio {
        source: Source::Bytes {
            mime: mime.unwrap_or_default().into(),
            base64,
        },
        transcript: None,
        expires_at: None,
    }))
}

fn file(node: Node<'_>) -> Option<Content<'_>> {
    let filename = node.get_str("filename");
    let stored = |id| Source::File {
        id,
        origin: Format::OpenAiChat,
    };
    let source = match node.get_str("file_data") {
        Some(data) if data.starts_with("data:") || data.contains("://") => source(data),
        Some(base64) => Source::Bytes {
            mime: mime_of(filename.as_deref()).into(),
            base64,
        },
        None => stored(node.get_str("file_id")?),
    };
    Some(Content::Document(Document {
        source,
        title: None,
        context: None,
        filename,
        citations: None,
    }))
}

/// What a name says about a file.
fn mime_of(filename: Option<&str>) -> &'static str {
    let extension = filename.and_then(|name| name.rsplit_once('.'));
    match extension.map(|(_, extension)| extension.to_ascii_lowercase()) {
        Some(extension) if extension == "pdf" => "application/pdf",
        Some(extension) if extension == "txt" => "text/plain",
        _ => "",
    }
}

fn video(node: Node<'_>) -> Option<Content<'_>> {
    let url = node.str().or_else(|| node.get_str("url"))?;
    Some(Content::Video(Video {
        source: source(url),
    }))
}

/// What an address holds: the content itself where it is a `data:` URL in base64.
fn source(url: Cow<'_, str>) -> Source<'_> {
    let Some((mime, data)) = data_url(&url) else {
        return Source::Url { url, mime: None };
    };
    Source::Bytes {
        mime: cut(&url, mime),
        base64: cut(&url, data),
    }
}

fn data_url(url: &str) -> Option<(Range<usize>, Range<usize>)> {
    let scheme = url
        .get(..5)
        .filter(|start| start.eq_ignore_ascii_case("data:"))?;
    let comma = url.find(',')?;
    let head = url.get(scheme.len()..comma)?;
    let kind = head.strip_suffix(";base64")?;
    let mime = kind.split(';').next().unwrap_or_default();
    let start = scheme.len();
    Some((start..start + mime.len(), comma + 1..url.len()))
}

fn cut<'a>(text: &Cow<'a, str>, range: Range<usize>) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(range).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(range).unwrap_or_default().to_owned()),
    }
}
