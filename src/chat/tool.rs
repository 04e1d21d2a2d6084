//! Tools that a request offers.

use std::borrow::Cow;

use super::{CacheMark, CallKind, Extra, Format, Json, Place};

/// One tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool<'a> {
    /// Where it stands in the client's document.
    pub at: Place,
    /// What it is.
    pub kind: ToolKind<'a>,
    /// A prompt cache may end here.
    pub cache: Option<CacheMark>,
    /// Members that only its own format understands.
    pub extra: Extra<'a>,
}

/// What a tool is.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a request has few tools, and most are functions: a box each would cost more"
)]
pub enum ToolKind<'a> {
    /// The client runs it, with a JSON object.
    Function(Function<'a>),
    /// The client runs it, with free text.
    Custom(CustomTool<'a>),
    /// Tools under a common name (OpenAI Responses).
    Namespace {
        /// The name.
        name: Cow<'a, str>,
        /// What they are for.
        description: Option<Cow<'a, str>>,
        /// Functions and custom tools.
        tools: Vec<Tool<'a>>,
    },
    /// A tool that the provider defines.
    Provider(ProviderTool<'a>),
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it does.
    pub description: Option<Cow<'a, str>>,
    /// JSON Schema of its arguments; `None`: it has none.
    pub schema: Option<Json<'a>>,
    /// Whether the arguments must fit the schema exactly.
    pub strict: Option<bool>,
}

/// A free-form tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomTool<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it does.
    pub description: Option<Cow<'a, str>>,
    /// What its input looks like.
    pub format: CustomFormat<'a>,
}

/// What the input of a free-form tool looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomFormat<'a> {
    /// Any text.
    Text,
    /// What a grammar allows.
    Grammar {
        /// `lark` or `regex`.
        syntax: Cow<'a, str>,
        /// The grammar.
        definition: Cow<'a, str>,
    },
}

/// A tool that a provider defines.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderTool<'a> {
    /// Whose.
    pub origin: Format,
    /// What.
    pub kind: ProviderKind,
    /// Its name where the client gives one (`web_search`, `bash`).
    pub name: Option<Cow<'a, str>>,
    /// The whole tool as its own format writes it.
    pub native: Json<'a>,
    /// What the formats share about it.
    pub common: Common<'a>,
}

/// What provider-defined tools do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// Search the web.
    WebSearch,
    /// Read a page.
    WebFetch,
    /// Run code at the provider.
    CodeExecution,
    /// Search stored files.
    FileSearch,
    /// Make pictures.
    ImageGeneration,
    /// Remote MCP servers.
    Mcp,
    /// Maps.
    Maps,
    /// Search among tools.
    ToolSearch,
    /// The client's screen, mouse and keyboard.
    Computer,
    /// The client's shell.
    Shell,
    /// Anthropic's `bash`.
    Bash,
    /// Anthropic's `str_replace_based_edit_tool`.
    TextEditor,
    /// OpenAI's `apply_patch`.
    ApplyPatch,
    /// Anthropic's memory directory.
    Memory,
    /// The client's browser.
    Browser,
    /// Something else.
    Other,
}

/// What formats share about a provider-defined tool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Common<'a> {
    /// The only domains that may be used.
    pub allowed_domains: Vec<Cow<'a, str>>,
    /// Domains that may not be used.
    pub blocked_domains: Vec<Cow<'a, str>>,
    /// Most uses in one answer.
    pub max_uses: Option<u64>,
    /// `low`, `medium`, `high`.
    pub context_size: Option<Cow<'a, str>>,
    /// Where the user is.
    pub location: Option<Location<'a>>,
    /// The MCP server.
    pub mcp: Option<McpServer<'a>>,
}

/// Roughly where the user is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Location<'a> {
    /// City.
    pub city: Option<Cow<'a, str>>,
    /// Two letters (ISO 3166-1).
    pub country: Option<Cow<'a, str>>,
    /// Region.
    pub region: Option<Cow<'a, str>>,
    /// IANA time zone.
    pub timezone: Option<Cow<'a, str>>,
}

/// A remote MCP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpServer<'a> {
    /// Its name.
    pub label: Cow<'a, str>,
    /// Its address.
    pub url: Cow<'a, str>,
    /// Its bearer token.
    pub token: Option<Cow<'a, str>>,
    /// The only tools that may be used; `None`: all.
    pub allowed_tools: Option<Vec<Cow<'a, str>>>,
}

/// Which tools the model may or must use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// As it likes.
    Auto,
    /// None.
    None,
    /// One at least.
    Required,
    /// This one.
    Named {
        /// Its name.
        name: Cow<'a, str>,
        /// How it is run.
        kind: CallKind,
    },
    /// Only these.
    Allowed {
        /// One of them at least.
        required: bool,
        /// Their names.
        names: Vec<Cow<'a, str>>,
    },
    /// A provider-defined tool.
    Provider {
        /// What it is.
        kind: ProviderKind,
        /// As its own format writes it.
        native: Json<'a>,
    },
}
