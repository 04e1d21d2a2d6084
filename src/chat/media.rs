//! Images, documents, sound and video.

use std::borrow::Cow;

use super::{Format, Part};

/// Where the content of a medium is.
#[derive(Debug, Clone, PartialEq)]
pub enum Source<'a> {
    /// Here.
    Bytes {
        /// Its MIME type; empty when nobody said.
        mime: Cow<'a, str>,
        /// Its content in base64, of whatever kind the client wrote.
        base64: Cow<'a, str>,
    },
    /// At an address.
    Url {
        /// The address.
        url: Cow<'a, str>,
        /// Its MIME type, if the client said.
        mime: Option<Cow<'a, str>>,
    },
    /// Stored at a provider: ids belong to one account there.
    File {
        /// The provider's id for it.
        id: Cow<'a, str>,
        /// The format whose provider has it.
        origin: Format,
    },
    /// Plain text (documents).
    Text(Cow<'a, str>),
    /// Blocks of text and images (documents).
    Parts(Vec<Part<'a>>),
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Image<'a> {
    /// Where it is.
    pub source: Source<'a>,
    /// How closely the model should look.
    pub detail: Option<Detail>,
}

/// How closely a model looks at a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// A thumbnail will do.
    Low,
    /// Medium (Gemini).
    Medium,
    /// In full.
    High,
    /// As the model likes.
    Auto,
    /// Not scaled at all.
    Original,
}

/// A document: a PDF, a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<'a> {
    /// Where it is.
    pub source: Source<'a>,
    /// Its title.
    pub title: Option<Cow<'a, str>>,
    /// What the model should know about it.
    pub context: Option<Cow<'a, str>>,
    /// Its file name.
    pub filename: Option<Cow<'a, str>>,
    /// Whether the model should cite it.
    pub citations: Option<bool>,
}

/// Sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio<'a> {
    /// Where it is; [`Source::File`] for an answer that OpenAI keeps under an id.
    pub source: Source<'a>,
    /// What is said in it.
    pub transcript: Option<Cow<'a, str>>,
    /// When the provider forgets it, unix seconds.
    pub expires_at: Option<u64>,
}

/// Moving pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Video<'a> {
    /// Where it is.
    pub source: Source<'a>,
}
