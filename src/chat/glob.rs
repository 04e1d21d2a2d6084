//! Patterns of names: of models, of header values.

use std::fmt;

/// `claude-*`, `o[0-9]*`, `*-preview`, `gpt-?`: `*` is any run of characters, `?` any one, `[a-z]`
/// one of a set (`[!a-z]` one that is not). Everything else is itself; case counts.
///
/// Matching takes time linear in the name for a fixed pattern: on a mismatch only the last `*` is
/// tried again, never all of them, so a hostile name costs nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    text: Box<str>,
    parts: Box<[Part]>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    One(char),
    Any,
    Set {
        not: bool,
        ranges: Box<[(char, char)]>,
    },
    Run,
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGlob {
    /// Nothing in it.
    #[error("a pattern must not be empty")]
    Empty,
    /// `[` without `]`, or an empty set.
    #[error("'{0}' has a '[' that is not closed or has nothing in it")]
    Set(String),
}

impl Glob {
    /// Compiles `pattern`.
    pub fn try_new(pattern: &str) -> Result<Self, InvalidGlob> {
        if pattern.is_empty() {
            return Err(InvalidGlob::Empty);
        }
        let mut parts = Vec::new();
        let mut chars = pattern.chars();
        while let Some(char) = chars.next() {
            let part = match char {
                '*' if parts.last() == Some(&Part::Run) => continue,
                '*' => Part::Run,
                '?' => Part::Any,
                '[' => set(&mut chars).ok_or_else(|| InvalidGlob::Set(pattern.to_owned()))?,
                other => Part::One(other),
            };
            parts.push(part);
        }
        Ok(Self {
            text: pattern.into(),
            parts: parts.into(),
        })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `name` as a whole fits.
    pub fn matches(&self, name: &str) -> bool {
        let mut rest = name.chars();
        let mut part = 0;
        let mut last_run: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            if let Some(Part::Run) = self.parts.get(part) {
                part += 1;
                last_run = Some((part, rest.clone()));
                continue;
            }

            match (self.parts.get(part), rest.next()) {
                (None, None) => return true,
                (Some(wanted), Some(char)) if wanted.fits(char) => part += 1,
                (Some(_), None) => return false,
                _ => {
                    let Some((after_run, from)) = &mut last_run else {
                        return false;
                    };
                    if from.next().is_none() {
                        return false;
                    }
                    part = *after_run;
                    rest = from.clone();
                }
            }
        }
    }
}

fn set(chars: &mut std::str::Chars<'_>) -> Option<Part> {
    let mut ranges = Vec::new();
    let mut not = false;
    let mut first = true;
    loop {
        match chars.next()? {
            '!' if first => not = true,
            ']' if ranges.is_empty() => return None,
            ']' => break,
            low => {
                let mut ahead = chars.clone();
                if ahead.next() == Some('-') && ahead.clone().next() != Some(']') {
                    let high = ahead.next()?;
                    *chars = ahead;
                    ranges.push((low, high));
                } else {
                    ranges.push((low, low));
                }
            }
        }
        first = false;
    }
    Some(Part::Set {
        not,
        ranges: ranges.into(),
    })
}

impl Part {
    fn fits(&self, char: char) -> bool {
        match self {
            Self::One(one) => *one == char,
            Self::Any => true,
            Self::Set { not, ranges } => {
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&char))
                    != *not
            }
            Self::Run => false,
        }
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glob({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, want) in [
            ("claude-*", "claude-sonnet-4-5", true),
            ("claude-*", "claude", false),
            ("claude-*", "my-claude-x", false),
            ("*-preview", "gpt-5-preview", true),
            ("*-preview", "gpt-5-preview-2", false),
            ("o[0-9]*", "o3-mini", true),
            ("o[0-9]*", "omni", false),
            ("gpt-?", "gpt-5", true),
            ("gpt-?", "gpt-55", false),
            ("*a*b*c", "xxaxxbxxbxxc", true),
            ("*a*b*c", "xxaxxbxxbxx", false),
            ("*", "", true),
            ("a**b", "ab", true),
            ("[!o]*", "gpt", true),
            ("[!o]*", "o1", false),
            ("модель-*", "модель-1", true),
            ("exact", "exact", true),
            ("exact", "exactly", false),
        ] {
            assert_eq!(
                Glob::try_new(pattern).unwrap().matches(name),
                want,
                "{pattern} ~ {name}"
            );
        }
    }

    #[test]
    fn broken_patterns_are_refused() {
        assert!(Glob::try_new("").is_err());
        assert!(Glob::try_new("a[").is_err());
        assert!(Glob::try_new("a[]").is_err());
        assert!(Glob::try_new("a[0-").is_err());
    }

    #[test]
    fn a_hostile_name_does_not_explode() {
        let glob = Glob::try_new("*a*a*a*a*a*a*a*a*a*b").unwrap();
        assert!(!glob.matches(&"a".repeat(100_000)));
    }
}
