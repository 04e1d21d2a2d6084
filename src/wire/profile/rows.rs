//! What is shipped about models and providers: the only place that knows their names.
//!
//! A row is a pattern for the model's name and the keys that it sets; later rows override earlier
//! ones. Names are compared word by word, words being what stands between hyphens (a dot or an
//! underscore counts as one): a pattern fits every name that begins with its words. `*` is any word,
//! `@` one that begins with a letter, `gpt-4o*` any last word that begins so, `|` stands between
//! alternatives. The name is taken without its vendor, date and version tags.

use super::{Profile, Setting};
use crate::chat::Format;
use crate::wire::carrier;

/// A pattern, and `key=value` settings separated by spaces; lists have commas.
type Row = (&'static str, &'static str);

/// Anthropic's models, wherever they are served.
const CLAUDE: &[Row] = &[
    (
        "claude-3|claude-2|claude-instant",
        "a.thinking= a.max-output=4096",
    ),
    ("claude-3-5", "a.max-output=8192"),
    (
        "claude-3-7",
        "a.thinking=enabled,disabled a.max-output=64000",
    ),
    (
        "claude-@-4",
        "a.max-output=64000 a.interleaved=true a.tool-name-max=128",
    ),
    ("claude-opus-4", "a.max-output=32000"),
    ("claude-opus-4-1", "a.structured=true"),
    ("claude-@-4-5", "a.max-output=64000 a.structured=true"),
    ("claude-opus-4-5", "a.effort=low,medium,high"),
    (
        "claude-@-4-6|claude-@-4-7|claude-@-4-8|claude-@-4-9",
        "a.max-output=128000 a.structured=true a.prefill=forbid a.interleaved=false",
    ),
    (
        "claude-@-4-6",
        "a.thinking=adaptive,enabled,disabled a.effort=low,medium,high,max",
    ),
    (
        "claude-@-4-7|claude-@-4-8|claude-@-4-9",
        "a.sampling=forbid a.thinking=adaptive,disabled a.effort=low,medium,high,xhigh,max",
    ),
    ("claude-@-4-8|claude-@-4-9", "a.mid-system=true"),
    (
        "claude-@-5|claude-@-6|claude-@-7",
        "a.max-output=128000 a.structured=true a.prefill=forbid a.sampling=forbid a.mid-system=true a.thinking=adaptive,disabled a.effort=low,medium,high,xhigh,max a.tool-name-max=128",
    ),
    (
        "claude-opus-5|claude-sonnet-5-5|claude-haiku-5-5",
        "a.effort-when-disabled-max=high",
    ),
    ("claude-fable-5|claude-opus-5-5", "a.thinking=adaptive"),
    ("claude-sonnet-5-5", "a.thinking=adaptive,between_tools"),
    (
        "claude-sonnet-5-5|claude-opus-5-5|claude-fable-5-1",
        "a.forced-tool=forbid",
    ),
];

/// OpenAI's models and those of compatible servers.
const OPENAI: &[Row] = &[
    ("gpt-3|gpt-35|gpt-4|gpt-4o*|chatgpt-4o*", "c.efforts="),
    ("gpt-3-5|gpt-35|gpt-4", "c.max-output=4096"),
    ("gpt-4-1", "c.max-output=32768"),
    ("gpt-4-5|gpt-4o*|chatgpt-4o*", "c.max-output=16384"),
    ("gpt-4o-2024-05-13", "c.max-output=4096"),
    (
        "gpt-4o-search|gpt-4o-mini-search|gpt-5-search",
        "c.web-search=true",
    ),
    (
        "o1|o3|o4",
        "c.reasoning-model=true c.efforts=low,medium,high c.max-output=100000 c.parallel-param=false",
    ),
    ("o1-mini", "c.efforts= c.max-output=65536"),
    ("o1-preview", "c.efforts= c.max-output=32768"),
    ("gpt-5|gpt-6|gpt-7", "c.reasoning-model=true"),
    (
        "gpt-5",
        "c.efforts=minimal,low,medium,high c.max-output=128000",
    ),
    ("gpt-5-codex", "c.efforts=low,medium,high"),
    ("gpt-5-pro", "c.efforts=high"),
    (
        "gpt-5-1|gpt-5-2|gpt-5-3|gpt-5-4|gpt-5-5|gpt-5-6|gpt-5-7|gpt-5-8|gpt-5-9",
        "c.sampling-without-effort=true c.efforts=none,low,medium,high,xhigh",
    ),
    ("gpt-5-1", "c.efforts=none,low,medium,high"),
    ("gpt-5-1-codex", "c.efforts=low,medium,high"),
    (
        "gpt-5-1-codex-max|gpt-5-2-codex|gpt-5-3-codex",
        "c.efforts=low,medium,high,xhigh",
    ),
    (
        "gpt-5-2-pro|gpt-5-4-pro|gpt-5-5-pro",
        "c.efforts=medium,high,xhigh",
    ),
    (
        "gpt-5-6|gpt-5-7|gpt-5-8|gpt-5-9|gpt-6|gpt-7",
        "c.cache-breakpoints=true",
    ),
    ("gpt-6|gpt-7", "c.efforts=low,medium,high,xhigh,max"),
    (
        "gpt-6-sol|gpt-6-luna|gpt-6-*-sol|gpt-6-*-luna|gpt-6-1-terra",
        "c.efforts=none,low,medium,high,xhigh,max",
    ),
    (
        "gpt-5-chat|gpt-5-*-chat|gpt-6-chat|gpt-6-*-chat",
        "c.reasoning-model=false c.efforts=",
    ),
];

