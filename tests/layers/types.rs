//! `docs/reference/types`: the types that people talk about, written from the source. The test keeps the pages
//! up to date; `UPDATE_DOCS=1 cargo test --test layers types` writes them.

use std::fmt::Write;

use super::source::root;

/// A page: its name, its title, what it says first, and its types with their files.
type Page = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const PAGES: &[Page] = &[
    (
        "enums",
        "Enumerations",
        "The words that code, logs and configuration share.",
        &[
            ("Format", "src/chat/format.rs"),
            ("Change", "src/chat/loss.rs"),
            ("OnLoss", "src/chat/loss.rs"),
            ("Effort", "src/chat/reasoning.rs"),
            ("StopReason", "src/chat/stop.rs"),
            ("Shape", "src/wire/mod.rs"),
            ("Weight", "src/wire/mod.rs"),
            ("Outcome", "src/proxy/verdict.rs"),
            ("Scope", "src/account/health.rs"),
            ("Strategy", "src/account/pool.rs"),
        ],
    ),
    (
        "config",
        "Configuration as the code has it",
        "What `src/config` makes of `config.yaml`: everything in it is valid. The file's own keys are in \
         [configuration.md](../configuration.md).",
        &[
            ("Config", "src/config/mod.rs"),
            ("Listen", "src/config/mod.rs"),
            ("Admin", "src/config/mod.rs"),
            ("ClientKey", "src/config/mod.rs"),
            ("Limits", "src/config/mod.rs"),
            ("Retry", "src/config/mod.rs"),
            ("Streaming", "src/config/mod.rs"),
            ("Translation", "src/config/mod.rs"),
            ("Timeouts", "src/upstream/mod.rs"),
            ("RouteRule", "src/routing.rs"),
        ],
    ),
    (
        "provider",
        "Providers and accounts",
        "A provider is a row of a table; an account is one credential at one provider. \
         [providers.md](../../providers.md) has the rows.",
        &[
            ("Preset", "src/upstream/presets.rs"),
            ("KeyHeader", "src/upstream/presets.rs"),
            ("Account", "src/account/mod.rs"),
            ("ModelEntry", "src/account/mod.rs"),
            ("HeaderSource", "src/account/mod.rs"),
            ("BaseUrl", "src/upstream/base_url.rs"),
        ],
    ),
    (
        "errors",
        "Errors",
        "An error towards a client is a `Fault`, which each format turns into its own status, type and body; its codes are \
         in [api.md](../api.md#errors). The others stop a start, a reload or a step, and never reach a client as they are.",
        &[
            ("Fault", "src/chat/fault.rs"),
            ("FaultKind", "src/chat/fault.rs"),
            ("ConfigError", "src/config/error.rs"),
            ("StartError", "src/server.rs"),
            ("RootsError", "src/upstream/roots.rs"),
            ("InvalidBaseUrl", "src/upstream/base_url.rs"),
            ("HeadError", "src/wire/json/head.rs"),
            ("Unwell", "src/health_command.rs"),
        ],
    ),
];

/// One row: a variant, or a field with its type.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    kind: Option<String>,
    meaning: String,
}

/// A type as its source declares it: what it is for, and its public parts.
fn declared(text: &str, name: &str) -> Option<(String, Vec<Row>)> {
    let lines: Vec<&str> = text.lines().collect();
    let is_it = |line: &str| {
        ["pub enum ", "pub struct "].iter().any(|word| {
            let rest = line.strip_prefix(word);
            rest.and_then(|rest| rest.strip_prefix(name))
                .is_some_and(|rest| rest.trim_start_matches("<'a>").trim() == "{")
        })
    };
    let start = lines.iter().position(|line| is_it(line))?;
    let is_enum = lines[start].starts_with("pub enum");
    let about = lines[..start]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("///") || line.starts_with("#["))
        .filter_map(|line| line.strip_prefix("/// "));
    let mut about: Vec<&str> = about.collect();
    about.reverse();
    let mut rows = Vec::new();
    let mut meaning: Vec<&str> = Vec::new();
    for line in lines[start + 1..].iter().take_while(|line| **line != "}") {
        let Some(line) = line.strip_prefix("    ") else {
            continue;
        };
        if let Some(doc) = line.strip_prefix("///") {
            meaning.push(doc.trim());
        } else if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let said = words(&std::mem::take(&mut meaning).join(" "));
            let field = line.strip_prefix("pub ").and_then(|it| it.split_once(": "));
            match (is_enum, field) {
                (true, _) => rows.push(Row {
                    name: line.split(['(', ' ', ',']).next().unwrap().to_owned(),
                    kind: None,
                    meaning: said,
                }),
                (false, Some((name, kind))) => rows.push(Row {
                    name: name.to_owned(),
                    kind: Some(kind.trim_end_matches(',').to_owned()),
                    meaning: said,
                }),
                // Its own affair.
                (false, None) => {}
            }
        }
    }
    Some((words(&about.join(" ")), rows))
}

