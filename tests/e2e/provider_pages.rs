//! The page of each provider under `docs/providers`: what it says is what the table says, and its example
//! is an entry that asks the provider in the way that it says.

use std::fs;
use std::path::{Path, PathBuf};

use ai_proxy::upstream::presets::{KeyHeader, PRESETS, Preset};
use ai_proxy::wire::Format;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

const LISTS: [&str; 3] = ["claude-api-key", "openai-api-key", "gemini-api-key"];

fn place(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/providers");
    folder.join(name).with_extension("md")
}

fn page(preset: &Preset) -> String {
    let path = place(preset.name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn code(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

fn or(text: String, otherwise: &str) -> String {
    match text.is_empty() {
        true => otherwise.to_owned(),
        false => text,
    }
}

/// The table at the head of a page.
fn facts(preset: &Preset) -> String {
    let base = Some(preset.base_url).filter(|url| !url.is_empty());
    let formats: Vec<&str> = preset.formats.iter().map(|it| it.name()).collect();
    let key = match preset.key_header {
        KeyHeader::Bearer => "`authorization: Bearer`",
        KeyHeader::XApiKey => "`x-api-key`",
        KeyHeader::XGoogApiKey => "`x-goog-api-key`",
    };
    format!(
        "| | |\n|---|---|\n| Name | `{}` |\n| Base URL | {} |\n| Formats | {} |\n| Key | {key} |\n\
         | Variable that is enough without a config | {} |\n| Models of an entry without `models` | {} |\n",
        preset.name,
        base.map_or_else(|| "the operator gives it".to_owned(), |url| code(&[url])),
        code(&formats),
        or(code(preset.key_env), "none"),
        or(code(preset.models), "any that no other entry claims"),
    )
}

#[test]
fn every_provider_has_a_page_that_says_what_the_table_says() {
    let overview = fs::read_to_string(place("../providers")).unwrap();
    for preset in PRESETS {
        let (page, facts) = (page(preset), facts(preset));
        let file = format!("docs/providers/{}.md", preset.name);
        assert!(page.contains(&facts), "{file} should say:\n{facts}");
        let link = format!("](providers/{}.md)", preset.name);
        assert!(
            overview.contains(&link),
            "docs/providers.md does not lead to {file}"
        );
        for part in ["## Authentication", "## Example", "## Translation"] {
            assert!(page.contains(part), "{file} has no {part}");
        }
    }
    for entry in fs::read_dir(place("x").parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            PRESETS.iter().any(|preset| preset.name == name),
            "{}: there is no such provider",
            path.display()
        );
    }
}

/// The config that a page shows.
fn example(page: &str) -> Value {
    let (_, rest) = page.split_once("```yaml\n# config.yaml\n").unwrap();
    let (yaml, _) = rest.split_once("```").unwrap();
    serde_yml::from_str(yaml).unwrap()
}

/// A list of an example, in which the provider's entries are.
fn list(example: &Value) -> &'static str {
    let lists = LISTS.into_iter().chain(["openai-compatibility"]);
    let mut found = lists.filter(|list| !example[list].is_null());
    let list = found.next().expect("a list of entries");
    assert!(found.next().is_none(), "the example has two lists");
    list
}

/// A model that the entry serves, as a client calls it, and as the provider hears it.
fn model(entry: &Value, preset: &Preset) -> (String, String) {
    let prefix = entry["prefix"].as_str().unwrap_or_default();
    let listed = &entry["models"][0];
    let id = listed.as_str().or_else(|| listed["id"].as_str());
    let unlisted = preset.models.first().copied().unwrap_or("some-model");
    let unlisted = unlisted.replace("[0-9]", "1").replace('*', "x");
    let id = id.map_or(unlisted, str::to_owned);
    let asked = listed["alias"].as_str().unwrap_or(&id);
    (format!("{prefix}{asked}"), id)
}

/// Where the provider is asked for an answer.
fn target(preset: &Preset, base: &str, model: &str) -> String {
    let path = base.split("://").nth(1).unwrap();
    let path = path.split_once('/').map_or("", |(_, path)| path);
    let path = match path {
        "" => String::new(),
        path => format!("/{path}"),
    };
    match preset.formats[0] {
        Format::OpenAiChat if path.is_empty() => "/v1/chat/completions".to_owned(),
        Format::OpenAiChat => format!("{path}/chat/completions"),
        Format::OpenAiResponses => format!("{path}/responses"),
        Format::Claude => "/v1/messages".to_owned(),
        Format::Gemini if preset.envelope => "/v1internal:generateContent".to_owned(),
        Format::Gemini => format!("/v1beta/models/{model}:generateContent"),
    }
}

#[tokio::test]
async fn the_example_of_each_page_asks_its_provider_as_the_page_says() {
    let refusal = Reply::json(400, json!({"error": {"message": "no", "code": "no"}}));
    let upstream = Upstream::always(refusal).await;
    for (n, preset) in PRESETS.iter().enumerate() {
        let mut config = example(&page(preset));
        let list = list(&config);
        let entries = config[list].as_array().unwrap();
        let named = entries[0]["preset"].as_str();
        let of_the_list = matches!(
            (list, preset.name),
            ("claude-api-key", "anthropic")
                | ("openai-api-key", "openai")
                | ("gemini-api-key", "gemini")
        );
        assert!(
            named == Some(preset.name) || (of_the_list && named.is_none()),
            "{}: its example is about {named:?} in {list}",
            preset.name
        );
        // The same path, at an upstream that can be asked.
        let base = entries[0]["base-url"].as_str().unwrap_or(preset.base_url);
        let here = base.split("://").nth(1).unwrap();
        let path = here.split_once('/').map_or("", |(_, path)| path);
        let url = format!("{}/{path}", upstream.url());
        let wants_no_key = entries[0]["api-key"].is_null();
        let (asked, heard) = model(&entries[0], preset);
        let wanted = target(preset, base, &heard);
        config[list] = json!([entries[0]]);
        config[list][0]["base-url"] = json!(url);
        if !wants_no_key {
            config[list][0]["api-key"] = json!(UPSTREAM_KEY_A);
        }
        config["api-keys"] = json!([CLIENT_KEY]);
        // JSON is YAML.
        let keys = config.as_object().unwrap().iter();
        let yaml: String = keys
            .map(|(key, value)| format!("{key}: {value}\n"))
            .collect();
        let gateway = Gateway::start(&yaml).await;
        let mut client = Client::connect(gateway.addr()).await;
        let answer = Ask::Chat.send(&mut client, &asked).await;
        assert_eq!(answer.status, 400, "{}: {answer:?}", preset.name);

        let request = upstream.request(n).await;
        assert_eq!(request.target, wanted, "{}", preset.name);
        let (header, value) = match preset.key_header {
            KeyHeader::Bearer => ("authorization", format!("Bearer {UPSTREAM_KEY_A}")),
            KeyHeader::XApiKey => ("x-api-key", UPSTREAM_KEY_A.to_owned()),
            KeyHeader::XGoogApiKey => ("x-goog-api-key", UPSTREAM_KEY_A.to_owned()),
        };
        let value = Some(value).filter(|_| !wants_no_key);
        assert_eq!(request.header(header), value.as_deref(), "{}", preset.name);
    }
}