/// Google's models.
const GEMINI: &[Row] = &[
    ("gemini-1|gemini-2-0", "g.budget-max=0 g.max-output=8192"),
    ("gemini-2-5", "g.max-output=65536"),
    (
        "gemini-2-5-pro",
        "g.budget-min=128 g.budget-max=32768 g.budget-zero=false",
    ),
    ("gemini-2-5-flash-lite", "g.budget-min=512"),
    // They draw and speak, and do not think.
    (
        "gemini-2-5-flash-image|gemini-2-5-flash-preview-tts|gemini-2-5-pro-preview-tts",
        "g.budget-max=0",
    ),
    (
        "gemini-3|gemini-4|gemini-5",
        "g.fn-ids=true g.signatures-required=true g.fn-response-parts=true g.mix-builtin-and-functions=true g.json-with-tools=true g.levels=low,high g.budget-max=32768 g.max-output=65536",
    ),
    (
        "gemini-3-flash|gemini-3-*-flash|gemini-4-flash|gemini-4-*-flash|gemini-5-flash",
        "g.levels=minimal,low,medium,high",
    ),
    (
        "gemini-3-1-pro|gemini-4-pro|gemini-4-*-pro|gemini-5-pro",
        "g.levels=low,medium,high",
    ),
    ("gemma", "g.system=false g.budget-max=0"),
];

/// Servers of OpenAI's dialects: the end of the host's name (`*` for all), and what it sets for
/// models that fit the pattern.
const HOSTS: &[(&str, &str, &str)] = &[
    ("*", "", "c.custom-tools=false"),
    (
        OPENAI_HOST,
        "",
        "c.max-tokens-field=max_completion_tokens c.accepts-unknown=false c.custom-tools=true",
    ),
    (
        ".azure.com",
        "",
        "c.max-tokens-field=max_completion_tokens c.accepts-unknown=false c.custom-tools=true",
    ),
    (
        OPENAI_HOST,
        "o1|o3|o4|gpt-5|gpt-6|gpt-7",
        "c.system-role=developer",
    ),
    (
        "chatgpt.com",
        "",
        "c.system-role=developer c.accepts-unknown=false c.custom-tools=true",
    ),
    ("deepseek.com", "", "c.reasoning-field=reasoning_content"),
    ("moonshot.ai", "", "c.reasoning-field=reasoning_content"),
    ("moonshot.cn", "", "c.reasoning-field=reasoning_content"),
    ("openrouter.ai", "", "c.reasoning-field=reasoning"),
    (
        "generativelanguage.googleapis.com",
        "",
        "c.accepts-unknown=false",
    ),
];

const OPENAI_HOST: &str = "api.openai.com";

impl Profile {
    /// What is shipped about `model` at the provider's `host`, spoken to in `format`. Of a model that
    /// nobody knows only what is safe is assumed.
    pub fn shipped(format: Format, host: &str, model: &str) -> Self {
        let mut profile = Self {
            family: carrier::family(model),
            ..Self::default()
        };
        let name = normalised(model);
        let words: Vec<&str> = name.split('-').collect();
        let rows = match format {
            Format::Claude => CLAUDE,
            Format::OpenAiChat | Format::OpenAiResponses => OPENAI,
            Format::Gemini => GEMINI,
        };
        for (pattern, settings) in rows {
            if fits(pattern, &words) {
                profile.apply(settings);
            }
        }
        if matches!(format, Format::OpenAiChat | Format::OpenAiResponses) {
            for (end, pattern, settings) in HOSTS {
                if is_at(host, end) && fits(pattern, &words) {
                    profile.apply(settings);
                }
            }
        }
        profile.claude.default_max_tokens = profile.claude.max_output.min(32_000);
        profile
    }

    fn apply(&mut self, settings: &str) {
        for (key, value) in settings
            .split_whitespace()
            .filter_map(|one| one.split_once('='))
        {
            let set = self.set(key, &setting(key, value));
            debug_assert_eq!(set, Ok(()), "a shipped row is wrong");
        }
    }
}

