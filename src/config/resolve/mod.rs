//! What a config file means: file and environment in, [`Config`] out, every error on the way
//! collected. Nothing here touches the process or the disk; [`Environment`] does.

use std::collections::HashSet;
use std::fmt::Display;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::environment::Environment;
use super::error::{Errors, KeyPath};
use super::file::{self, File, GlobalTimeouts, RequestLimits, Seconds, Size, StrategyName};
use super::{Config, Files, Limits, Origins, Retry, Strategy, Streaming, unavailable};
use crate::account::Glob;
use crate::account::proxies::Assigned;
use crate::upstream::{OutboundProxy, Timeouts};

mod accounts;
mod admin;
mod base;
mod check;
mod clients;
mod cloak;
mod entry;
mod headers;
mod listen;
mod oauth;
mod otel;
mod payload;
mod prices;
mod proxies;
mod reference;
mod routes;
mod sealer;
mod stored;
mod stores;
mod tls;
mod translation;

pub(super) use stored::stored;

/// What flags say; it goes before everything else.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--host`
    pub host: Option<String>,
    /// `--port`
    pub port: Option<u16>,
    /// `--log-level`
    pub log_level: Option<log::LevelFilter>,
}

/// Resolves `file`.
pub(super) fn resolve(
    file: &File,
    environment: &dyn Environment,
    overrides: &Overrides,
) -> Result<Config, Errors> {
    let mut resolver = Resolver {
        environment,
        literal: false,
        errors: Errors::default(),
    };
    unavailable::check(file, &mut resolver.errors);

    let clients = clients::clients(&file.api_keys, &mut resolver);
    let timeouts = timeouts(&file.timeouts, &mut resolver);
    let proxy = proxy(&file.proxy_url, &"proxy-url".into(), &mut resolver);
    let sealer = sealer::sealer(&file.secret_keys, &mut resolver);
    let sealed = !file.secret_keys.is_empty();
    let accounts = accounts::accounts(file, timeouts, proxy.as_ref(), sealed, &mut resolver);
    let routes = routes::routes(&file.routes, &accounts.names, &mut resolver);
    let open = clients.is_empty() && !file.allow_anonymous;
    let config = Config {
        listen: listen::listen(file, overrides, open, &mut resolver),
        tls: tls::tls(&file.tls, &mut resolver),
        trusted_proxies: trusted_proxies(&file.trusted_proxies, &mut resolver),
        cors: origins(&file.cors.origins, &mut resolver),
        allow_anonymous: file.allow_anonymous || clients.is_empty(),
        admin: admin::admin(&file.admin, &clients, &mut resolver),
        metrics_public: file.metrics_public,
        clients,
        limits: limits(file.max_body_size, &file.limits, &mut resolver),
        retry: retry(file, &mut resolver),
        streaming: streaming(file, &mut resolver),
        session_affinity: file.routing.session_affinity,
        strategy: match file.routing.strategy {
            StrategyName::RoundRobin => Strategy::RoundRobin,
            StrategyName::FillFirst => Strategy::FillFirst,
        },
        timeouts,
        routes,
        accounts: accounts.enabled,
        ground: accounts.ground,
        stored: Vec::new(),
        proxy,
        pool: proxies::pool(&file.proxy_pool, &mut resolver),
        assigned: Assigned::default(),
        dead: HashSet::new(),
        upstream_ca: upstream_ca(file.upstream_ca.as_deref(), &mut resolver),
        rewrite_model: file.rewrite_model_in_response,
        translation: translation::translation(
            &file.translation,
            &file.profiles,
            &accounts.names,
            &mut resolver,
        ),
        prices: prices::prices(&file.prices, &accounts.names, &mut resolver),
        stores: stores::stores(file, &mut resolver),
        usage: stores::usage(&file.usage),
        sealer,
        payload: payload::rules(&file.payload, &mut resolver),
        log: listen::log(file, overrides, &mut resolver),
        otel: otel::endpoint(&file.otel, &mut resolver),
        files: Files::default(),
    };
    resolver.errors.unless_any(config)
}

/// Collects errors and follows references.
struct Resolver<'a> {
    environment: &'a dyn Environment,
    /// Whether every value stands for itself: who writes it may not read the process's environment.
    literal: bool,
    errors: Errors,
}

impl Resolver<'_> {
    fn error(&mut self, path: impl Display, message: impl Display) {
        self.errors.add(path, message);
    }

    /// The value that `text` stands for.
    fn dereference(&mut self, text: &str, path: &KeyPath) -> Option<String> {
        if self.literal {
            return reference::literal(text)
                .map_err(|message| self.error(path, message))
                .ok();
        }
        reference::dereference(text, self.environment)
            .map_err(|message| self.error(path, message))
            .ok()
    }

    /// `number`, which has to be one of `range`.
    fn within(&mut self, number: u32, range: std::ops::RangeInclusive<u32>, path: &str) -> u32 {
        if !range.contains(&number) {
            let (low, high) = range.into_inner();
            if high == u32::MAX {
                self.error(path, format_args!("must be at least {low}"));
            } else {
                self.error(path, format_args!("must be from {low} to {high}"));
            }
        }
        number
    }

    /// `size` in memory, which has to be one of `range`.
    fn size(&mut self, size: Size, range: std::ops::RangeInclusive<u64>, path: &str) -> usize {
        if !range.contains(&size.0) {
            let (low, high) = range.into_inner();
            if high == u64::MAX {
                self.error(path, format_args!("must be at least {}", Size(low)));
            } else {
                let (low, high) = (Size(low), Size(high));
                self.error(path, format_args!("must be from {low} to {high}"));
            }
        }
        usize::try_from(size.0).unwrap_or(usize::MAX)
    }

    /// `duration`, which must not be zero.
    fn above_zero(&mut self, duration: Seconds, path: impl Display) -> Duration {
        if duration.0.is_zero() {
            self.error(path, "must be greater than 0");
        }
        duration.0
    }
}

