//! Proxies that are shared out among accounts.
//!
//! An account keeps the proxy that it has: providers look at where a key comes from. It gets another one
//! only when its own is no longer in the pool or marked dead. The first proxy with room is filled before
//! the next.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::AccountId;
use crate::upstream::OutboundProxy;

/// Identifies a proxy across configs: its scheme, user, host and port, whatever its password. Twelve
/// hexadecimal digits of a hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProxyId(Arc<str>);

impl ProxyId {
    /// The id of `proxy`.
    pub fn of(proxy: &OutboundProxy) -> Self {
        let user = proxy.credentials.as_ref().map_or("", |(user, _)| user);
        let digest = Sha256::digest(format!("{proxy}\0{user}"));
        let (first, _) = digest.split_at(6);
        let text: String = first.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(text.into())
    }
}

impl From<String> for ProxyId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ProxyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One proxy of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pooled {
    /// Its identity.
    pub id: ProxyId,
    /// The proxy.
    pub proxy: Arc<OutboundProxy>,
    /// How many accounts it takes; at least 1.
    pub capacity: usize,
}

/// What is known beyond a config: who has which proxy, and which of them are dead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Accounts and their proxies.
    pub assigned: HashMap<AccountId, ProxyId>,
    /// Proxies that nobody may have.
    pub dead: HashSet<ProxyId>,
}

/// Who has which proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Accounts and the place of their proxy in the pool.
    pub places: HashMap<AccountId, usize>,
    /// Those among them that were not known to have it.
    pub news: Vec<(AccountId, ProxyId)>,
    /// Accounts for which there is no room.
    pub without: Vec<AccountId>,
}

