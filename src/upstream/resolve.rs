//! Name resolution off the request's path: asynchronous, kept for its TTL, refreshed behind the
//! requests' backs.
//!
//! Pingora's own resolution blocks a worker thread. Here the first request to a host waits for the
//! answer; later ones never do: an answer past its TTL is still handed out while one task fetches a
//! new one. A host keeps the address that works, so that pooled connections keep being found.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// How long an answer whose TTL is over may stand in while the name servers are unreachable.
const STALE: Duration = Duration::from_secs(3_600);
/// No answer is asked for more often than this.
const MIN_TTL: Duration = Duration::from_secs(5);
/// A failed first lookup answers everyone who asks within this time.
const FAILURE: Duration = Duration::from_secs(1);

/// Why a host has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot resolve {host}: {reason}")]
pub struct ResolveError {
    host: String,
    reason: String,
}

impl ResolveError {
    /// The name leads to where it may not.
    pub(super) fn out_of_reach(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            reason: "it leads to an address that this account may not have".to_owned(),
        }
    }
}

/// Asks the name servers.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// Addresses of `host`, at least one, and how long they are good for.
    async fn lookup(&self, host: &str) -> Result<(Vec<IpAddr>, Duration), String>;
}

/// Resolves and remembers.
pub struct Resolver {
    lookup: Arc<dyn Lookup>,
    hosts: Arc<Mutex<HashMap<Box<str>, Entry>>>,
    /// One first lookup per host at a time; others who want the same host wait for it and share its
    /// failure.
    turns: Mutex<HashMap<Box<str>, Arc<Turn>>>,
}

/// Held by who looks a host up; remembers how the last one failed.
type Turn = tokio::sync::Mutex<Option<Failure>>;

struct Failure {
    at: Instant,
    error: ResolveError,
}

struct Entry {
    addresses: Vec<IpAddr>,
    good_until: Instant,
    refreshing: bool,
}

impl Resolver {
    /// One that asks the system's name servers and reads its hosts file.
    pub fn system() -> Self {
        Self::with(Arc::new(System::default()))
    }

    /// One that asks `lookup`.
    pub fn with(lookup: Arc<dyn Lookup>) -> Self {
        Self {
            lookup,
            hosts: Arc::default(),
            turns: Mutex::default(),
        }
    }

    /// The address to connect to.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<SocketAddr, ResolveError> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(ip, port));
        }
        if let Some(ip) = self.known(host) {
            return Ok(SocketAddr::new(ip, port));
        }
        let turn = Arc::clone(self.turns.lock().entry(host.into()).or_default());
        let mut turn = turn.lock().await;
        if let Some(ip) = self.known(host) {
            return Ok(SocketAddr::new(ip, port));
        }
        if let Some(failure) = turn
            .as_ref()
            .filter(|failure| failure.at.elapsed() < FAILURE)
        {
            return Err(failure.error.clone());
        }
        let looked_up = match self.lookup.lookup(host).await {
            Ok((addresses, ttl)) => match addresses.first().copied() {
                Some(ip) => Ok((ip, Entry::new(addresses, ttl))),
                None => Err("no addresses".to_owned()),
            },
            Err(reason) => Err(reason),
        };
        match looked_up {
            Ok((ip, entry)) => {
                self.hosts.lock().insert(host.into(), entry);
                Ok(SocketAddr::new(ip, port))
            }
            Err(reason) => {
                let error = ResolveError {
                    host: host.to_owned(),
                    reason,
                };
                *turn = Some(Failure {
                    at: Instant::now(),
                    error: error.clone(),
                });
                Err(error)
            }
        }
    }

    /// All addresses of `host` as the name servers give them now. Nothing is remembered: whoever asks
    /// takes the name from a client.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let answer = self.lookup.lookup(host).await;
        let (addresses, _) = answer.map_err(|reason| ResolveError {
            host: host.to_owned(),
            reason,
        })?;
        Ok(addresses)
    }

    /// Connecting to `address` failed: the host's next address comes first from now on.
    pub fn failed(&self, host: &str, address: IpAddr) {
        if let Some(entry) = self.hosts.lock().get_mut(host)
            && entry.addresses.first() == Some(&address)
        {
            entry.addresses.rotate_left(1);
        }
    }

    fn known(&self, host: &str) -> Option<IpAddr> {
        let now = Instant::now();
        let mut hosts = self.hosts.lock();
        let entry = hosts.get_mut(host)?;
        if now >= entry.good_until + STALE {
            return None;
        }
        if now >= entry.good_until && !entry.refreshing {
            entry.refreshing = true;
            tokio::spawn(refresh(
                Arc::clone(&self.lookup),
                Arc::clone(&self.hosts),
                host.into(),
            ));
        }
        entry.addresses.first().copied()
    }
}

/// Ends with the lookup, which has a time limit of its own.
async fn refresh(
    lookup: Arc<dyn Lookup>,
    hosts: Arc<Mutex<HashMap<Box<str>, Entry>>>,
    host: Box<str>,
) {
    let answer = lookup.lookup(&host).await;
    let mut hosts = hosts.lock();
    let Some(entry) = hosts.get_mut(&host) else {
        return;
    };
    match answer {
        Ok((mut addresses, ttl)) if !addresses.is_empty() => {
            let in_use = entry.addresses.first().copied();
            if let Some(place) = addresses.iter().position(|ip| Some(*ip) == in_use) {
                addresses.rotate_left(place);
            }
            *entry = Entry::new(addresses, ttl);
        }
        other => {
            if let Err(reason) = other {
                log::warn!("keeping the old address of {host}: {reason}");
            }
            entry.refreshing = false;
        }
    }
}

