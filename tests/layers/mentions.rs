//! What pages say about files, tests and log lines is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::source::{collect, root, tree};

/// Folders and pages whose words about the repository are checked.
const CHECKED: &[&str] = &[
    "docs/specs",
    "docs/playbooks",
    "docs/operations",
    "docs/reference/types",
    "docs/reference/api-surface.md",
];

/// What begins a path in the repository.
const ROOTS: &[&str] = &[
    "src/", "tests/", "docs/", "benches/", "scripts/", "conf/", "docker/", "fuzz/",
];

fn pages(places: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for place in places {
        let path = root().join(place);
        match path.is_dir() {
            true => collect(&path, "md", &mut found),
            false => found.push(path),
        }
    }
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands in backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether a word can be a test: three words and more, and nothing but letters.
fn is_test_name(word: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    word.matches('_').count() >= 2 && word.bytes().all(is_part)
}

/// Whether a file declares a function of this name.
fn declares(text: &str, name: &str) -> bool {
    ["fn ", "def "].iter().any(|word| {
        text.match_indices(&format!("{word}{name}"))
            .any(|(at, found)| text[at + found.len()..].starts_with('('))
    })
}

/// What is wrong with a page: paths that are not there, and tests that are not in the file that the line names
/// before them. `read` gives the text of a file, or nothing.
fn wrong(page: &str, read: &dyn Fn(&str) -> Option<String>) -> (usize, Vec<String>) {
    let (mut tests, mut wrong) = (0, Vec::new());
    for line in page.lines() {
        let mut file: Option<(&str, String)> = None;
        for word in quoted(line) {
            let is_path = ROOTS.iter().any(|start| word.starts_with(start))
                && !word.contains(['*', '{', '<', ' ', '…']);
            if is_path {
                match read(word) {
                    Some(text) => file = Some((word, text)),
                    None => wrong.push(format!("{word} is not there")),
                }
            } else if is_test_name(word)
                && let Some((path, text)) = &file
                && (path.ends_with(".rs") || path.ends_with(".py"))
            {
                tests += 1;
                if !declares(text, word) {
                    wrong.push(format!("{path} has no {word}"));
                }
            }
        }
    }
    (tests, wrong)
}

fn file(path: &str) -> Option<String> {
    let place = root().join(path);
    match place.is_dir() {
        true => Some(String::new()),
        false => std::fs::read_to_string(place).ok(),
    }
}

#[test]
fn files_and_tests_that_pages_name_are_there() {
    let (mut tests, mut broken) = (0, Vec::new());
    for page in pages(CHECKED) {
        let (found, wrong) = wrong(&read(&page), &file);
        tests += found;
        let name = page.strip_prefix(root()).unwrap().display();
        broken.extend(wrong.iter().map(|what| format!("{name}: {what}")));
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
    assert!(tests > 60, "only {tests} tests are named");
}

#[test]
fn every_spec_is_in_the_index_and_names_its_proof() {
    let index = read(&root().join("docs/specs/_index.md"));
    let mut specs = Vec::new();
    for folder in ["active", "completed"] {
        collect(&root().join("docs/specs").join(folder), "md", &mut specs);
    }
    specs.retain(|path| path.file_stem().is_some_and(|name| name != "README"));
    let mut numbers = BTreeSet::new();
    for path in &specs {
        let folder = path.parent().unwrap().file_name().unwrap();
        let (folder, name) = (folder.to_str().unwrap(), path.file_name().unwrap());
        let link = format!("]({folder}/{})", name.to_str().unwrap());
        assert!(index.contains(&link), "docs/specs/_index.md has no {link}");
        let text = read(path);
        assert!(
            text.contains(&format!("\nStatus: {folder}")),
            "{}: its status is not {folder}",
            path.display()
        );
        let number = text.split(':').next().unwrap().trim_start_matches("# ");
        assert!(
            name.to_str().unwrap().starts_with(&format!("{number}-")),
            "{}: it calls itself {number}",
            path.display()
        );
        assert!(numbers.insert(number.to_owned()), "{number} is there twice");
        if folder == "completed" {
            let (_, proof) = text.split_once("\n## Proof\n").unwrap_or_default();
            let (tests, _) = wrong(proof, &file);
            assert!(tests >= 5, "{}: {tests} tests as proof", path.display());
        }
    }
    let listed = index.matches("/SPEC-").count();
    assert_eq!(listed, specs.len(), "the index lists what is not there");
}

/// All text of the shipped code, with what is written over several lines in one.
fn source() -> String {
    let mut all = String::new();
    for file in tree("src").iter().filter(|file| !file.is_test) {
        let mut lines = file.text.lines();
        while let Some(line) = lines.next() {
            let mut line = line.to_owned();
            while line.ends_with('\\') {
                line.pop();
                line += lines.next().unwrap_or_default().trim_start();
            }
            all += &line;
            all.push('\n');
        }
    }
    all
}

/// The fixed parts of a log line; `…` stands for what differs.
fn parts(line: &str) -> impl Iterator<Item = &str> {
    let parts = line.split('…').map(|part| part.trim_matches([':', ' ']));
    parts.filter(|part| part.len() >= 4)
}

#[test]
fn log_lines_and_codes_in_troubleshooting_are_those_of_the_code() {
    let page = read(&root().join("docs/operations/troubleshooting.md"));
    let (_, lines) = page.split_once("## Log lines").unwrap();
    let source = source();
    let mut seen = 0;
    for row in lines.lines().filter(|line| line.starts_with("| `")) {
        let line = quoted(row).next().unwrap();
        for part in parts(line) {
            seen += 1;
            assert!(source.contains(part), "nobody logs {part:?} of {line:?}");
        }
    }
    assert!(seen >= 15, "{seen}");
    let (symptoms, _) = page.split_once("## Log lines").unwrap();
    let api = read(&root().join("docs/reference/api.md"));
    let mut codes = 0;
    for word in symptoms.lines().flat_map(quoted) {
        let is_code = word.contains('_')
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        // `request_id` and its like are fields of the access line.
        if is_code && !word.ends_with("_id") && !word.ends_with("_status") {
            codes += 1;
            assert!(api.contains(&format!("| `{word}` |")), "{word} is no code");
        }
    }
    assert!(codes >= 12, "{codes}");
}

#[test]
fn what_is_not_there_is_found() {
    let read = |path: &str| (path == "src/x.rs").then(|| "fn one_two_three() {}".to_owned());
    let page = "`src/x.rs`: `one_two_three`, `four_five_six`, `max_tokens`\n`src/y.rs` and `one_two_nine`\n";
    let (tests, found) = wrong(page, &read);
    assert_eq!(tests, 2);
    assert_eq!(
        found,
        ["src/x.rs has no four_five_six", "src/y.rs is not there"]
    );
    let (tests, found) = wrong("`src/{name}.rs`, `one_two_three` and `src/*`", &read);
    assert_eq!((tests, found.len()), (0, 0));
    assert_eq!(
        parts("account … model … rests …: …").collect::<Vec<_>>(),
        ["account", "model", "rests"]
    );
}
