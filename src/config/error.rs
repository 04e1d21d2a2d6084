//! What is wrong with a config: every error in it, each with the path of its key.

use std::fmt;

/// One error. Neither part ever holds a secret: messages name the rule that was broken, not the
/// value that broke it, wherever the value could be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// `openai-compatibility[1].base-url`, the name of a file or a variable, or nothing.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// All errors of a config, shown one a line.
#[derive(Debug, Clone, PartialEq, Eq, Default, thiserror::Error)]
pub struct Errors(pub Vec<ConfigError>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl Errors {
    /// Only this one, about the value of `path`.
    pub fn about(path: &str, message: &str) -> Self {
        Self::one(path, message)
    }

    /// Only this one.
    pub(super) fn one(path: impl fmt::Display, message: impl fmt::Display) -> Self {
        let mut errors = Self::default();
        errors.add(path, message);
        errors
    }

    pub(super) fn add(&mut self, path: impl fmt::Display, message: impl fmt::Display) {
        self.0.push(ConfigError {
            path: path.to_string(),
            message: message.to_string(),
        });
    }

    /// Takes over `later` errors, except where an earlier one is about the same value, a part of it
    /// or what holds it: what cannot be read has no meaning to complain about.
    pub(super) fn extend_where_unheard(&mut self, later: Self) {
        let known = self.0.len();
        for error in later.0 {
            let heard = self.0[..known]
                .iter()
                .any(|earlier| overlap(&earlier.path, &error.path));
            if !heard {
                self.0.push(error);
            }
        }
    }

    /// `value`, unless there are errors.
    pub(super) fn unless_any<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

fn overlap(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() {
        (one, other)
    } else {
        (other, one)
    };
    long.strip_prefix(short)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The place of a value: `claude-api-key[0].models[2].alias`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyPath(String);

impl KeyPath {
    /// The key `name` of the map here.
    pub(super) fn key(&self, name: &str) -> Self {
        if self.0.is_empty() {
            Self(name.to_owned())
        } else {
            Self(format!("{self}.{name}"))
        }
    }

    /// Number `n`, from 0, of the list here.
    pub(super) fn item(&self, n: usize) -> Self {
        Self(format!("{self}[{n}]"))
    }
}

impl From<&str> for KeyPath {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ends a message about an unknown `name` with the known name that was probably meant.
pub(super) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map_or_else(String::new, |(_, known)| {
            format!("; did you mean `{known}`?")
        })
}
