//! From which hosts media may be fetched.

use std::net::IpAddr;

use reqwest::Url;

use super::Reach;

/// From where media may be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MediaFetch {
    /// From nowhere.
    #[default]
    Off,
    /// From these hosts.
    Allowlist(Vec<MediaHost>),
    /// From every public address.
    On,
}

impl MediaFetch {
    /// How far a connection to `host`, which is written as a URL has it, may go. `None`: there is none.
    pub(super) fn reach(&self, host: &str) -> Option<Reach> {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self {
            Self::Off => None,
            Self::On => Some(Reach::Public),
            Self::Allowlist(hosts) => hosts
                .iter()
                .filter(|one| one.matches(host))
                .map(MediaHost::reach)
                .max(),
        }
    }
}

/// A host from which media may be fetched, or all that are under one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaHost {
    /// This one; the operator has named it, so it may be in a private network.
    Exact(Box<str>),
    /// All whose names end like this, with the dot.
    Under(Box<str>),
}

/// Why a host is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMediaHost {
    /// It is not only a host.
    #[error("'{0}' must be a name, an IP address or *.name, without scheme, port and path")]
    NotOnlyHost(String),
    /// The star stands somewhere else, or alone.
    #[error("'{0}': a star can only stand for what is before a name, as in *.example.com")]
    Star(String),
    /// Nothing is ever fetched from there.
    #[error("'{0}' is an address from which nothing is ever fetched")]
    Never(String),
}

impl MediaHost {
    /// Reads `example.com`, `*.example.com`, `192.168.1.5` or `[fd00::1]`.
    pub fn try_new(text: &str) -> Result<Self, InvalidMediaHost> {
        let (is_under, name) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if name.contains('*') {
            return Err(InvalidMediaHost::Star(text.to_owned()));
        }
        let not_only_host = || InvalidMediaHost::NotOnlyHost(text.to_owned());
        let bare = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let address: Option<IpAddr> = bare.unwrap_or(name).parse().ok();
        let url = match address {
            Some(IpAddr::V6(address)) => format!("http://[{address}]/"),
            _ if name.contains(|char: char| {
                char.is_whitespace() || char.is_control() || "[]:/?#@\\%".contains(char)
            }) =>
            {
                return Err(not_only_host());
            }
            _ => format!("http://{}/", name.strip_suffix('.').unwrap_or(name)),
        };
        let url = Url::parse(&url).map_err(|_| not_only_host())?;
        // As it stands in the URLs that it is compared with.
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(not_only_host)?;
        match literal(host) {
            Some(_) if is_under => Err(InvalidMediaHost::Star(text.to_owned())),
            Some(address) if Reach::of(address) == Reach::Never => {
                Err(InvalidMediaHost::Never(text.to_owned()))
            }
            _ if is_under => Ok(Self::Under(format!(".{host}").into())),
            _ => Ok(Self::Exact(host.into())),
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *host,
            Self::Under(end) => host.len() > end.len() && host.ends_with(&**end),
        }
    }

    /// Whoever names a host means the machine; whoever lists a domain does not mean all that may ever
    /// be under it.
    const fn reach(&self) -> Reach {
        match self {
            Self::Exact(_) => Reach::Private,
            Self::Under(_) => Reach::Public,
        }
    }
}

/// The address that the host of a URL is, if it is no name.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(hosts: &[&str], url: &str) -> Option<Reach> {
        let hosts = hosts.iter().map(|host| MediaHost::try_new(host).unwrap());
        let url = Url::parse(url).unwrap();
        MediaFetch::Allowlist(hosts.collect()).reach(url.host_str().unwrap())
    }

    #[test]
    fn names_and_patterns_match_hosts_of_urls() {
        let exact = Some(Reach::Private);
        let under = Some(Reach::Public);
        let table: &[(&str, &str, Option<Reach>)] = &[
            ("example.com", "https://example.com/a?b", exact),
            ("example.com", "https://EXAMPLE.com.:8443/", exact),
            ("Example.COM.", "https://example.com/", exact),
            ("example.com", "https://a.example.com/", None),
            ("example.com", "https://example.com.evil.org/", None),
            ("example.com", "https://example.com@evil.org/", None),
            ("example.com", "https://notexample.com/", None),
            ("*.example.com", "https://a.example.com/", under),
            ("*.example.com", "https://a.b.example.com/", under),
            ("*.example.com", "https://example.com/", None),
            ("*.example.com", "https://notexample.com/", None),
            ("127.0.0.1", "http://127.0.0.1:80/", exact),
            ("127.0.0.1", "http://2130706433/", exact),
            ("127.0.0.1", "http://127.1/", exact),
            ("127.0.0.1", "http://localhost/", None),
            ("::1", "http://[::1]/", exact),
            ("[fd00::1]", "http://[FD00:0::1]/", exact),
            ("bücher.example", "https://xn--bcher-kva.example/", exact),
        ];
        for (host, url, wanted) in table {
            assert_eq!(reach(&[host], url), *wanted, "{host} {url}");
        }
        assert_eq!(
            reach(&["*.example.com", "a.example.com"], "http://a.example.com/"),
            exact
        );
        assert_eq!(MediaFetch::Off.reach("example.com"), None);
        assert_eq!(MediaFetch::On.reach("example.com"), Some(Reach::Public));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "https://example.com",
            "example.com:443",
            "example.com/path",
            "user@example.com",
            "exam ple.com",
            "[::1",
            "[example.com]",
            "exa%6dple.com",
        ] {
            let error = MediaHost::try_new(text).unwrap_err();
            assert!(
                matches!(error, InvalidMediaHost::NotOnlyHost(_)),
                "{text}: {error}"
            );
        }
        for text in ["*", "*.", "a.*.com", "*example.com", "*.10.0.0.1"] {
            assert!(MediaHost::try_new(text).is_err(), "{text}");
        }
        for text in [
            "169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "::ffff:169.254.1.1",
        ] {
            let error = MediaHost::try_new(text).unwrap_err();
            assert_eq!(error, InvalidMediaHost::Never(text.to_owned()));
        }
    }
}
