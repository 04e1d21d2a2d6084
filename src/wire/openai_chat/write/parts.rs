//! Writes the parts of a message.

use std::borrow::Cow;

use super::Writer;
use crate::chat::{Audio, Content, Detail, Document, Format, Image, Part, Place, Source};
use crate::wire::json::{ArrayWriter, ObjectWriter};

impl Writer<'_> {
    /// Whether a part is no more than its text.
    pub(super) fn is_plain(&self, part: &Part<'_>) -> bool {
        let is_marked = if self.is_own {
            !part.extra.0.is_empty()
        } else {
            part.cache.is_some() && self.chat.cache_breakpoints
        };
        part.is_text() && !is_marked
    }

    /// One part of a user's message.
    pub(super) fn part(&mut self, a: &mut ArrayWriter<'_>, part: &Part<'_>) {
        match &part.content {
            Content::Text(text) => self.typed(a, part, |o| {
                o.str("type", "text");
                o.text("text", &text.text);
            }),
            Content::Refusal(text) => self.typed(a, part, |o| {
                o.str("type", "refusal");
                o.str("refusal", text);
            }),
            Content::Image(image) => {
                let Some(url) = self.image_url(image, part.at) else {
                    return;
                };
                self.typed(a, part, |o| {
                    o.str("type", "image_url");
                    o.object("image_url", |o| {
                        o.str("url", &url);
                        o.opt_str("detail", image.detail.map(detail));
                    });
                });
            }
            Content::Audio(audio) => self.audio(a, part, audio),
            Content::Document(document) => self.document_part(a, part, document),
            Content::Video(video) => match (&video.source, url_of(&video.source)) {
                (_, Some(url)) if self.is_own => self.typed(a, part, |o| {
                    o.str("type", "video_url");
                    o.object("video_url", |o| o.str("url", &url));
                }),
                _ => self.refused(part.at, "OpenAI Chat Completions takes no video"),
            },
            Content::Native(native) if native.format == Format::OpenAiChat => {
                a.raw(native.json.as_str());
            }
            _ => self.dropped(part.at),
        }
    }

    fn typed(
        &self,
        a: &mut ArrayWriter<'_>,
        part: &Part<'_>,
        write: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        a.object(|o| {
            write(o);
            self.marks(o, &part.extra, part.cache);
        });
    }

    fn image_url<'p>(&mut self, image: &'p Image<'_>, at: Place) -> Option<Cow<'p, str>> {
        let url = url_of(&image.source);
        if url.is_none() {
            self.refused(at, "OpenAI Chat Completions takes no pictures by file id");
        }
        url
    }

    fn audio(&mut self, a: &mut ArrayWriter<'_>, part: &Part<'_>, audio: &Audio<'_>) {
        let Source::Bytes { mime, base64 } = &audio.source else {
            return self.refused(
                part.at,
                "OpenAI Chat Completions takes sound only in the request",
            );
        };
        let kind = mime.rsplit('/').next().unwrap_or_default();
        let kind = match kind {
            "mpeg" | "mpga" | "x-mp3" => "mp3",
            "x-wav" | "wave" | "vnd.wave" => "wav",
            other => other,
        };
        self.typed(a, part, |o| {
            o.str("type", "input_audio");
            o.object("input_audio", |o| {
                o.str("data", base64);
                o.str("format", kind);
            });
        });
    }

    fn document_part(&mut self, a: &mut ArrayWriter<'_>, part: &Part<'_>, document: &Document<'_>) {
        let name = document.filename.as_deref().or(document.title.as_deref());
        match &document.source {
            Source::Bytes { mime, base64 } => self.typed(a, part, |o| {
                o.str("type", "file");
                o.object("file", |o| {
                    let fallback = if self.is_own {
                        None
                    } else {
                        Some("document.pdf")
                    };
                    o.opt_str("filename", name.or(fallback));
                    if mime.is_empty() {
                        o.str("file_data", base64);
                    } else {
                        o.str("file_data", &data_url(mime, base64));
                    }
                });
            }),
            Source::File {
                id,
                origin: Format::OpenAiChat | Format::OpenAiResponses,
            } => self.typed(a, part, |o| {
                o.str("type", "file");
                o.object("file", |o| {
                    o.str("file_id", id);
                    o.opt_str("filename", document.filename.as_deref());
                });
            }),
            Source::File { .. } => self.refused(
                part.at,
                "a file id of another provider means nothing to this one",
            ),
            Source::Url { url, .. } if self.is_own => self.typed(a, part, |o| {
                o.str("type", "file");
                o.object("file", |o| {
                    o.opt_str("filename", name);
                    o.str("file_data", url);
                });
            }),
            Source::Url { .. } => self.refused(
                part.at,
                "OpenAI Chat Completions takes no documents by address",
            ),
            Source::Text(text) => self.typed(a, part, |o| {
                o.str("type", "text");
                o.str("text", &document_text(document, text));
            }),
            Source::Parts(parts) => {
                for inner in parts {
                    self.part(a, inner);
                }
            }
        }
    }
}

/// A document of text, as text.
pub(super) fn document_text(document: &Document<'_>, text: &str) -> String {
    let title = document.title.as_deref().or(document.filename.as_deref());
    match title {
        Some(title) => {
            let title = title.replace('"', "&quot;");
            format!("<document title=\"{title}\">\n{text}\n</document>")
        }
        None => format!("<document>\n{text}\n</document>"),
    }
}

/// Where a medium is, as an address.
pub(in crate::wire::openai_chat) fn url_of<'s>(source: &'s Source<'_>) -> Option<Cow<'s, str>> {
    match source {
        Source::Bytes { mime, base64 } => Some(Cow::Owned(data_url(mime, base64))),
        Source::Url { url, .. } => Some(Cow::Borrowed(url)),
        Source::File { .. } | Source::Text(_) | Source::Parts(_) => None,
    }
}

fn data_url(mime: &str, base64: &str) -> String {
    let mime = if mime.is_empty() {
        "application/octet-stream"
    } else {
        mime
    };
    ["data:", mime, ";base64,", base64].concat()
}

const fn detail(detail: Detail) -> &'static str {
    match detail {
        Detail::Low => "low",
        Detail::Medium => "medium",
        Detail::High => "high",
        Detail::Auto => "auto",
        Detail::Original => "original",
    }
}
