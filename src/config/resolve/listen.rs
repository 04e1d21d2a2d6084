//! Where clients connect and what is logged: the settings that flags and variables may override.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Overrides, Resolver};
use crate::config::environment::set;
use crate::config::file::{File, LogFormat as LogFormatName, LogLevel};
use crate::config::{Listen, Log, LogFormat};

/// The address to listen on. `open` says that anyone could use it: then only this host may.
pub(super) fn listen(
    file: &File,
    overrides: &Overrides,
    open: bool,
    resolver: &mut Resolver<'_>,
) -> Listen {
    let address = SocketAddr::new(
        host(file, overrides, resolver),
        port(file, overrides, resolver),
    );
    let narrowed = open && !address.ip().is_loopback();
    Listen {
        address: if narrowed {
            SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port())
        } else {
            address
        },
        http2: file.allow_http2,
        narrowed,
    }
}

fn host(file: &File, overrides: &Overrides, resolver: &mut Resolver<'_>) -> IpAddr {
    let from_file = checked_host("host", &file.host, resolver);
    if let Some(host) = &overrides.host {
        return checked_host("--host", host, resolver);
    }
    if let Some(host) = set(resolver.environment, "AI_PROXY_HOST") {
        return checked_host("AI_PROXY_HOST", &host, resolver);
    }
    // Some shells set HOST to the machine's name; that is not meant for us.
    set(resolver.environment, "HOST")
        .and_then(|host| ip(&host))
        .unwrap_or(from_file)
}

pub(super) fn checked_host(path: &str, host: &str, resolver: &mut Resolver<'_>) -> IpAddr {
    ip(host).unwrap_or_else(|| {
        resolver.error(path, "must be an IP address or localhost");
        Ipv4Addr::LOCALHOST.into()
    })
}

fn ip(host: &str) -> Option<IpAddr> {
    let host = host.trim();
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
        .parse()
        .ok()
}

fn port(file: &File, overrides: &Overrides, resolver: &mut Resolver<'_>) -> u16 {
    if let Some(port) = overrides.port {
        return port;
    }
    for name in ["AI_PROXY_PORT", "PORT"] {
        // Kubernetes sets AI_PROXY_PORT=tcp://10.0.0.1:8317 in every pod beside a service that is
        // called ai-proxy.
        let Some(text) = set(resolver.environment, name).filter(|text| !text.starts_with("tcp://"))
        else {
            continue;
        };
        match text.parse() {
            Ok(port) => return port,
            Err(_) => resolver.error(name, "must be a whole number from 0 to 65535"),
        }
    }
    file.port
}

/// What is logged.
pub(super) fn log(file: &File, overrides: &Overrides, resolver: &mut Resolver<'_>) -> Log {
    Log {
        level: level(file, overrides, resolver),
        format: match file.log_format {
            LogFormatName::Text => LogFormat::Text,
            LogFormatName::Json => LogFormat::Json,
        },
    }
}

fn level(file: &File, overrides: &Overrides, resolver: &mut Resolver<'_>) -> log::LevelFilter {
    if let Some(level) = overrides.log_level {
        return level;
    }
    if let Some(text) = set(resolver.environment, "AI_PROXY_LOG_LEVEL") {
        match text.parse() {
            Ok(level) => return level,
            Err(_) => resolver.error(
                "AI_PROXY_LOG_LEVEL",
                "must be one of error, warn, info, debug, trace, off",
            ),
        }
    }
    match file.log_level {
        LogLevel::Error => log::LevelFilter::Error,
        LogLevel::Warn => log::LevelFilter::Warn,
        LogLevel::Info => log::LevelFilter::Info,
        LogLevel::Debug => log::LevelFilter::Debug,
        LogLevel::Trace => log::LevelFilter::Trace,
    }
}
