//! The files that a config was made from, and what was in them: what has to be looked at to know
//! whether it would be another one now.

use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::environment::Environment;

/// Files, each with the digest of what was in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(Vec<(PathBuf, Seen)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    Bytes([u8; 32]),
}

impl Seen {
    fn of(bytes: &io::Result<Vec<u8>>) -> Self {
        match bytes {
            Ok(bytes) => Self::Bytes(Sha256::digest(bytes).into()),
            Err(_) => Self::Nothing,
        }
    }
}

impl Files {
    /// One file with these bytes in it.
    #[cfg(test)]
    pub(super) fn one(path: &Path, bytes: &[u8]) -> Self {
        Self(vec![(path.to_owned(), Seen::of(&Ok(bytes.to_vec())))])
    }

    /// Where they are.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, _)| path.as_path())
    }

    /// The same files as they are now.
    pub(super) fn now(&self, environment: &dyn Environment) -> Self {
        let look = |(path, _): &(PathBuf, Seen)| {
            let seen = Seen::of(&environment.read(path));
            (path.clone(), seen)
        };
        Self(self.0.iter().map(look).collect())
    }

    /// Whether what was in the file at `path` is the same in both.
    pub fn agree(&self, other: &Self, path: &Path) -> bool {
        self.seen(path) == other.seen(path)
    }

    fn seen(&self, path: &Path) -> Option<Seen> {
        let mut files = self.0.iter();
        files
            .find(|(known, _)| known == path)
            .map(|(_, seen)| *seen)
    }

    fn note(&mut self, path: PathBuf, seen: Seen) {
        match self.0.iter_mut().find(|(known, _)| *known == path) {
            Some((_, before)) => *before = seen,
            None => self.0.push((path, seen)),
        }
    }
}

/// An environment that remembers which files were read.
pub(super) struct Recorder<'a> {
    environment: &'a dyn Environment,
    files: Mutex<Files>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(environment: &'a dyn Environment) -> Self {
        Self {
            environment,
            files: Mutex::default(),
        }
    }

    pub(super) fn into_files(self) -> Files {
        self.files.into_inner()
    }
}

impl Environment for Recorder<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.environment.variable(name)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let path = self.locate(path);
        let bytes = self.environment.read(&path);
        // A pipe gives what is in it once, and may never have more.
        if path.is_file() || !path.exists() {
            self.files.lock().note(path, Seen::of(&bytes));
        }
        bytes
    }

    fn locate(&self, path: &Path) -> PathBuf {
        self.environment.locate(path)
    }
}
