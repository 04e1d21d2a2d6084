//! The pages that name things in the code name all of them, and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::source::{bare, root, tree};

fn read(path: &str) -> String {
    let read = std::fs::read_to_string(root().join(path));
    read.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands in backticks at the start of table rows.
fn first_cells(page: &str) -> BTreeSet<String> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Text in quotes in the shipped code of a file that makes faults, when it looks like a code.
fn codes(text: &str, code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if !code.contains("FaultKind::") {
        return found;
    }
    // `code` is blank where tests are; lines are the same in both.
    let mut in_tests = false;
    for line in text.lines() {
        in_tests |= line.starts_with("#[cfg(test)]");
        if !in_tests {
            let quoted = line.split('"').skip(1).step_by(2);
            found.extend(quoted.filter(|word| is_code(word)).map(str::to_owned));
        }
    }
    found
}

fn is_code(word: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    word.contains('_') && word.bytes().all(is_part)
}

/// What looks like a code in `src/proxy` and is none.
const NO_CODES: &[&str] = &["previous_response_id", "resp_"];

/// The codes of the faults that a file of the lower layers makes.
fn made(text: &str) -> BTreeSet<String> {
    let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
    let faults = shipped.split("Fault::new(").skip(1);
    let codes = faults.filter_map(|call| {
        let code = call.split(',').nth(1)?.trim();
        let code = code.strip_prefix('"')?.strip_suffix('"')?;
        is_code(code).then(|| code.to_owned())
    });
    codes.collect()
}

#[test]
fn every_error_code_of_the_gateway_is_explained() {
    let files = tree("src/");
    let of = |folder: &'static str| {
        let files = files.iter().filter(move |one| one.path.starts_with(folder));
        files.filter(|file| !file.is_test)
    };
    let mut used: BTreeSet<String> = of("src/proxy/")
        .flat_map(|file| codes(&file.text, file.code()))
        .filter(|word| !NO_CODES.contains(&&**word))
        .collect();
    let below = of("src/wire/").chain(of("src/chat/"));
    used.extend(below.flat_map(|file| made(&file.text)));
    let page = read("docs/reference/api.md");
    let (_, errors) = page.split_once("## Errors").unwrap();
    let explained: BTreeSet<String> = first_cells(errors)
        .into_iter()
        .filter(|name| name.contains('_'))
        .collect();
    assert!(used.len() > 20, "{used:?}");
    assert_eq!(
        explained, used,
        "docs/reference/api.md, under Errors (left), and the codes in src/proxy (right) differ"
    );
}

#[test]
fn every_dependency_has_a_reason() {
    let manifest = read("Cargo.toml") + &read("benches/gateway/Cargo.toml");
    let mut section = "";
    let mut direct = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && let Some((name, _)) = line.split_once('=')
            && !name.starts_with('#')
        {
            direct.insert(name.trim().to_owned());
        }
    }
    assert!(direct.contains("pingora") && direct.contains("proptest"));
    let explained = first_cells(&read("docs/dependencies.md"));
    assert_eq!(
        explained, direct,
        "docs/dependencies.md (left) and the Cargo.toml of root and benches/gateway (right) differ"
    );
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut pages = Vec::new();
    super::source::collect(&root().join("docs"), "md", &mut pages);
    super::source::collect(&root().join("conf"), "md", &mut pages);
    super::source::collect(&root().join("docker"), "md", &mut pages);
    for name in ["README.md", "CONTRIBUTING.md", "AGENTS.md", "CHANGELOG.md"] {
        pages.push(root().join(name));
    }
    let mut broken = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || target.starts_with("http") {
                continue;
            }
            if !page.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {target} is not there", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// The pages that a page links to, as they are on the disk.
fn linked(page: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(page).unwrap();
    let targets = text.split("](").skip(1);
    let files = targets.filter_map(|rest| rest.split([')', '#']).next());
    let places = files.map(|file| page.parent().unwrap().join(file));
    places
        .filter_map(|place| place.canonicalize().ok())
        .collect()
}

#[test]
fn every_page_can_be_reached_from_the_index() {
    let index = root().join("docs/README.md").canonicalize().unwrap();
    let mut reached = BTreeSet::from([index.clone()]);
    let mut open = vec![index];
    while let Some(page) = open.pop() {
        for next in linked(&page) {
            let is_page = next.extension().is_some_and(|end| end == "md");
            if is_page && reached.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    let mut pages = Vec::new();
    super::source::collect(&root().join("docs"), "md", &mut pages);
    for page in pages {
        assert!(
            reached.contains(&page.canonicalize().unwrap()),
            "{}: no page that docs/README.md leads to links to it",
            page.display()
        );
    }
}

#[test]
fn a_page_is_a_page() {
    let mut pages = Vec::new();
    super::source::collect(&root().join("docs"), "md", &mut pages);
    for page in pages {
        let lines = std::fs::read_to_string(&page).unwrap().lines().count();
        // Some are generated: one row a key, one a figure, one a feature and format.
        let most = if page.ends_with("reference/performance-figures.md")
            || page.parent().unwrap().ends_with("reference/types")
        {
            200
        } else if page.ends_with("reference/translation-table.md")
            || page.ends_with("reference/configuration.md")
        {
            300
        } else {
            120
        };
        assert!(
            lines <= most,
            "{}: {lines} lines, {most} fit a page",
            page.display()
        );
    }
}

#[test]
fn code_in_quotes_is_found_and_comments_are_not() {
    let text = "fn f() { Fault::new(FaultKind::A, \"no_such_thing\", \"a b\") }\n#[cfg(test)]\nmod t { \"not_this\" }";
    let found: Vec<String> = codes(text, &bare(text)).into_iter().collect();
    assert_eq!(found, ["no_such_thing"]);
}
