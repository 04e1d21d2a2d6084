//! `ai-proxy health`: asks a running gateway whether it is well, for containers that have neither a
//! shell nor curl.
//!
//! One request, inside TLS where the URL says so, with a limit on all of it. It reads no config file: a file that
//! has become wrong does not make the gateway unwell, which goes on with the old one.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::{Duration, Instant};

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use crate::config::{Environment, Overrides};

/// Where a gateway listens that was told nothing else.
const PORT: u16 = 8317;
/// What is asked for when the URL names nothing.
const PATH: &str = "/health";
/// Most of an answer that is read in search of its first line.
const LINE: u64 = 1024;

mod tls;

/// Whom to ask: an `http` or `https` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    tls: bool,
    authority: Authority,
    path: PathAndQuery,
}

/// Why a gateway counts as unwell.
#[derive(Debug, thiserror::Error)]
pub enum Unwell {
    /// It could not be asked, or did not answer in time.
    #[error("{0}: {1}")]
    Unreachable(Authority, io::Error),
    /// It answered something else than 2xx.
    #[error("{0} answered {1:?}")]
    Answered(Authority, String),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let parts = url
            .parse::<Uri>()
            .map_err(|error| error.to_string())?
            .into_parts();
        match (parts.scheme, parts.authority) {
            (Some(scheme), Some(authority))
                if scheme == Scheme::HTTP || scheme == Scheme::HTTPS =>
            {
                Ok(Self {
                    tls: scheme == Scheme::HTTPS,
                    authority,
                    path: parts
                        .path_and_query
                        .filter(|path| path != "/")
                        .unwrap_or_else(|| PathAndQuery::from_static(PATH)),
                })
            }
            _ => Err("it is an http:// or https:// URL".to_owned()),
        }
    }
}

impl Target {
    /// The gateway of this machine: its address by the flags, the variables that the gateway reads too,
    /// or its default. An address that means all is reached at loopback.
    pub fn local(flags: &Overrides, environment: &dyn Environment) -> Result<Self, String> {
        let variable = |names: &[&str]| {
            let values = names.iter().filter_map(|name| environment.variable(name));
            values
                .map(|value| value.trim().to_owned())
                .collect::<Vec<_>>()
        };
        let port = flags.port.or_else(|| {
            let ports = variable(&["AI_PROXY_PORT", "PORT"]);
            ports.iter().find_map(|port| port.parse().ok())
        });
        let host = match &flags.host {
            Some(host) if host == "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
            Some(host) => Some(host.parse::<IpAddr>().map_err(|_| {
                format!("--host {host}: must be an IP address or localhost; else use --url")
            })?),
            None => variable(&["AI_PROXY_HOST", "HOST"])
                .iter()
                .find_map(|host| host.parse().ok()),
        };
        let host = host.filter(|host| !host.is_unspecified());
        let address = SocketAddr::new(
            host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            port.unwrap_or(PORT),
        );
        format!("http://{address}{PATH}").parse()
    }
}

/// Asks once, and waits no longer than `limit`.
pub fn ask(target: &Target, limit: Duration) -> Result<(), Unwell> {
    let name = || target.authority.clone();
    let line = first_line(target, limit).map_err(|error| Unwell::Unreachable(name(), error))?;
    if is_success(&line) {
        return Ok(());
    }
    Err(Unwell::Answered(name(), line))
}

trait Connection: Read + Write {}

impl<C: Read + Write> Connection for C {}

/// The first line of the answer, or what came of it.
fn first_line(target: &Target, limit: Duration) -> io::Result<String> {
    let end = Instant::now() + limit;
    let left = || match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let host = target.authority.host().trim_matches(['[', ']']);
    let port = target.authority.port_u16();
    let port = port.unwrap_or(if target.tls { 443 } else { 80 });
    let address = (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or(io::ErrorKind::AddrNotAvailable)?;
    let socket = TcpStream::connect_timeout(&address, left()?)?;
    socket.set_write_timeout(Some(left()?))?;
    socket.set_read_timeout(Some(left()?))?;
    let mut stream: Box<dyn Connection> = match target.tls {
        true => Box::new(tls::connect(host, socket.try_clone()?)?),
        false => Box::new(socket.try_clone()?),
    };
    let Target {
        authority, path, ..
    } = target;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {authority}\r\nuser-agent: ai-proxy-health\r\nconnection: close\r\n\r\n"
    )?;
    let mut line = Vec::new();
    let mut answer = stream.take(LINE);
    let mut piece = [0; 128];
    while !line.contains(&b'\n') {
        socket.set_read_timeout(Some(left()?))?;
        match answer.read(&mut piece)? {
            0 => break,
            read => line.extend_from_slice(&piece[..read]),
        }
    }
    let line = line.split(|&byte| byte == b'\r' || byte == b'\n').next();
    Ok(String::from_utf8_lossy(line.unwrap_or_default()).into_owned())
}

