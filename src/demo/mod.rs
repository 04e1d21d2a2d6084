//! `ai-proxy demo`: the whole gateway at work within a minute of cloning, without a key and without
//! a network.
//!
//! The gateway runs as always; only its providers are replaced by [`provider::DemoProvider`], a
//! server on a loopback address of the same process that speaks all four formats. [`config_yaml`]
//! points the gateway at it, and [`transcript::run`] then asks one question in each format and shows
//! what went over the wire. The provider shares no code with the gateway's own codecs: that the two
//! understand each other says something.

use std::net::SocketAddr;

mod answer;
mod ask;
mod claude;
mod gemini;
mod openai_chat;
mod openai_responses;
pub mod provider;
mod sample;
#[cfg(test)]
mod tests;
pub mod transcript;

/// The client key of the demo.
pub const CLIENT_KEY: &str = "demo-key";

/// The gateway's config while its providers are the one at `provider`.
///
/// Each provider has two keys, and only the first can run out of quota (by the text
/// `demo-error-429`): such a request succeeds all the same, on the second key.
pub fn config_yaml(provider: SocketAddr) -> String {
    let entries = [
        ("claude-api-key", "demo-claude"),
        ("openai-api-key", "demo-gpt"),
        ("gemini-api-key", "demo-gemini"),
    ];
    let mut yaml = format!(
        "host: 127.0.0.1\napi-keys: [\"{CLIENT_KEY}\"]\n\
         database-url: \"sqlite::memory:\"\n"
    );
    for (list, model) in entries {
        yaml += &format!("{list}:\n");
        for number in 1..=2 {
            yaml += &format!(
                "  - name: {model}-{number}\n    api-key: \"{model}-key-{number}\"\n    \
                 base-url: \"http://{provider}\"\n    models: [{{id: {model}}}]\n"
            );
        }
    }
    yaml
}
