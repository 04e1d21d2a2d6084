//! What a target accepts: data, never a model's name in an encoder.

mod keys;
mod rows;
mod set;

pub use set::Setting;

use crate::chat::Effort;

/// What is known about one model at one provider. The keys are those of `profiles:` in the config.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The family of the model (see [`carrier::family`](super::carrier::family)).
    pub family: String,
    /// Keys `a.…`: as a target that speaks Anthropic Messages, and for clients that do.
    pub claude: ClaudeProfile,
    /// Keys `c.…`: OpenAI Chat Completions.
    pub chat: ChatProfile,
    /// Keys `r.…`: OpenAI Responses.
    pub responses: ResponsesProfile,
    /// Keys `g.…`: Gemini.
    pub gemini: GeminiProfile,
}

/// Anthropic Messages.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaudeProfile {
    /// `a.version`: the `anthropic-version` header.
    pub version: String,
    /// `a.sampling`: `allow` (true) or `forbid`: temperature, top_p, top_k.
    pub sampling: bool,
    /// `a.thinking`: the accepted `thinking.type`s.
    pub thinking: ThinkingTypes,
    /// `a.effort`: the accepted `output_config.effort`s, weakest first; empty: none.
    pub effort: Vec<Effort>,
    /// `a.effort-when-disabled-max`: highest effort while thinking is disabled.
    pub effort_when_disabled_max: Option<Effort>,
    /// `a.forced-tool`: `allow` (true) or `forbid`.
    pub forced_tool: bool,
    /// `a.prefill`: `allow` (true) or `forbid`.
    pub prefill: bool,
    /// `a.mid-system`: whether `role: system` may stand among the messages.
    pub mid_system: bool,
    /// `a.structured`: native `output_config.format`.
    pub structured: bool,
    /// `a.max-output`: most tokens of an answer.
    pub max_output: u64,
    /// `a.default-max-tokens`: `max_tokens` for clients that give none.
    pub default_max_tokens: u64,
    /// `a.trailing-assistant`: what a last assistant message of another format's client becomes.
    pub trailing_assistant: TrailingAssistant,
    /// `a.citations`: `append` (true) adds links to the text for Anthropic clients; default `drop`.
    pub append_citations: bool,
    /// `a.auto-cache`: top-level `cache_control` for clients that set no mark.
    pub auto_cache: bool,
    /// `a.fast`: `speed: "fast"` for tier priority.
    pub fast: bool,
    /// `a.interleaved`: the beta for thinking between tool calls is needed.
    pub interleaved: bool,
    /// `a.tool-name-max`: longest name of a tool, in characters.
    pub tool_name_max: usize,
}

/// Which `thinking.type`s a model accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThinkingTypes {
    /// `enabled` with a budget.
    pub enabled: bool,
    /// `adaptive`.
    pub adaptive: bool,
    /// `disabled`.
    pub disabled: bool,
    /// `between_tools`.
    pub between_tools: bool,
}

/// What a last assistant message of another format's client becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrailingAssistant {
    /// A user message `Continue.` follows it.
    Continue,
    /// A prefill.
    Prefill,
    /// An error.
    Reject,
}

/// OpenAI Chat Completions.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatProfile {
    /// `c.system-role`: `developer` (true) or `system`.
    pub developer_role: bool,
    /// `c.max-tokens-field`: `max_completion_tokens` (true) or `max_tokens`.
    pub max_completion_tokens: bool,
    /// `c.max-output`: most tokens of an answer; 0: not limited.
    pub max_output: u64,
    /// `c.reasoning-model`: refuses sampling parameters.
    pub reasoning_model: bool,
    /// `c.sampling-without-effort`: with effort `none`, temperature, top_p and logprobs are accepted.
    pub sampling_without_effort: bool,
    /// `c.efforts`: accepted efforts, weakest first; empty: no `reasoning_effort`.
    pub efforts: Vec<Effort>,
    /// `c.reasoning-field`: how reasoning is sent and read back.
    pub reasoning_field: ReasoningField,
    /// `c.reasoning-all-turns`: on every assistant message, not only in an open tool loop.
    pub reasoning_all_turns: bool,
    /// `c.accepts-unknown`: fields that OpenAI does not have pass.
    pub accepts_unknown: bool,
    /// `c.tool-image`: tool messages may hold pictures.
    pub tool_image: bool,
    /// `c.parallel-param`: knows `parallel_tool_calls`.
    pub parallel_param: bool,
    /// `c.strict-param`: knows `strict`.
    pub strict_param: bool,
    /// `c.stream-usage`: knows `stream_options.include_usage`.
    pub stream_usage: bool,
    /// `c.force-strict`: makes schemas strict by force.
    pub force_strict: bool,
    /// `c.cache-breakpoints`: knows `prompt_cache_breakpoint`.
    pub cache_breakpoints: bool,
    /// `c.web-search`: knows `web_search_options`.
    pub web_search: bool,
    /// `c.custom-tools`: knows free-form tools; where not, they become functions.
    pub custom_tools: bool,
    /// `c.think-tags`: `<think>…</think>` at the start of an answer is reasoning.
    pub think_tags: bool,
    /// `c.emit-reasoning`: what clients see of reasoning.
    pub emit_reasoning: EmitReasoning,
    /// `c.sig-in-tool-id`: which state rides in tool call ids.
    pub state_in_tool_id: StateInToolId,
}

