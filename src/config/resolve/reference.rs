//! Secret references: `${VARIABLE}` and `file:/path` in place of a value.

use std::path::Path;

use crate::config::environment::{Environment, set};

/// The value that `text` stands for. The error names the variable or the file, never a value.
pub(super) fn dereference(text: &str, environment: &dyn Environment) -> Result<String, String> {
    if let Some(path) = text.strip_prefix("file:") {
        return read(path, environment);
    }
    if !text.contains("${") {
        return Ok(text.trim().to_owned());
    }
    let name = text
        .trim()
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .filter(|name| is_variable_name(name))
        .ok_or("a reference like ${NAME} must be the whole value")?;
    set(environment, name).ok_or_else(|| format!("environment variable {name} is not set"))
}

/// `text` itself, which must not look like a reference or like what is shown in place of a secret.
pub(super) fn literal(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.starts_with("file:") || text.contains("${") {
        return Err("must be the value itself: ${NAME} and file:PATH are for the config file only");
    }
    if text.contains('…') || text.contains("***") {
        return Err(
            "is what is shown in place of a secret; leave the key out to keep the old value",
        );
    }
    Ok(text.to_owned())
}

fn read(path: &str, environment: &dyn Environment) -> Result<String, String> {
    let bytes = environment
        .read(Path::new(path))
        .map_err(|error| format!("file '{path}' cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("file '{path}' is not text"))?;
    let value = text.trim();
    if value.is_empty() {
        return Err(format!("file '{path}' is empty"));
    }
    Ok(value.to_owned())
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
