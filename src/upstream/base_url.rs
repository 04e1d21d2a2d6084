//! The address of a provider's API, read once so that building a request's target cannot fail.

/// A base URL, split into what connecting and writing a request need.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    /// `https`?
    pub tls: bool,
    /// Host name or address; IPv6 without brackets.
    pub host: Box<str>,
    /// Port, 443 or 80 when the URL has none.
    pub port: u16,
    /// The `host` header: the port is left out when it is the scheme's default.
    pub authority: Box<str>,
    /// Path before the API's own, without a slash at its end; often empty.
    path: Box<str>,
    /// Whether `path` names an API version already (`/v1`, `/api/paas/v4`, `/v1beta/openai`).
    versioned: bool,
}

/// Why a base URL cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBaseUrl {
    /// Not a URL at all.
    #[error("'{0}' is not a URL")]
    Syntax(String),
    /// Neither `http` nor `https`.
    #[error("'{0}' must start with http:// or https://")]
    Scheme(String),
    /// Holds something a base URL has no use for.
    #[error("'{0}' must not have {1}")]
    Extra(String, &'static str),
}

impl BaseUrl {
    /// Reads `https://host[:port][/path]`, with or without a version segment and a trailing slash.
    pub fn try_new(url: &str) -> Result<Self, InvalidBaseUrl> {
        let uri: http::Uri = url
            .parse()
            .map_err(|_| InvalidBaseUrl::Syntax(url.to_owned()))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(InvalidBaseUrl::Scheme(url.to_owned())),
        };
        let authority = uri
            .authority()
            .ok_or_else(|| InvalidBaseUrl::Syntax(url.to_owned()))?;
        if authority.as_str().contains('@') {
            return Err(InvalidBaseUrl::Extra(
                "the URL".to_owned(),
                "a user or password",
            ));
        }
        if uri.query().is_some() {
            return Err(InvalidBaseUrl::Extra(url.to_owned(), "a query"));
        }
        let host = authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.is_empty() {
            return Err(InvalidBaseUrl::Syntax(url.to_owned()));
        }
        let default_port = if tls { 443 } else { 80 };
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().len() == host.len() => default_port,
            None => return Err(InvalidBaseUrl::Syntax(url.to_owned())),
        };
        let shown = if port == default_port {
            host.to_owned()
        } else {
            format!("{host}:{port}")
        };
        let path = uri.path().trim_end_matches('/');
        Ok(Self {
            tls,
            host: bare.into(),
            port,
            authority: shown.into(),
            path: path.into(),
            versioned: path.split('/').any(is_version),
        })
    }

    /// The request target for an API path that begins with its version (`/v1/chat/completions`,
    /// query included). A version that the base URL brings stands in for the path's own.
    pub fn target(&self, path: &str) -> String {
        let first = path.get(1..).and_then(|rest| rest.split('/').next());
        match first {
            Some(first) if self.versioned && is_version(first) => {
                [&self.path, &path[1 + first.len()..]].concat()
            }
            Some("upload" | "ws") if self.versioned => [self.root(), path].concat(),
            _ => [&self.path, path].concat(),
        }
    }

    /// The path before its version. Google's uploads and sockets are beside the versions, not in them.
    fn root(&self) -> &str {
        let mut end = 0;
        for segment in self.path.split('/').take_while(|part| !is_version(part)) {
            end += segment.len() + 1;
        }
        &self.path[..end.saturating_sub(1)]
    }

    /// `https://host:port/path`, as it is shown to people.
    pub fn to_url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.path)
    }
}

/// `v1`, `v4`, `v1beta`, `v1alpha`…
fn is_version(segment: &str) -> bool {
    let mut chars = segment.chars();
    chars.next() == Some('v') && chars.next().is_some_and(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(base: &str, path: &str) -> String {
        let base = BaseUrl::try_new(base).unwrap();
        format!("{} {}", base.authority, base.target(path))
    }

    #[test]
    fn a_base_url_is_taken_with_or_without_version_and_slash() {
        for (base, path, want) in [
            (
                "https://api.openai.com",
                "/v1/models",
                "api.openai.com /v1/models",
            ),
            (
                "https://api.openai.com/",
                "/v1/models",
                "api.openai.com /v1/models",
            ),
            (
                "https://api.openai.com/v1",
                "/v1/models",
                "api.openai.com /v1/models",
            ),
            (
                "https://api.openai.com/v1/",
                "/v1/models",
                "api.openai.com /v1/models",
            ),
            (
                "https://x.cn/api/paas/v4",
                "/v1/chat/completions",
                "x.cn /api/paas/v4/chat/completions",
            ),
            (
                "https://g.com/v1beta/openai",
                "/v1/chat/completions",
                "g.com /v1beta/openai/chat/completions",
            ),
            (
                "https://z.ai/api/anthropic",
                "/v1/messages",
                "z.ai /api/anthropic/v1/messages",
            ),
            (
                "http://127.0.0.1:9100/v1",
                "/v1/messages?beta=true",
                "127.0.0.1:9100 /v1/messages?beta=true",
            ),
            ("http://[::1]:80", "/v1/messages", "[::1] /v1/messages"),
            (
                "https://g.com",
                "/v1beta/models/m:generateContent",
                "g.com /v1beta/models/m:generateContent",
            ),
            (
                "https://g.com/v1beta",
                "/v1alpha/models/m:x",
                "g.com /v1beta/models/m:x",
            ),
        ] {
            assert_eq!(target(base, path), want, "{base} + {path}");
        }
    }

    #[test]
    fn uploads_and_sockets_are_beside_the_versions() {
        for (base, want) in [
            ("https://g.com", "g.com /upload/v1beta/files?x"),
            ("https://g.com/v1beta", "g.com /upload/v1beta/files?x"),
            ("https://g.com/a/v1", "g.com /a/upload/v1beta/files?x"),
            ("https://g.com/a", "g.com /a/upload/v1beta/files?x"),
        ] {
            assert_eq!(target(base, "/upload/v1beta/files?x"), want, "{base}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_without_printing_a_password() {
        for (url, want) in [
            ("api.openai.com", "must start with http"),
            ("ftp://x", "must start with http"),
            ("https://", "is not a URL"),
            ("https://x:notaport", "is not a URL"),
            ("https://u:hunter2@x", "must not have a user or password"),
            ("https://x/v1?key=1", "must not have a query"),
        ] {
            let error = BaseUrl::try_new(url).unwrap_err().to_string();
            assert!(error.contains(want), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
