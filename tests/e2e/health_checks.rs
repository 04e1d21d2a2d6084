//! Accounts that are checked beside the requests (`health-check`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};

use crate::admin::with_key;
use crate::dialect::{Dialect, Mode, account};
use crate::support::DeadPort;
use crate::support::certs::Authority;
use crate::support::client::{Client, Key, get};
use crate::support::gateway::Gateway;
use crate::support::keys::{ADMIN_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::proxies::Proxy;
use crate::support::reply::Reply;
use crate::support::upstream::{Request, Upstream};
use crate::support::within;

const OFTEN: &str = "health-check: {interval: 0.03}";

/// An upstream whose list of models has a status that changes, and whose model answers with `reply`.
async fn upstream(
    dialect: Dialect,
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> (Upstream, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let says = Arc::clone(&status);
    let upstream = Upstream::handler(move |request| {
        if request.method == "POST" {
            return reply();
        }
        match says.load(Ordering::Acquire) {
            200 => Reply::json(200, json!({"data": []})),
            401 => dialect.refusal(401, "authentication_error", "invalid x-api-key sk-echo"),
            404 => Reply::status(404),
            status => dialect.refusal(status, "overloaded_error", "no"),
        }
    })
    .await;
    (upstream, status)
}

/// The account of this name, once `is` holds for it.
async fn until(gateway: &Gateway, name: &str, is: impl Fn(&Value) -> bool) -> Value {
    let admin = gateway.admin().await;
    within(&format!("the account {name} as wanted"), async {
        loop {
            let key = Key::Bearer(ADMIN_KEY.into());
            let all = get(admin, "/admin/accounts", key).await.json();
            let accounts = all["accounts"].as_array().unwrap();
            let found = accounts.iter().find(|one| one["name"] == name).unwrap();
            if is(found) {
                return found.clone();
            }
        }
    })
    .await
}

fn checks(upstream: &Upstream) -> Vec<Request> {
    let requests = upstream.requests().into_iter();
    requests.filter(|request| request.method == "GET").collect()
}

async fn more_checks(upstream: &Upstream, count: usize) {
    let wanted = checks(upstream).len() + count;
    within("more checks", async {
        while checks(upstream).len() < wanted {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_refused_key_rests_and_is_well_again_with_the_first_good_answer() {
    for dialect in Dialect::ALL {
        let (upstream, status) = upstream(dialect, move || dialect.answer(Mode::Whole)).await;
        status.store(401, Ordering::Release);
        let entry = account("a", UPSTREAM_KEY_A, &upstream.url(), OFTEN);
        let settings = "request-retry: 0\ncooldown: {max: 900}";
        let gateway = Gateway::start(&with_key(&dialect.config(settings, &[entry]))).await;
        let resting = until(&gateway, "a", |one| one["state"] == "resting").await;
        assert_eq!(resting["last_check"]["outcome"], "refused", "{dialect:?}");
        assert_eq!(resting["key"]["cause"], "trouble");
        let mut client = Client::connect(gateway.addr()).await;
        let request = dialect.request(&mut client, dialect.model(), Mode::Whole);
        assert_eq!(request.send().await.status, dialect.unavailable().0);

        status.store(200, Ordering::Release);
        let well = until(&gateway, "a", |one| one["state"] == "ready").await;
        assert_eq!(well["last_check"]["outcome"], "ok");
        let mut client = Client::connect(gateway.addr()).await;
        let request = dialect.request(&mut client, dialect.model(), Mode::Whole);
        assert_eq!(request.send().await.status, 200);

        let check = checks(&upstream).remove(0);
        let target = match dialect {
            Dialect::Chat | Dialect::Responses => "/v1/models",
            Dialect::Claude => "/v1/models?limit=1",
            Dialect::Gemini => "/v1beta/models?pageSize=1",
        };
        assert_eq!(check.target, target);
        assert_eq!(dialect.key_of(&check), UPSTREAM_KEY_A);
        assert!(check.body.is_empty());
        let version = (dialect == Dialect::Claude).then_some("2023-06-01");
        assert_eq!(check.header("anthropic-version"), version);
        for line in gateway.log() {
            let secret = line.contains(UPSTREAM_KEY_A) || line.contains("sk-echo");
            assert!(!secret, "{line}");
        }
        let log = gateway.log();
        let warned = log
            .iter()
            .filter(|line| line.contains("health check: account a rests"));
        assert_eq!(warned.count(), 1, "only what changes is told");
        let metrics = get(gateway.admin().await, "/metrics", Key::None).await;
        let series = r#"aiproxy_health_checks_total{account="a",result="refused"}"#;
        assert!(metrics.text().contains(series));
    }
}

#[tokio::test]
async fn a_server_that_fails_rests_and_what_says_nothing_changes_nothing() {
    let dialect = Dialect::Chat;
    let (upstream, status) = upstream(dialect, move || dialect.answer(Mode::Whole)).await;
    let entry = account("a", UPSTREAM_KEY_A, &upstream.url(), OFTEN);
    let dead = DeadPort::take();
    let gone = account("b", UPSTREAM_KEY_B, &dead.url(), OFTEN);
    let settings = "cooldown: {min: 60, max: 900}";
    let gateway = Gateway::start(&with_key(&dialect.config(settings, &[entry, gone]))).await;
    let gone = until(&gateway, "b", |one| one["state"] == "resting").await;
    assert_eq!(gone["last_check"]["outcome"], "failed");

    for (answer, outcome) in [
        (404, "unclear"),
        (403, "unclear"),
        (429, "unclear"),
        (200, "ok"),
    ] {
        status.store(answer, Ordering::Release);
        let account = until(&gateway, "a", |one| one["last_check"]["outcome"] == outcome).await;
        more_checks(&upstream, 2).await;
        assert_eq!(account["state"], "ready", "{answer}");
    }
    status.store(500, Ordering::Release);
    let account = until(&gateway, "a", |one| one["state"] == "resting").await;
    assert_eq!(account["last_check"]["outcome"], "failed");
}

#[tokio::test]
async fn a_good_check_does_not_end_a_limit() {
    let dialect = Dialect::Claude;
    let (upstream, _) = upstream(dialect, move || {
        let no = dialect.refusal(429, "rate_limit_error", "slow down");
        no.header("retry-after", "100")
    })
    .await;
    let entry = account("a", UPSTREAM_KEY_A, &upstream.url(), OFTEN);
    let unchecked = account("b", UPSTREAM_KEY_B, &upstream.url(), "priority: -1");
    let settings = "request-retry: 0";
    let gateway = Gateway::start(&with_key(&dialect.config(settings, &[entry, unchecked]))).await;
    let mut client = Client::connect(gateway.addr()).await;
    let request = dialect.request(&mut client, dialect.model(), Mode::Whole);
    assert_eq!(request.send().await.status, 429);
    more_checks(&upstream, 5).await;
    let account = until(&gateway, "a", |one| one["last_check"]["outcome"] == "ok").await;
    assert_eq!(account["models"][0]["state"], "resting");
    let keys = checks(&upstream)
        .iter()
        .map(|check| dialect.key_of(check))
        .collect::<Vec<_>>();
    assert!(
        keys.iter().all(|key| key == UPSTREAM_KEY_A),
        "only who asks for it"
    );
}

#[tokio::test]
async fn a_check_goes_the_way_of_the_requests_and_where_the_operator_says() {
    let dialect = Dialect::Chat;
    let authority = Authority::new();
    let upstream = Upstream::always(Reply::json(200, json!({"ok": true})))
        .tls_by(&authority)
        .await;
    let proxy = Proxy::http().authenticated().await;
    let more = format!(
        "proxy-url: '{}', headers: {{x-tenant: t}}, health-check: {{interval: 0.03, path: /v1/ping?x=1}}",
        proxy.url()
    );
    let entry = account(
        "a",
        UPSTREAM_KEY_A,
        &format!("{}/api/v4", upstream.url()),
        &more,
    );
    let settings = format!("upstream-ca: '{}'", authority.ca_pem().display());
    let gateway = Gateway::start(&with_key(&dialect.config(&settings, &[entry]))).await;
    until(&gateway, "a", |one| one["last_check"]["outcome"] == "ok").await;
    let check = upstream.request(0).await;
    assert_eq!(check.target, "/api/v4/ping?x=1");
    assert_eq!(check.header("x-tenant"), Some("t"));
    assert!(proxy.connections() > 0);
    assert_eq!(proxy.rejected(), 0);
    // A reload without checks ends them.
    let entry = account("a", UPSTREAM_KEY_A, &upstream.url(), "");
    gateway.write_config(&with_key(&dialect.config(&settings, &[entry])));
    gateway
        .wait_log(|line| line.contains("config reloaded: 1 accounts"))
        .await;
    let shown = until(&gateway, "a", |_| true).await;
    assert_eq!(shown["state"], "ready");
}
