//! The recorded traffic in `tests/fixtures`, for tests.

use std::fs;
use std::path::{Path, PathBuf};

use super::Format;

/// One recorded file.
pub(crate) struct Fixture {
    pub(crate) format: Format,
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
}

impl Fixture {
    /// Server-sent events; the others are Gemini's JSON array.
    pub(crate) fn is_sse(&self) -> bool {
        Path::new(&self.name)
            .extension()
            .is_some_and(|extension| extension == "sse")
    }
}

/// The recorded streams of all formats.
pub(crate) fn streams() -> impl Iterator<Item = Fixture> {
    all("streams")
}

/// The recorded whole answers of all formats.
pub(crate) fn answers() -> impl Iterator<Item = Fixture> {
    all("responses")
}

/// The recorded requests of all formats.
pub(crate) fn requests() -> impl Iterator<Item = Fixture> {
    all("requests")
}

/// The recorded error bodies of all formats.
pub(super) fn errors() -> impl Iterator<Item = Fixture> {
    all("errors")
}

/// One recorded file, named from the format's folder.
pub(super) fn read(format: Format, name: &str) -> Vec<u8> {
    fs::read(folder(format).join(name)).unwrap()
}

/// Where each file is from and what it shows.
pub(super) fn manifest() -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/MANIFEST.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn all(category: &'static str) -> impl Iterator<Item = Fixture> {
    Format::ALL.into_iter().flat_map(move |format| {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder(format).join(category))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths.into_iter().map(move |path| Fixture {
            format,
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            body: fs::read(&path).unwrap(),
        })
    })
}

fn folder(format: Format) -> PathBuf {
    let folder = match format {
        Format::Claude => "anthropic",
        other => other.name(),
    };
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder)
}
