//! Fetches media from the web for providers that do not do so themselves.
//!
//! The address is the client's word, so this is where a client could make the gateway talk to what only
//! the gateway can reach. Each host is looked up here, each of its addresses has to lead where
//! [`MediaFetch`] allows, and the connection goes to these addresses: nothing is looked up a second time.
//! Redirects are followed by hand and go through the same. A request carries nothing of the client's.

mod hosts;
mod reach;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response, StatusCode, Url, header};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::ClientConfig;

pub use hosts::{InvalidMediaHost, MediaFetch, MediaHost};
pub use reach::Reach;

use super::resolve::Resolver;
use crate::wire::media::{ENOUGH, Inline, Kind, Media, Sniffed, Wanted, sniff};

/// How the gateway introduces itself.
const AGENT: &str = concat!("ai-proxy/", env!("CARGO_PKG_VERSION"));

/// What one request may fetch.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Addresses.
    pub count: usize,
    /// Bytes of each.
    pub each: usize,
    /// Bytes of all of them.
    pub together: usize,
    /// Redirects of each.
    pub redirects: usize,
    /// For all of them.
    pub time: Duration,
}

impl Limits {
    /// Those of the gateway.
    pub const DEFAULT: Self = Self {
        count: 20,
        each: 20 << 20,
        together: 50 << 20,
        redirects: 5,
        time: Duration::from_secs(10),
    };
}

/// Why something was not fetched. In words for the client: no query, nobody's address but what the
/// client said itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFetched {
    /// It is no URL.
    #[error("it is not a valid address")]
    Address,
    /// It is of another protocol.
    #[error("only http and https are fetched")]
    Scheme,
    /// Credentials are not sent.
    #[error("its address holds a user name or a password")]
    Credentials,
    /// The operator has not listed the host.
    #[error("the gateway does not fetch from this host")]
    NotListed,
    /// Nobody knows the host, or it leads to where nothing may be fetched from; the client is not told
    /// which, so that it cannot ask for names that only the gateway can resolve.
    #[error("the host has no public address")]
    NoAddress,
    /// No connection, or it broke.
    #[error("the host did not answer")]
    Unreachable,
    /// Another status than 200.
    #[error("the host answered with status {0}")]
    Status(u16),
    /// More redirects than are followed.
    #[error("the host redirects too often")]
    Redirects,
    /// A redirect to where nothing may be fetched from.
    #[error("the host redirects to where the gateway does not fetch from")]
    Redirected,
    /// From https to http.
    #[error("the host redirects from https to http")]
    Downgrade,
    /// Too many of them.
    #[error("the request holds more than {0} addresses to fetch")]
    TooMany(usize),
    /// It is too large.
    #[error("it is larger than {} MiB", .0 >> 20)]
    TooLarge(usize),
    /// All together are too large.
    #[error("all media together are larger than {} MiB", .0 >> 20)]
    TooMuch(usize),
    /// It took too long.
    #[error("it took too long")]
    Slow,
    /// A page of the web.
    #[error("it is a web page, not {}", .0.name())]
    Page(Kind),
    /// Something else.
    #[error("it is not {}", .0.name())]
    Other(Kind),
}

/// What a request holds that could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where it stands in the client's document.
    pub at: String,
    /// The host that the client named.
    pub host: Option<String>,
    /// What was wrong.
    pub why: NotFetched,
}

/// What one request has fetched so far, over all its attempts.
#[derive(Debug, Default)]
pub struct Fetched {
    media: Media,
    failed: BTreeMap<String, NotFetched>,
    count: usize,
    bytes: usize,
    took: Duration,
}

impl Fetched {
    /// What was found.
    pub const fn media(&self) -> &Media {
        &self.media
    }

    fn is_known(&self, url: &str) -> bool {
        self.media.find(url).is_some() || self.failed.contains_key(url)
    }

