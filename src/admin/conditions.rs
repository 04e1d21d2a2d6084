//! `If-Match` and `If-None-Match`.

use http::{HeaderMap, header};

use crate::roster::Wanted;

/// What a request says about the version that it means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conditions {
    /// `If-Match`.
    pub(super) wanted: Option<Wanted>,
    /// `If-None-Match: *`: only if there is none.
    pub(super) absent: bool,
}

/// A header that says nothing that can be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl Conditions {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Malformed> {
        let mut versions = None;
        for value in headers.get_all(header::IF_MATCH) {
            let text = value.to_str().map_err(|_| Malformed("If-Match"))?;
            if text.trim() == "*" {
                versions = Some(Wanted::Any);
                continue;
            }
            for tag in text.split(',') {
                let version = version(tag.trim()).ok_or(Malformed("If-Match"))?;
                match versions.get_or_insert_with(|| Wanted::Versions(Vec::new())) {
                    Wanted::Versions(versions) => versions.push(version),
                    Wanted::Any => {}
                }
            }
        }
        let absent = match headers.get(header::IF_NONE_MATCH) {
            None => false,
            Some(value) if value == "*" => true,
            Some(_) => return Err(Malformed("If-None-Match")),
        };
        Ok(Self {
            wanted: versions,
            absent,
        })
    }
}

/// `"17"`. A weak one (`W/"17"`) fits nothing: what is compared here is every byte.
fn version(tag: &str) -> Option<i64> {
    if let Some(weak) = tag.strip_prefix("W/") {
        return version(weak).map(|_| -1);
    }
    let text = tag.strip_prefix('"')?.strip_suffix('"')?;
    // Somebody else's tag is a tag all the same, of a version that there never is.
    Some(text.parse().unwrap_or(-1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(header::HeaderName, &'static str)]) -> Result<Conditions, Malformed> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        Conditions::of(&headers)
    }

    #[test]
    fn tags_lists_and_stars_are_understood() {
        for (text, wanted) in [
            ("\"17\"", Wanted::Versions(vec![17])),
            ("\"17\", \"18\"", Wanted::Versions(vec![17, 18])),
            ("W/\"17\"", Wanted::Versions(vec![-1])),
            ("\"abc\"", Wanted::Versions(vec![-1])),
            ("*", Wanted::Any),
        ] {
            let found = of(&[(header::IF_MATCH, text)]).unwrap();
            assert_eq!(found.wanted, Some(wanted), "{text}");
        }
        assert_eq!(of(&[]).unwrap().wanted, None);
        assert!(of(&[(header::IF_NONE_MATCH, "*")]).unwrap().absent);
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for text in ["17", "", "\"17", "\"17\",", "W/17"] {
            let found = of(&[(header::IF_MATCH, text)]);
            assert_eq!(found, Err(Malformed("If-Match")), "{text}");
        }
        let found = of(&[(header::IF_NONE_MATCH, "\"17\"")]);
        assert_eq!(found, Err(Malformed("If-None-Match")));
    }
}
