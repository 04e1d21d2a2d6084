//! Pictures, documents, sound and video: made plain, or refused with the place they stand in. Nothing
//! is fetched here.

use super::{base64, documents};
use crate::chat::{Content, Fault, Format, Losses, Part, Place, Request, Role, Source, Text};
use crate::wire::Profile;

/// Checks all media and gives each the form in which every encoder of the target can write it.
pub(super) fn fit(
    request: &mut Request<'_>,
    target: Format,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<(), Fault> {
    for turn in &mut request.turns {
        let place = Where {
            target,
            profile,
            is_model: turn.role == Role::Assistant,
            in_result: false,
        };
        place.fit(&mut turn.parts, losses)?;
    }
    Ok(())
}

/// What decides about a medium besides itself.
#[derive(Clone, Copy)]
pub(super) struct Where<'p> {
    pub(super) target: Format,
    pub(super) profile: &'p Profile,
    is_model: bool,
    in_result: bool,
}

impl Where<'_> {
    pub(super) fn fit(self, parts: &mut Vec<Part<'_>>, losses: &mut Losses) -> Result<(), Fault> {
        let is_plain = |part: &Part<'_>| {
            !matches!(
                part.content,
                Content::Image(_)
                    | Content::Audio(_)
                    | Content::Video(_)
                    | Content::Document(_)
                    | Content::ToolResult(_)
            )
        };
        if parts.iter().all(is_plain) {
            return Ok(());
        }
        let mut out = Vec::with_capacity(parts.len());
        for part in std::mem::take(parts) {
            self.part(part, &mut out, losses)?;
        }
        *parts = out;
        Ok(())
    }

    fn part<'a>(
        self,
        mut part: Part<'a>,
        out: &mut Vec<Part<'a>>,
        losses: &mut Losses,
    ) -> Result<(), Fault> {
        let at = part.at;
        match &mut part.content {
            Content::ToolResult(result) => {
                let inside = Self {
                    in_result: true,
                    ..self
                };
                inside.fit(&mut result.content, losses)?;
            }
            Content::Image(_) | Content::Video(_)
                if self.is_model && self.target != Format::Gemini =>
            {
                // No other model says pictures.
                return losses.dropped(at);
            }
            Content::Image(image) => {
                base64::normalise(&mut image.source);
                self.image(&image.source, at)?;
            }
            Content::Video(video) => {
                base64::normalise(&mut video.source);
                self.video(&video.source, at)?;
            }
            Content::Audio(audio) => {
                base64::normalise(&mut audio.source);
                if self.is_model && !matches!(audio.source, Source::Bytes { .. }) {
                    // What the model said is stored at its provider; the words are here.
                    let Some(transcript) = audio.transcript.take() else {
                        return losses.dropped(at);
                    };
                    part.content = Content::Text(Text::new(transcript));
                } else {
                    self.audio(&audio.source, at)?;
                }
            }
            Content::Document(_) => return documents::fit(self, part, out, losses),
            _ => {}
        }
        out.push(part);
        Ok(())
    }

    fn image(self, source: &Source<'_>, at: Place) -> Result<(), Fault> {
        match (source, self.target) {
            (Source::Bytes { mime, .. }, Format::Claude) => {
                let is_known = matches!(
                    &**mime,
                    "image/jpeg" | "image/png" | "image/gif" | "image/webp"
                );
                if is_known {
                    return Ok(());
                }
                Err(refused(
                    at,
                    format!(
                        "is of {}; the provider takes image/jpeg, image/png, image/gif and image/webp",
                        kind(mime)
                    ),
                ))
            }
            (Source::Bytes { .. }, _) => Ok(()),
            (Source::Url { .. }, Format::Gemini) => self.address(at),
            (Source::Url { .. }, _) => Ok(()),
            (Source::File { origin, .. }, Format::OpenAiResponses) if is_openai(*origin) => Ok(()),
            (Source::File { .. }, _) => Err(foreign_file(at)),
            (Source::Text(_) | Source::Parts(_), _) => Err(refused(at, "is no image")),
        }
    }

    fn video(self, source: &Source<'_>, at: Place) -> Result<(), Fault> {
        match (source, self.target) {
            // In a result its name is said instead.
            (_, Format::Claude) if self.in_result => Ok(()),
            (Source::Bytes { .. }, Format::Gemini) => Ok(()),
            (Source::Url { .. }, Format::Gemini) => self.address(at),
            (Source::File { .. }, Format::Gemini) => Err(foreign_file(at)),
            _ => Err(refused(at, "is video, which the provider does not take")),
        }
    }

    fn audio(self, source: &Source<'_>, at: Place) -> Result<(), Fault> {
        let takes_it = match self.target {
            Format::Claude if self.in_result => return Ok(()),
            Format::Claude => false,
            Format::OpenAiChat | Format::Gemini => true,
            Format::OpenAiResponses => self.profile.responses.audio,
        };
        if !takes_it {
            return Err(refused(at, "is audio, which the provider does not take"));
        }
        match (source, self.target) {
            (Source::Bytes { .. }, Format::Gemini) => Ok(()),
            (Source::Url { .. }, Format::Gemini) => self.address(at),
            (Source::Bytes { mime, .. }, _) => match &**mime {
                "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/mp3" | "audio/mpeg" => Ok(()),
                other => Err(refused(
                    at,
                    format!(
                        "is of {}; the provider takes audio/wav and audio/mp3",
                        kind(other)
                    ),
                )),
            },
            (Source::Url { .. }, _) => Err(not_fetched(at)),
            _ => Err(foreign_file(at)),
        }
    }

    /// Whether the target itself reads from addresses.
    pub(super) fn address(self, at: Place) -> Result<(), Fault> {
        if self.target == Format::Gemini && !self.profile.gemini.http_urls {
            return Err(not_fetched(at));
        }
        Ok(())
    }
}

/// OpenAI's two formats share their files.
pub(super) const fn is_openai(origin: Format) -> bool {
    matches!(origin, Format::OpenAiChat | Format::OpenAiResponses)
}

/// A MIME type in a sentence.
pub(super) fn kind(mime: &str) -> String {
    if mime.is_empty() {
        "an unknown type".to_owned()
    } else {
        format!("type '{mime}'")
    }
}

pub(super) fn refused(at: Place, why: impl std::fmt::Display) -> Fault {
    Fault::cannot_carry(at, format!("'{at}' {why}"))
}

pub(super) fn foreign_file(at: Place) -> Fault {
    refused(
        at,
        "is a file id of another provider: send the content itself",
    )
}

pub(super) fn not_fetched(at: Place) -> Fault {
    refused(
        at,
        "is an address that the provider does not read: send the content itself",
    )
}
