//! Every config that the documentation shows can be loaded.

use std::io;
use std::path::{Path, PathBuf};

use super::*;

/// Has every variable and every file that a document may mention.
struct Anything(String);

impl Environment for Anything {
    fn variable(&self, name: &str) -> Option<String> {
        // Not what overrides the file, and no two keys alike.
        let is_key = ["KEY", "TOKEN", "CLIENT"]
            .iter()
            .any(|word| name.contains(word));
        if name == "AI_PROXY_SECRET_KEY" {
            return Some("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned());
        }
        is_key.then(|| format!("value-of-{name}"))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(match path.to_str() {
            Some("config.yaml") => self.0.clone().into_bytes(),
            _ => format!("content-of-{}", path.display()).into_bytes(),
        })
    }

    fn locate(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and the pages below `docs/`.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The blocks of a page that are whole configs: they begin with a comment that says so.
fn configs(page: &str) -> Vec<&str> {
    page.split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|block| block.starts_with("# config.yaml\n"))
        .collect()
}

#[test]
fn every_config_in_the_documentation_loads() {
    let mut loaded = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in configs(&text) {
            let config = load(
                &Source::File("config.yaml".into()),
                &Anything(block.to_owned()),
                &Overrides::default(),
            );
            match config {
                Ok(config) => assert!(!config.accounts.is_empty(), "{}", page.display()),
                Err(errors) => panic!("{}:\n{block}\n{errors}", page.display()),
            }
            loaded.push(page.strip_prefix(root()).unwrap().to_owned());
        }
    }
    assert!(loaded.contains(&PathBuf::from("README.md")), "{loaded:?}");
    assert!(loaded.len() >= 3, "{loaded:?}");
}

/// The fenced blocks of a page with their language.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    page.split("\n```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.split_once('\n'))
        .collect()
}

#[test]
fn the_rules_on_the_page_do_what_it_shows() {
    let page = std::fs::read_to_string(root().join("docs/reference/payload-rules.md")).unwrap();
    let blocks = blocks(&page);
    let examples: Vec<_> = blocks.chunks(3).collect();
    assert!(examples.len() >= 2);
    for example in examples {
        let [("yaml", rules), ("json", before), ("json", after)] = example else {
            panic!("an example is rules, a body before and a body after: {example:?}");
        };
        let source = Source::File("config.yaml".into());
        let environment = Anything((*rules).to_owned());
        let config = load(&source, &environment, &Overrides::default()).unwrap();
        let (rules, chat) = (config.payload.unwrap(), crate::wire::Format::OpenAiChat);
        let plan = rules.plan("gpt-5", chat, chat).unwrap();
        let headers = http::HeaderMap::new();
        let edited = rules.apply(&plan, before.as_bytes(), &headers).unwrap();
        assert_eq!(std::str::from_utf8(&edited).unwrap(), *after);
    }
}

#[test]
fn blocks_that_are_no_whole_config_are_left_alone() {
    let page = "```yaml\n# config.yaml\na: 1\n```\n```yaml\nb: 2\n```\n```sh\n# config.yaml\n```";
    assert_eq!(configs(page), ["# config.yaml\na: 1\n"]);
}
