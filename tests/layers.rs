//! The architecture as a test: which module may know which, and who may spawn, block or hold JSON in
//! memory.
//!
//! It reads the text of `src/` and links nothing, so it says the same on a tree that does not
//! compile. Every failure names file and line, and says what to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy only knows #[test] functions as tests; what they call here is test code too"
)]

#[path = "layers/documents.rs"]
mod documents;
#[path = "layers/mentions.rs"]
mod mentions;
#[path = "layers/source.rs"]
mod source;
#[path = "layers/types.rs"]
mod types;

use source::{Source, tree};

/// Modules from the lowest layer up. A module may use what stands in a lower row.
/// The crate documentation in `src/lib.rs` shows the same table.
const LAYERS: [&[&str]; 7] = [
    &["chat", "secret"],
    &["wire", "state", "price"],
    &["routing", "rewrite", "account", "upstream"],
    &["config"],
    &["live", "lifecycle", "traces", "usage", "metrics", "roster"],
    &["proxy", "admin"],
    &[
        "main",
        "cli",
        "server",
        "logging",
        "demo",
        "translate_command",
        "health_command",
        "migrate_command",
    ],
];

/// What a module may use in its own layer.
const NEIGHBOURS: &[(&str, &str)] = &[
    ("routing", "account"),
    ("account", "upstream"),
    ("account", "rewrite"),
    ("admin", "proxy"),
    ("live", "metrics"),
    ("live", "usage"),
    ("roster", "live"),
    ("server", "demo"),
    ("server", "logging"),
    ("cli", "health_command"),
    ("cli", "migrate_command"),
    ("cli", "translate_command"),
    ("main", "cli"),
    ("main", "demo"),
    ("main", "health_command"),
    ("main", "migrate_command"),
    ("main", "logging"),
    ("main", "server"),
    ("main", "translate_command"),
];

/// Who may know Pingora.
const PINGORA: &[&str] = &["server", "demo", "admin", "proxy", "upstream"];

/// Files that hand work to another task or thread, and who ends it.
const SPAWN: &[(&str, &str)] = &[
    (
        "src/upstream/resolve.rs",
        "refreshes a name behind the requests' backs; ends with the lookup, which has a time limit",
    ),
    (
        "src/server/housekeeping.rs",
        "the thread that writes log lines; ends with the process",
    ),
    (
        "src/server/signals.rs",
        "the task that waits for a second signal; ends with the process",
    ),
    (
        "src/upstream/tunnel.rs",
        "copies between a socket pair and a proxy inside TLS; ends when either side closes",
    ),
    (
        "src/usage/writer.rs",
        "tokens of long texts are counted off the worker threads; awaited",
    ),
    (
        "src/proxy/body.rs",
        "a long body is decompressed off the worker threads; awaited",
    ),
];

/// Where JSON may be a tree in memory: off the path of requests.
const VALUE: &[(&str, &str)] = &[
    (
        "src/demo/",
        "the offline provider reads whatever people try",
    ),
    (
        "src/config/schema.rs",
        "schemars makes JSON schemas as values; walked once per load",
    ),
    (
        "src/config/read.rs",
        "the schema of one entry, kept as schemars makes it",
    ),
    (
        "src/config/file/payload.rs",
        "the values of payload rules, read once per load and kept as text",
    ),
];

/// Most lines of a file, tests not counted. In a longer one there is a second idea.
const LINES: usize = 400;

/// Files that may be longer, how long, and why.
const LONG: &[(&str, usize, &str)] = &[];

/// What each layer-0 and layer-1 module must do without.
const PURE: &[&str] = &["chat", "wire"];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// What is wrong with one use of `used` in `module`.
fn forbidden(module: &str, used: &str) -> Option<String> {
    let Some(own) = layer(module) else {
        return Some(format!(
            "module `{module}` stands in no layer: add it to LAYERS and to the table in src/lib.rs"
        ));
    };
    let Some(other) = layer(used) else {
        return Some(format!(
            "`crate::{used}` is no module of the layer table: name the module that defines it"
        ));
    };
    if module == used || other < own || NEIGHBOURS.contains(&(module, used)) {
        return None;
    }
    Some(if other == own {
        format!(
            "`{module}` uses `{used}`, which stands beside it in layer {own}: move what both need \
             down, or add the pair to NEIGHBOURS if the other direction can never be wanted"
        )
    } else {
        format!(
            "`{module}` (layer {own}) uses `{used}` (layer {other}): pass the value in, or move the \
             type to a layer below both"
        )
    })
}

fn check_layers(file: &Source, broken: &mut Vec<String>) {
    let module = file.module();
    if module == "lib" {
        return;
    }
    for (line, used) in file.uses() {
        if let Some(what) = forbidden(&module, &used) {
            broken.push(format!("{}:{line}: {what}", file.path));
        }
    }
}

