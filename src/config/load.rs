//! Finding and loading a config.

use std::io;
use std::path::{Path, PathBuf};

use super::Config;
use super::environment::{Environment, set};
use super::error::Errors;
use super::file::{Entry, File};
use super::files::{Files, Recorder};
use super::read::read;
use super::resolve::{Overrides, resolve};
use crate::upstream::presets::{PRESETS, Preset};

/// Where a config comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This file; it has to be there.
    File(PathBuf),
    /// No file: the providers whose usual variables are set.
    Variables,
    /// This text, for ever.
    Text(String),
}

impl Source {
    /// The file that a flag names, else `AI_PROXY_CONFIG`, else `config.yaml` when it is there.
    pub fn find(flag: Option<PathBuf>, environment: &dyn Environment) -> Self {
        let named = flag.or_else(|| set(environment, "AI_PROXY_CONFIG").map(PathBuf::from));
        if let Some(path) = named {
            return Self::File(environment.locate(&path));
        }
        let path = environment.locate(Path::new("config.yaml"));
        match environment.read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Variables,
            _ => Self::File(path),
        }
    }
}

/// Loads a config, or says everything that is wrong with it.
pub fn load(
    source: &Source,
    environment: &dyn Environment,
    overrides: &Overrides,
) -> Result<Config, Errors> {
    load_from(source, environment, overrides).0
}

/// The same, and the files that were read for it.
pub(super) fn load_from(
    source: &Source,
    environment: &dyn Environment,
    overrides: &Overrides,
) -> (Result<Config, Errors>, Files) {
    let recorder = Recorder::new(environment);
    let loaded = match source {
        Source::Variables => {
            from_variables(environment).and_then(|file| resolve(&file, &recorder, overrides))
        }
        Source::File(path) => match recorder.read(path) {
            Ok(bytes) => from_bytes(&bytes, path, &recorder, overrides),
            Err(error) => Err(unreadable(path, &error)),
        },
        Source::Text(text) => from_bytes(
            text.as_bytes(),
            Path::new("built-in config"),
            &recorder,
            overrides,
        ),
    };
    let files = recorder.into_files();
    let with_files = |config| Config {
        files: files.clone(),
        ..config
    };
    (loaded.map(with_files), files)
}

/// The error about a config file that cannot be read.
fn unreadable(path: &Path, error: &io::Error) -> Errors {
    Errors::one(path.display(), format_args!("cannot be read: {error}"))
}

/// The config in `bytes`, read from `path`.
fn from_bytes(
    bytes: &[u8],
    path: &Path,
    environment: &dyn Environment,
    overrides: &Overrides,
) -> Result<Config, Errors> {
    let name = path.display().to_string();
    let text = std::str::from_utf8(bytes).map_err(|_| Errors::one(&name, "is not UTF-8 text"))?;
    let (file, mut errors) = read(text, &name);
    match resolve(&file, environment, overrides) {
        Ok(config) => errors.unless_any(config),
        Err(meaning) => {
            errors.extend_where_unheard(meaning);
            Err(errors)
        }
    }
}

/// A file with one entry for each provider whose variable is set.
fn from_variables(environment: &dyn Environment) -> Result<File, Errors> {
    let mut file = File::default();
    let mut found = false;
    for preset in PRESETS {
        let variable = preset
            .key_env
            .iter()
            .find(|name| set(environment, name).is_some());
        if let Some(variable) = variable {
            found = true;
            add(preset, variable, &mut file);
        }
    }
    if found {
        return Ok(file);
    }
    Err(Errors::one(
        "",
        "no providers are configured. Three ways to start:\n  \
         - write a config.yaml (config.example.yaml shows every option)\n  \
         - set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY\n  \
         - run `ai-proxy demo`, which needs no key",
    ))
}

fn add(preset: &Preset, variable: &str, file: &mut File) {
    let entry = Entry {
        api_key: format!("${{{variable}}}"),
        ..Entry::default()
    };
    match preset.name {
        "anthropic" => file.claude_api_key.push(entry),
        "openai" => file.openai_api_key.push(entry),
        "gemini" => file.gemini_api_key.push(entry),
        name => file.openai_compatibility.push(Entry {
            preset: name.to_owned(),
            ..entry
        }),
    }
}
