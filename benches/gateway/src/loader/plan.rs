//! What to send, how much of it, and what is to be watched meanwhile.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

/// A measurement to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Where to: `http://` and an address of this machine.
    pub url: String,
    /// Lines to add to the head.
    #[serde(default)]
    pub headers: Vec<String>,
    /// File with the body.
    pub body: PathBuf,
    /// When requests begin.
    pub load: Load,
    /// Most requests at the same time.
    pub connections: usize,
    /// Seconds over which the connections are opened.
    #[serde(default)]
    pub ramp: f64,
    /// Seconds of load before measuring.
    pub warmup: f64,
    /// Seconds of measuring.
    pub seconds: f64,
    /// What an answer has to have to count as one.
    #[serde(default)]
    pub expect: Expected,
    /// Processes whose CPU time is wanted, by a name for each group.
    #[serde(default)]
    pub watch: BTreeMap<String, Vec<u32>>,
}

/// When requests begin.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// As soon as a connection has its answer.
    Closed,
    /// So many in a second, evenly.
    Rate(f64),
}

/// What an answer has to have to count as one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// A text, in answers that are no streams.
    pub text: Option<String>,
    /// So many stamps, in streams.
    pub stamps: Option<u64>,
}

/// Why a plan cannot be carried out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// The parts of a plan's URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    pub(super) target: String,
}

impl Plan {
    /// Takes the URL apart. Only this machine is ever put under load.
    pub(super) fn place(&self) -> Result<Place, Refused> {
        let refused = |why: &str| Refused(format!("url {:?}: {why}", self.url));
        let rest = self.url.strip_prefix("http://");
        let rest = rest.ok_or_else(|| refused("has to begin with http://"))?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (host, target) = rest.split_at(end);
        let address: SocketAddr = host
            .parse()
            .map_err(|_| refused("has to name an IP address and a port"))?;
        let local = match address.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback(),
        };
        if !local {
            return Err(refused("only this machine is put under load"));
        }
        let target = if target.is_empty() { "/" } else { target };
        Ok(Place {
            address,
            target: target.to_owned(),
        })
    }

    /// The request, head and body.
    pub(super) fn request(&self, place: &Place, body: &[u8]) -> Vec<u8> {
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\n",
            place.target, place.address
        );
        for line in &self.headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        let length = body.len();
        head.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {length}\r\naccept: */*\r\nuser-agent: ai-proxy-bench\r\n\r\n"
        ));
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(url: &str, load: &str) -> Plan {
        let text = format!(
            r#"{{"url":"{url}","body":"b","load":{load},"connections":1,"warmup":0,"seconds":1}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn load_is_closed_or_a_rate() {
        let url = "http://127.0.0.1:1/";
        assert_eq!(plan(url, r#""closed""#).load, Load::Closed);
        assert_eq!(plan(url, r#"{"rate":500}"#).load, Load::Rate(500.0));
    }

    #[test]
    fn a_url_is_taken_apart() {
        let place = plan("http://127.0.0.1:80/v1/x?y", r#""closed""#).place();
        let place = place.unwrap();
        assert_eq!(place.target, "/v1/x?y");
        assert_eq!(place.address.port(), 80);
    }

    #[test]
    fn only_this_machine_is_put_under_load() {
        for url in [
            "http://192.0.2.1:80/",
            "http://example.com:80/",
            "https://127.0.0.1:1/",
        ] {
            assert!(plan(url, r#""closed""#).place().is_err(), "{url}");
        }
    }
}
