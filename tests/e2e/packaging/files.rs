//! The files that package the gateway, as far as the tests read them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the repository.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A YAML file of the repository. Panics when it is none.
pub fn yaml(path: &str) -> Value {
    serde_yml::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files below a folder of the repository, as paths from its root.
pub fn below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root()).unwrap();
                found.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The instructions of the Dockerfile, stage by stage: the word and what follows it.
pub fn stages() -> Vec<Vec<(String, String)>> {
    let text = read("docker/Dockerfile");
    let code: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .collect();
    let joined = code.join("\n").replace("\\\n", " ");
    let mut stages: Vec<Vec<(String, String)>> = Vec::new();
    for line in joined.lines() {
        let (word, rest) = line.split_once(' ').unwrap();
        if word == "FROM" {
            stages.push(Vec::new());
        }
        let stage = stages.last_mut().expect("FROM comes first");
        stage.push((word.to_owned(), rest.trim().to_owned()));
    }
    stages
}

/// What the image that ships says with this instruction, once.
pub fn image(word: &str) -> String {
    let stages = stages();
    let mut said = stages.last().unwrap().iter().filter(|(it, _)| it == word);
    let (_, rest) = said
        .next()
        .unwrap_or_else(|| panic!("no {word} in the image"));
    assert!(said.next().is_none(), "{word} is there twice");
    rest.clone()
}

/// A list of words in JSON, which is how Docker is told to do without a shell.
pub fn words(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// The services of a compose file.
pub fn services(path: &str) -> Vec<(String, Value)> {
    let file = yaml(path);
    let services = file["services"].as_object().unwrap();
    services
        .iter()
        .map(|(name, service)| (name.clone(), service.clone()))
        .collect()
}

/// The texts of a list in a service.
pub fn texts(service: &Value, key: &str) -> Vec<String> {
    let list = service[key].as_array().into_iter().flatten();
    list.map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// A path in a file of `docker/`, from the root of the repository.
pub fn beside(path: &str) -> PathBuf {
    let mut parts = vec!["docker"];
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.iter().collect()
}

/// The values of a key in the systemd unit, in order.
pub fn unit(key: &str) -> Vec<String> {
    let text = read("conf/ai-proxy.service");
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let values = lines.filter(|(name, _)| *name == key);
    values.map(|(_, value)| value.to_owned()).collect()
}