    fn check(&self, one: &Wanted) -> Result<(), Refused> {
        let refused = |why| Err(Refused::new(one, why));
        match (self.media.find(&one.url), self.failed.get(&one.url)) {
            (_, Some(NotFetched::Page(_))) => refused(NotFetched::Page(one.kind)),
            (_, Some(NotFetched::Other(_))) => refused(NotFetched::Other(one.kind)),
            (_, Some(why)) => refused(*why),
            (Some(inline), _) if !one.kind.takes(inline.mime) => {
                refused(NotFetched::Other(one.kind))
            }
            _ => Ok(()),
        }
    }
}

impl Refused {
    fn new(one: &Wanted, why: NotFetched) -> Self {
        let url = Url::parse(&one.url).ok();
        Self {
            at: one.at.clone(),
            host: url.and_then(|url| url.host_str().map(str::to_owned)),
            why,
        }
    }
}

/// Fetches media.
pub struct Fetcher {
    resolver: Arc<Resolver>,
    tls: Arc<ClientConfig>,
    limits: Limits,
}

impl Fetcher {
    /// One that finds hosts with `resolver` and trusts whom `tls` does.
    pub const fn new(resolver: Arc<Resolver>, tls: Arc<ClientConfig>, limits: Limits) -> Self {
        Self {
            resolver,
            tls,
            limits,
        }
    }

    /// Fetches what of `wanted` is not in `fetched`. Ends with the first that cannot be fetched.
    pub async fn fetch(
        &self,
        from: &MediaFetch,
        wanted: &[Wanted],
        fetched: &mut Fetched,
    ) -> Result<(), Refused> {
        let mut new: Vec<&Wanted> = Vec::new();
        for one in wanted {
            fetched.check(one)?;
            if fetched.is_known(&one.url) || new.iter().any(|other| other.url == one.url) {
                continue;
            }
            if fetched.count + new.len() == self.limits.count {
                return Err(Refused::new(one, NotFetched::TooMany(self.limits.count)));
            }
            new.push(one);
        }
        fetched.count += new.len();
        let began = Instant::now();
        let end = began + self.limits.time.saturating_sub(fetched.took);
        let spent = AtomicUsize::new(fetched.bytes);
        let mut running: FuturesUnordered<_> = new
            .into_iter()
            .map(|one| self.in_time(from, one, &spent, end))
            .collect();
        while let Some((one, found)) = running.next().await {
            match found {
                Ok(inline) => fetched.media.insert(one.url.clone(), inline),
                Err(why) => {
                    fetched.failed.insert(one.url.clone(), why);
                    break;
                }
            }
        }
        drop(running);
        fetched.bytes = spent.into_inner();
        fetched.took += began.elapsed();
        wanted.iter().try_for_each(|one| fetched.check(one))
    }

