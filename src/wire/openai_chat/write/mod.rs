//! Writes a request that was made to fit: nothing is decided here that a profile does not say.

mod assistant;
mod messages;
mod parts;
mod tools;

pub(super) use parts::url_of;

use crate::chat::{
    CacheMark, Change, Content, Extra, Fault, Format, Json, Losses, Modality, OutputFormat, Place,
    Request, Tier,
};
use crate::wire::json::{Node, ObjectWriter, object};
use crate::wire::{ChatProfile, Profile};

/// Members that compatible servers have and OpenAI has not: only servers that let unknown members
/// pass get them.
const COMPATIBLE: [&str; 24] = [
    "best_of",
    "chat_template_kwargs",
    "enable_thinking",
    "guided_choice",
    "guided_grammar",
    "guided_json",
    "guided_regex",
    "include_reasoning",
    "length_penalty",
    "min_p",
    "min_tokens",
    "models",
    "plugins",
    "provider",
    "reasoning",
    "repetition_penalty",
    "route",
    "safe_prompt",
    "skip_special_tokens",
    "stop_token_ids",
    "thinking",
    "top_a",
    "transforms",
    "usage",
];

/// Writes the document.
pub(super) fn encode(
    request: &Request<'_>,
    profile: &Profile,
    losses: &mut Losses,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut writer = Writer {
        request,
        chat: &profile.chat,
        is_own: request.origin == Format::OpenAiChat,
        losses,
        failed: None,
    };
    object(out, |o| writer.document(o));
    writer.failed.map_or(Ok(()), Err)
}

struct Writer<'r> {
    request: &'r Request<'r>,
    chat: &'r ChatProfile,
    /// The client speaks this format: what only this format has goes back.
    is_own: bool,
    losses: &'r mut Losses,
    /// The first thing that cannot be carried at all.
    failed: Option<Fault>,
}

