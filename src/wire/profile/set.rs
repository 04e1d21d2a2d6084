//! Setting a profile key by key, as the config does.

use super::keys::KEYS;
use super::{
    EmitReasoning, Profile, ReasoningField, StateInToolId, ThinkingTypes, TrailingAssistant,
};
use crate::chat::Effort;

/// A value for a key of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Number(i64),
    /// A word.
    Text(String),
    /// Several words.
    List(Vec<String>),
}

impl Profile {
    /// The keys that [`Self::set`] knows, each with what it takes and what that means.
    pub const fn keys() -> &'static [(&'static str, &'static str)] {
        KEYS
    }

    /// Sets one key. The error says what is accepted.
    pub fn set(&mut self, key: &str, value: &Setting) -> Result<(), String> {
        let Some((_, about)) = KEYS.iter().find(|(name, _)| *name == key) else {
            return Err(format!("there is no setting '{key}'"));
        };
        let accepted = about.split(": ").next().unwrap_or(about);
        let done = match key.split_at_checked(2) {
            Some(("a.", key)) => self.set_claude(key, value),
            Some(("c.", key)) => self.set_chat(key, value),
            Some(("r.", key)) => self.set_responses(key, value),
            Some(("g.", key)) => self.set_gemini(key, value),
            _ => None,
        };
        done.ok_or_else(|| format!("takes {accepted}"))
    }

    fn set_claude(&mut self, key: &str, value: &Setting) -> Option<()> {
        let claude = &mut self.claude;
        match key {
            "version" => claude.version = text(value)?.to_owned(),
            "sampling" => claude.sampling = either(value, "allow", "forbid")?,
            "thinking" => claude.thinking = thinking(value)?,
            "effort" => claude.effort = efforts(value)?,
            "effort-when-disabled-max" => {
                claude.effort_when_disabled_max = match text(value)? {
                    "any" => None,
                    word => Some(Effort::named(word)?),
                }
            }
            "forced-tool" => claude.forced_tool = either(value, "allow", "forbid")?,
            "prefill" => claude.prefill = either(value, "allow", "forbid")?,
            "mid-system" => claude.mid_system = yes(value)?,
            "structured" => claude.structured = yes(value)?,
            "max-output" => claude.max_output = number(value, 1)?.unsigned_abs(),
            "default-max-tokens" => claude.default_max_tokens = number(value, 1)?.unsigned_abs(),
            "trailing-assistant" => {
                claude.trailing_assistant = match text(value)? {
                    "continue" => TrailingAssistant::Continue,
                    "prefill" => TrailingAssistant::Prefill,
                    "reject" => TrailingAssistant::Reject,
                    _ => return None,
                }
            }
            "citations" => claude.append_citations = either(value, "append", "drop")?,
            "auto-cache" => claude.auto_cache = yes(value)?,
            "fast" => claude.fast = yes(value)?,
            "interleaved" => claude.interleaved = yes(value)?,
            "tool-name-max" => claude.tool_name_max = usize::try_from(number(value, 16)?).ok()?,
            _ => return None,
        }
        Some(())
    }

    fn set_chat(&mut self, key: &str, value: &Setting) -> Option<()> {
        let chat = &mut self.chat;
        match key {
            "system-role" => chat.developer_role = either(value, "developer", "system")?,
            "max-tokens-field" => {
                chat.max_completion_tokens = either(value, "max_completion_tokens", "max_tokens")?;
            }
            "max-output" => chat.max_output = number(value, 0)?.unsigned_abs(),
            "reasoning-model" => chat.reasoning_model = yes(value)?,
            "sampling-without-effort" => chat.sampling_without_effort = yes(value)?,
            "efforts" => chat.efforts = efforts(value)?,
            "reasoning-field" => {
                chat.reasoning_field = match text(value)? {
                    "none" => ReasoningField::None,
                    "reasoning_content" => ReasoningField::ReasoningContent,
                    "reasoning" => ReasoningField::Reasoning,
                    _ => return None,
                }
            }
            "reasoning-all-turns" => chat.reasoning_all_turns = yes(value)?,
            "accepts-unknown" => chat.accepts_unknown = yes(value)?,
            "tool-image" => chat.tool_image = yes(value)?,
            "parallel-param" => chat.parallel_param = yes(value)?,
            "strict-param" => chat.strict_param = yes(value)?,
            "stream-usage" => chat.stream_usage = yes(value)?,
            "force-strict" => chat.force_strict = yes(value)?,
            "cache-breakpoints" => chat.cache_breakpoints = yes(value)?,
            "web-search" => chat.web_search = yes(value)?,
            "custom-tools" => chat.custom_tools = yes(value)?,
            "think-tags" => chat.think_tags = yes(value)?,
            "emit-reasoning" => {
                chat.emit_reasoning = match text(value)? {
                    "reasoning_content+details" => EmitReasoning::ContentAndDetails,
                    "reasoning" => EmitReasoning::Reasoning,
                    "none" => EmitReasoning::None,
                    _ => return None,
                }
            }
            "sig-in-tool-id" => {
                chat.state_in_tool_id = match text(value)? {
                    "gemini" => StateInToolId::Gemini,
                    "all" => StateInToolId::All,
                    "off" => StateInToolId::Off,
                    _ => return None,
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn set_responses(&mut self, key: &str, value: &Setting) -> Option<()> {
        let place = match key {
            "done" => &mut self.responses.done,
            "raw-reasoning" => &mut self.responses.raw_reasoning,
            "fix-long-call-ids" => &mut self.responses.fix_long_call_ids,
            "audio" => &mut self.responses.audio,
            "summary" => &mut self.responses.summary,
            _ => return None,
        };
        *place = yes(value)?;
        Some(())
    }

    fn set_gemini(&mut self, key: &str, value: &Setting) -> Option<()> {
        let gemini = &mut self.gemini;
        match key {
            "schema" => gemini.json_schema = either(value, "json_schema", "openapi")?,
            "fn-ids" => gemini.fn_ids = yes(value)?,
            "signatures-required" => gemini.signatures_required = yes(value)?,
            "fn-response-parts" => gemini.fn_response_parts = yes(value)?,
            "levels" => gemini.levels = efforts(value)?,
            "max-output" => gemini.max_output = number(value, 0)?.unsigned_abs(),
            "budget-min" => gemini.budget_min = number(value, 0)?,
            "budget-max" => gemini.budget_max = number(value, 0)?,
            "budget-zero" => gemini.budget_zero = yes(value)?,
            "mix-builtin-and-functions" => gemini.mix_tools = yes(value)?,
            "http-urls" => gemini.http_urls = yes(value)?,
            "system" => gemini.system = yes(value)?,
            "json-with-tools" => gemini.json_with_tools = yes(value)?,
            "lenient-eof" => gemini.lenient_eof = yes(value)?,
            _ => return None,
        }
        Some(())
    }
}

const fn yes(value: &Setting) -> Option<bool> {
    match value {
        Setting::Bool(value) => Some(*value),
        _ => None,
    }
}

fn text(value: &Setting) -> Option<&str> {
    match value {
        Setting::Text(text) => Some(text),
        _ => None,
    }
}

fn number(value: &Setting, least: i64) -> Option<i64> {
    match value {
        Setting::Number(number) if *number >= least => Some(*number),
        _ => None,
    }
}

fn either(value: &Setting, yes: &str, no: &str) -> Option<bool> {
    let word = text(value)?;
    (word == yes || word == no).then_some(word == yes)
}

fn list(value: &Setting) -> Option<&[String]> {
    match value {
        Setting::List(words) => Some(words),
        Setting::Text(_) | Setting::Bool(_) | Setting::Number(_) => None,
    }
}

fn efforts(value: &Setting) -> Option<Vec<Effort>> {
    let words = list(value)?.iter();
    let mut efforts: Vec<Effort> = words
        .map(|word| Effort::named(word))
        .collect::<Option<_>>()?;
    efforts.sort_unstable();
    efforts.dedup();
    Some(efforts)
}

fn thinking(value: &Setting) -> Option<ThinkingTypes> {
    let mut types = ThinkingTypes {
        enabled: false,
        adaptive: false,
        disabled: false,
        between_tools: false,
    };
    for word in list(value)? {
        match word.as_str() {
            "enabled" => types.enabled = true,
            "adaptive" => types.adaptive = true,
            "disabled" => types.disabled = true,
            "between_tools" => types.between_tools = true,
            _ => return None,
        }
    }
    Some(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Setting {
        Setting::List(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn every_key_takes_something_and_changes_something() {
        for (key, about) in Profile::keys() {
            assert!(about.contains(": "), "{key} is not explained");
            let tries = [
                Setting::Bool(true),
                Setting::Bool(false),
                Setting::Number(77),
                Setting::Text("2026-10-21".to_owned()),
                Setting::Text("none".to_owned()),
                Setting::Text("reasoning".to_owned()),
                words(&["low"]),
                words(&["adaptive"]),
            ];
            let quoted = about.split('`').skip(1).step_by(2);
            let named = quoted.map(|word| Setting::Text(word.to_owned()));
            let changed = tries.into_iter().chain(named).any(|value| {
                let mut profile = Profile::default();
                profile.set(key, &value).is_ok() && profile != Profile::default()
            });
            assert!(changed, "{key} changes nothing");
        }
    }

    #[test]
    fn a_wrong_value_is_told_what_is_accepted() {
        let mut profile = Profile::default();
        let error = profile.set("a.sampling", &Setting::Bool(true)).unwrap_err();
        assert_eq!(error, "takes `allow` or `forbid`");
        let error = profile
            .set("c.efforts", &words(&["low", "huge"]))
            .unwrap_err();
        assert!(error.contains("xhigh"), "{error}");
        assert!(profile.set("a.max-output", &Setting::Number(0)).is_err());
        assert!(profile.set("x.y", &Setting::Bool(true)).is_err());
        assert_eq!(profile, Profile::default());
    }

    #[test]
    fn efforts_are_put_in_order() {
        let mut profile = Profile::default();
        profile.set("g.levels", &words(&["HIGH", "low"])).unwrap();
        assert_eq!(profile.gemini.levels, [Effort::Low, Effort::High]);
    }
}
