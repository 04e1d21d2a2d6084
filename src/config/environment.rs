//! What a config takes from outside its file: variables and the contents of other files. A trait, so
//! that tests touch neither the process nor the disk.

use std::io;
use std::path::{Path, PathBuf};

use super::error::Errors;

/// Variables and files.
pub trait Environment: Send + Sync {
    /// The value of a variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// The bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Where a relative path leads, whatever the working directory is later.
    fn locate(&self, path: &Path) -> PathBuf;
}

/// The variable, unless there is nothing in it: compose files and CI systems like to set empty ones.
pub(super) fn set(environment: &dyn Environment, name: &str) -> Option<String> {
    environment
        .variable(name)
        .map(|value| value.trim().to_owned())
        .filter(|value| !value.is_empty())
}

/// The variables of the process, then those of a `.env` file; the real disk.
pub struct ProcessEnvironment {
    /// Where relative paths begin. Kept, because a daemon leaves its working directory.
    directory: PathBuf,
    dot_env: Vec<(String, String)>,
}

impl ProcessEnvironment {
    /// Reads `.env` in `directory`, if there is one. The variables of the process stay as they are:
    /// setting one races with every thread that reads one.
    pub fn try_new(directory: &Path) -> Result<Self, Errors> {
        let unusable = |path: &Path, error| {
            Errors::one(path.display(), format_args!("cannot be read: {error}"))
        };
        let directory =
            std::path::absolute(directory).map_err(|error| unusable(directory, error))?;
        let path = directory.join(".env");
        let dot_env = match std::fs::read(&path) {
            Ok(bytes) => read_dot_env(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unusable(&path, error)),
        };
        Ok(Self { directory, dot_env })
    }
}

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().or_else(|| {
            self.dot_env
                .iter()
                .find_map(|(key, value)| (key == name).then(|| value.clone()))
        })
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(self.locate(path))
    }

    fn locate(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }
}

/// The variables of a `.env` file, the first of a name before later ones.
fn read_dot_env(bytes: &[u8]) -> Result<Vec<(String, String)>, Errors> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut errors = Errors::default();
    let mut variables: Vec<(String, String)> = Vec::new();
    for variable in dotenvy::from_read_iter(bytes) {
        match variable {
            Ok(variable) => variables.push(variable),
            // The library's message holds the line, and the line may hold a secret.
            Err(_) => {
                let after = variables
                    .last()
                    .map_or("the start", |(name, _)| name.as_str())
                    .to_owned();
                errors.add(
                    ".env",
                    format_args!("a line after {after} is not NAME=value"),
                );
            }
        }
    }
    errors.unless_any(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_env_file_is_read_without_touching_the_process() {
        let variables =
            read_dot_env(b"\xEF\xBB\xBF# keys\nexport A=1\nB=\"two words\"\n\nC='x'\n").unwrap();
        let want = [("A", "1"), ("B", "two words"), ("C", "x")];
        let variables: Vec<_> = variables.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(variables, want);
    }

    #[test]
    fn a_broken_line_is_reported_without_what_is_in_it() {
        let error = read_dot_env(b"A=1\nsk-secret secret\nB=2\nC='open secret\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            ".env: a line after A is not NAME=value\n.env: a line after B is not NAME=value"
        );
    }

    #[test]
    fn variables_of_the_process_win_over_dot_env() {
        let directory = tempfile::tempdir().unwrap();
        let path = std::env::var("PATH").unwrap();
        let file = "PATH=mine\nAI_PROXY_TEST_ONLY_HERE=yes\n";
        std::fs::write(directory.path().join(".env"), file).unwrap();
        let process = ProcessEnvironment::try_new(directory.path()).unwrap();
        assert_eq!(process.variable("PATH"), Some(path));
        assert_eq!(
            process.variable("AI_PROXY_TEST_ONLY_HERE"),
            Some("yes".to_owned())
        );
    }

    #[test]
    fn paths_lead_to_where_the_process_began() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("key"), "k").unwrap();
        let process = ProcessEnvironment::try_new(directory.path()).unwrap();
        assert_eq!(process.read(Path::new("key")).unwrap(), b"k");
        let absolute = Path::new("/etc/config.yaml");
        assert_eq!(process.locate(absolute), absolute);
    }
}