/// A value of a row. Which keys take lists is known by their names.
fn setting(key: &str, value: &str) -> Setting {
    let is_list = matches!(key, "a.thinking" | "a.effort" | "c.efforts" | "g.levels");
    match value {
        "true" => Setting::Bool(true),
        "false" => Setting::Bool(false),
        _ if is_list => Setting::List(
            value
                .split(',')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
        ),
        _ => value
            .parse()
            .map_or_else(|_| Setting::Text(value.to_owned()), Setting::Number),
    }
}

/// The name without vendor, region, date and tags, in lower case, with hyphens only.
fn normalised(model: &str) -> String {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.split(['@', ':']).next().unwrap_or(name);
    let name = name.to_ascii_lowercase().replace(['_', '.', ' '], "-");
    // Other clouds put region and vendor before Anthropic's names.
    let name = name.find("claude-").map_or(&*name, |at| &name[at..]);
    let is_date = |word: &&str| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit());
    let words: Vec<&str> = name.split('-').filter(|word| !is_date(word)).collect();
    words.join("-")
}

fn fits(pattern: &str, name: &[&str]) -> bool {
    pattern.is_empty() || pattern.split('|').any(|one| begins_with(one, name))
}

fn begins_with(pattern: &str, name: &[&str]) -> bool {
    let mut words = name.iter();
    pattern.split('-').all(|wanted| {
        words.next().is_some_and(|word| match wanted {
            "*" => true,
            "@" => word.starts_with(|char: char| char.is_ascii_alphabetic()),
            _ => match wanted.strip_suffix('*') {
                Some(start) => word.starts_with(start),
                None => *word == wanted,
            },
        })
    })
}

