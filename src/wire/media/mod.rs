//! Media that stands behind addresses which the target does not read: which of them a request holds,
//! and their content once somebody has fetched it. Nothing is fetched here.

mod sniff;

use std::borrow::Cow;
use std::collections::BTreeMap;

pub use sniff::{ENOUGH, Sniffed, sniff};

use super::{Format, Profile};
use crate::chat::{Content, Part, Place, Request, Role, Source};

/// What a medium is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A picture.
    Image,
    /// A document; of these only PDF is told by its first bytes.
    Document,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
}

impl Kind {
    /// Whether content of this MIME type is one.
    pub fn takes(self, mime: &str) -> bool {
        match self {
            Self::Image => mime.starts_with("image/"),
            Self::Document => mime == "application/pdf",
            Self::Audio => mime.starts_with("audio/"),
            Self::Video => mime.starts_with("video/"),
        }
    }

    /// In a sentence after "it is not".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "an image",
            Self::Document => "a PDF document",
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

/// A medium that has to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its address.
    pub url: String,
    /// What it has to be.
    pub kind: Kind,
    /// Where it stands in the client's document.
    pub at: String,
}

/// The content of a medium that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inline {
    /// Its MIME type, as its first bytes say.
    pub mime: &'static str,
    /// Its content in base64.
    pub base64: String,
}

/// Media that were fetched, by address.
#[derive(Debug, Default)]
pub struct Media(BTreeMap<String, Inline>);

impl Media {
    /// None at all.
    pub fn none() -> &'static Self {
        static NONE: Media = Media(BTreeMap::new());
        &NONE
    }

    /// What was fetched from `url`.
    pub fn find(&self, url: &str) -> Option<&Inline> {
        self.0.get(url)
    }

    /// Remembers what was fetched from `url`.
    pub fn insert(&mut self, url: String, inline: Inline) {
        self.0.insert(url, inline);
    }
}

/// The target, as far as addresses matter to it.
#[derive(Clone, Copy)]
struct Reader<'p> {
    format: Format,
    profile: &'p Profile,
}

impl Reader<'_> {
    /// Whether there is anything that it takes as content and not as an address.
    const fn wants_any(self) -> bool {
        match self.format {
            Format::Claude => false,
            Format::OpenAiChat => true,
            Format::OpenAiResponses => self.profile.responses.audio,
            Format::Gemini => !self.profile.gemini.http_urls,
        }
    }

    /// Whether it takes a medium as content and not as an address: what [`super::fit`] would refuse.
    const fn wants(self, kind: Kind, is_model: bool) -> bool {
        // What a model has said is stored at its provider; the words are in the request.
        if is_model && matches!(kind, Kind::Audio) {
            return false;
        }
        match self.format {
            Format::Claude => false,
            Format::OpenAiChat => matches!(kind, Kind::Document | Kind::Audio),
            Format::OpenAiResponses => matches!(kind, Kind::Audio) && self.profile.responses.audio,
            Format::Gemini => !self.profile.gemini.http_urls,
        }
    }
}

/// Whether a target may want anything of a document that is `body`: no text that only speaks of addresses
/// is decoded twice. An address that is written in capitals or escapes is not found, and refused.
pub(super) fn may_want(format: Format, profile: &Profile, body: &[u8]) -> bool {
    Reader { format, profile }.wants_any() && memchr::memmem::find(body, b"\"http").is_some()
}

/// What of `request` the target does not read where it is, in order.
pub(super) fn wanted(request: &mut Request<'_>, format: Format, profile: &Profile) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    each(
        request,
        Reader { format, profile },
        &mut |source, kind, at| {
            if let Source::Url { url, .. } = source {
                wanted.push(Wanted {
                    url: url.to_string(),
                    kind,
                    at: at.to_string(),
                });
            }
        },
    );
    wanted
}

/// Puts what was fetched into the place of its address, where the target does not read that.
pub(super) fn place<'a>(
    request: &mut Request<'a>,
    format: Format,
    profile: &Profile,
    media: &'a Media,
) {
    if media.0.is_empty() {
        return;
    }
    each(
        request,
        Reader { format, profile },
        &mut |source, kind, _| {
            let Source::Url { url, .. } = source else {
                return;
            };
            if let Some(inline) = media.find(url).filter(|inline| kind.takes(inline.mime)) {
                *source = Source::Bytes {
                    mime: Cow::Borrowed(inline.mime),
                    base64: Cow::Borrowed(&inline.base64),
                };
            }
        },
    );
}

type Visit<'v, 'a> = &'v mut dyn FnMut(&mut Source<'a>, Kind, Place);

/// Visits every address of the web that the target does not read.
fn each<'a>(request: &mut Request<'a>, reader: Reader<'_>, visit: Visit<'_, 'a>) {
    for turn in request.instructions.iter_mut().chain(&mut request.turns) {
        let is_model = turn.role == Role::Assistant;
        parts(&mut turn.parts, turn.at, (reader, is_model), visit);
    }
}

