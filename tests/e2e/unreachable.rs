//! Providers that cannot be reached, and connections that break between requests.

use crate::dialect::{Dialect, Mode, account};
use crate::support::DeadPort;
use crate::support::certs::Authority;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::keys::{UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::{Reply, Step};
use crate::support::upstream::Upstream;

/// Providers that cannot be reached, and the CA that the others are trusted by.
struct Unreachable {
    urls: Vec<(&'static str, String)>,
    _port: DeadPort,
    foreign: Upstream,
    misnamed: Upstream,
    authority: std::sync::Arc<Authority>,
}

async fn unreachable() -> Unreachable {
    let authority = Authority::new();
    let port = DeadPort::take();
    let answer = || Reply::status(200);
    let foreign = Upstream::always(answer()).tls().await;
    let misnamed = Upstream::always(answer())
        .tls_by(&authority)
        .wrong_host()
        .await;
    Unreachable {
        urls: vec![
            ("refused", port.url()),
            ("no-such-host", "http://no-such-host.invalid".into()),
            ("foreign-ca", foreign.url()),
            ("wrong-name", misnamed.url()),
        ],
        _port: port,
        foreign,
        misnamed,
        authority,
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_passed_over() {
    let there = unreachable().await;
    let dialect = Dialect::Claude;
    let upstream = Upstream::always(dialect.answer(Mode::Stream)).await;
    let mut entries = Vec::new();
    for (name, url) in &there.urls {
        let models = format!("models: [{name}]");
        entries.push(account(name, UPSTREAM_KEY_A, url, &models));
        let spare = format!("{name}-spare");
        entries.push(account(&spare, UPSTREAM_KEY_B, &upstream.url(), &models));
    }
    let ca = there.authority.ca_pem();
    let settings = format!("request-retry: 0\nupstream-ca: {}", ca.display());
    let gateway = Gateway::start(&dialect.config(&settings, &entries)).await;
    let mut client = Client::connect(gateway.addr()).await;
    for (n, (name, _)) in there.urls.iter().enumerate() {
        let response = dialect
            .request(&mut client, name, Mode::Stream)
            .send()
            .await;
        assert_eq!(response.status, 200, "{name}: {response:?}");
        assert_eq!(response.text(), dialect.answer_text(Mode::Stream), "{name}");
        assert_eq!(upstream.requests().len(), n + 1, "{name}");
    }
    assert_eq!(
        there.foreign.requests().len() + there.misnamed.requests().len(),
        0
    );
    assert_eq!(there.foreign.refused_handshakes(), 1);
}

#[tokio::test]
async fn a_client_is_told_when_no_provider_can_be_reached() {
    let there = unreachable().await;
    for dialect in Dialect::ALL {
        let entry = |(name, url): &(&str, String)| {
            account(name, UPSTREAM_KEY_A, url, &format!("models: [{name}]"))
        };
        let entries: Vec<_> = there.urls.iter().map(entry).collect();
        let ca = there.authority.ca_pem();
        let settings = format!("request-retry: 0\nupstream-ca: {}", ca.display());
        let gateway = Gateway::start(&dialect.config(&settings, &entries)).await;
        for (name, _) in &there.urls {
            let mut client = Client::connect(gateway.addr()).await;
            let response = dialect.request(&mut client, name, Mode::Whole).send().await;
            let (status, class, code) = dialect.unavailable();
            dialect.assert_told(&response, status, class, code);
        }
    }
}

#[tokio::test]
async fn a_connection_that_the_provider_closed_meanwhile_costs_the_account_nothing() {
    let dialect = Dialect::Chat;
    // The second request comes on the first one's connection, which closes without a word.
    let script = [
        dialect.answer(Mode::Whole),
        Reply::status(200).first(Step::Close),
        dialect.answer(Mode::Stream),
        dialect.answer(Mode::Whole),
    ];
    let upstream = Upstream::script(script).exhausted_is_failure().await;
    let only = account("a", UPSTREAM_KEY_A, &upstream.url(), "");
    let gateway = Gateway::start(&dialect.config("request-retry: 0", &[only])).await;
    let mut client = Client::connect(gateway.addr()).await;
    for mode in [Mode::Whole, Mode::Stream, Mode::Whole] {
        let response = dialect.request(&mut client, "gpt-5", mode).send().await;
        assert_eq!(
            (response.status, response.text()),
            (200, &*dialect.answer_text(mode))
        );
    }
    let requests = upstream.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests[1].reused && !requests[2].reused);
    assert_eq!(requests[1].body, requests[2].body);
}

#[tokio::test]
async fn a_provider_that_closes_every_idle_connection_is_no_trouble() {
    let dialect = Dialect::Gemini;
    let closing = |mode| dialect.answer(mode).then(Step::Close);
    let script = [
        closing(Mode::Whole),
        closing(Mode::Whole),
        closing(Mode::Whole),
    ];
    let upstream = Upstream::script(script).exhausted_is_failure().await;
    let only = account("a", UPSTREAM_KEY_A, &upstream.url(), "");
    let gateway = Gateway::start(&dialect.config("request-retry: 0", &[only])).await;
    let mut client = Client::connect(gateway.addr()).await;
    for _ in 0..3 {
        let request = dialect.request(&mut client, dialect.model(), Mode::Whole);
        assert_eq!(request.send().await.status, 200);
    }
}