fn check_pingora(file: &Source, broken: &mut Vec<String>) {
    if PINGORA.contains(&&*file.module()) {
        return;
    }
    for line in file.lines_with(|word| word.starts_with("pingora")) {
        broken.push(format!(
            "{}:{line}: Pingora is known only to {}: put the part that needs it there and pass plain values",
            file.path,
            PINGORA.join(", ")
        ));
    }
}

fn check_spawn(file: &Source, broken: &mut Vec<String>) {
    if SPAWN.iter().any(|(path, _)| *path == file.path) {
        return;
    }
    for line in file.lines_with(|word| word == "spawn" || word.starts_with("spawn_")) {
        broken.push(format!(
            "{}:{line}: a task needs an owner that ends it, and none may start before the daemon forks: \
             run it inside src/server/housekeeping.rs, or add the file to SPAWN and say who ends it",
            file.path
        ));
    }
}

fn check_value(file: &Source, broken: &mut Vec<String>) {
    if VALUE.iter().any(|(path, _)| file.path.starts_with(path)) {
        return;
    }
    for line in file.lines_with_value() {
        broken.push(format!(
            "{}:{line}: serde_json::Value reorders keys and rounds numbers: use a typed struct, or the \
             raw spans of wire/json",
            file.path
        ));
    }
}

fn check_pure(file: &Source, broken: &mut Vec<String>) {
    if !PURE.contains(&&*file.module()) {
        return;
    }
    let code = file.code();
    for word in ["std::fs", "std::net", "std::env", "tokio", "log::"] {
        for line in source::lines_of(code, word) {
            broken.push(format!(
                "{}:{line}: `{word}` in a module of pure functions: let the caller do it and pass the result",
                file.path
            ));
        }
    }
}

fn check_shape(file: &Source, broken: &mut Vec<String>) {
    if !file.text.starts_with("//!") {
        broken.push(format!(
            "{}:1: say in `//!` what this file is for",
            file.path
        ));
    }
    let most = LONG
        .iter()
        .find(|(path, ..)| *path == file.path)
        .map_or(LINES, |(_, most, _)| *most);
    let lines = file.lines_without_tests();
    if lines > most {
        broken.push(format!(
            "{}:{most}: {lines} lines without tests, {most} are allowed: look for the second idea in it",
            file.path
        ));
    }
}