fn parts<'a>(
    parts_of: &mut [Part<'a>],
    around: Place,
    (reader, is_model): (Reader<'_>, bool),
    visit: Visit<'_, 'a>,
) {
    for part in parts_of {
        let at = if part.at == Place::default() {
            around
        } else {
            part.at
        };
        let (source, kind) = match &mut part.content {
            Content::ToolResult(result) => {
                parts(&mut result.content, at, (reader, is_model), visit);
                continue;
            }
            Content::Image(image) => (&mut image.source, Kind::Image),
            Content::Document(document) => (&mut document.source, Kind::Document),
            Content::Audio(audio) => (&mut audio.source, Kind::Audio),
            Content::Video(video) => (&mut video.source, Kind::Video),
            _ => continue,
        };
        match source {
            Source::Parts(inner) => parts(inner, at, (reader, is_model), visit),
            Source::Url { url, .. } if is_web(url) && reader.wants(kind, is_model) => {
                visit(source, kind, at);
            }
            _ => {}
        }
    }
}

fn is_web(url: &str) -> bool {
    let starts = |scheme: &str| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    starts("http://") || starts("https://")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Audio, CallKind, Document, Image, ToolResult, Turn, Video};

    fn url(text: &str) -> Source<'_> {
        Source::Url {
            url: text.into(),
            mime: None,
        }
    }

    fn image(address: &str) -> Content<'_> {
        Content::Image(Image {
            source: url(address),
            detail: None,
        })
    }

    fn document(source: Source<'_>) -> Content<'_> {
        Content::Document(Document {
            source,
            title: None,
            context: None,
            filename: None,
            citations: None,
        })
    }

    fn request() -> Request<'static> {
        let place = |n| Place::field("messages").item(n).of("content").part(0);
        let turn = |role, n, content| Turn::new(role, vec![Part::new(content).at(place(n))]);
        let audio = |address| {
            Content::Audio(Audio {
                source: url(address),
                transcript: None,
                expires_at: None,
            })
        };
        let result = Content::ToolResult(ToolResult {
            call: "c".into(),
            name: None,
            content: vec![Part::new(image("https://a.example/in-result"))],
            is_error: None,
            kind: CallKind::Function,
        });
        let nested = Source::Parts(vec![Part::new(image("HTTP://a.example/in-document"))]);
        let mut request = Request::new(Format::Claude);
        request.turns = vec![
            turn(Role::User, 0, image("https://a.example/image")),
            turn(Role::User, 1, document(url("https://a.example/pdf"))),
            turn(Role::User, 2, audio("https://a.example/audio")),
            turn(Role::Assistant, 3, audio("https://a.example/said")),
            turn(
                Role::User,
                4,
                Content::Video(Video {
                    source: url("https://a.example/video"),
                }),
            ),
            turn(Role::User, 5, result),
            turn(Role::User, 6, document(nested)),
            turn(Role::User, 7, image("gs://bucket/image")),
        ];
        request
    }

    fn paths(format: Format, profile: &Profile) -> Vec<String> {
        wanted(&mut request(), format, profile)
            .into_iter()
            .map(|one| {
                let (_, path) = one.url.rsplit_once('/').unwrap();
                format!("{} {path}", &one.at[9..10])
            })
            .collect()
    }

    #[test]
    fn what_is_wanted_is_what_the_target_does_not_read() {
        let mut profile = Profile::default();
        profile.gemini.http_urls = false;
        profile.responses.audio = false;
        let all = [
            "0 image",
            "1 pdf",
            "2 audio",
            "4 video",
            "5 in-result",
            "6 in-document",
        ];
        assert_eq!(paths(Format::Gemini, &profile), all);
        assert_eq!(paths(Format::OpenAiChat, &profile), ["1 pdf", "2 audio"]);
        assert!(paths(Format::OpenAiResponses, &profile).is_empty());
        assert!(paths(Format::Claude, &profile).is_empty());
        profile.gemini.http_urls = true;
        profile.responses.audio = true;
        assert!(paths(Format::Gemini, &profile).is_empty());
        assert_eq!(paths(Format::OpenAiResponses, &profile), ["2 audio"]);
    }

    #[test]
    fn a_body_without_addresses_or_a_target_that_reads_them_is_not_looked_at() {
        const BODY: &[u8] = br#"{"url":"http://x"}"#;
        let mut profile = Profile::default();
        profile.gemini.http_urls = false;
        assert!(may_want(Format::Gemini, &profile, BODY));
        assert!(!may_want(
            Format::Gemini,
            &profile,
            br#"{"text": "see http://x"}"#
        ));
        assert!(!may_want(Format::Claude, &profile, BODY));
        profile.gemini.http_urls = true;
        assert!(!may_want(Format::Gemini, &profile, BODY));
    }

    #[test]
    fn what_was_fetched_takes_the_place_of_its_address_only_where_that_is_not_read() {
        let profile = Profile::default();
        let mut media = Media::default();
        for (path, mime) in [("image", "image/png"), ("pdf", "application/pdf")] {
            let inline = Inline {
                mime,
                base64: "AAAA".to_owned(),
            };
            media.insert(format!("https://a.example/{path}"), inline);
        }
        let mut request = request();
        place(&mut request, Format::OpenAiChat, &profile, &media);
        let source =
            |request: &Request<'_>, turn: usize| match &request.turns[turn].parts[0].content {
                Content::Image(image) => matches!(image.source, Source::Bytes { .. }),
                Content::Document(document) => matches!(document.source, Source::Bytes { .. }),
                _ => false,
            };
        assert!(!source(&request, 0), "Chat reads addresses of images");
        assert!(source(&request, 1));
    }

    #[test]
    fn a_kind_takes_its_own_types() {
        assert!(Kind::Image.takes("image/png") && !Kind::Image.takes("application/pdf"));
        assert!(Kind::Document.takes("application/pdf") && !Kind::Document.takes("image/png"));
        assert!(Kind::Audio.takes("audio/mpeg") && !Kind::Audio.takes("video/mp4"));
        assert!(Kind::Video.takes("video/mp4") && !Kind::Video.takes("audio/wav"));
    }
}
