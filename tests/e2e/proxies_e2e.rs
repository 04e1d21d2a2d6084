//! Providers behind outbound proxies.

use std::sync::Arc;

use crate::chat::{answer, answered, ask, config, config_trusting, question, text};
use crate::support::DeadPort;
use crate::support::certs::Authority;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::proxies::{Builder, Proxy};
use crate::support::upstream::Upstream;

/// Asks twice through `proxy`, which is at `url`, in clear and inside TLS.
async fn goes_through(proxy: &Proxy, url: &str, authority: &Arc<Authority>) {
    let plain = Upstream::always(answer("plain")).await;
    let secure = Upstream::always(answer("secure")).tls_by(authority).await;
    for (upstream, wanted) in [(&plain, "plain"), (&secure, "secure")] {
        let before = proxy.targets().len();
        let more = format!("proxy-url: '{url}'");
        let yaml = config_trusting(&authority.ca_pem(), &[("a", &upstream.url(), &more)]);
        let gateway = Gateway::start(&yaml).await;
        let mut client = Client::connect(gateway.addr()).await;
        for _ in 0..2 {
            let answer = ask(&mut client, &question()).send().await;
            assert_eq!(text(&answer), wanted, "{url}");
        }
        let targets = proxy.targets().split_off(before);
        assert_eq!(targets.len(), 1, "the tunnel is kept: {targets:?}");
        assert!(targets[0].ends_with(&format!(":{}", upstream.addr().port())));
        assert_eq!(upstream.connections(), 1);
        assert!(
            upstream
                .requests()
                .iter()
                .all(|it| it.header("proxy-authorization").is_none())
        );
    }
    assert_eq!(proxy.rejected(), 0);
}

#[tokio::test]
async fn every_kind_of_proxy_leads_to_plain_and_tls_providers() {
    let authority = Authority::new();
    let kinds: [fn(&Arc<Authority>) -> Builder; 3] = [
        |_| Proxy::http(),
        |authority| Proxy::http().tls_by(authority),
        |_| Proxy::socks5(),
    ];
    for kind in kinds {
        for builder in [kind(&authority), kind(&authority).authenticated()] {
            let proxy = builder.await;
            goes_through(&proxy, &proxy.url(), &authority).await;
        }
    }
    let proxy = Proxy::socks5().authenticated().await;
    goes_through(&proxy, &proxy.url_resolving(), &authority).await;
}

#[tokio::test]
async fn an_entry_may_do_without_the_global_proxy() {
    let upstream = Upstream::always(answer("x")).await;
    let proxy = Proxy::http().await;
    for (more, tunnels) in [
        ("", 1),
        ("proxy-url: direct", 0),
        ("proxy-url: none", 0),
        ("proxy-url: ''", 0),
    ] {
        let before = proxy.connections();
        let accounts = config(&[("a", &upstream.url(), more)]);
        let gateway = Gateway::start(&format!("proxy-url: '{}'\n{accounts}", proxy.url())).await;
        assert_eq!(text(&answered(&gateway).await), "x");
        assert_eq!(proxy.connections() - before, tunnels, "{more}");
    }
}

#[tokio::test]
async fn an_account_whose_proxy_fails_makes_way_for_the_next() {
    let upstream = Upstream::always(answer("next")).await;
    let dead = DeadPort::take();
    let locked = Proxy::http().authenticated().await;
    let locked_socks = Proxy::socks5().authenticated().await;
    let (refusing, refusing_socks) = (
        Proxy::http().refusing().await,
        Proxy::socks5().refusing().await,
    );
    let (silent, silent_socks) = (Proxy::http().silent().await, Proxy::socks5().silent().await);
    for (url, status, why) in [
        (dead.url(), 503, "cannot reach http://127.0.0.1:"),
        (
            dead.url().replace("http:", "socks5h:"),
            503,
            "cannot reach socks5h://127.0.0.1:",
        ),
        (
            locked.url_as("proxy-user:wrong@"),
            503,
            " answered 407 to CONNECT",
        ),
        (locked.url_as(""), 503, " answered 407 to CONNECT"),
        (locked_socks.url_as("proxy-user:wrong@"), 503, " refused: "),
        (locked_socks.url_as(""), 503, " refused: "),
        (refusing.url(), 503, " answered 403 to CONNECT"),
        (refusing_socks.url(), 503, " refused: "),
        (silent.url(), 504, "ConnectTimedout"),
        (silent_socks.url(), 504, "ConnectTimedout"),
    ] {
        let quick = "request-retry: 0\ntimeouts: {connect: 1}\n";
        let broken = format!("priority: 1, proxy-url: '{url}'");
        let only = config(&[("broken", &upstream.url(), &broken)]);
        let gateway = Gateway::start(&format!("{quick}{only}")).await;
        let refusal = answered(&gateway).await;
        assert_eq!(refusal.status, status, "{url}: {refusal:?}");
        assert!(refusal.json()["error"]["message"].is_string());
        let line = gateway
            .wait_log(|line| line.contains("WARN") && line.contains("account broken: "))
            .await;
        assert!(line.contains(why), "{line}");
        let both = config(&[
            ("broken", &upstream.url(), &broken),
            ("next", &upstream.url(), ""),
        ]);
        let gateway = Gateway::start(&format!("{quick}{both}")).await;
        assert_eq!(text(&answered(&gateway).await), "next", "{url}");
    }
    assert_eq!(upstream.requests().len(), 10);
    assert!(locked.rejected() > 0 && locked_socks.rejected() > 0);
}

