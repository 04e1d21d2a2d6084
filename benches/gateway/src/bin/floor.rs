//! Bare Pingora between client and upstream: `floor LISTEN UPSTREAM`, both `host:port`.
//!
//! Every request goes to the one upstream; nothing is looked at and nothing is changed. Pingora's own
//! settings, but for one thread, and as many kept connections as the gateway under test has.

use async_trait::async_trait;
use pingora::prelude::{HttpPeer, Result};
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;

struct Pass {
    upstream: String,
}

#[async_trait]
impl ProxyHttp for Pass {
    type CTX = ();

    fn new_ctx(&self) {}

    #[allow(
        clippy::disallowed_methods,
        reason = "the upstream is an address: there is no name to resolve"
    )]
    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(
            self.upstream.as_str(),
            false,
            String::new(),
        )))
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (arguments.next(), arguments.next()) else {
        return Err("usage: floor LISTEN UPSTREAM".into());
    };
    ai_proxy_bench::limits::raise();
    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: 8192,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Pass { upstream });
    service.add_tcp(&listen);
    server.add_service(service);
    server.run_forever()
}