impl ChatProfile {
    /// Whether the model reasons, or nobody knows that it does not.
    pub const fn may_reason(&self) -> bool {
        self.reasoning_model || !self.efforts.is_empty()
    }
}

/// How a compatible server writes reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningField {
    /// Not at all (OpenAI).
    None,
    /// `reasoning_content` (DeepSeek, vLLM, Moonshot).
    ReasoningContent,
    /// `reasoning` and `reasoning_details` (OpenRouter).
    Reasoning,
}

/// What OpenAI Chat clients see of reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmitReasoning {
    /// `reasoning_content` and `reasoning_details`.
    ContentAndDetails,
    /// `reasoning`.
    Reasoning,
    /// Nothing.
    None,
}

/// Which state rides in tool call ids of OpenAI Chat clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateInToolId {
    /// Gemini's thought signatures up to 8 KiB.
    Gemini,
    /// All.
    All,
    /// None.
    Off,
}

/// OpenAI Responses. Reasoning, efforts, breakpoints and the longest answer are those of [`ChatProfile`].
#[derive(Debug, Clone, PartialEq)]
pub struct ResponsesProfile {
    /// `r.done`: `[DONE]` ends a stream for clients that want it.
    pub done: bool,
    /// `r.raw-reasoning`: raw reasoning is shown as such.
    pub raw_reasoning: bool,
    /// `r.fix-long-call-ids`: call ids over 64 characters are mapped even between Responses clients and
    /// upstreams.
    pub fix_long_call_ids: bool,
    /// `r.audio`: takes sound.
    pub audio: bool,
    /// `r.summary`: may ask for reasoning summaries.
    pub summary: bool,
}

/// Gemini.
#[derive(Debug, Clone, PartialEq)]
pub struct GeminiProfile {
    /// `g.schema`: `json_schema` (true) or `openapi`.
    pub json_schema: bool,
    /// `g.fn-ids`: `functionCall.id` is sent.
    pub fn_ids: bool,
    /// `g.signatures-required`: a missing thought signature is an error.
    pub signatures_required: bool,
    /// `g.fn-response-parts`: media inside `functionResponse.parts`.
    pub fn_response_parts: bool,
    /// `g.levels`: accepted thinking levels, weakest first; empty: it takes a budget.
    pub levels: Vec<Effort>,
    /// `g.max-output`: most tokens of an answer; 0: not limited.
    pub max_output: u64,
    /// `g.budget-min`: least thinking budget above 0.
    pub budget_min: i64,
    /// `g.budget-max`: highest thinking budget; 0: the model does not think.
    pub budget_max: i64,
    /// `g.budget-zero`: thinking can be turned off.
    pub budget_zero: bool,
    /// `g.mix-builtin-and-functions`: both kinds of tools at once.
    pub mix_tools: bool,
    /// `g.http-urls`: `fileUri` may be any https address.
    pub http_urls: bool,
    /// `g.system`: knows `systemInstruction`.
    pub system: bool,
    /// `g.json-with-tools`: JSON output together with functions.
    pub json_with_tools: bool,
    /// `g.lenient-eof`: a stream with text may end without a finish reason.
    pub lenient_eof: bool,
    /// Wrapped in the Code Assist envelope.
    pub envelope: bool,
}

impl Profile {
    /// Whether a model of Anthropic's is behind Code Assist, which speaks Gemini.
    pub fn fronts_claude(&self) -> bool {
        self.gemini.envelope && self.family.starts_with("claude")
    }
}

impl Default for Profile {
    /// What is safe for a model that nobody knows.
    fn default() -> Self {
        Self {
            family: String::new(),
            claude: ClaudeProfile {
                version: "2023-06-01".to_owned(),
                sampling: true,
                thinking: ThinkingTypes {
                    enabled: true,
                    adaptive: false,
                    disabled: true,
                    between_tools: false,
                },
                effort: Vec::new(),
                effort_when_disabled_max: None,
                forced_tool: true,
                prefill: true,
                mid_system: false,
                structured: false,
                max_output: 4096,
                default_max_tokens: 4096,
                trailing_assistant: TrailingAssistant::Continue,
                append_citations: false,
                auto_cache: false,
                fast: false,
                interleaved: false,
                tool_name_max: 64,
            },
            chat: ChatProfile {
                developer_role: false,
                max_completion_tokens: false,
                max_output: 0,
                reasoning_model: false,
                sampling_without_effort: false,
                efforts: vec![Effort::Low, Effort::Medium, Effort::High],
                reasoning_field: ReasoningField::None,
                reasoning_all_turns: false,
                accepts_unknown: true,
                tool_image: false,
                parallel_param: true,
                strict_param: true,
                stream_usage: true,
                force_strict: false,
                cache_breakpoints: false,
                web_search: false,
                custom_tools: true,
                think_tags: false,
                emit_reasoning: EmitReasoning::ContentAndDetails,
                state_in_tool_id: StateInToolId::Gemini,
            },
            responses: ResponsesProfile {
                done: false,
                raw_reasoning: false,
                fix_long_call_ids: false,
                audio: false,
                summary: true,
            },
            gemini: GeminiProfile {
                json_schema: false,
                fn_ids: false,
                signatures_required: false,
                fn_response_parts: false,
                levels: Vec::new(),
                max_output: 0,
                budget_min: 0,
                budget_max: 24_576,
                budget_zero: true,
                mix_tools: false,
                http_urls: false,
                system: true,
                json_with_tools: false,
                lenient_eof: false,
                envelope: false,
            },
        }
    }
}
