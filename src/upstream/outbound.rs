//! Outbound proxies: what stands between the gateway and a provider.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::media::Reach;
use crate::secret::Secret;

/// How an outbound proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyScheme {
    /// HTTP CONNECT.
    Http,
    /// HTTP CONNECT inside TLS.
    Https,
    /// SOCKS5; names are resolved here.
    Socks5,
    /// SOCKS5; names are resolved by the proxy.
    Socks5h,
}

/// One outbound proxy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OutboundProxy {
    /// Its protocol.
    pub scheme: ProxyScheme,
    /// Host name or address; IPv6 without brackets.
    pub host: Box<str>,
    /// Port; 80, 443 or 1080 when the URL has none.
    pub port: u16,
    /// User and password.
    pub credentials: Option<(Box<str>, Secret)>,
    /// How far the way to it may go; `None`: anywhere.
    pub reach: Option<Reach>,
}

/// Why a proxy URL cannot be used. The message never repeats the URL: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxyUrl {
    /// Not a URL.
    #[error("is not a URL like socks5://user:password@host:port")]
    Syntax,
    /// Another scheme.
    #[error("must start with http://, https://, socks5:// or socks5h://")]
    Scheme,
}

impl OutboundProxy {
    /// Reads `scheme://[user[:password]@]host[:port]`; user and password may be percent-encoded.
    pub fn try_new(url: &str) -> Result<Self, InvalidProxyUrl> {
        let uri: http::Uri = url.parse().map_err(|_| InvalidProxyUrl::Syntax)?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("http") => (ProxyScheme::Http, 80),
            Some("https") => (ProxyScheme::Https, 443),
            Some("socks5") => (ProxyScheme::Socks5, 1080),
            Some("socks5h") => (ProxyScheme::Socks5h, 1080),
            _ => return Err(InvalidProxyUrl::Scheme),
        };
        let authority = uri.authority().ok_or(InvalidProxyUrl::Syntax)?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err(InvalidProxyUrl::Syntax);
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(authority.host()) => default_port,
            None => return Err(InvalidProxyUrl::Syntax),
        };
        let credentials = match authority.as_str().rsplit_once('@') {
            None => None,
            Some((userinfo, _)) => {
                let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                Some((decode(user)?.into(), Secret::new(decode(password)?)))
            }
        };
        Ok(Self {
            scheme,
            host: host.into(),
            port,
            credentials,
            reach: None,
        })
    }
}

fn decode(text: &str) -> Result<String, InvalidProxyUrl> {
    percent_decode_str(text)
        .decode_utf8()
        .map(|text| text.into_owned())
        .map_err(|_| InvalidProxyUrl::Syntax)
}

/// `socks5://host:port`, without the credentials.
impl fmt::Display for OutboundProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            ProxyScheme::Http => "http",
            ProxyScheme::Https => "https",
            ProxyScheme::Socks5 => "socks5",
            ProxyScheme::Socks5h => "socks5h",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for OutboundProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboundProxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_url_is_read_with_its_credentials_and_shown_without() {
        let proxy = OutboundProxy::try_new("socks5h://us%40er:p%3Aw@proxy.example:1081").unwrap();
        assert_eq!(proxy.scheme, ProxyScheme::Socks5h);
        assert_eq!((&*proxy.host, proxy.port), ("proxy.example", 1081));
        let (user, password) = proxy.credentials.clone().unwrap();
        assert_eq!((&*user, password.expose()), ("us@er", "p:w"));
        assert_eq!(
            format!("{proxy:?}"),
            "OutboundProxy(socks5h://proxy.example:1081)"
        );
    }

    #[test]
    fn the_port_has_a_default_per_scheme() {
        for (url, port) in [
            ("http://p", 80),
            ("https://p", 443),
            ("socks5://p", 1080),
            ("socks5h://u@p", 1080),
        ] {
            assert_eq!(OutboundProxy::try_new(url).unwrap().port, port, "{url}");
        }
        assert_eq!(
            OutboundProxy::try_new("ftp://p"),
            Err(InvalidProxyUrl::Scheme)
        );
        assert_eq!(OutboundProxy::try_new("p:80"), Err(InvalidProxyUrl::Scheme));
        assert_eq!(
            OutboundProxy::try_new("http://p:x"),
            Err(InvalidProxyUrl::Syntax)
        );
    }
}