fn is_at(host: &str, end: &str) -> bool {
    let host = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    end == "*"
        || host.strip_suffix(end).is_some_and(|before| {
            before.is_empty() || before.ends_with('.') || end.starts_with('.')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Effort;
    use crate::wire::ReasoningField;

    fn claude(model: &str) -> crate::wire::ClaudeProfile {
        Profile::shipped(Format::Claude, "api.anthropic.com", model).claude
    }

    fn chat(host: &str, model: &str) -> crate::wire::ChatProfile {
        Profile::shipped(Format::OpenAiChat, host, model).chat
    }

    #[test]
    fn every_row_can_be_applied() {
        let rows = [CLAUDE, OPENAI, GEMINI].concat();
        let hosts = HOSTS.iter().map(|(_, _, settings)| *settings);
        for settings in rows.iter().map(|(_, settings)| *settings).chain(hosts) {
            for one in settings.split(' ') {
                let (key, value) = one.split_once('=').unwrap();
                let done = Profile::default().set(key, &setting(key, value));
                assert_eq!(done, Ok(()), "{one}");
            }
        }
    }

    #[test]
    fn claude_generations() {
        let old = claude("claude-sonnet-4-5-20250929");
        assert!(old.sampling && old.thinking.enabled && old.effort.is_empty() && old.prefill);
        assert!(old.structured && !old.mid_system);
        assert_eq!((old.max_output, old.default_max_tokens), (64_000, 32_000));
        assert_eq!(claude("claude-opus-4-20250514").max_output, 32_000);
        assert_eq!(claude("claude-3-haiku-20240307").max_output, 4096);
        assert!(claude("claude-opus-4-1").structured && !claude("claude-opus-4").structured);

        let six = claude("claude-sonnet-4-6");
        assert!(six.sampling && six.thinking.adaptive && six.thinking.enabled && !six.prefill);
        assert!(!six.effort.contains(&Effort::XHigh) && six.effort.contains(&Effort::Max));

        let seven = claude("claude-opus-4-7");
        assert!(!seven.sampling && !seven.thinking.enabled && !seven.mid_system);
        assert!(claude("claude-opus-4-8").mid_system);
        for five in [
            "claude-sonnet-5",
            "claude-haiku-5",
            "claude-fable-5",
            "claude-opus-5",
        ] {
            let five = claude(five);
            assert!(!five.sampling && !five.thinking.enabled && five.mid_system && five.structured);
            assert!(five.thinking.adaptive && five.forced_tool);
        }
        assert!(!claude("claude-fable-5").thinking.disabled);
        assert!(claude("claude-sonnet-5-5").thinking.between_tools);
        assert!(!claude("claude-fable-5-1").forced_tool);
        assert_eq!(
            claude("claude-opus-5").effort_when_disabled_max,
            Some(Effort::High)
        );
        assert_eq!(claude("claude-sonnet-5").effort_when_disabled_max, None);
    }

    #[test]
    fn a_model_is_the_same_wherever_it_is_served() {
        for name in [
            "anthropic/claude-opus-4.8",
            "us.anthropic.claude-opus-4-8-v1:0",
            "claude-opus-4-8@20260401",
        ] {
            let there = Profile::shipped(Format::Claude, "elsewhere.example", name).claude;
            assert_eq!(there, claude("claude-opus-4-8"), "{name}");
        }
        // The generation is not the minor version of an old one.
        assert!(claude("claude-3-5-sonnet-20241022").sampling);
    }

    #[test]
    fn openai_and_others() {
        let own = chat("api.openai.com", "gpt-5-mini-2025-08-07");
        assert!(own.developer_role && own.max_completion_tokens && own.reasoning_model);
        assert!(!own.accepts_unknown && own.custom_tools);
        assert_eq!(own.efforts.first(), Some(&Effort::Minimal));
        let azure = chat("team.openai.azure.com", "gpt-5.2");
        assert!(azure.max_completion_tokens && !azure.developer_role && !azure.accepts_unknown);
        assert!(azure.sampling_without_effort && azure.efforts.contains(&Effort::None));
        assert!(!chat("api.openai.com", "gpt-5.1-chat-latest").reasoning_model);
        assert!(!chat("api.openai.com", "gpt-5-chat-latest").reasoning_model);
        assert!(chat("api.openai.com", "gpt-4o").efforts.is_empty());
        assert!(!chat("evil-api.openai.com.example", "gpt-5").developer_role);
        let six = |model| chat("api.openai.com", model).efforts;
        assert_eq!(six("gpt-6").first(), Some(&Effort::Low));
        assert_eq!(six("gpt-6-sol").first(), Some(&Effort::None));
        assert_eq!(six("gpt-6.1-terra").first(), Some(&Effort::None));
        let field = |host| chat(host, "m").reasoning_field;
        assert_eq!(field("api.deepseek.com"), ReasoningField::ReasoningContent);
        assert_eq!(field("api.moonshot.ai"), ReasoningField::ReasoningContent);
        assert_eq!(field("openrouter.ai"), ReasoningField::Reasoning);
        assert_eq!(field("notopenrouter.ai"), ReasoningField::None);
        assert!(!chat("localhost:8000", "m").max_completion_tokens);
    }

    #[test]
    fn the_longest_answers() {
        for (model, most) in [
            ("gpt-4o-mini-2024-07-18", 16_384),
            ("gpt-4o-2024-05-13", 4096),
            ("openai/gpt-4.1-nano", 32_768),
            ("gpt-4-turbo", 4096),
            ("gpt-4-0613", 4096),
            ("gpt-35-turbo", 4096),
            ("o4-mini", 100_000),
            ("gpt-5.2-codex", 128_000),
            ("deepseek-chat", 0),
        ] {
            assert_eq!(chat("api.openai.com", model).max_output, most, "{model}");
        }
        for (model, most) in [
            ("gemini-1.5-pro", 8192),
            ("gemini-2.0-flash", 8192),
            ("gemini-2.5-flash-lite", 65_536),
            ("gemini-3-pro-preview", 65_536),
            ("gemma-3", 0),
        ] {
            let shipped = Profile::shipped(Format::Gemini, "h", model);
            assert_eq!(shipped.gemini.max_output, most, "{model}");
        }
    }

    #[test]
    fn gemini_generations() {
        let gemini = |model| Profile::shipped(Format::Gemini, "h", model).gemini;
        let pro = gemini("models/gemini-2.5-pro");
        assert_eq!((pro.budget_min, pro.budget_max), (128, 32_768));
        assert!(!pro.budget_zero && !pro.fn_ids && pro.levels.is_empty());
        assert_eq!(gemini("gemini-2.5-flash-lite").budget_min, 512);
        let three = gemini("gemini-3-pro-preview");
        assert!(three.fn_ids && three.signatures_required && three.mix_tools);
        assert_eq!(three.levels, [Effort::Low, Effort::High]);
        assert_eq!(gemini("gemini-3-flash").levels.len(), 4);
        assert_eq!(gemini("gemini-3.5-flash").levels.len(), 4);
        assert!(!gemini("gemma-3-27b-it").system);
        assert_eq!(gemini("gemini-2.5-flash-image").budget_max, 0);
        assert_eq!(gemini("gemini-2.5-pro-preview-tts").budget_max, 0);
    }

    #[test]
    fn nobody_knows_it() {
        for format in Format::ALL {
            let mut profile = Profile::shipped(format, "h", "who-knows");
            assert_eq!(std::mem::take(&mut profile.family), "who-knows");
            profile.chat.custom_tools = true;
            assert_eq!(profile, Profile::default(), "{format:?}");
        }
    }
}
