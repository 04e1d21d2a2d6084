//! Where the parameters stand in the documents of the four formats.

use crate::chat::{Format, Place};

/// One parameter's name in each format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    chat: &'static str,
    responses: &'static str,
    claude: &'static str,
    gemini: &'static str,
}

impl Names {
    /// Where a client of `origin` has written it.
    pub(super) const fn at(self, origin: Format) -> Place {
        Place::field(match origin {
            Format::OpenAiChat => self.chat,
            Format::OpenAiResponses => self.responses,
            Format::Claude => self.claude,
            Format::Gemini => self.gemini,
        })
    }
}

const fn names(
    chat: &'static str,
    responses: &'static str,
    claude: &'static str,
    gemini: &'static str,
) -> Names {
    Names {
        chat,
        responses,
        claude,
        gemini,
    }
}

const fn same(name: &'static str, gemini: &'static str) -> Names {
    names(name, name, name, gemini)
}

pub(super) const TEMPERATURE: Names = same("temperature", "generationConfig.temperature");
pub(super) const TOP_P: Names = same("top_p", "generationConfig.topP");
pub(super) const TOP_K: Names = same("top_k", "generationConfig.topK");
pub(super) const SEED: Names = same("seed", "generationConfig.seed");
pub(super) const PRESENCE: Names = same("presence_penalty", "generationConfig.presencePenalty");
pub(super) const FREQUENCY: Names = same("frequency_penalty", "generationConfig.frequencyPenalty");
pub(super) const LOGIT_BIAS: Names = same("logit_bias", "logit_bias");
pub(super) const LOGPROBS: Names = names(
    "logprobs",
    "top_logprobs",
    "logprobs",
    "generationConfig.responseLogprobs",
);
pub(super) const USER: Names = names("user", "user", "metadata.user_id", "labels");
pub(super) const CANDIDATES: Names = same("n", "generationConfig.candidateCount");
pub(super) const STOP: Names = names(
    "stop",
    "stop",
    "stop_sequences",
    "generationConfig.stopSequences",
);
pub(super) const MAX_TOKENS: Names = names(
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "generationConfig.maxOutputTokens",
);
pub(super) const REASONING: Names = names(
    "reasoning_effort",
    "reasoning",
    "thinking",
    "generationConfig.thinkingConfig",
);
pub(super) const OUTPUT: Names = names(
    "response_format",
    "text.format",
    "output_config.format",
    "generationConfig.responseSchema",
);
pub(super) const MODALITIES: Names = names(
    "modalities",
    "modalities",
    "modalities",
    "generationConfig.responseModalities",
);
pub(super) const AUDIO: Names = same("audio", "generationConfig.speechConfig");
pub(super) const TIER: Names = same("service_tier", "serviceTier");
pub(super) const STORE: Names = same("store", "store");
pub(super) const TOOL_CHOICE: Names = same("tool_choice", "toolConfig.functionCallingConfig");
pub(super) const PARALLEL: Names = names(
    "parallel_tool_calls",
    "parallel_tool_calls",
    "tool_choice.disable_parallel_tool_use",
    "parallel_tool_calls",
);