impl Entry {
    fn new(addresses: Vec<IpAddr>, ttl: Duration) -> Self {
        Self {
            addresses,
            good_until: Instant::now() + ttl.max(MIN_TTL),
            refreshing: false,
        }
    }
}

/// The system's name servers. Set up at the first question: nothing may start before a daemon forks.
#[derive(Default)]
struct System(OnceCell<TokioResolver>);

#[async_trait]
impl Lookup for System {
    async fn lookup(&self, host: &str) -> Result<(Vec<IpAddr>, Duration), String> {
        let resolver = self.0.get_or_try_init(|| async { system() }).await?;
        // A final dot keeps search domains out of it: providers are named in full.
        let full = if host.contains('.') && !host.ends_with('.') {
            format!("{host}.")
        } else {
            host.to_owned()
        };
        let answer = resolver
            .lookup_ip(full)
            .await
            .map_err(|error| error.to_string())?;
        let ttl = answer
            .valid_until()
            .saturating_duration_since(std::time::Instant::now());
        Ok((answer.iter().collect(), ttl))
    }
}

fn system() -> Result<TokioResolver, String> {
    let mut builder = TokioResolver::builder_tokio().map_err(|error| error.to_string())?;
    let options = builder.options_mut();
    options.timeout = Duration::from_secs(2);
    options.attempts = 2;
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
    builder.build().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers from a list, the last one for ever; counts the questions.
    struct Scripted(
        Mutex<Vec<Result<Vec<IpAddr>, String>>>,
        std::sync::atomic::AtomicUsize,
    );

    #[async_trait]
    impl Lookup for Scripted {
        async fn lookup(&self, _host: &str) -> Result<(Vec<IpAddr>, Duration), String> {
            self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut answers = self.0.lock();
            let answer = if answers.len() > 1 {
                answers.remove(0)
            } else {
                answers[0].clone()
            };
            answer.map(|addresses| (addresses, Duration::from_secs(30)))
        }
    }

    fn scripted(answers: &[Result<&[u8], &str>]) -> (Arc<Scripted>, Resolver) {
        let answers = answers.iter().map(|answer| match answer {
            Ok(ends) => Ok(ends
                .iter()
                .map(|end| IpAddr::from([10, 0, 0, *end]))
                .collect()),
            Err(reason) => Err((*reason).to_owned()),
        });
        let lookup = Arc::new(Scripted(Mutex::new(answers.collect()), Default::default()));
        (Arc::clone(&lookup), Resolver::with(lookup))
    }

    async fn end(resolver: &Resolver) -> u8 {
        match resolver.resolve("api.example", 443).await.unwrap() {
            SocketAddr::V4(address) => address.ip().octets()[3],
            SocketAddr::V6(address) => panic!("{address}"),
        }
    }

    fn asked(lookup: &Scripted) -> usize {
        lookup.1.load(std::sync::atomic::Ordering::SeqCst)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_its_ttl_and_then_refreshed_behind_the_request() {
        let (lookup, resolver) = scripted(&[Ok(&[1]), Ok(&[2])]);
        assert_eq!(end(&resolver).await, 1);
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!((end(&resolver).await, asked(&lookup)), (1, 1));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(end(&resolver).await, 1, "the old answer stands in");
        tokio::task::yield_now().await;
        assert_eq!((end(&resolver).await, asked(&lookup)), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_of_the_name_servers_does_not_take_the_address_away() {
        let (_, resolver) = scripted(&[Ok(&[1]), Err("SERVFAIL")]);
        assert_eq!(end(&resolver).await, 1);
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(300)).await;
            assert_eq!(end(&resolver).await, 1);
            tokio::task::yield_now().await;
        }
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert!(resolver.resolve("api.example", 443).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_fails_makes_way_and_one_that_works_stays() {
        let (_, resolver) = scripted(&[Ok(&[1, 2]), Ok(&[1, 2, 3])]);
        assert_eq!(end(&resolver).await, 1);
        resolver.failed("api.example", IpAddr::from([10, 0, 0, 1]));
        assert_eq!(end(&resolver).await, 2);
        resolver.failed("api.example", IpAddr::from([10, 0, 0, 1]));
        assert_eq!(
            end(&resolver).await,
            2,
            "a late failure of the other changes nothing"
        );
        tokio::time::advance(Duration::from_secs(31)).await;
        end(&resolver).await;
        tokio::task::yield_now().await;
        assert_eq!(end(&resolver).await, 2);
    }

    #[tokio::test]
    async fn a_failure_names_the_host_and_addresses_need_no_lookup() {
        let (lookup, resolver) = scripted(&[Err("NXDOMAIN")]);
        let error = resolver.resolve("api.example", 443).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot resolve api.example: NXDOMAIN");
        assert_eq!(
            resolver.resolve("::1", 80).await.unwrap().to_string(),
            "[::1]:80"
        );
        assert_eq!(asked(&lookup), 1);
    }

    #[tokio::test]
    async fn the_hosts_file_is_read() {
        let address = Resolver::system().resolve("localhost", 1).await.unwrap();
        assert!(address.ip().is_loopback());
    }
}
