//! The keys of a profile, for the config and its docs.

/// Key, and what it takes: up to the first `: ` the accepted values, after it what they mean.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("a.version", "a text: the `anthropic-version` header"),
    (
        "a.sampling",
        "`allow` or `forbid`: temperature, top_p and top_k",
    ),
    (
        "a.thinking",
        "a list of `enabled`, `adaptive`, `disabled`, `between_tools`: the accepted `thinking.type`s",
    ),
    (
        "a.effort",
        "a list of efforts (`none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`): the accepted `output_config.effort`s; empty for none",
    ),
    (
        "a.effort-when-disabled-max",
        "an effort (`none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`) or `any`: the highest while thinking is disabled",
    ),
    (
        "a.forced-tool",
        "`allow` or `forbid`: whether a tool can be made to be called",
    ),
    (
        "a.prefill",
        "`allow` or `forbid`: whether the last message may be the assistant's",
    ),
    (
        "a.mid-system",
        "`true` or `false`: `role: system` may stand among the messages",
    ),
    (
        "a.structured",
        "`true` or `false`: native `output_config.format`",
    ),
    ("a.max-output", "a number above 0: most tokens of an answer"),
    (
        "a.default-max-tokens",
        "a number above 0: `max_tokens` for clients that give none",
    ),
    (
        "a.trailing-assistant",
        "`continue`, `prefill` or `reject`: what a last assistant message of another format's client becomes",
    ),
    (
        "a.citations",
        "`append` or `drop`: links in the text for Anthropic clients",
    ),
    (
        "a.auto-cache",
        "`true` or `false`: top-level `cache_control` for clients that set no mark",
    ),
    (
        "a.fast",
        "`true` or `false`: `speed: \"fast\"` for tier priority",
    ),
    (
        "a.interleaved",
        "`true` or `false`: the beta for thinking between tool calls is needed",
    ),
    (
        "a.tool-name-max",
        "a number of 16 and more: the longest name of a tool, in characters",
    ),
    (
        "c.system-role",
        "`developer` or `system`: the role of instructions",
    ),
    (
        "c.max-tokens-field",
        "`max_completion_tokens` or `max_tokens`: which field limits an answer",
    ),
    (
        "c.max-output",
        "a number of 0 and more: most tokens of an answer, what clients ask above it is cut to it; 0 for no limit",
    ),
    (
        "c.reasoning-model",
        "`true` or `false`: the model refuses sampling parameters",
    ),
    (
        "c.sampling-without-effort",
        "`true` or `false`: with effort `none`, temperature, top_p and logprobs are accepted",
    ),
    (
        "c.efforts",
        "a list of efforts (`none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`): the accepted ones; empty for no `reasoning_effort`",
    ),
    (
        "c.reasoning-field",
        "`none`, `reasoning_content` or `reasoning`: how reasoning is sent and read back",
    ),
    (
        "c.reasoning-all-turns",
        "`true` or `false`: reasoning on every assistant message, not only in an open tool loop",
    ),
    (
        "c.accepts-unknown",
        "`true` or `false`: fields that OpenAI does not have pass",
    ),
    (
        "c.tool-image",
        "`true` or `false`: tool messages may hold pictures",
    ),
    (
        "c.parallel-param",
        "`true` or `false`: knows `parallel_tool_calls`",
    ),
    ("c.strict-param", "`true` or `false`: knows `strict`"),
    (
        "c.stream-usage",
        "`true` or `false`: knows `stream_options.include_usage`",
    ),
    (
        "c.force-strict",
        "`true` or `false`: makes schemas strict by force",
    ),
    (
        "c.cache-breakpoints",
        "`true` or `false`: knows `prompt_cache_breakpoint`",
    ),
    (
        "c.web-search",
        "`true` or `false`: knows `web_search_options`",
    ),
    (
        "c.custom-tools",
        "`true` or `false`: knows free-form tools; where not, they become functions",
    ),
    (
        "c.think-tags",
        "`true` or `false`: `<think>…</think>` at the start of an answer is reasoning",
    ),
    (
        "c.emit-reasoning",
        "`reasoning_content+details`, `reasoning` or `none`: what clients see of reasoning",
    ),
    (
        "c.sig-in-tool-id",
        "`gemini`, `all` or `off`: which state rides in tool call ids",
    ),
    (
        "r.done",
        "`true` or `false`: `[DONE]` ends a stream for clients that want it",
    ),
    (
        "r.raw-reasoning",
        "`true` or `false`: raw reasoning is shown as such",
    ),
    (
        "r.fix-long-call-ids",
        "`true` or `false`: call ids over 64 characters are mapped even between Responses clients and upstreams",
    ),
    ("r.audio", "`true` or `false`: takes sound"),
    (
        "r.summary",
        "`true` or `false`: may ask for reasoning summaries",
    ),
    (
        "g.schema",
        "`openapi` or `json_schema`: how schemas are written",
    ),
    ("g.fn-ids", "`true` or `false`: `functionCall.id` is sent"),
    (
        "g.signatures-required",
        "`true` or `false`: a missing thought signature is an error",
    ),
    (
        "g.fn-response-parts",
        "`true` or `false`: media inside `functionResponse.parts`",
    ),
    (
        "g.levels",
        "a list of efforts (`minimal`, `low`, `medium`, `high`, `xhigh`, `max`): the accepted thinking levels; empty for a budget",
    ),
    (
        "g.max-output",
        "a number of 0 and more: most tokens of an answer, what clients ask above it is cut to it; 0 for no limit",
    ),
    (
        "g.budget-min",
        "a number of 0 and more: the least thinking budget above 0",
    ),
    (
        "g.budget-max",
        "a number of 0 and more: the highest thinking budget; 0 for models that do not think",
    ),
    (
        "g.budget-zero",
        "`true` or `false`: thinking can be turned off",
    ),
    (
        "g.mix-builtin-and-functions",
        "`true` or `false`: both kinds of tools at once",
    ),
    (
        "g.http-urls",
        "`true` or `false`: `fileUri` may be any https address",
    ),
    ("g.system", "`true` or `false`: knows `systemInstruction`"),
    (
        "g.json-with-tools",
        "`true` or `false`: JSON output together with functions",
    ),
    (
        "g.lenient-eof",
        "`true` or `false`: a stream with text may end without a finish reason",
    ),
];