#[tokio::test]
async fn connections_are_shared_behind_one_proxy_and_never_behind_two() {
    let authority = Authority::new();
    let upstreams = [
        Upstream::always(answer("x")).await,
        Upstream::always(answer("x"))
            .tls_by(&authority)
            .http1_only()
            .await,
        Upstream::always(answer("x")).tls_by(&authority).await,
    ];
    for upstream in &upstreams {
        let (one, two) = (Proxy::http().await, Proxy::socks5().await);
        let through = |proxy: &Proxy| format!("proxy-url: '{}'", proxy.url());
        let yaml = config_trusting(
            &authority.ca_pem(),
            &[
                ("a", &upstream.url(), &through(&one)),
                ("b", &upstream.url(), &through(&one)),
                ("c", &upstream.url(), &through(&two)),
                ("d", &upstream.url(), "proxy-url: none"),
            ],
        );
        let gateway = Gateway::start(&yaml).await;
        // On one connection: the next request is read when the last has given its tunnel back.
        let mut client = Client::connect(gateway.addr()).await;
        for _ in 0..12 {
            text(&ask(&mut client, &question()).send().await);
        }
        let tunnels = (one.connections(), two.connections());
        assert_eq!(tunnels, (1, 1), "{}", upstream.url());
        assert_eq!(upstream.connections(), 3);
        for connection in 0..3 {
            let requests = upstream.requests();
            let on_it = requests.iter().filter(|it| it.connection == connection);
            assert!(
                [3, 6].contains(&on_it.count()),
                "round robin over four accounts"
            );
        }
    }
}

#[tokio::test]
async fn the_proxy_finds_the_provider_except_with_plain_socks5() {
    let upstream = Upstream::always(answer("x")).await;
    let port = upstream.addr().port();
    let far = format!("http://far.test:{port}");
    let (http, socks) = (
        Proxy::http().host("far.test", upstream.addr()).await,
        Proxy::socks5().host("far.test", upstream.addr()).await,
    );
    for (proxy, url) in [(&http, http.url()), (&socks, socks.url_resolving())] {
        let more = format!("proxy-url: '{url}'");
        let gateway = Gateway::start(&config(&[("a", &far, &more)])).await;
        assert_eq!(text(&answered(&gateway).await), "x");
        assert_eq!(proxy.targets(), [format!("far.test:{port}")]);
    }
    let request = upstream.request(0).await;
    assert_eq!(request.header("host"), Some(&*format!("far.test:{port}")));
    let near = format!("http://localhost:{port}");
    let more = format!("proxy-url: '{}'", socks.url());
    let gateway = Gateway::start(&config(&[("a", &near, &more)])).await;
    assert_eq!(text(&answered(&gateway).await), "x");
    assert_eq!(socks.targets()[1], format!("127.0.0.1:{port}"));
}

#[tokio::test]
async fn a_proxy_inside_tls_has_to_be_trusted() {
    let upstream = Upstream::always(answer("x")).await;
    let proxy = Proxy::http().tls_by(&Authority::new()).await;
    let more = format!("proxy-url: '{}'", proxy.url());
    let accounts = config(&[("a", &upstream.url(), &more)]);
    let gateway = Gateway::start(&format!("request-retry: 0\n{accounts}")).await;
    assert_eq!(answered(&gateway).await.status, 503);
    gateway
        .wait_log(|line| line.contains("TLS with https://localhost"))
        .await;
    assert_eq!(proxy.targets(), [""; 0]);
}
