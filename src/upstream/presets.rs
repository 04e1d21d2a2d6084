//! The provider table. Adding a provider that speaks a known format is adding a row.

use crate::wire::Format;

/// The header that carries a provider's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// `x-api-key: KEY` (Anthropic).
    XApiKey,
    /// `x-goog-api-key: KEY` (Google).
    XGoogApiKey,
}

/// One provider.
#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    /// The name used in `preset`, `routes`, `x-provider` and the logs.
    pub name: &'static str,
    /// Default base URL; empty when the operator has to give one.
    pub base_url: &'static str,
    /// The formats its API speaks without translation, the preferred one first.
    pub formats: &'static [Format],
    /// Where its key goes.
    pub key_header: KeyHeader,
    /// Models that an entry without a `models` list serves, as globs; none: it serves any model that
    /// no other entry claims.
    pub models: &'static [&'static str],
    /// Whether its Gemini bodies go in the envelope of Google's Code Assist API.
    pub envelope: bool,
    /// Environment variables that hold its key when there is no config file, first one set wins.
    pub key_env: &'static [&'static str],
}

const CHAT: &[Format] = &[Format::OpenAiChat];

/// All providers that are known by name.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "anthropic",
        base_url: "https://api.anthropic.com",
        formats: &[Format::Claude],
        key_header: KeyHeader::XApiKey,
        models: &["claude-*"],
        envelope: false,
        key_env: &["ANTHROPIC_API_KEY"],
    },
    Preset {
        name: "openai",
        base_url: "https://api.openai.com",
        formats: &[Format::OpenAiChat, Format::OpenAiResponses],
        key_header: KeyHeader::Bearer,
        models: &["gpt-*", "o[0-9]*", "chatgpt-*", "codex-*"],
        envelope: false,
        key_env: &["OPENAI_API_KEY"],
    },
    Preset {
        name: "gemini",
        base_url: "https://generativelanguage.googleapis.com",
        formats: &[Format::Gemini],
        key_header: KeyHeader::XGoogApiKey,
        models: &["gemini-*", "gemma-*"],
        envelope: false,
        key_env: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    },
    // A private API: the operator says where it is and brings the token.
    Preset {
        name: "antigravity",
        base_url: "",
        formats: &[Format::Gemini],
        key_header: KeyHeader::Bearer,
        models: &[],
        envelope: true,
        key_env: &[],
    },
    compatible("glm", "https://open.bigmodel.cn/api/paas/v4", &["glm-*"]),
    compatible("deepseek", "https://api.deepseek.com", &["deepseek-*"]),
    compatible("groq", "https://api.groq.com/openai/v1", &[]),
    compatible("openrouter", "https://openrouter.ai/api/v1", &[]),
    compatible(
        "mistral",
        "https://api.mistral.ai/v1",
        &[
            "mistral-*",
            "magistral-*",
            "codestral-*",
            "devstral-*",
            "ministral-*",
            "pixtral-*",
        ],
    ),
    compatible("xai", "https://api.x.ai/v1", &["grok-*"]),
    compatible(
        "moonshot",
        "https://api.moonshot.ai/v1",
        &["kimi-*", "moonshot-*"],
    ),
    compatible("together", "https://api.together.xyz/v1", &[]),
    compatible(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        &["accounts/fireworks/*"],
    ),
    compatible("ollama", "http://127.0.0.1:11434/v1", &[]),
    compatible("vllm", "http://127.0.0.1:8000/v1", &[]),
];

/// A provider that speaks OpenAI Chat Completions with a bearer key.
const fn compatible(
    name: &'static str,
    base_url: &'static str,
    models: &'static [&'static str],
) -> Preset {
    Preset {
        name,
        base_url,
        formats: CHAT,
        key_header: KeyHeader::Bearer,
        models,
        envelope: false,
        key_env: &[],
    }
}

/// What an `openai-compatibility` entry without a `preset` is.
pub static COMPATIBLE: Preset = compatible("", "", &[]);

/// The row called `name`; `claude` is `anthropic`.
pub fn preset(name: &str) -> Option<&'static Preset> {
    let name = if name == "claude" { "anthropic" } else { name };
    PRESETS.iter().find(|preset| preset.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(preset: &Preset) -> String {
        let list = |items: &mut dyn Iterator<Item = &str>| {
            let items: Vec<String> = items.map(|item| format!("`{item}`")).collect();
            items.join(", ")
        };
        let key = match preset.key_header {
            KeyHeader::Bearer => "Bearer",
            KeyHeader::XApiKey => "`x-api-key`",
            KeyHeader::XGoogApiKey => "`x-goog-api-key`",
        };
        format!(
            "| `{}` | `{}` | {} | {key} | {} |",
            preset.name,
            preset.base_url,
            list(&mut preset.formats.iter().map(|format| format.name())),
            list(&mut preset.models.iter().copied()),
        )
        .replace("  |", " |")
    }

    #[test]
    fn the_page_shows_every_provider() {
        let page = include_str!("../../docs/providers.md");
        let shown: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        let rows: Vec<String> = PRESETS.iter().map(row).collect();
        assert!(
            shown == rows,
            "the table in docs/providers.md should be:\n{}",
            rows.join("\n")
        );
    }

    #[test]
    fn names_are_unique_and_found() {
        for (n, row) in PRESETS.iter().enumerate() {
            assert!(PRESETS[..n].iter().all(|other| other.name != row.name));
            assert_eq!(preset(row.name), Some(row));
        }
        assert_eq!(preset("claude"), preset("anthropic"));
    }
}
