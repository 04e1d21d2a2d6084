//! Hosts that token requests may connect to.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::upstream::media::Reach;
use crate::upstream::resolve::Resolver;

/// Resolves names as for providers.
pub(super) struct Found {
    pub(super) resolver: Arc<Resolver>,
    /// How far the token endpoint may be.
    pub(super) reach: Option<Reach>,
    /// The proxy's host, and how far that may be.
    pub(super) proxy: Option<(Box<str>, Option<Reach>)>,
}

impl Resolve for Found {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = Arc::clone(&self.resolver);
        let reach = match &self.proxy {
            Some((proxy, reach)) if proxy.eq_ignore_ascii_case(name.as_str()) => *reach,
            _ => self.reach,
        };
        Box::pin(async move {
            let addresses = resolver.addresses(name.as_str()).await?;
            // Port 0 stands for that of the URL.
            let addresses: Vec<_> = addresses
                .into_iter()
                .filter(|ip| reach.is_none_or(|reach| Reach::of(*ip) <= reach))
                .map(|ip| SocketAddr::new(ip, 0))
                .collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
