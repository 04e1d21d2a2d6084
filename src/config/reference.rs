//! `docs/reference/configuration.md`, written from the schema. The test fails when the page is out of
//! date; `UPDATE_DOCS=1 cargo test --lib config::reference` writes it.

use std::fmt::Write;

use serde_json::Value;

use super::{schema, unavailable};

const PAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/docs/reference/configuration.md"
);

const INTRODUCTION: &str = "\
# Configuration reference

Generated from the config's types; do not edit. `config.example.yaml` shows every option in place, and
`ai-proxy schema` prints the same as a JSON schema.

- A key that is left out, or has no value, has its default. `…[]` is an item of a list, `….*` any key.
- A size is `64MiB`, `512KiB`, `1GB` or a number of bytes. A duration is a number of seconds, whole or
  decimal. Dollars are a number or text, with at most nine decimals.
- Keys, URLs and header values may be `${VARIABLE}` or `file:/path` instead of the value itself.
- Which file: `--config`, else `AI_PROXY_CONFIG`, else `config.yaml` in the working directory. With no
  file, every provider whose variable is set is used: `ANTHROPIC_API_KEY`, `OPENAI_API_KEY`,
  `GEMINI_API_KEY` or `GOOGLE_API_KEY`.
- What wins: flag, environment (`AI_PROXY_HOST`, `AI_PROXY_PORT`, `AI_PROXY_LOG_LEVEL`; `HOST` and
  `PORT` when these are not set), `.env` in the working directory, file, default.

| Key | Type | Default | Meaning |
|---|---|---|---|
";

#[test]
fn the_reference_page_is_up_to_date() {
    let schema = schema::tree();
    let page = render(&schema);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(std::path::Path::new(PAGE).parent().unwrap()).unwrap();
        std::fs::write(PAGE, &page).unwrap();
    }
    let current = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        current == page,
        "out of date: run UPDATE_DOCS=1 cargo test --lib config::reference"
    );
}

fn render(schema: &Value) -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut table = Table {
        root: schema,
        page: &mut page,
        listed: Vec::new(),
    };
    table.map(schema, "");
    page
}

struct Table<'a> {
    root: &'a Value,
    page: &'a mut String,
    /// The types whose keys have been listed, and where.
    listed: Vec<(String, String)>,
}

impl Table<'_> {
    fn map(&mut self, schema: &Value, path: &str) {
        let properties = schema["properties"].as_object().into_iter().flatten();
        for (key, value) in properties {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            self.row(&path, value);
            self.below(&path, value);
        }
    }

    fn row(&mut self, path: &str, schema: &Value) {
        let meaning = schema["description"].as_str().unwrap();
        let default = match &schema["default"] {
            Value::Object(map) if !map.is_empty() => String::new(),
            default => format!("`{default}`"),
        };
        writeln!(
            self.page,
            "| `{path}` | {} | {default} | {}{} |",
            self.kind(schema),
            meaning.replace('\n', " ").replace('|', "\\|"),
            if unavailable::contains(path) {
                " *Not available in this version: only the default is accepted.*"
            } else {
                ""
            }
        )
        .unwrap();
    }

    /// The keys inside the value.
    fn below(&mut self, path: &str, schema: &Value) {
        if let Some(items) = schema.get("items") {
            let path = format!("{path}[]");
            if let Some(kind) = items["$ref"].as_str() {
                if let Some((_, known)) = self.listed.iter().find(|(known, _)| known == kind) {
                    writeln!(self.page, "| `{path}.*` | | | As `{known}.*`. |").unwrap();
                    return;
                }
                self.listed.push((kind.to_owned(), path.clone()));
            }
            self.below(&path, items);
            return;
        }
        let alternatives = schema["anyOf"].as_array().into_iter().flatten();
        for alternative in alternatives.chain([schema]) {
            if let Some(target) = self.target(alternative) {
                let target = target.clone();
                self.map(&target, path);
            }
        }
    }

    fn target(&self, schema: &Value) -> Option<&Value> {
        let reference = schema.get("$ref")?.as_str()?;
        self.root.pointer(reference.strip_prefix('#')?)
    }

    fn kind(&self, schema: &Value) -> String {
        if let Some(target) = self.target(schema) {
            return self.kind(target);
        }
        if let Some(alternatives) = schema["anyOf"].as_array() {
            let kinds: Vec<_> = alternatives.iter().map(|one| self.kind(one)).collect();
            let kinds: Vec<_> = kinds.into_iter().filter(|kind| kind != "nothing").collect();
            return kinds.join(" or ");
        }
        if let Some(variants) = schema["oneOf"].as_array() {
            let names: Vec<_> = variants
                .iter()
                .filter_map(|variant| variant["const"].as_str())
                .map(|name| format!("`{name}`"))
                .collect();
            return names.join(", ");
        }
        match schema["format"].as_str() {
            Some("size") => return "size".to_owned(),
            Some("seconds") => return "seconds".to_owned(),
            Some("dollars") => return "dollars".to_owned(),
            _ => {}
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds[0].as_str(),
            kind => kind.as_str(),
        };
        match kind {
            Some("array") => format!("list of {}", self.kind(&schema["items"])),
            Some("object") => "map".to_owned(),
            Some("string") => "text".to_owned(),
            Some("boolean") => "true or false".to_owned(),
            Some("integer" | "number") => "number".to_owned(),
            Some("null") => "nothing".to_owned(),
            _ => "anything".to_owned(),
        }
    }
}
