//! Where a client is, when a reverse proxy connects for it.
//!
//! A proxy adds the address that it was connected from at the end of `X-Forwarded-For`, or of
//! `Forwarded` (RFC 7239); what stands before it is hearsay of whoever connected. So the list is read
//! from its end, as long as the one who speaks is trusted, and the first that is not is the client.
//!
//! Only one of the two fields is read, `X-Forwarded-For` when it is there: a proxy that writes one of
//! them passes the other on as the client sent it.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderMap};
use ipnet::IpNet;

/// More proxies than this behind each other are a loop or an attack.
const HOPS: usize = 32;

/// The client behind `peer`, when that is a trusted proxy which says who it is.
pub(super) fn behind(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = peer.ip().to_canonical();
    let trusts = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !trusts(&peer) {
        return None;
    }
    let mut client = None;
    let mut walk = |said: Option<IpAddr>| {
        client = said.or(client);
        said.is_some_and(|address| trusts(&address))
    };
    let listed = headers.get_all("x-forwarded-for");
    if listed.iter().next().is_some() {
        let entries = listed
            .iter()
            .rev()
            .flat_map(|line| elements(line.as_bytes()));
        let _ = entries.take(HOPS).all(|entry| walk(address(entry)));
    } else {
        let listed = headers.get_all(FORWARDED).iter().rev();
        let entries = listed.flat_map(|line| elements(line.as_bytes()));
        let _ = entries.take(HOPS).all(|entry| walk(forwarded_for(entry)));
    }
    client
}

/// The elements of a list from the last to the first. Commas inside quotes are none; from the end, a
/// quote that a client has left open reaches nothing that a proxy has added.
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    line.rsplit(move |&byte| {
        quoted ^= byte == b'"';
        byte == b',' && !quoted
    })
    .map(<[u8]>::trim_ascii)
}

