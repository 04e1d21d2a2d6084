//! Who has shown wrong keys, so that nobody tries many.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// So many wrong keys from one address…
const MOST: u32 = 10;
/// …within this time, and it has to wait for the rest of it.
const WINDOW: Duration = Duration::from_secs(60);
/// Most addresses that are remembered.
const ADDRESSES: usize = 1_024;

/// Wrong keys by address.
#[derive(Debug, Default)]
pub struct Logins(Mutex<HashMap<Option<IpAddr>, Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    until: Instant,
}

impl Logins {
    /// How long `address` has to wait before it may show another key.
    pub(super) fn wait(&self, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let failures = *self.0.lock().get(&network(address))?;
        let wait = failures.until.saturating_duration_since(now);
        (failures.count >= MOST && !wait.is_zero()).then_some(wait)
    }

    /// `address` has shown a wrong key.
    pub(super) fn failed(&self, address: Option<IpAddr>, now: Instant) {
        let mut known = self.0.lock();
        let address = network(address);
        if !known.contains_key(&address) && known.len() >= ADDRESSES {
            known.retain(|_, failures| now < failures.until);
        }
        if !known.contains_key(&address) && known.len() >= ADDRESSES {
            let soonest = known.iter().min_by_key(|(_, failures)| failures.until);
            if let Some(address) = soonest.map(|(address, _)| *address) {
                known.remove(&address);
            }
        }
        let fresh = Failures {
            count: 0,
            until: now + WINDOW,
        };
        let failures = known.entry(address).or_insert(fresh);
        if now >= failures.until {
            *failures = fresh;
        }
        failures.count += 1;
    }
}

/// What counts as one address: of IPv6, where a host has very many, its network.
fn network(address: Option<IpAddr>) -> Option<IpAddr> {
    match address? {
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => Some(address.into()),
            None => {
                let [a, b, c, d, ..] = address.segments();
                Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
        },
        address => Some(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn after_many_wrong_keys_an_address_waits_and_others_do_not() {
        let (logins, now) = (Logins::default(), Instant::now());
        for _ in 0..MOST {
            assert_eq!(logins.wait(from("10.0.0.1"), now), None);
            logins.failed(from("10.0.0.1"), now);
        }
        let later = now + Duration::from_secs(20);
        let left = Some(WINDOW - Duration::from_secs(20));
        assert_eq!(logins.wait(from("10.0.0.1"), later), left);
        assert_eq!(logins.wait(from("::ffff:10.0.0.1"), later), left);
        assert_eq!(logins.wait(from("10.0.0.2"), later), None);
        assert_eq!(logins.wait(None, later), None);
        assert_eq!(logins.wait(from("10.0.0.1"), now + WINDOW), None);
        logins.failed(from("10.0.0.1"), now + WINDOW);
        assert_eq!(logins.wait(from("10.0.0.1"), now + WINDOW), None);
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let (logins, now) = (Logins::default(), Instant::now());
        for n in 0..MOST {
            logins.failed(from(&format!("2001:db8::{n}")), now);
        }
        assert!(logins.wait(from("2001:db8::ffff"), now).is_some());
        assert!(logins.wait(from("2001:db9::1"), now).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let (logins, now) = (Logins::default(), Instant::now());
        for n in 0..3 * u32::try_from(ADDRESSES).unwrap() {
            let address = IpAddr::from(n.to_be_bytes());
            logins.failed(Some(address), now + Duration::from_millis(n.into()));
        }
        assert_eq!(logins.0.lock().len(), ADDRESSES);
    }
}