fn limits(body: Size, limits: &RequestLimits, resolver: &mut Resolver<'_>) -> Limits {
    let headers = resolver.within(limits.headers, 1..=256, "limits.headers");
    let depth = resolver.within(limits.json_depth, 1..=128, "limits.json-depth");
    let concurrent = resolver.within(limits.concurrent, 1..=u32::MAX, "limits.concurrent");
    Limits {
        body: resolver.size(body, 1..=u64::MAX, "max-body-size"),
        header_size: resolver.size(limits.header_size, 1024..=1 << 20, "limits.header-size"),
        headers: headers as usize,
        json_depth: depth as usize,
        body_timeout: resolver.above_zero(limits.body_timeout, "limits.body-timeout"),
        concurrent: concurrent as usize,
    }
}

fn retry(file: &File, resolver: &mut Resolver<'_>) -> Retry {
    let cooldown = &file.cooldown;
    if cooldown.min.0 > cooldown.max.0 {
        resolver.error("cooldown.min", "must not be greater than cooldown.max");
    }
    Retry {
        rounds: resolver.within(file.request_retry, 0..=100, "request-retry"),
        bootstrap: resolver.within(
            file.streaming.bootstrap_retries,
            0..=100,
            "streaming.bootstrap-retries",
        ),
        max_interval: resolver.above_zero(file.max_retry_interval, "max-retry-interval"),
        cooldown_min: resolver.above_zero(cooldown.min, "cooldown.min"),
        cooldown_max: resolver.above_zero(cooldown.max, "cooldown.max"),
    }
}

fn streaming(file: &File, resolver: &mut Resolver<'_>) -> Streaming {
    let keep_alive = file.streaming.keepalive_seconds.0;
    let hold_back = file.streaming.hold_back;
    Streaming {
        keep_alive: (!keep_alive.is_zero()).then_some(keep_alive),
        hold_back: resolver.size(hold_back, 1..=u64::MAX, "streaming.hold-back"),
    }
}

fn timeouts(timeouts: &GlobalTimeouts, resolver: &mut Resolver<'_>) -> Timeouts {
    Timeouts {
        connect: resolver.above_zero(timeouts.connect, "timeouts.connect"),
        first_byte: resolver.above_zero(timeouts.first_byte, "timeouts.first-byte"),
        idle: resolver.above_zero(timeouts.idle, "timeouts.idle"),
        total: resolver.above_zero(timeouts.total, "timeouts.total"),
        websocket: timeouts
            .websocket
            .map(|life| resolver.above_zero(life, "timeouts.websocket")),
    }
}

/// The proxy that `url` names, or none for `""`, `direct` and `none`.
fn proxy(url: &str, path: &KeyPath, resolver: &mut Resolver<'_>) -> Option<Arc<OutboundProxy>> {
    let url = resolver.dereference(url, path)?;
    if matches!(url.as_str(), "" | "direct" | "none") {
        return None;
    }
    OutboundProxy::try_new(&url)
        .map_err(|error| resolver.error(path, error))
        .ok()
        .map(Arc::new)
}

fn upstream_ca(path: Option<&str>, resolver: &mut Resolver<'_>) -> Option<PathBuf> {
    let path = path.filter(|path| !path.is_empty())?;
    let path = resolver.environment.locate(path.as_ref());
    match resolver.environment.read(&path) {
        Err(error) => resolver.error("upstream-ca", format_args!("cannot be read: {error}")),
        Ok(pem) => {
            let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            if certificates.map_or(true, |certificates| certificates.is_empty()) {
                resolver.error("upstream-ca", "holds no PEM certificates");
            }
        }
    }
    Some(path)
}

/// Networks, and addresses as networks of one.
fn trusted_proxies(list: &[String], resolver: &mut Resolver<'_>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for (n, text) in list.iter().enumerate() {
        let text = text.trim();
        let network = text
            .parse()
            .or_else(|_| text.parse().map(|address: IpAddr| address.into()));
        match network {
            Ok(network) => networks.push(network),
            Err(_) => resolver.error(
                KeyPath::from("trusted-proxies").item(n),
                "must be an IP address or a network, as 10.0.0.0/8",
            ),
        }
    }
    networks
}

fn origins(list: &[String], resolver: &mut Resolver<'_>) -> Option<Origins> {
    let mut origins = Origins::default();
    for (n, text) in list.iter().enumerate() {
        if let Err(error) = origins.add(text) {
            resolver.error(KeyPath::from("cors.origins").item(n), error);
        }
    }
    (!list.is_empty()).then_some(origins)
}

fn glob(pattern: &str, path: &KeyPath, resolver: &mut Resolver<'_>) -> Option<Glob> {
    Glob::try_new(pattern)
        .map_err(|error| resolver.error(path, error))
        .ok()
}

fn globs(patterns: &[String], path: &KeyPath, resolver: &mut Resolver<'_>) -> Vec<Glob> {
    patterns
        .iter()
        .enumerate()
        .filter_map(|(n, pattern)| glob(pattern, &path.item(n), resolver))
        .collect()
}