/// Shares `pool` out among the accounts that `want` a proxy, in order. Those that are `away` for now keep
/// their room.
pub fn assign(want: &[AccountId], away: &[AccountId], pool: &[Pooled], known: &Known) -> Assigned {
    let mut room: Vec<usize> = pool
        .iter()
        .map(|one| match known.dead.contains(&one.id) {
            true => 0,
            false => one.capacity,
        })
        .collect();
    let places: HashMap<&ProxyId, usize> = pool
        .iter()
        .enumerate()
        .filter(|(_, one)| !known.dead.contains(&one.id))
        .map(|(place, one)| (&one.id, place))
        .collect();
    let mut assigned = Assigned::default();
    let has = |id: &AccountId| known.assigned.get(id).and_then(|proxy| places.get(proxy));
    for place in away.iter().filter_map(has) {
        room[*place] = room[*place].saturating_sub(1);
    }
    // Those who have one keep it, also when the pool has become smaller than that.
    for id in want {
        if let Some(place) = has(id) {
            room[*place] = room[*place].saturating_sub(1);
            assigned.places.insert(*id, *place);
        }
    }
    for id in want {
        if assigned.places.contains_key(id) {
            continue;
        }
        match room.iter().position(|room| *room > 0) {
            Some(place) => {
                room[place] -= 1;
                assigned.places.insert(*id, place);
                assigned.news.push((*id, pool[place].id.clone()));
            }
            None => assigned.without.push(*id),
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(proxies: &[(&str, usize)]) -> Vec<Pooled> {
        let pooled = |(url, capacity): &(&str, usize)| {
            let proxy = Arc::new(OutboundProxy::try_new(url).unwrap());
            Pooled {
                id: ProxyId::of(&proxy),
                proxy,
                capacity: *capacity,
            }
        };
        proxies.iter().map(pooled).collect()
    }

    fn ids(of: std::ops::Range<u64>) -> Vec<AccountId> {
        of.map(AccountId).collect()
    }

    fn places(assigned: &Assigned, want: &[AccountId]) -> Vec<Option<usize>> {
        let place = |id| assigned.places.get(id).copied();
        want.iter().map(place).collect()
    }

    fn remember(known: &mut Known, assigned: &Assigned) {
        known.assigned.extend(assigned.news.iter().cloned());
    }

    #[test]
    fn an_id_depends_on_everything_but_the_password() {
        let id = |url| ProxyId::of(&OutboundProxy::try_new(url).unwrap());
        assert_eq!(id("http://u:one@h:1"), id("http://u:two@h:1"));
        for other in [
            "http://v:one@h:1",
            "http://h:1",
            "http://u:one@h:2",
            "socks5://u:one@h:1",
        ] {
            assert_ne!(id("http://u:one@h:1"), id(other));
        }
        assert_eq!(id("http://h").to_string().len(), 12);
    }

    #[test]
    fn the_first_with_room_is_filled_and_what_is_assigned_is_kept() {
        let pool = pool(&[("http://a", 2), ("http://b", 1)]);
        let want = ids(0..4);
        let mut known = Known::default();
        let assigned = assign(&want, &[], &pool, &known);
        assert_eq!(places(&assigned, &want), [Some(0), Some(0), Some(1), None]);
        assert_eq!(assigned.without, [AccountId(3)]);
        assert_eq!(assigned.news.len(), 3);
        remember(&mut known, &assigned);
        // One goes: the one without gets its place, nobody moves.
        let rest = ids(1..4);
        let assigned = assign(&rest, &[], &pool, &known);
        assert_eq!(places(&assigned, &rest), [Some(0), Some(1), Some(0)]);
        assert_eq!(assigned.news.len(), 1);
        // In another order nothing changes.
        let turned: Vec<_> = want.iter().rev().copied().collect();
        let assigned = assign(&turned[1..], &[], &pool, &known);
        assert_eq!(places(&assigned, &turned[1..]), [Some(1), Some(0), Some(0)]);
        assert!(assigned.news.is_empty());
    }

    #[test]
    fn only_those_of_a_proxy_that_is_gone_or_dead_move() {
        let both = pool(&[("http://a", 2), ("http://b", 3)]);
        let want = ids(0..4);
        let mut known = Known::default();
        let assigned = assign(&want, &[], &both, &known);
        remember(&mut known, &assigned);
        let only_b = &both[1..];
        let moved = assign(&want, &[], only_b, &known);
        assert_eq!(places(&moved, &want), [Some(0), None, Some(0), Some(0)]);
        known.dead.insert(both[0].id.clone());
        let moved = assign(&want, &[], &both, &known);
        assert_eq!(places(&moved, &want), [Some(1), None, Some(1), Some(1)]);
        assert_eq!(moved.news, [(AccountId(0), both[1].id.clone())]);
        remember(&mut known, &moved);
        // Back alive, it takes the one that found no room; who has moved stays.
        known.dead.clear();
        let back = assign(&want, &[], &both, &known);
        assert_eq!(places(&back, &want), [Some(1), Some(0), Some(1), Some(1)]);
    }

    #[test]
    fn who_is_away_keeps_its_room() {
        let pool = pool(&[("http://a", 1), ("http://b", 1)]);
        let (one, other) = (ids(0..1), ids(1..2));
        let mut known = Known::default();
        let assigned = assign(&one, &[], &pool, &known);
        remember(&mut known, &assigned);
        let assigned = assign(&other, &one, &pool, &known);
        assert_eq!(places(&assigned, &other), [Some(1)]);
        remember(&mut known, &assigned);
        let both = ids(0..2);
        let back = assign(&both, &[], &pool, &known);
        assert_eq!(places(&back, &both), [Some(0), Some(1)]);
    }

    #[test]
    fn a_smaller_capacity_moves_nobody_and_takes_nobody_new() {
        let mut known = Known::default();
        let want = ids(0..3);
        let large = pool(&[("http://a", 3)]);
        let assigned = assign(&want, &[], &large, &known);
        remember(&mut known, &assigned);
        let small = pool(&[("http://a", 1), ("http://b", 1)]);
        let want = ids(0..4);
        let assigned = assign(&want, &[], &small, &known);
        assert_eq!(
            places(&assigned, &want),
            [Some(0), Some(0), Some(0), Some(1)]
        );
    }
}
