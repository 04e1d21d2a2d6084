//! Parts with lives of their own: an answer outlives the bytes it was read from.

use std::borrow::Cow;

use super::answer::owned;
use super::{
    Audio, Content, Document, Image, Native, Part, ReasonText, Reasoned, ServerCall, ServerResult,
    Source, Text, ToolCall, ToolResult, Video, WebSource,
};

fn text(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

/// Adds a piece of text. The first one, often the only one, is not copied if it need not be.
pub(super) fn append(so_far: &mut Cow<'static, str>, more: Cow<'_, str>) {
    if so_far.is_empty() {
        *so_far = Cow::Owned(more.into_owned());
    } else {
        so_far.to_mut().push_str(&more);
    }
}

impl Part<'_> {
    /// The same with a life of its own.
    pub fn into_owned(self) -> Part<'static> {
        Part {
            at: self.at,
            content: self.content.into_owned(),
            cache: self.cache,
            signature: self.signature.map(super::Opaque::into_owned),
            extra: self.extra.into_owned(),
        }
    }
}

impl Content<'_> {
    /// The same with a life of its own.
    pub fn into_owned(self) -> Content<'static> {
        match self {
            Self::Text(one) => Content::Text(Text {
                text: one.text.into_owned(),
                citations: one
                    .citations
                    .into_iter()
                    .map(super::Citation::into_owned)
                    .collect(),
                logprobs: one.logprobs.map(super::Json::into_owned),
            }),
            Self::Image(image) => Content::Image(Image {
                source: image.source.into_owned(),
                detail: image.detail,
            }),
            Self::Document(document) => Content::Document(Document {
                source: document.source.into_owned(),
                title: owned(document.title),
                context: owned(document.context),
                filename: owned(document.filename),
                citations: document.citations,
            }),
            Self::Audio(audio) => Content::Audio(Audio {
                source: audio.source.into_owned(),
                transcript: owned(audio.transcript),
                expires_at: audio.expires_at,
            }),
            Self::Video(video) => Content::Video(Video {
                source: video.source.into_owned(),
            }),
            Self::Reasoning(reasoned) => Content::Reasoning(reasoned.into_owned()),
            Self::ToolCall(call) => Content::ToolCall(ToolCall {
                id: text(call.id),
                name: text(call.name),
                arguments: text(call.arguments),
                kind: call.kind,
                namespace: owned(call.namespace),
                item_id: owned(call.item_id),
            }),
            Self::ToolResult(result) => Content::ToolResult(ToolResult {
                call: text(result.call),
                name: owned(result.name),
                content: result.content.into_iter().map(Part::into_owned).collect(),
                is_error: result.is_error,
                kind: result.kind,
            }),
            Self::ServerCall(call) => Content::ServerCall(ServerCall {
                id: text(call.id),
                tool: call.tool,
                input: call.input.into_owned(),
                native: call.native.map(Native::into_owned),
            }),
            Self::ServerResult(result) => Content::ServerResult(ServerResult {
                call: text(result.call),
                tool: result.tool,
                error: owned(result.error),
                sources: result
                    .sources
                    .into_iter()
                    .map(|source| WebSource {
                        url: text(source.url),
                        title: owned(source.title),
                    })
                    .collect(),
                output: owned(result.output),
                native: result.native.map(Native::into_owned),
            }),
            Self::Refusal(words) => Content::Refusal(text(words)),
            Self::Native(native) => Content::Native(native.into_owned()),
        }
    }
}

impl Reasoned<'_> {
    /// The same with a life of its own.
    pub fn into_owned(self) -> Reasoned<'static> {
        Reasoned {
            texts: self
                .texts
                .into_iter()
                .map(|part| ReasonText {
                    kind: part.kind,
                    text: text(part.text),
                })
                .collect(),
            opaque: self
                .opaque
                .into_iter()
                .map(super::Opaque::into_owned)
                .collect(),
            id: owned(self.id),
        }
    }
}

impl Native<'_> {
    /// The same with a life of its own.
    pub fn into_owned(self) -> Native<'static> {
        Native {
            format: self.format,
            json: self.json.into_owned(),
        }
    }
}

impl Source<'_> {
    /// The same with a life of its own.
    pub fn into_owned(self) -> Source<'static> {
        match self {
            Self::Bytes { mime, base64 } => Source::Bytes {
                mime: text(mime),
                base64: text(base64),
            },
            Self::Url { url, mime } => Source::Url {
                url: text(url),
                mime: owned(mime),
            },
            Self::File { id, origin } => Source::File {
                id: text(id),
                origin,
            },
            Self::Text(words) => Source::Text(text(words)),
            Self::Parts(parts) => Source::Parts(parts.into_iter().map(Part::into_owned).collect()),
        }
    }
}