/// The address in the `for` of an element of `Forwarded`, if it is one that says it once.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(|&byte| byte == b';') {
        let Some((name, value)) = pair.trim_ascii().split_at_checked(4) else {
            continue;
        };
        if name.eq_ignore_ascii_case(b"for=") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?;
    let quoted = value.strip_prefix(b"\"");
    address(match quoted {
        Some(quoted) => quoted.strip_suffix(b"\"")?,
        None => value,
    })
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let parsed = text
        .parse()
        .or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()))
        .ok()
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    parsed.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.1:4000";

    fn trusted() -> Vec<IpNet> {
        ["10.0.0.0/8", "fd00::/8"]
            .map(|network| network.parse().unwrap())
            .to_vec()
    }

    /// The client that a request from `peer` with these fields is from.
    fn client(peer: &str, fields: &[(&'static str, &str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        behind(peer.parse().unwrap(), &headers, &trusted()).map(|client| client.to_string())
    }

    #[test]
    fn the_first_from_the_end_that_is_not_trusted_is_the_client() {
        for (value, want) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:5678", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:5678", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            // What the client itself has sent stands before it.
            ("1.1.1.1, 192.0.2.1", Some("192.0.2.1")),
            ("10.9.9.9, 192.0.2.1", Some("192.0.2.1")),
            ("garbage, 192.0.2.1", Some("192.0.2.1")),
            // Proxies before the one that connects.
            ("1.1.1.1, 192.0.2.1, 10.0.0.2,fd00::1 ", Some("192.0.2.1")),
            ("192.0.2.1, ::ffff:10.0.0.2", Some("192.0.2.1")),
            // Nobody but proxies: the farthest.
            ("10.0.0.3, 10.0.0.2", Some("10.0.0.3")),
            // A proxy that says something else is believed no further.
            ("192.0.2.1, unknown, 10.0.0.2", Some("10.0.0.2")),
            ("192.0.2.1, , 10.0.0.2", Some("10.0.0.2")),
            ("192.0.2.1,", None),
            ("", None),
            ("unknown", None),
            ("_hidden", None),
            ("999.0.0.1", None),
            ("192.0.2.1:99999", None),
            ("[192.0.2.1]x", None),
            ("[2001:db8::1", None),
            ("192.0.2.1 evil", None),
            ("\u{fffd}\u{fffd}", None),
            ("fe80::1%eth0", None),
        ] {
            let said = client(PROXY, &[("x-forwarded-for", value)]);
            assert_eq!(said.as_deref(), want, "{value}");
        }
    }

    #[test]
    fn forwarded_is_read_where_there_is_no_x_forwarded_for() {
        for (value, want) in [
            ("for=192.0.2.1", Some("192.0.2.1")),
            ("For=\"[2001:db8::1]:4711\"", Some("2001:db8::1")),
            ("for=192.0.2.1;proto=http;by=203.0.113.4", Some("192.0.2.1")),
            ("proto=https ; for=\"192.0.2.1:80\"", Some("192.0.2.1")),
            (
                "for=1.1.1.1, for=192.0.2.1;host=\"a, for=2.2.2.2\"",
                Some("192.0.2.1"),
            ),
            ("for=192.0.2.1, for=10.0.0.2", Some("192.0.2.1")),
            // A client leaves a quote open, to swallow what the proxy adds or to hide a comma.
            ("for=\"1.1.1.1, for=192.0.2.1", Some("192.0.2.1")),
            ("for=\"1.1.1.1, for=\"[2001:db8::1]\"", Some("2001:db8::1")),
            ("for=\"1.1.1.1\\\", for=192.0.2.1", Some("192.0.2.1")),
            ("for=192.0.2.1;for=1.1.1.1", None),
            ("for=unknown", None),
            ("for=_secret", None),
            ("for=", None),
            ("for", None),
            ("for=\"", None),
            ("for=\"192.0.2.1", None),
            ("by=192.0.2.1", None),
            ("", None),
        ] {
            let said = client(PROXY, &[("forwarded", value)]);
            assert_eq!(said.as_deref(), want, "{value}");
        }
        let both = [
            ("forwarded", "for=1.1.1.1"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        assert_eq!(client(PROXY, &both).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn several_fields_are_one_list() {
        let fields = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "192.0.2.1, 10.0.0.2"),
            ("x-forwarded-for", "10.0.0.3"),
        ];
        assert_eq!(client(PROXY, &fields).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn who_is_not_trusted_is_the_client() {
        for peer in ["192.0.2.7:1", "[2001:db8::7]:1", "[::ffff:192.0.2.7]:1"] {
            let fields = [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=1.1.1.1")];
            assert_eq!(client(peer, &fields), None);
        }
        for peer in ["[::ffff:10.0.0.1]:1", "[fd00::9]:1"] {
            let fields = [("x-forwarded-for", "192.0.2.1")];
            assert_eq!(client(peer, &fields).as_deref(), Some("192.0.2.1"));
        }
        assert_eq!(client(PROXY, &[]), None);
    }

    #[test]
    fn ten_thousand_entries_are_not_walked() {
        let trusted = "10.0.0.2, ".repeat(10_000);
        let long = format!("1.1.1.1, {trusted}10.0.0.3");
        let said = client(PROXY, &[("x-forwarded-for", &long)]);
        assert_eq!(said.as_deref(), Some("10.0.0.2"));
        let long = format!("{trusted}192.0.2.1");
        let said = client(PROXY, &[("x-forwarded-for", &long)]);
        assert_eq!(said.as_deref(), Some("192.0.2.1"));
    }

    proptest! {
        /// Whatever a client sends, what the proxy appends is what counts.
        #[test]
        fn nothing_before_what_the_proxy_adds_matters(hostile in "[ -~]{0,60}") {
            let list = format!("{hostile}, 192.0.2.1");
            let said = client(PROXY, &[("x-forwarded-for", &list)]);
            prop_assert_eq!(said.as_deref(), Some("192.0.2.1"));
            let list = format!("{hostile}, for=\"[2001:db8::1]:80\"");
            let said = client(PROXY, &[("forwarded", &list)]);
            prop_assert_eq!(said.as_deref(), Some("2001:db8::1"));
        }
    }
}