fn check(rule: fn(&Source, &mut Vec<String>)) {
    let mut broken = Vec::new();
    for file in tree("src") {
        rule(&file, &mut broken);
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn a_module_uses_only_lower_layers() {
    check(check_layers);
}

#[test]
fn only_the_edges_know_pingora() {
    check(check_pingora);
}

#[test]
fn every_spawn_is_accounted_for() {
    check(check_spawn);
}

#[test]
fn json_is_a_tree_only_off_the_path_of_requests() {
    check(check_value);
}

#[test]
fn chat_and_wire_do_no_io() {
    check(check_pure);
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    check(check_shape);
}

/// Rows of the table in the crate documentation: layer and modules.
fn documented(lib: &str) -> Vec<(usize, Vec<String>)> {
    lib.lines()
        .filter_map(|line| line.strip_prefix("//! | L"))
        .filter_map(|row| {
            let (number, rest) = row.split_once(" | ")?;
            let modules = rest.split(" | ").next()?.split('`').skip(1).step_by(2);
            Some((number.parse().ok()?, modules.map(str::to_owned).collect()))
        })
        .collect()
}

#[test]
fn the_crate_documentation_shows_the_same_table() {
    let lib = std::fs::read_to_string(source::root().join("src/lib.rs")).unwrap();
    let shown = documented(&lib);
    let want: Vec<_> = (0..LAYERS.len())
        .rev()
        .map(|n| (n, LAYERS[n].iter().map(|&name| name.to_owned()).collect()))
        .collect();
    assert_eq!(
        shown, want,
        "src/lib.rs (left) and LAYERS in tests/layers.rs (right) differ"
    );
}

#[test]
fn every_exception_is_still_needed() {
    let files = tree("src");
    for (path, ..) in LONG {
        let file = files.iter().find(|file| file.path == *path);
        assert!(
            file.is_some_and(|file| file.lines_without_tests() > LINES),
            "{path} is not long any more: take it off LONG"
        );
    }
    for (path, _) in VALUE {
        assert!(
            files.iter().any(|file| file.path.starts_with(path)
                && !file.is_test
                && !file.lines_with_value().is_empty()),
            "{path} does without serde_json::Value: take it off VALUE"
        );
    }
    for path in SPAWN.iter().map(|(path, _)| path) {
        assert!(
            files.iter().any(|file| file.path == *path),
            "{path} is gone"
        );
    }
}

mod the_checker {
    use super::*;

    fn broken(rule: fn(&Source, &mut Vec<String>), path: &str, text: &str) -> Vec<String> {
        let mut broken = Vec::new();
        rule(&Source::new(path, text), &mut broken);
        broken
    }

    fn first(rule: fn(&Source, &mut Vec<String>), path: &str, text: &str) -> String {
        broken(rule, path, text)
            .first()
            .cloned()
            .unwrap_or_default()
    }

    #[test]
    fn catches_a_use_of_a_higher_layer_in_every_spelling() {
        for text in [
            "//!\nuse crate::proxy::Gateway;",
            "//!\nuse crate::{chat::Fault, proxy};",
            "//!\nfn f() { crate::proxy::run() }",
            "//!\nuse super::super::super::proxy::Gateway;",
            "//!\nuse crate::{\n  proxy::{self, Gateway},\n};",
        ] {
            let said = first(check_layers, "src/wire/json/x.rs", text);
            assert!(said.contains("uses `proxy` (layer 5)"), "{text}: {said}");
        }
        assert!(
            first(check_layers, "src/wire/x.rs", "\n\nuse crate::proxy;")
                .starts_with("src/wire/x.rs:3:")
        );
        assert!(first(check_layers, "src/main.rs", "use ai_proxy::nowhere;").contains("no module"));
        assert!(
            first(check_layers, "src/new.rs", "use crate::chat;").contains("stands in no layer")
        );
    }

    #[test]
    fn allows_neighbours_in_one_direction_only() {
        assert_eq!(
            broken(
                check_layers,
                "src/routing.rs",
                "use crate::account::Account;"
            )
            .len(),
            0
        );
        let said = first(
            check_layers,
            "src/account/mod.rs",
            "use crate::routing::Router;",
        );
        assert!(said.contains("beside it in layer 2"), "{said}");
        assert_eq!(
            broken(
                check_layers,
                "src/proxy/x.rs",
                "use super::gate::Gate;\nuse crate::proxy::y;"
            )
            .len(),
            0
        );
    }

    #[test]
    fn is_not_fooled_by_comments_strings_and_tests() {
        for text in [
            "// use crate::proxy;",
            "/* crate::proxy /* nested */ crate::proxy */",
            "const A: &str = \"crate::proxy tokio::spawn pingora\";",
            "const A: &str = r#\"crate::proxy \" tokio::spawn(pingora)\"#;",
            "const A: char = '\"'; // crate::proxy \" pingora tokio::spawn(",
            "#[cfg(test)]\nmod tests { fn f() { tokio::spawn(pingora::x()); } }",
        ] {
            for rule in [check_layers, check_pingora, check_spawn] {
                assert_eq!(broken(rule, "src/wire/x.rs", text), [""; 0], "{text}");
            }
        }
    }

    #[test]
    fn catches_what_only_some_may_do() {
        assert!(
            first(
                check_pingora,
                "src/account/x.rs",
                "use pingora_core::Error;"
            )
            .contains("known only to")
        );
        assert_eq!(
            broken(check_pingora, "src/proxy/x.rs", "use pingora_core::Error;").len(),
            0
        );
        assert!(
            first(check_spawn, "src/live.rs", "fn f() { tokio::spawn(g()); }").contains("an owner")
        );
        for text in [
            "use serde_json::Value;",
            "fn f() -> serde_json::Value { x }",
            "use serde_json::{json, Value};",
        ] {
            assert!(
                first(check_value, "src/proxy/x.rs", text).contains("reorders keys"),
                "{text}"
            );
            assert_eq!(broken(check_value, "src/demo/x.rs", text).len(), 0);
        }
        assert!(
            first(check_pure, "src/wire/x.rs", "use std::net::IpAddr;").contains("pure functions")
        );
        assert_eq!(
            broken(check_pure, "src/upstream/x.rs", "use std::net::IpAddr;").len(),
            0
        );
    }

    #[test]
    fn catches_files_without_a_header_or_with_two_ideas() {
        assert!(first(check_shape, "src/x.rs", "use a::b;\n").contains("what this file is for"));
        let long = format!("//! X.\n{}", "fn f() {}\n".repeat(LINES));
        assert!(first(check_shape, "src/x.rs", &long).contains("401 lines"));
        let tested = format!(
            "//! X.\n#[cfg(test)]\nmod tests {{\n{}}}\n",
            "fn f() {}\n".repeat(LINES)
        );
        assert_eq!(broken(check_shape, "src/x.rs", &tested), [""; 0]);
    }

    #[test]
    fn reads_the_table_of_the_crate_documentation() {
        let lib = "//! | Layer | Modules | |\n//! |---|---|---|\n//! | L1 | `wire`, `state` | words |\n//! | L0 | `chat` | `x` |";
        assert_eq!(
            documented(lib),
            [
                (1, vec!["wire".to_owned(), "state".to_owned()]),
                (0, vec!["chat".to_owned()])
            ]
        );
    }
}