impl Writer<'_> {
    fn document(&mut self, o: &mut ObjectWriter<'_>) {
        let request = self.request;
        o.str("model", &request.model);
        o.array("messages", |a| self.messages(a));
        self.tools(o);
        self.sampling(o);
        self.output(o);
        self.service(o);
        if self.is_own {
            self.native(o);
        }
    }

    fn sampling(&mut self, o: &mut ObjectWriter<'_>) {
        let request = self.request;
        let sampling = &request.sampling;
        let limit = if self.chat.max_completion_tokens {
            "max_completion_tokens"
        } else {
            "max_tokens"
        };
        o.opt_num(limit, request.max_output_tokens);
        for (name, value) in [
            ("temperature", &sampling.temperature),
            ("top_p", &sampling.top_p),
            ("presence_penalty", &sampling.presence_penalty),
            ("frequency_penalty", &sampling.frequency_penalty),
            ("seed", &sampling.seed),
            ("logit_bias", &sampling.logit_bias),
        ] {
            o.opt_raw(name, value.as_ref().map(Json::as_str));
        }
        if let Some(top_k) = &sampling.top_k {
            if self.chat.accepts_unknown {
                o.raw("top_k", top_k.as_str());
            } else {
                self.dropped(Place::field("top_k"));
            }
        }
        if !request.stop.is_empty() {
            o.array("stop", |a| {
                for text in &request.stop {
                    a.str(text);
                }
            });
        }
        o.opt_num("n", request.candidates);
        if let Some(logprobs) = request.logprobs {
            o.bool("logprobs", true);
            o.opt_num("top_logprobs", logprobs.top);
        }
        let reasoning = request.reasoning.as_ref();
        let effort = reasoning.and_then(|reasoning| reasoning.effort);
        o.opt_str("reasoning_effort", effort.map(crate::chat::Effort::name));
    }

    fn output(&mut self, o: &mut ObjectWriter<'_>) {
        let output = &self.request.output;
        match &output.format {
            OutputFormat::Text => {}
            OutputFormat::JsonObject => {
                o.object("response_format", |o| o.str("type", "json_object"));
            }
            OutputFormat::JsonSchema {
                name,
                description,
                schema,
                strict,
            } => json_schema(o, |o| {
                o.str("name", name.as_deref().unwrap_or("response"));
                o.opt_str("description", description.as_deref());
                o.raw("schema", schema.as_str());
                o.opt_bool("strict", *strict);
            }),
            OutputFormat::Enum { schema } => json_schema(o, |o| {
                o.str("name", "response");
                o.object("schema", |o| {
                    o.str("type", "object");
                    o.object("properties", |o| o.raw("value", schema.as_str()));
                    o.array("required", |a| a.str("value"));
                    o.bool("additionalProperties", false);
                });
                o.bool("strict", true);
            }),
        }
        if !output.modalities.is_empty() {
            let is_sound = output.modalities == [Modality::Audio];
            o.array("modalities", |a| {
                // There is no sound without its text here.
                if is_sound && !self.is_own {
                    a.str("text");
                }
                for modality in &output.modalities {
                    a.str(match modality {
                        Modality::Text => "text",
                        Modality::Image => "image",
                        Modality::Audio => "audio",
                    });
                }
            });
        }
        o.opt_raw("audio", output.audio.as_ref().map(Json::as_str));
        let verbosity = output.verbosity.map(crate::chat::Verbosity::name);
        o.opt_str("verbosity", verbosity);
    }

    fn service(&mut self, o: &mut ObjectWriter<'_>) {
        let request = self.request;
        o.opt_str("user", request.user.end_user.as_deref());
        o.opt_str("safety_identifier", request.user.safety_id.as_deref());
        let caching = &request.caching;
        for (name, value) in [
            ("metadata", &request.user.metadata),
            ("prompt_cache_options", &caching.options),
            ("prompt_cache_retention", &caching.retention),
        ] {
            o.opt_raw(name, value.as_ref().map(Json::as_str));
        }
        o.opt_str("prompt_cache_key", caching.key.as_deref());
        o.opt_str("service_tier", request.tier.map(tier));
        o.opt_bool("store", request.state.store);
        if request.stream {
            o.bool("stream", true);
        }
        let options = request.native.get("stream_options").filter(|_| self.is_own);
        let asks_usage = request.stream && self.chat.stream_usage;
        if asks_usage || options.is_some() {
            o.object("stream_options", |o| {
                if asks_usage {
                    o.bool("include_usage", true);
                }
                let options = options.map(|options| Node::trusted(options.as_str()));
                for (key, value) in options.into_iter().flat_map(Node::members) {
                    o.raw(&key, value.raw());
                }
            });
        }
    }

    /// What only this format has.
    fn native(&mut self, o: &mut ObjectWriter<'_>) {
        for (name, value) in &self.request.native.0 {
            let compatible = COMPATIBLE.into_iter().find(|known| known == name);
            match (&**name, compatible) {
                ("stream_options", _) => {}
                ("tool_choice" | "function_call", _) if self.has_no_tools() => {}
                (_, Some(name)) if !self.chat.accepts_unknown => self.dropped(Place::field(name)),
                (name, _) => o.raw(name, value.as_str()),
            }
        }
    }

    fn dropped(&mut self, at: Place) {
        if let Err(fault) = self.losses.dropped(at) {
            self.failed.get_or_insert(fault);
        }
    }

    fn refused(&mut self, at: Place, why: &'static str) {
        self.failed
            .get_or_insert_with(|| Fault::cannot_carry(at, why));
    }

    fn approximated(&mut self, at: Place) {
        self.losses.note(at, Change::Approximated);
    }

    /// Members that only this format understands, and a cache mark: as it came, else in OpenAI's form
    /// where the provider knows it.
    fn marks(&self, o: &mut ObjectWriter<'_>, extra: &Extra<'_>, mark: Option<CacheMark>) {
        if self.is_own {
            for (name, value) in &extra.0 {
                o.raw(name, value.as_str());
            }
        } else if let Some(mark) = mark
            && self.chat.cache_breakpoints
        {
            o.object("prompt_cache_breakpoint", |o| {
                o.str("mode", "explicit");
                o.opt_str(
                    "ttl",
                    match mark {
                        CacheMark::Hour1 | CacheMark::Hours12 => Some("12h"),
                        CacheMark::Minutes30 => Some("30m"),
                        CacheMark::Default | CacheMark::Minutes5 => None,
                    },
                );
            });
        }
    }

    /// Whether a JSON answer may be asked for: OpenAI wants the word somewhere in the messages.
    fn says_json(&self) -> bool {
        let turns = self.request.instructions.iter().chain(&self.request.turns);
        turns.flat_map(|turn| &turn.parts).any(|part| {
            let says = |text: &str| {
                text.as_bytes()
                    .windows(4)
                    .any(|word| word.eq_ignore_ascii_case(b"json"))
            };
            match &part.content {
                Content::Text(text) => says(&text.text),
                Content::ToolResult(result) => result
                    .content
                    .iter()
                    .filter_map(crate::chat::Part::as_text)
                    .any(says),
                _ => false,
            }
        })
    }
}

fn json_schema(o: &mut ObjectWriter<'_>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    o.object("response_format", |o| {
        o.str("type", "json_schema");
        o.object("json_schema", write);
    });
}

/// The word for a tier, in requests and answers.
pub(super) const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Auto => "auto",
        Tier::Standard => "default",
        Tier::Flex => "flex",
        Tier::Priority | Tier::Ultrafast => "priority",
        Tier::Scale => "scale",
    }
}