    async fn in_time<'w>(
        &self,
        from: &MediaFetch,
        one: &'w Wanted,
        spent: &AtomicUsize,
        end: Instant,
    ) -> (&'w Wanted, Result<Inline, NotFetched>) {
        let found = timeout_at(end, self.follow(from, one, spent)).await;
        (one, found.unwrap_or(Err(NotFetched::Slow)))
    }

    async fn follow(
        &self,
        from: &MediaFetch,
        one: &Wanted,
        spent: &AtomicUsize,
    ) -> Result<Inline, NotFetched> {
        let mut url = Url::parse(&one.url).map_err(|_| NotFetched::Address)?;
        let mut response = self.ask(from, &url).await?;
        for _ in 0..self.limits.redirects {
            match next(&url, &response)? {
                None => return self.read(response, one.kind, spent).await,
                Some(other) => url = other,
            }
            response = self.ask(from, &url).await.map_err(|why| match why {
                NotFetched::Scheme
                | NotFetched::Credentials
                | NotFetched::NotListed
                | NotFetched::NoAddress
                | NotFetched::Address => NotFetched::Redirected,
                other => other,
            })?;
        }
        match next(&url, &response)? {
            None => self.read(response, one.kind, spent).await,
            Some(_) => Err(NotFetched::Redirects),
        }
    }

    /// Asks for `url` alone, at an address that may be asked.
    async fn ask(&self, from: &MediaFetch, url: &Url) -> Result<Response, NotFetched> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NotFetched::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotFetched::Credentials);
        }
        let host = url.host_str().ok_or(NotFetched::Address)?;
        let farthest = from.reach(host).ok_or(NotFetched::NotListed)?;
        let addresses = match hosts::literal(host) {
            Some(address) => vec![address],
            None => {
                let found = self.resolver.addresses(host).await;
                found.map_err(|_| NotFetched::NoAddress)?
            }
        };
        let is_allowed = |address: &IpAddr| Reach::of(*address) <= farthest;
        if addresses.is_empty() || !addresses.iter().all(is_allowed) {
            return Err(NotFetched::NoAddress);
        }
        let client = self.client(addresses);
        let sent = client
            .map_err(|_| NotFetched::Unreachable)?
            .get(url.clone());
        sent.send().await.map_err(|_| NotFetched::Unreachable)
    }

    /// A client for one request, which can only connect to `addresses`. Nothing is kept between two of
    /// them: no connection outlives the config that allowed it.
    fn client(&self, addresses: Vec<IpAddr>) -> reqwest::Result<Client> {
        Client::builder()
            .tls_backend_preconfigured((*self.tls).clone())
            .dns_resolver(Vetted(addresses))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .user_agent(AGENT)
            .build()
    }

    async fn read(
        &self,
        mut response: Response,
        kind: Kind,
        spent: &AtomicUsize,
    ) -> Result<Inline, NotFetched> {
        let Limits { each, together, .. } = self.limits;
        if response.status() != StatusCode::OK {
            return Err(NotFetched::Status(response.status().as_u16()));
        }
        let length = response.content_length().unwrap_or(0);
        if length > each as u64 {
            return Err(NotFetched::TooLarge(each));
        }
        let mut bytes = Vec::new();
        let mut mime = None;
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|_| NotFetched::Unreachable)?
        {
            if bytes.len() + chunk.len() > each {
                return Err(NotFetched::TooLarge(each));
            }
            if spent.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len() > together {
                return Err(NotFetched::TooMuch(together));
            }
            bytes.extend_from_slice(&chunk);
            if mime.is_none() && bytes.len() >= ENOUGH {
                mime = Some(medium(&bytes, kind)?);
            }
        }
        Ok(Inline {
            mime: mime.map_or_else(|| medium(&bytes, kind), Ok)?,
            base64: BASE64_STANDARD.encode(&bytes),
        })
    }
}

fn medium(bytes: &[u8], kind: Kind) -> Result<&'static str, NotFetched> {
    match sniff(bytes) {
        Sniffed::Medium(mime) => Ok(mime),
        Sniffed::Html => Err(NotFetched::Page(kind)),
        Sniffed::Unknown => Err(NotFetched::Other(kind)),
    }
}

/// Where `response` redirects to, if it does.
fn next(url: &Url, response: &Response) -> Result<Option<Url>, NotFetched> {
    let status = response.status().as_u16();
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION);
    let location = location.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let location = location.ok_or(NotFetched::Status(status))?;
    let next = url.join(location).map_err(|_| NotFetched::Redirected)?;
    match (url.scheme(), next.scheme()) {
        ("https", "http") => Err(NotFetched::Downgrade),
        _ => Ok(Some(next)),
    }
}

/// Resolves every name to the addresses that were looked at.
struct Vetted(Vec<IpAddr>);

impl Resolve for Vetted {
    fn resolve(&self, _name: Name) -> Resolving {
        // Port 0 stands for that of the URL.
        let addresses: Vec<_> = self.0.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
        let addresses: Addrs = Box::new(addresses.into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

#[cfg(test)]
mod tests;
