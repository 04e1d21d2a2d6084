//! The pages that may call the gateway from a browser.

/// Allowed origins; at least one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    exact: Vec<Box<str>>,
    below: Vec<Below>,
}

/// `https://*.example.com:8443`: what stands before and behind the star.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Below {
    /// `https://`
    scheme: Box<str>,
    /// `.example.com:8443`
    rest: Box<str>,
}

/// Why a text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum OriginError {
    #[error("must have a scheme and a host, as https://app.example.com")]
    Shape,
    #[error("must end after its host or port: an origin has no user, path or slash at its end")]
    Tail,
    #[error("must have a host of ASCII letters, digits, '-', '_' and dots, or an IP address")]
    Host,
    #[error("has a port that is no number from 1 to 65535")]
    Port,
    #[error("may have a star only alone, or for what is before a name, as https://*.example.com")]
    Star,
    #[error("is what every page without an origin says: it would let all of these in")]
    Null,
}

impl Origins {
    /// Adds an origin: in full, with a star for what is before its name, or a star alone.
    pub(super) fn add(&mut self, text: &str) -> Result<(), OriginError> {
        match text {
            "*" => {
                self.any = true;
                return Ok(());
            }
            "null" => return Err(OriginError::Null),
            _ => {}
        }
        let text = text.to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Shape)?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        if !is_scheme || rest.is_empty() {
            return Err(OriginError::Shape);
        }
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(OriginError::Tail);
        }
        let (host, port) = split_port(rest)?;
        // Browsers leave out the port that goes with the scheme.
        let port = port.filter(|port| !matches!((scheme, *port), ("http", 80) | ("https", 443)));
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        match host.strip_prefix("*.") {
            Some(name) if is_name(name) => self.below.push(Below {
                scheme: format!("{scheme}://").into(),
                rest: format!(".{name}{port}").into(),
            }),
            _ if host.contains('*') => return Err(OriginError::Star),
            _ if is_name(host) || is_v6(host) => {
                self.exact.push(format!("{scheme}://{host}{port}").into());
            }
            _ => return Err(OriginError::Host),
        }
        Ok(())
    }

    /// As they may be configured.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let any = self.any.then(|| "*".to_owned());
        let below = self
            .below
            .iter()
            .map(|one| format!("{}*{}", one.scheme, one.rest));
        any.into_iter()
            .chain(self.exact.iter().map(ToString::to_string))
            .chain(below)
    }

    /// Whether every page may.
    pub fn are_all(&self) -> bool {
        self.any
    }

    /// Whether pages of `origin` may, as a browser writes it.
    pub fn contain(&self, origin: &str) -> bool {
        self.any
            || self.exact.iter().any(|exact| **exact == *origin)
            || self.below.iter().any(|below| below.contains(origin))
    }
}

impl Below {
    fn contains(&self, origin: &str) -> bool {
        origin
            .strip_prefix(&*self.scheme)
            .and_then(|rest| rest.strip_suffix(&*self.rest))
            .is_some_and(is_name)
    }
}

/// `host` or `host:port`.
fn split_port(rest: &str) -> Result<(&str, Option<u16>), OriginError> {
    // The colons of an IPv6 address stand in brackets.
    let end = rest.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = rest[end..].find(':') else {
        return Ok((rest, None));
    };
    let (host, port) = rest.split_at(end + colon);
    let digits = &port[1..];
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(port) if is_number && port != 0 => Ok((host, Some(port))),
        _ => Err(OriginError::Port),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|byte| {
                    byte.is_ascii_lowercase()
                        || byte.is_ascii_digit()
                        || matches!(byte, b'-' | b'_')
                })
        })
}

fn is_v6(host: &str) -> bool {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &[&str]) -> Origins {
        let mut origins = Origins::default();
        for text in list {
            origins.add(text).unwrap();
        }
        origins
    }

    #[test]
    fn an_origin_is_compared_whole() {
        let origins = origins(&[
            "https://App.Example.com",
            "http://localhost:3000",
            "https://port.example:443",
            "chrome-extension://abc",
            "http://[::1]:8080",
        ]);
        for yes in [
            "https://app.example.com",
            "http://localhost:3000",
            "https://port.example",
            "chrome-extension://abc",
            "http://[::1]:8080",
        ] {
            assert!(origins.contain(yes), "{yes}");
        }
        for no in [
            "",
            "null",
            "*",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.example",
            "https://app.example.com/",
            "https://evil.example/https://app.example.com",
            "http://localhost",
            "http://localhost:30000",
            "https://port.example:443",
        ] {
            assert!(!origins.contain(no), "{no}");
        }
        assert!(!origins.are_all());
    }

    #[test]
    fn a_star_stands_for_names_below_and_for_nothing_else() {
        let below = origins(&["https://*.example.com", "http://*.local:8080"]);
        for yes in [
            "https://a.example.com",
            "https://a.b.example.com",
            "http://x.local:8080",
        ] {
            assert!(below.contain(yes), "{yes}");
        }
        for no in [
            "https://example.com",
            "https://.example.com",
            "http://a.example.com",
            "https://a.example.com:444",
            "https://aexample.com",
            "https://evil.com/.example.com",
            "https://evil.com#.example.com",
            "https://user@.example.com",
            "https://evil.com:1.example.com",
            "https://a..example.com",
            "http://x.local",
        ] {
            assert!(!below.contain(no), "{no}");
        }
        assert!(origins(&["*"]).contain("https://anything.example"));
    }

    #[test]
    fn what_is_no_origin_says_why() {
        use OriginError::*;
        for (text, why) in [
            ("", Shape),
            ("example.com", Shape),
            ("://example.com", Shape),
            ("1s://example.com", Shape),
            ("https://", Shape),
            ("https://example.com/", Tail),
            ("https://example.com/path", Tail),
            ("https://user@example.com", Tail),
            ("https://exämple.com", Host),
            ("https://a b.com", Host),
            ("https://.example.com", Host),
            ("https://:443", Host),
            ("https://[::g]", Host),
            ("https://example.com:", Port),
            ("https://example.com:0", Port),
            ("https://example.com:65536", Port),
            ("https://example.com:+80", Port),
            ("https://example.com:1:2", Port),
            ("https://*", Star),
            ("https://a.*.com", Star),
            ("*://example.com", Shape),
            ("https://*example.com", Star),
            ("null", Null),
            ("https://a.com\r\nx: y", Port),
        ] {
            assert_eq!(Origins::default().add(text), Err(why), "{text:?}");
        }
    }
}
