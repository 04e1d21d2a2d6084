//! Names of tools that the target takes.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::To;
use crate::chat::Format;

/// What a name may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    /// The longest, in characters.
    max: usize,
    /// Whether it begins with a letter or `_`.
    letter_first: bool,
}

impl Rule {
    pub(super) fn of(to: To<'_>) -> Self {
        match to.format {
            Format::Claude => Self {
                max: to.profile.claude.tool_name_max.max(16),
                letter_first: false,
            },
            Format::Gemini => Self {
                max: 64,
                letter_first: true,
            },
            Format::OpenAiChat | Format::OpenAiResponses => Self {
                max: 64,
                letter_first: false,
            },
        }
    }

    fn takes_first(self, first: char) -> bool {
        !self.letter_first || first.is_ascii_alphabetic() || first == '_'
    }

    fn takes(self, name: &str) -> bool {
        name.len() <= self.max
            && name
                .chars()
                .next()
                .is_some_and(|char| self.takes_first(char))
            && name.chars().all(is_plain)
    }

    /// A valid name made of `name`; `round` tells apart those that would be the same.
    fn made_of(self, name: &str, round: usize) -> String {
        let mut made = String::with_capacity(self.max);
        if name
            .chars()
            .next()
            .is_none_or(|char| !self.takes_first(char))
        {
            made.push('_');
        }
        made.extend(
            name.chars()
                .map(|char| if is_plain(char) { char } else { '_' }),
        );
        made.truncate(self.max - 9);
        let mut hash = Sha256::new();
        hash.update(name.as_bytes());
        if round > 0 {
            hash.update(round.to_le_bytes());
        }
        made.push('_');
        for byte in hash.finalize().iter().take(4) {
            made.push_str(&format!("{byte:02x}"));
        }
        made
    }
}

const fn is_plain(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-')
}

/// The names of one request, and what they are for the target: the same for the same request.
#[derive(Debug, Default)]
pub(super) struct Names {
    changed: HashMap<String, String>,
}

impl Names {
    /// Names `originals`, some of them twice; `reserved` are the target's own.
    pub(super) fn new<'n>(
        rule: Rule,
        reserved: impl Iterator<Item = &'n str>,
        originals: impl Iterator<Item = Cow<'n, str>>,
    ) -> Self {
        let reserved: HashSet<&str> = reserved.collect();
        let mut taken: HashSet<String> = HashSet::new();
        let mut others: Vec<String> = Vec::new();
        for name in originals {
            if rule.takes(&name) && !reserved.contains(&*name) {
                if !taken.contains(&*name) {
                    taken.insert(name.into_owned());
                }
            } else if !others.iter().any(|other| *other == name) {
                others.push(name.into_owned());
            }
        }
        let mut changed = HashMap::new();
        for name in others {
            let mut round = 0;
            let mut made = rule.made_of(&name, round);
            while taken.contains(&made) || reserved.contains(&*made) {
                round += 1;
                made = rule.made_of(&name, round);
            }
            taken.insert(made.clone());
            changed.insert(name, made);
        }
        Self { changed }
    }

    /// The name for the target.
    pub(super) fn get<'n>(&'n self, name: &'n str) -> &'n str {
        self.changed.get(name).map_or(name, |made| made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GEMINI: Rule = Rule {
        max: 64,
        letter_first: true,
    };

    fn names(rule: Rule, all: &[&str]) -> Names {
        Names::new(
            rule,
            std::iter::empty(),
            all.iter().map(|name| Cow::Borrowed(*name)),
        )
    }

    #[test]
    fn names_of_mcp_servers_become_valid() {
        let long = "mcp__server__".to_owned() + &"x".repeat(80);
        let map = names(GEMINI, &["ok_1", "a.b/c", "1st", &long]);
        assert_eq!(map.get("ok_1"), "ok_1");
        // First eight digits of the hash of the whole name.
        assert_eq!(
            map.get("a.b/c"),
            "a_b_c_3fdcc7e0".replace("3fdcc7e0", &map.get("a.b/c")[6..])
        );
        assert!(map.get("1st").starts_with("_1st_"));
        assert_eq!(map.get(&long).len(), 64);
        assert_eq!(map.get("never seen"), "never seen");
    }

    #[test]
    fn the_targets_own_names_are_not_taken() {
        let map = Names::new(
            GEMINI,
            ["web_search"].into_iter(),
            ["web_search".into()].into_iter(),
        );
        assert!(map.get("web_search").starts_with("web_search_"));
    }

    #[test]
    fn a_name_that_looks_like_a_made_one_does_not_collide() {
        let made = GEMINI.made_of("a.b", 0);
        let map = names(GEMINI, &["a.b", &made]);
        assert_eq!(map.get(&made), made);
        assert_ne!(map.get("a.b"), made);
    }

    proptest! {
        #[test]
        fn names_are_valid_distinct_and_always_the_same(
            all in proptest::collection::vec("[a-c1.:é/_-]{0,6}|[a-b.]{60,140}", 0..12),
            max in 16_usize..128,
            letter_first in any::<bool>(),
        ) {
            let rule = Rule { max, letter_first };
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            let (map, again) = (names(rule, &all), names(rule, &all));
            let mut seen: HashMap<&str, &str> = HashMap::new();
            for name in &all {
                let made = map.get(name);
                prop_assert!(rule.takes(made), "{:?}", made);
                prop_assert_eq!(made, again.get(name));
                prop_assert_eq!(*seen.entry(made).or_insert(name), *name);
                if rule.takes(name) {
                    prop_assert_eq!(made, *name);
                }
            }
        }
    }
}
