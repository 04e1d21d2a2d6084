//! A source file as the rules see it: without comments, strings and, where it matters, tests.

use std::path::{Path, PathBuf};

/// One file of the crate.
pub(crate) struct Source {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Whether the whole file is compiled for tests only.
    pub(crate) is_test: bool,
    /// Neither comments nor what is in strings; as long as `text`.
    bare: String,
    /// The same without tests.
    code: String,
    /// Modules in files of their own that exist in tests only.
    test_modules: Vec<String>,
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`.
pub(crate) fn tree(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root().join(folder), "rs", &mut paths);
    let mut files: Vec<Source> = paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
            Source::new(name, &std::fs::read_to_string(path).unwrap())
        })
        .collect();
    let tests: Vec<String> = files.iter().flat_map(Source::test_paths).collect();
    for file in &mut files {
        let stem = file.path.trim_end_matches(".rs");
        file.is_test = tests
            .iter()
            .any(|test| stem == test || stem.starts_with(&format!("{test}/")))
            || stem.ends_with("_tests");
    }
    assert!(files.len() > 20, "where is the source?");
    files
}

/// Files below `folder` that end in `extension`, in order.
pub(crate) fn collect(folder: &Path, extension: &str, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, extension, into);
        } else if path.extension().is_some_and(|found| found == extension) {
            into.push(path);
        }
    }
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let bare = bare(text);
        let (code, test_modules) = without_tests(&bare);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            is_test: false,
            bare,
            code,
            test_modules,
        }
    }

    /// The top-level module that the file belongs to.
    pub(crate) fn module(&self) -> String {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        inside.split('/').next().unwrap_or(inside).to_owned()
    }

    /// The code that ships.
    pub(crate) fn code(&self) -> &str {
        if self.is_test { "" } else { &self.code }
    }

    /// Top-level modules that the file uses, tests included, with the line of each use.
    pub(crate) fn uses(&self) -> Vec<(usize, String)> {
        let mut found = after(&self.bare, "crate::");
        if self.module() == "main" {
            found.extend(after(&self.bare, "ai_proxy::"));
        }
        // How many `super::` lead out of the file's top-level module.
        let folders = self.path.matches('/').count();
        let depth = folders - usize::from(self.path.ends_with("/mod.rs"));
        found.extend(after(self.code(), &"super::".repeat(depth.max(1))));
        found.retain(|(_, name)| !matches!(name.as_str(), "self" | "super" | "*"));
        found.sort();
        found
    }

    /// Lines of shipped code with a word that `is` meant.
    pub(crate) fn lines_with(&self, is: impl Fn(&str) -> bool) -> Vec<usize> {
        self.code()
            .lines()
            .enumerate()
            .filter(|(_, line)| {
                line.split(|c: char| !is_word(c))
                    .any(|word| !word.is_empty() && is(word))
            })
            .map(|(number, _)| number + 1)
            .collect()
    }

    /// Lines of shipped code that name `serde_json::Value`.
    pub(crate) fn lines_with_value(&self) -> Vec<usize> {
        after(self.code(), "serde_json::")
            .into_iter()
            .filter(|(_, name)| name == "Value")
            .map(|(line, _)| line)
            .collect()
    }

    /// How long the file is, tests not counted.
    pub(crate) fn lines_without_tests(&self) -> usize {
        if self.is_test {
            return 0;
        }
        let tests = self
            .bare
            .lines()
            .zip(self.code.lines())
            .filter(|(bare, code)| bare != code)
            .count();
        // The lines of a test that are blank in both are few; they only make the rule milder.
        self.text.lines().count() - tests.min(self.text.lines().count())
    }

    fn test_paths(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        let folder = match stem.rsplit_once('/') {
            Some((folder, "mod" | "lib" | "main")) => folder,
            _ => stem,
        };
        let path = |module: &String| format!("{folder}/{module}");
        self.test_modules.iter().map(path).collect()
    }
}

/// Lines of `code` that contain `word`.
pub(crate) fn lines_of(code: &str, word: &str) -> Vec<usize> {
    let lines = code.lines().enumerate();
    lines
        .filter(|(_, line)| line.contains(word))
        .map(|(number, _)| number + 1)
        .collect()
}

/// The names that follow `prefix` in `code`: one, or those of a `{…}` group.
fn after(code: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|c: char| is_word(c) || c == ':' || c == '$') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let line = |offset: usize| code[..at + prefix.len() + offset].matches('\n').count() + 1;
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut fresh) = (1, true);
            for (offset, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => fresh = true,
                    c if fresh && depth == 1 && is_word(c) => {
                        found.push((line(offset + 1), word(&group[offset..])));
                        fresh = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            found.push((line(0), word(rest)));
        }
    }
    found.retain(|(_, name)| !name.is_empty());
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| is_word(*c)).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `text` with blanks in place of comments and of what is in strings and characters.
pub(crate) fn bare(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => find(bytes, at, b"\n"),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment(bytes, at),
            b'"' => string(bytes, at + 1),
            b'r' if is_raw(bytes, at) => raw_string(bytes, at + 1),
            b'\'' => character(bytes, at),
            _ => at,
        };
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8(out).unwrap()
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    bytes[from..]
        .windows(what.len())
        .position(|window| window == what)
        .map_or(bytes.len(), |place| from + place)
}

fn block_comment(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn string(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn is_raw(bytes: &[u8], at: usize) -> bool {
    let is_own_word = at == 0
        || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
        || bytes[at - 1] == b'b';
    let rest = &bytes[at + 1..];
    let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
    is_own_word && rest.get(hashes) == Some(&b'"')
}

fn raw_string(bytes: &[u8], at: usize) -> usize {
    let hashes = bytes[at..].iter().take_while(|byte| **byte == b'#').count();
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    (find(bytes, at + hashes + 1, &end) + end.len()).min(bytes.len())
}

/// A character; a lifetime is left as it is.
fn character(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'\\') => (find(bytes, at + 3, b"'") + 1).min(bytes.len()),
        Some(first) => {
            let width = match first {
                0..=0x7f => 1,
                0x80..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            match bytes.get(at + 1 + width) {
                Some(b'\'') => at + 2 + width,
                _ => at,
            }
        }
        None => at,
    }
}

/// Blanks what `#[cfg(test)]` stands before, and names the modules in files of their own among it.
fn without_tests(bare: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let mut code = bare.as_bytes().to_vec();
    let mut modules = Vec::new();
    for (start, _) in bare.match_indices(MARK) {
        let mut depth = 0;
        let mut end = bare.len();
        for (offset, c) in bare[start + MARK.len()..].char_indices() {
            match c {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(c, ';' | '}') {
                end = start + MARK.len() + offset + 1;
                break;
            }
        }
        let item = &bare[start + MARK.len()..end];
        if let (Some((_, name)), true) = (item.split_once("mod "), item.ends_with(';')) {
            modules.push(name.trim_end_matches(';').trim().to_owned());
        }
        for byte in &mut code[start..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    (String::from_utf8(code).unwrap(), modules)
}
