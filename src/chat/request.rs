//! What a client asks.

use std::borrow::Cow;

use super::{CacheMark, Extra, Format, Json, Part, Place, Reasoning, Tool, ToolChoice};

/// One request, in no format.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<'a> {
    /// The format it came in: what it names in its own way goes back only to that.
    pub origin: Format,
    /// The model's name. Gemini's is in the path: whoever decodes the body fills it in.
    pub model: Cow<'a, str>,
    /// Whether the answer is to be streamed. Gemini's is in the path too.
    pub stream: bool,
    /// System and developer text before the first turn, in order; roles are
    /// [`Role::Instruction`].
    pub instructions: Vec<Turn<'a>>,
    /// The conversation.
    pub turns: Vec<Turn<'a>>,
    /// What the model may use.
    pub tools: Vec<Tool<'a>>,
    /// Whether it must.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether it may call several tools at once; `None`: as the provider likes.
    pub parallel_tools: Option<bool>,
    /// How the next token is chosen.
    pub sampling: Sampling<'a>,
    /// Texts that end the answer.
    pub stop: Vec<Cow<'a, str>>,
    /// Most tokens of the answer, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// How many answers; `None`: one.
    pub candidates: Option<u64>,
    /// Log probabilities.
    pub logprobs: Option<Logprobs>,
    /// What the answer looks like.
    pub output: Output<'a>,
    /// How much to think.
    pub reasoning: Option<Reasoning>,
    /// How prompts are cached.
    pub caching: Caching<'a>,
    /// Who asks.
    pub user: User<'a>,
    /// How fast and at what price.
    pub tier: Option<Tier>,
    /// Whether a stream should end with its usage (OpenAI Chat).
    pub include_usage: bool,
    /// What the provider should remember or continue.
    pub state: State<'a>,
    /// Calls in the form that OpenAI had before tools (`functions`, `function_call`).
    pub legacy_functions: bool,
    /// The document's members that only its own format has.
    pub native: Extra<'a>,
}

impl<'a> Request<'a> {
    /// A request that asks nothing yet.
    pub fn new(origin: Format) -> Self {
        Self {
            origin,
            model: Cow::Borrowed(""),
            stream: false,
            instructions: Vec::new(),
            turns: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tools: None,
            sampling: Sampling::default(),
            stop: Vec::new(),
            max_output_tokens: None,
            candidates: None,
            logprobs: None,
            output: Output::default(),
            reasoning: None,
            caching: Caching::default(),
            user: User::default(),
            tier: None,
            include_usage: false,
            state: State::default(),
            legacy_functions: false,
            native: Extra::default(),
        }
    }
}

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn<'a> {
    /// Whose.
    pub role: Role,
    /// What.
    pub parts: Vec<Part<'a>>,
    /// The name of the speaker (OpenAI Chat).
    pub name: Option<Cow<'a, str>>,
    /// `commentary`, `final_answer` (OpenAI Responses).
    pub phase: Option<Cow<'a, str>>,
    /// Where it stands in the client's document.
    pub at: Place,
    /// Members that only its own format understands.
    pub extra: Extra<'a>,
}

impl<'a> Turn<'a> {
    /// A turn of `parts`.
    pub fn new(role: Role, parts: Vec<Part<'a>>) -> Self {
        Self {
            role,
            parts,
            name: None,
            phase: None,
            at: Place::default(),
            extra: Extra::default(),
        }
    }

    /// Says where it stands.
    #[must_use]
    pub const fn at(mut self, at: Place) -> Self {
        self.at = at;
        self
    }
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The client's side: people, and the results of tools.
    User,
    /// The model.
    Assistant,
    /// Whoever runs the conversation.
    Instruction(Level),
}

/// Who speaks in an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// The system.
    System,
    /// The developer (OpenAI).
    Developer,
}

/// How the next token is chosen; numbers as the client wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sampling<'a> {
    /// 0 to 2 (Anthropic: to 1).
    pub temperature: Option<Json<'a>>,
    /// 0 to 1.
    pub top_p: Option<Json<'a>>,
    /// Whole.
    pub top_k: Option<Json<'a>>,
    /// −2 to 2.
    pub presence_penalty: Option<Json<'a>>,
    /// −2 to 2.
    pub frequency_penalty: Option<Json<'a>>,
    /// Whole.
    pub seed: Option<Json<'a>>,
    /// Object: token to bias.
    pub logit_bias: Option<Json<'a>>,
}

/// Log probabilities are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logprobs {
    /// How many alternatives per token.
    pub top: Option<u64>,
}

/// What the answer looks like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output<'a> {
    /// Its structure.
    pub format: OutputFormat<'a>,
    /// What it may hold; empty: text.
    pub modalities: Vec<Modality>,
    /// The voice: OpenAI's `audio` or Gemini's `speechConfig`, as its own format writes it.
    pub audio: Option<Json<'a>>,
    /// How many words.
    pub verbosity: Option<Verbosity>,
}

/// The structure of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OutputFormat<'a> {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema {
        /// The schema's name (OpenAI).
        name: Option<Cow<'a, str>>,
        /// What it is for (OpenAI).
        description: Option<Cow<'a, str>>,
        /// The schema.
        schema: Json<'a>,
        /// Whether it must fit exactly.
        strict: Option<bool>,
    },
    /// One of the strings in the schema's `enum`, and nothing else (Gemini `text/x.enum`).
    Enum {
        /// `{"type":"string","enum":[…]}`
        schema: Json<'a>,
    },
}

/// What an answer may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modality {
    /// Text.
    Text,
    /// Pictures.
    Image,
    /// Sound.
    Audio,
}

/// How many words an answer should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verbosity {
    /// Few.
    Low,
    /// Some.
    Medium,
    /// Many.
    High,
}

impl Verbosity {
    /// OpenAI's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// How prompts are cached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caching<'a> {
    /// The provider places the mark (Anthropic's top-level `cache_control`).
    pub auto: Option<CacheMark>,
    /// `prompt_cache_key` (OpenAI).
    pub key: Option<Cow<'a, str>>,
    /// `prompt_cache_options` (OpenAI).
    pub options: Option<Json<'a>>,
    /// `prompt_cache_retention` (OpenAI).
    pub retention: Option<Json<'a>>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User<'a> {
    /// OpenAI's `user`, Anthropic's `metadata.user_id`.
    pub end_user: Option<Cow<'a, str>>,
    /// OpenAI's `safety_identifier`.
    pub safety_id: Option<Cow<'a, str>>,
    /// OpenAI's `metadata`.
    pub metadata: Option<Json<'a>>,
}

/// How fast and at what price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// As the project is set up.
    Auto,
    /// The usual.
    Standard,
    /// Cheaper and later.
    Flex,
    /// Dearer and sooner.
    Priority,
    /// Bought in advance.
    Scale,
    /// The fastest (OpenAI Responses).
    Ultrafast,
}

/// What a provider should remember or continue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State<'a> {
    /// `previous_response_id`
    pub previous_response: Option<Cow<'a, str>>,
    /// `conversation`
    pub conversation: Option<Json<'a>>,
    /// `prompt`: a stored prompt.
    pub prompt: Option<Json<'a>>,
    /// `store`
    pub store: Option<bool>,
    /// `background`
    pub background: bool,
    /// Gemini's `cachedContent`.
    pub cached_content: Option<Cow<'a, str>>,
}