/// A doc comment as a page can show it: links to items are the items.
fn words(doc: &str) -> String {
    let mut out = String::new();
    let mut rest = doc;
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((item, after)) = link.split_once("`]") else {
            break;
        };
        let after = after.strip_prefix('(').map_or(after, |target| {
            target.split_once(')').map_or(target, |(_, after)| after)
        });
        let _ = write!(out, "{before}`{item}`");
        rest = after;
    }
    (out + rest).replace('|', "\\|")
}

fn render((_, title, introduction, types): &Page) -> String {
    let mut page = format!(
        "# {title}\n\n{introduction}\n\nWritten from the source by \
         `UPDATE_DOCS=1 cargo test --test layers types`; do not edit.\n"
    );
    for (name, path) in *types {
        let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        let (about, rows) =
            declared(&text, name).unwrap_or_else(|| panic!("{path} declares no public {name}"));
        assert!(!rows.is_empty() && !about.is_empty(), "{path}: {name}");
        let _ = write!(page, "\n## `{name}`\n\n{about} (`{path}`)\n\n");
        page += match rows[0].kind {
            Some(_) => "| Field | Type | Meaning |\n|---|---|---|\n",
            None => "| Variant | Meaning |\n|---|---|\n",
        };
        for row in rows {
            let kind = row.kind.map(|kind| format!("`{kind}` | "));
            let kind = kind.unwrap_or_default();
            let _ = writeln!(page, "| `{}` | {kind}{} |", row.name, row.meaning);
        }
    }
    page
}

#[test]
fn the_pages_of_types_are_up_to_date() {
    for page in PAGES {
        let path = root().join(format!("docs/reference/types/{}.md", page.0));
        let wanted = render(page);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &wanted).unwrap();
        }
        assert!(
            std::fs::read_to_string(&path).unwrap_or_default() == wanted,
            "{} is out of date: run UPDATE_DOCS=1 cargo test --test layers types",
            path.display()
        );
    }
}

#[test]
fn types_are_read_with_their_words() {
    let text = "/// One | two,\n/// see [`a::B`](b).\n#[derive(Debug)]\npub struct X<'a> {\n    /// A number.\n    \
                /// Or [`C`].\n    #[x]\n    pub n: Vec<u8>,\n    /// Hidden.\n    m: u8,\n}\n\
                /// E.\npub enum Y {\n    /// First.\n    A(u8),\n    /// Second.\n    B {\n        /// Inner.\n        \
                c: u8,\n    },\n}\n";
    let (about, rows) = declared(text, "X").unwrap();
    assert_eq!(about, "One \\| two, see `a::B`.");
    let row = |name: &str, kind: Option<&str>, meaning: &str| Row {
        name: name.to_owned(),
        kind: kind.map(str::to_owned),
        meaning: meaning.to_owned(),
    };
    assert_eq!(rows, [row("n", Some("Vec<u8>"), "A number. Or `C`.")]);
    let (_, rows) = declared(text, "Y").unwrap();
    assert_eq!(rows, [row("A", None, "First."), row("B", None, "Second.")]);
    assert_eq!(declared(text, "Z"), None);
}
