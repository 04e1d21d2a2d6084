//! Where an address leads: to the public internet, into a private network, or to where nothing may be
//! fetched from at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// The public internet.
    Public,
    /// This machine or a network of somebody's own.
    Private,
    /// Link-local, metadata of a cloud, multicast, documentation, reserved, a tunnel to one of these.
    Never,
}

/// Metadata services of clouds that do not stand at link-local addresses.
const METADATA_V4: &[Ipv4Addr] = &[
    // Alibaba.
    Ipv4Addr::new(100, 100, 100, 200),
    // Azure.
    Ipv4Addr::new(168, 63, 129, 16),
];
const METADATA_V6: &[Ipv6Addr] = &[
    // AWS.
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    // Google.
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    // Oracle.
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

/// Networks of the first version with the length of their prefix; what is in none is public.
const V4: &[(Ipv4Addr, u32, Reach)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, Reach::Never),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Reach::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Reach::Private),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Reach::Private),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Reach::Never),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Reach::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Reach::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Reach::Never),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Reach::Never),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Reach::Never),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Reach::Never),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Reach::Never),
];

/// Networks inside of 2000::/3, the only one that is public, which are not.
const V6: &[(Ipv6Addr, u32)] = &[
    // Protocols: Teredo, benchmarks, ORCHID, ….
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // What is left of the 6bone.
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16),
];

impl Reach {
    /// Where `address` leads.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => v4(address),
            IpAddr::V6(address) => v6(address),
        }
    }
}

fn v4(address: Ipv4Addr) -> Reach {
    if METADATA_V4.contains(&address) {
        return Reach::Never;
    }
    let is_in = |network: Ipv4Addr, length: u32| {
        (address.to_bits() ^ network.to_bits()).leading_zeros() >= length
    };
    V4.iter()
        .find(|(network, length, _)| is_in(*network, *length))
        .map_or(Reach::Public, |(.., reach)| *reach)
}

fn v6(address: Ipv6Addr) -> Reach {
    if METADATA_V6.contains(&address) {
        return Reach::Never;
    }
    if address.is_loopback() {
        return Reach::Private;
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| {
        let [one, two] = high.to_be_bytes();
        let [three, four] = low.to_be_bytes();
        v4(Ipv4Addr::new(one, two, three, four))
    };
    // What a gateway on the way unpacks must be public: whoever lists a host means its own address.
    let tunnelled = |high: u16, low: u16| match embedded(high, low) {
        Reach::Public => Reach::Public,
        Reach::Private | Reach::Never => Reach::Never,
    };
    match (a, b) {
        // Mapped: the connection goes to the address of the first version.
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0xffff) => embedded(g, h),
        // NAT64.
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => tunnelled(g, h),
        // 6to4.
        (0x2002, _) => tunnelled(b, c),
        _ if a & 0xfe00 == 0xfc00 => Reach::Private,
        _ if a & 0xe000 == 0x2000 => {
            let is_in = |network: Ipv6Addr, length: u32| {
                (address.to_bits() ^ network.to_bits()).leading_zeros() >= length
            };
            if V6.iter().any(|(network, length)| is_in(*network, *length)) {
                Reach::Never
            } else {
                Reach::Public
            }
        }
        _ => Reach::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(reach: Reach, addresses: &[&str]) {
        for address in addresses {
            let found = Reach::of(address.parse().unwrap());
            assert_eq!(found, reach, "{address}");
        }
    }

    #[test]
    fn addresses_of_the_first_version() {
        all(
            Reach::Public,
            &[
                "1.1.1.1",
                "8.8.8.8",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.0",
                "169.253.255.255",
                "169.255.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "192.0.1.0",
                "192.0.3.0",
                "192.167.255.255",
                "192.169.0.0",
                "198.17.255.255",
                "198.20.0.0",
                "198.51.99.255",
                "203.0.112.255",
                "203.0.114.0",
                "223.255.255.255",
            ],
        );
        all(
            Reach::Private,
            &[
                "10.0.0.0",
                "10.255.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "127.0.0.1",
                "127.255.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "192.168.0.0",
                "192.168.255.255",
            ],
        );
        all(
            Reach::Never,
            &[
                "0.0.0.0",
                "0.255.255.255",
                "100.100.100.200",
                "168.63.129.16",
                "169.254.0.0",
                "169.254.169.254",
                "169.254.170.2",
                "169.254.255.255",
                "192.0.0.0",
                "192.0.0.192",
                "192.0.2.1",
                "192.88.99.1",
                "198.18.0.0",
                "198.19.255.255",
                "198.51.100.1",
                "203.0.113.1",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.0",
                "255.255.255.255",
            ],
        );
    }

    #[test]
    fn addresses_of_the_second_version() {
        all(
            Reach::Public,
            &[
                "2000::1",
                "2001:200::1",
                "2001:4860:4860::8888",
                "2606:4700:4700::1111",
                "2a00:1450:4001:80b::200e",
                "3fff:1000::1",
            ],
        );
        all(
            Reach::Private,
            &["::1", "fc00::", "fd12:3456::1", "fdff:ffff::1"],
        );
        all(
            Reach::Never,
            &[
                "::",
                "::2",
                "100::1",
                "1fff::1",
                "2001::1",
                "2001:2::1",
                "2001:1ff::1",
                "2001:db8::1",
                "3ffe::1",
                "3fff::1",
                "3fff:fff::1",
                "4000::1",
                "5f00::1",
                "fd00:ec2::254",
                "fd20:ce::254",
                "fd00:c1::a9fe:a9fe",
                "fe80::1",
                "febf::1",
                "fec0::1",
                "ff02::1",
                "ffff::1",
            ],
        );
    }

    #[test]
    fn an_address_inside_of_an_address_is_looked_at() {
        all(
            Reach::Public,
            &["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"],
        );
        all(
            Reach::Private,
            &["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:100.64.0.1"],
        );
        all(
            Reach::Never,
            &[
                "::ffff:0.0.0.0",
                "::ffff:169.254.169.254",
                "::ffff:224.0.0.1",
                "::ffff:0:127.0.0.1",
                // Compatible, long out of use.
                "::127.0.0.1",
                "::8.8.8.8",
                "64:ff9b::127.0.0.1",
                "64:ff9b::10.0.0.1",
                "64:ff9b::169.254.169.254",
                "64:ff9b::1:0:0",
                "64:ff9b:1::8.8.8.8",
                "2002:7f00:1::",
                "2002:a00:1::1",
                "2002:a9fe:a9fe::1",
                // Teredo.
                "2001:0:808:808::1",
            ],
        );
    }
}
