//! The support against itself, without the gateway: a test that fails for a reason of its own must not
//! look like a bug of the gateway.

mod http1;
mod http2;
mod proxies;
mod servers;
