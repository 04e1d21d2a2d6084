//! Every config that the documentation shows can be loaded.

use std::io;
use std::path::{Path, PathBuf};

use super::*;

/// Has every variable and every file that a document may mention.
struct Anything(String);

impl Environment for Anything {
    fn variable(&self, name: &str) -> Option<String> {
        // Not what overrides the file, and no two keys alike.
        let is_key = name.contains("KEY");
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

#[test]
fn blocks_that_are_no_whole_config_are_left_alone() {
    let page = "```yaml\n# config.yaml\na: 1\n```\n```yaml\nb: 2\n```\n```sh\n# config.yaml\n```";
    assert_eq!(configs(page), ["# config.yaml\na: 1\n"]);
}