/// Whether a status line says 2xx.
fn is_success(line: &str) -> bool {
    let mut words = line.split(' ');
    words.next().is_some_and(|word| word.starts_with("HTTP/1."))
        && words
            .next()
            .is_some_and(|code| code.len() == 3 && code.starts_with('2'))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    struct Variables(&'static [(&'static str, &'static str)]);

    impl Environment for Variables {
        fn variable(&self, name: &str) -> Option<String> {
            let found = self.0.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }

        fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
            panic!("no file is read")
        }

        fn locate(&self, path: &Path) -> PathBuf {
            path.to_owned()
        }
    }

    fn local(
        host: Option<&str>,
        port: Option<u16>,
        variables: &'static [(&'static str, &'static str)],
    ) -> String {
        let flags = Overrides {
            host: host.map(str::to_owned),
            port,
            ..Overrides::default()
        };
        match Target::local(&flags, &Variables(variables)) {
            Ok(Target {
                authority, path, ..
            }) => format!("{authority}{path}"),
            Err(error) => error,
        }
    }

    #[test]
    fn the_gateway_of_this_machine_is_found_as_it_was_told_to_listen() {
        for (host, port, variables, want) in [
            (None, None, &[][..], "127.0.0.1:8317/health"),
            (None, Some(9), &[("PORT", "1")], "127.0.0.1:9/health"),
            (
                None,
                None,
                &[("AI_PROXY_PORT", " 2 "), ("PORT", "1")],
                "127.0.0.1:2/health",
            ),
            // What Kubernetes sets beside a service that is called ai-proxy.
            (
                None,
                None,
                &[("AI_PROXY_PORT", "tcp://10.0.0.1:8317")],
                "127.0.0.1:8317/health",
            ),
            (
                None,
                None,
                &[("AI_PROXY_HOST", "0.0.0.0")],
                "127.0.0.1:8317/health",
            ),
            (None, None, &[("HOST", "a-name")], "127.0.0.1:8317/health"),
            (Some("::1"), None, &[], "[::1]:8317/health"),
            (Some("localhost"), None, &[], "127.0.0.1:8317/health"),
        ] {
            assert_eq!(local(host, port, variables), want, "{variables:?}");
        }
        assert!(local(Some("a-name"), None, &[]).contains("must be an IP address"));
    }

    #[test]
    fn a_url_is_http_and_asks_for_health_unless_it_says_more() {
        let path = |url: &str| {
            url.parse::<Target>()
                .map(|target| target.path.as_str().to_owned())
        };
        assert_eq!(path("http://a:1"), Ok("/health".to_owned()));
        assert_eq!(path("http://a:1/"), Ok("/health".to_owned()));
        assert_eq!(path("http://[::1]/x?y"), Ok("/x?y".to_owned()));
        assert_eq!(path("https://a"), Ok("/health".to_owned()));
        for url in ["a:1", "/health", "", "ftp://a", "http://"] {
            assert!(path(url).is_err(), "{url}");
        }
    }

    #[test]
    fn only_2xx_is_well() {
        for line in ["HTTP/1.1 200 OK", "HTTP/1.0 204"] {
            assert!(is_success(line), "{line}");
        }
        for line in [
            "",
            "HTTP/1.1",
            "HTTP/1.1 503 x",
            "HTTP/1.1 2",
            "HTTP/1.1 2000",
            "SSH-2.0 200",
            "200",
        ] {
            assert!(!is_success(line), "{line}");
        }
    }
}
