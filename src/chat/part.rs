//! The parts of a turn.

use std::borrow::Cow;

use super::{Audio, Document, Extra, Format, Image, Json, LazyStr, Opaque, Place, Reasoned, Video};

/// One part of a turn or of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<'a> {
    /// Where it stands in the client's document.
    pub at: Place,
    /// What it is.
    pub content: Content<'a>,
    /// A prompt cache may end here.
    pub cache: Option<CacheMark>,
    /// Gemini's thought signature for this part.
    pub signature: Option<Opaque<'a>>,
    /// Members that only its own format understands.
    pub extra: Extra<'a>,
}

impl<'a> Part<'a> {
    /// A part with nothing but content.
    pub fn new(content: Content<'a>) -> Self {
        Self {
            at: Place::default(),
            content,
            cache: None,
            signature: None,
            extra: Extra::default(),
        }
    }

    /// A part of text.
    pub fn text(text: impl Into<LazyStr<'a>>) -> Self {
        Self::new(Content::Text(Text::new(text)))
    }

    /// Says where it stands.
    #[must_use]
    pub const fn at(mut self, at: Place) -> Self {
        self.at = at;
        self
    }

    /// Its text as it came, if it is text.
    pub const fn as_lazy(&self) -> Option<&LazyStr<'a>> {
        match &self.content {
            Content::Text(text) => Some(&text.text),
            _ => None,
        }
    }

    /// Whether it is text.
    pub const fn is_text(&self) -> bool {
        matches!(self.content, Content::Text(_))
    }

    /// Its text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(&text.text),
            _ => None,
        }
    }
}

/// What a part is.
#[derive(Debug, Clone, PartialEq)]
pub enum Content<'a> {
    /// Text.
    Text(Text<'a>),
    /// A picture.
    Image(Image<'a>),
    /// A document.
    Document(Document<'a>),
    /// Sound.
    Audio(Audio<'a>),
    /// Moving pictures.
    Video(Video<'a>),
    /// The model's reasoning.
    Reasoning(Reasoned<'a>),
    /// The model wants the client to do something.
    ToolCall(ToolCall<'a>),
    /// What came of it.
    ToolResult(ToolResult<'a>),
    /// The provider did something itself.
    ServerCall(ServerCall<'a>),
    /// What came of that.
    ServerResult(ServerResult<'a>),
    /// The model declined, in these words.
    Refusal(Cow<'a, str>),
    /// Something that only one format has.
    Native(Native<'a>),
}

/// Text with what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Text<'a> {
    /// The text.
    pub text: LazyStr<'a>,
    /// Where it is from.
    pub citations: Vec<Citation<'a>>,
    /// Log probabilities as OpenAI writes them: `[{token, bytes, logprob, top_logprobs}]`.
    pub logprobs: Option<Json<'a>>,
}

impl<'a> Text<'a> {
    /// Only text.
    pub fn new(text: impl Into<LazyStr<'a>>) -> Self {
        Self {
            text: text.into(),
            citations: Vec::new(),
            logprobs: None,
        }
    }
}

/// How long a prompt cache should live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheMark {
    /// As the provider likes.
    Default,
    /// 5 minutes.
    Minutes5,
    /// 30 minutes.
    Minutes30,
    /// An hour.
    Hour1,
    /// 12 hours.
    Hours12,
}

/// Where a text is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation<'a> {
    /// What is cited.
    pub kind: CitationKind,
    /// Its address.
    pub url: Option<Cow<'a, str>>,
    /// Its title.
    pub title: Option<Cow<'a, str>>,
    /// The words that are cited.
    pub cited: Option<Cow<'a, str>>,
    /// Which code points of this part's text it is about; `None`: all of it.
    pub span: Option<(u64, u64)>,
    /// OpenAI's id of the file.
    pub file_id: Option<Cow<'a, str>>,
    /// The name of the file.
    pub filename: Option<Cow<'a, str>>,
    /// As its own format writes it.
    pub native: Option<Native<'a>>,
}

/// What is cited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CitationKind {
    /// A page of the web.
    Web,
    /// A stored file.
    File,
    /// A document of the conversation.
    Document,
    /// A search result that the client gave.
    SearchResult,
}

/// How a client runs a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// Arguments are a JSON object.
    Function,
    /// Arguments are free text.
    Custom,
    /// A tool that only its own format has a shape for (`computer_call`, `shell_call`, …); arguments
    /// are the JSON of its action.
    Typed(&'static str),
}

/// The model wants the client to do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall<'a> {
    /// Pairs it with its result.
    pub id: Cow<'a, str>,
    /// The tool.
    pub name: Cow<'a, str>,
    /// The exact text that the model wrote.
    pub arguments: Cow<'a, str>,
    /// How it is run.
    pub kind: CallKind,
    /// The namespace of the tool (OpenAI Responses).
    pub namespace: Option<Cow<'a, str>>,
    /// The id of the item it was in (OpenAI Responses).
    pub item_id: Option<Cow<'a, str>>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult<'a> {
    /// The call's id.
    pub call: Cow<'a, str>,
    /// The tool, where the format names it again.
    pub name: Option<Cow<'a, str>>,
    /// What the tool gave.
    pub content: Vec<Part<'a>>,
    /// Whether it failed; `None`: nobody said.
    pub is_error: Option<bool>,
    /// How it was run.
    pub kind: CallKind,
}

/// What a provider runs itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerTool {
    /// A search of the web.
    WebSearch,
    /// Reading a page.
    WebFetch,
    /// Running code.
    CodeExecution,
    /// A search in stored files.
    FileSearch,
    /// Making a picture.
    ImageGeneration,
    /// A remote MCP server.
    Mcp,
    /// A search for tools.
    ToolSearch,
    /// Something else, by its own name.
    Other(String),
}

/// The provider did something itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCall<'a> {
    /// Pairs it with its result.
    pub id: Cow<'a, str>,
    /// What.
    pub tool: ServerTool,
    /// What it was asked: `{"query": …}` for a search, `{"code": …}` for code.
    pub input: Json<'a>,
    /// As its own format writes it.
    pub native: Option<Native<'a>>,
}

/// What came of a provider's own call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerResult<'a> {
    /// The call's id.
    pub call: Cow<'a, str>,
    /// What.
    pub tool: ServerTool,
    /// Its error code, if it failed.
    pub error: Option<Cow<'a, str>>,
    /// The pages that a search found.
    pub sources: Vec<WebSource<'a>>,
    /// What code printed.
    pub output: Option<Cow<'a, str>>,
    /// As its own format writes it.
    pub native: Option<Native<'a>>,
}

/// One page that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSource<'a> {
    /// Its address.
    pub url: Cow<'a, str>,
    /// Its title.
    pub title: Option<Cow<'a, str>>,
}

/// Something as one format writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native<'a> {
    /// The format.
    pub format: Format,
    /// The text.
    pub json: Json<'a>,
}
