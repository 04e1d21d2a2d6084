//! Accounts with OAuth 2.0: tokens are got, sent, renewed in time and once, kept over the end of a process,
//! and shared between instances.

use std::time::Duration;

use ai_proxy::state::sql::Dialect;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::client::{Client, Key, Response, get, post_json};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{ADMIN_KEY, CLIENT_KEY, UPSTREAM_KEY_A, assert_no_secret};
use crate::support::oauth::{CLIENT_ID, CLIENT_SECRET, Mood, OAuth, REFRESH, REFRESH_B};
use crate::support::proxies::Proxy;
use crate::support::reply::Reply;
use crate::support::servers::{Server, database};
use crate::support::upstream::Upstream;
use crate::support::within;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const KEY_B: &str = "IIECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const PATH: &str = "/v1/chat/completions";

fn ok() -> Reply {
    Reply::json(200, json!({"ok": true}))
}

/// An OAuth account at `provider`; `auth` and `more` are added.
fn account(oauth: &OAuth, provider: &Upstream, auth: &str, more: &str) -> String {
    format!(
        "- name: main\n  preset: openai\n  base-url: '{}'\n  timeouts: {{connect: 1, first-byte: 6}}\n{more}  \
         auth: {{type: oauth2, token-url: '{}', client-id: {CLIENT_ID}, client-secret: '{CLIENT_SECRET}'{auth}}}\n",
        provider.url(),
        oauth.url(),
    )
}

fn with_keys(keys: &str, accounts: &str) -> String {
    format!(
        "api-keys: [{CLIENT_KEY}]\nadmin: {{port: 0, key: {ADMIN_KEY}}}\nsecret-keys: [{keys}]\n\
         request-retry: 0\naccounts:\n{accounts}"
    )
}

/// One whose refresh token is `refresh`.
fn config(oauth: &OAuth, provider: &Upstream, refresh: &str) -> String {
    let auth = format!(", refresh-token: {refresh}");
    with_keys(KEY, &account(oauth, provider, &auth, ""))
}

async fn ask(gateway: &Gateway) -> Response {
    let body = json!({"model": "gpt-5", "messages": []});
    post_json(gateway.addr(), PATH, Key::Bearer(CLIENT_KEY.into()), &body).await
}

async fn served(gateway: &Gateway) {
    let response = ask(gateway).await;
    assert_eq!(response.status, 200, "{response:?}");
}

/// What `/admin/accounts` says about the first account.
async fn shown(gateway: &Gateway) -> Value {
    let key = Key::Bearer(ADMIN_KEY.into());
    let response = get(gateway.admin().await, "/admin/accounts", key).await;
    assert_no_secret("/admin/accounts", &response.body);
    response.json()["accounts"][0].clone()
}

async fn metric(gateway: &Gateway, series: &str) -> Option<f64> {
    let response = get(gateway.admin().await, "/metrics", Key::None).await;
    let text = String::from_utf8(response.body.to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(series))?;
    line.trim().parse().ok()
}

#[tokio::test]
async fn a_token_is_got_with_either_grant_and_sent() {
    let oauth = OAuth::start(3600).await;
    let provider = oauth.provider(ok()).await;
    let gateway = Gateway::start(&config(&oauth, &provider, REFRESH)).await;
    served(&gateway).await;
    served(&gateway).await;
    assert_eq!(oauth.asked(), 1);
    let request = oauth.request(0).await;
    assert_eq!(request.header("authorization"), None);
    let form = OAuth::form(&request);
    assert_eq!(form["grant_type"], "refresh_token");
    assert_eq!(form["client_secret"], CLIENT_SECRET);
    assert!(!form.contains_key("scope"));
    let sent = provider.request(0).await;
    assert_eq!(OAuth::number(&sent), 1);
    assert_eq!(sent.header("x-api-key"), None);
    let token = shown(&gateway).await["token"].clone();
    assert_eq!(token["state"], "valid");
    assert!(token["expires"].is_string() && token["saved"] == true);
    assert_eq!(token["last_error"], Value::Null);

    let auth = ", grant: client-credentials, client-auth: basic, scopes: [a, b]";
    let yaml = with_keys("", &account(&oauth, &provider, auth, ""));
    let other = Gateway::start(&yaml).await;
    served(&other).await;
    let request = oauth.request(1).await;
    assert!(
        request
            .header("authorization")
            .unwrap()
            .starts_with("Basic ")
    );
    let form = OAuth::form(&request);
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["scope"], "a b");
    assert!(!form.contains_key("client_secret"));
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_no_request_notices() {
    let oauth = OAuth::start(4).await;
    let provider = oauth.provider(ok()).await;
    let gateway = Gateway::start(&config(&oauth, &provider, REFRESH)).await;
    served(&gateway).await;
    let gate = Gate::new();
    oauth.set(Mood::Slow(gate.clone()));
    within("a renewal", oauth.request(1)).await;
    // The old one serves while the new one is on its way.
    served(&gateway).await;
    assert_eq!(OAuth::number(&provider.request(1).await), 1);
    gate.open();
    gateway
        .wait_lines(2, |line| line.contains("a token from its token endpoint"))
        .await;
    served(&gateway).await;
    assert_eq!(OAuth::number(&provider.request(2).await), 2);
    // Rotated: the second was asked for with what came with the first.
    let form = OAuth::form(&oauth.request(1).await);
    assert!(form["refresh_token"].ends_with("-1"), "{form:?}");
}

#[tokio::test]
async fn a_hundred_requests_wait_for_one_renewal() {
    let oauth = OAuth::start(3600).await;
    let gate = Gate::new();
    oauth.set(Mood::Slow(gate.clone()));
    let provider = oauth.provider(ok()).await;
    let gateway = Gateway::start(&config(&oauth, &provider, REFRESH)).await;
    let requests: Vec<_> = (0..100).map(|_| ask(&gateway)).collect();
    let (responses, ()) = tokio::join!(futures::future::join_all(requests), async {
        within("the token endpoint", oauth.request(0)).await;
        gate.open();
    });
    assert!(responses.iter().all(|response| response.status == 200));
    assert_eq!((oauth.asked(), provider.requests().len()), (1, 100));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_requests_go_again() {
    let oauth = OAuth::start(3600).await;
    let provider = oauth.provider(ok()).await;
    let gateway = Gateway::start(&config(&oauth, &provider, REFRESH)).await;
    served(&gateway).await;
    oauth.revoke();
    let requests: Vec<_> = (0..50).map(|_| ask(&gateway)).collect();
    let responses = futures::future::join_all(requests).await;
    for response in &responses {
        assert_eq!(response.status, 200, "{response:?}");
    }
    assert_eq!(oauth.asked(), 2);
    assert_eq!(shown(&gateway).await["state"], "ready");
    // One that refuses every token hears two of them, and the account rests.
    let strict = Upstream::always(Reply::json(401, json!({"error": {"message": "no"}}))).await;
    gateway.write_config(&config(&oauth, &strict, REFRESH));
    gateway
        .wait_log(|line| line.contains("config reloaded"))
        .await;
    assert_eq!(ask(&gateway).await.status, 503);
    assert_eq!((strict.requests().len(), oauth.asked()), (2, 3));
    assert_eq!(ask(&gateway).await.status, 503);
    assert_eq!((strict.requests().len(), oauth.asked()), (2, 3));
}

#[tokio::test]
async fn a_rotated_refresh_token_outlives_kill_9_and_another_in_the_config_wins() {
    let oauth = OAuth::start(3600).await;
    let provider = oauth.provider(ok()).await;
    let url = database(Dialect::Sqlite).await;
    let yaml = |refresh| {
        format!(
            "database-url: '{url}'\n{}",
            config(&oauth, &provider, refresh)
        )
    };
    let gateway = Gateway::start(&yaml(REFRESH)).await;
    served(&gateway).await;
    gateway.signal(Signal::SIGKILL);
    gateway.wait_exit().await;

    // The access token that is stored is good, and so is the refresh token.
    let gateway = Gateway::start(&yaml(REFRESH)).await;
    served(&gateway).await;
    assert_eq!(oauth.asked(), 1);
    oauth.revoke();
    served(&gateway).await;
    assert_eq!(oauth.asked(), 2);
    let form = OAuth::form(&oauth.request(1).await);
    assert_ne!(form["refresh_token"], REFRESH);

    // The operator brings another one, at a reload and at a start.
    gateway.write_config(&yaml(REFRESH_B));
    within("the new refresh token", oauth.request(2)).await;
    let form = OAuth::form(&oauth.request(2).await);
    assert_eq!(form["refresh_token"], REFRESH_B);
    gateway
        .wait_lines(3, |line| line.contains("a token from"))
        .await;
    served(&gateway).await;
    gateway.signal(Signal::SIGTERM);
    gateway.wait_exit().await;
    let gateway = Gateway::start(&yaml("rt-canary-secret-unknown")).await;
    assert_eq!(ask(&gateway).await.status, 503);
    let form = OAuth::form(&oauth.request(3).await);
    assert_eq!(form["refresh_token"], "rt-canary-secret-unknown");
}

#[tokio::test]
async fn a_dead_refresh_token_rests_the_account_and_another_serves() {
    let oauth = OAuth::start(3600).await;
    oauth.kill();
    let provider = oauth.provider(ok()).await;
    let spare = Upstream::always(ok()).await;
    let auth = format!(", refresh-token: {REFRESH}");
    let accounts = format!(
        "{}- {{name: spare, preset: openai, api-key: {UPSTREAM_KEY_A}, base-url: '{}', priority: -1}}\n",
        account(&oauth, &provider, &auth, ""),
        spare.url()
    );
    let gateway = Gateway::start(&with_keys(KEY, &accounts)).await;
    gateway
        .wait_log(|line| line.contains("its refresh token is not valid any more"))
        .await;
    served(&gateway).await;
    assert_eq!((provider.requests().len(), spare.requests().len()), (0, 1));
    let shown = shown(&gateway).await;
    assert_eq!(
        (&shown["state"], &shown["token"]["state"]),
        (&json!("resting"), &json!("dead"))
    );
    assert!(
        shown["token"]["last_error"]["message"]
            .as_str()
            .unwrap()
            .contains("invalid_grant")
    );
    let dead = r#"aiproxy_oauth_refresh_token_dead{account="main"}"#;
    assert_eq!(metric(&gateway, dead).await, Some(1.0));
    let renewals = r#"aiproxy_oauth_renewals_total{account="main",result="dead"}"#;
    assert_eq!(metric(&gateway, renewals).await, Some(1.0));
    // The operator brings another one: the account is back at once. This endpoint knows none any more.
    let healthy = OAuth::start(3600).await;
    let provider = healthy.provider(ok()).await;
    gateway.write_config(&config(&healthy, &provider, REFRESH_B));
    gateway.wait_log(|line| line.contains("a token from")).await;
    served(&gateway).await;
    assert_eq!(metric(&gateway, dead).await, Some(0.0));
}

#[tokio::test]
async fn what_the_token_endpoint_fails_with_costs_no_token_that_is_good() {
    let oauth = OAuth::start(12).await;
    oauth.keeps_refresh_tokens();
    let provider = oauth.provider(ok()).await;
    let gateway = Gateway::start(&config(&oauth, &provider, REFRESH)).await;
    served(&gateway).await;
    oauth.set(Mood::Says(500, "{\"error\": \"canary-secret\"}".into()));
    gateway
        .wait_log(|line| line.contains("account main: no new token"))
        .await;
    served(&gateway).await;
    let failed = shown(&gateway).await["token"].clone();
    assert_eq!(failed["state"], "valid");
    let message = failed["last_error"]["message"].as_str().unwrap();
    assert_eq!(message, "the token endpoint answered with status 500");
    oauth.set(Mood::Well);
    gateway
        .wait_lines(2, |line| line.contains("a token from"))
        .await;
    served(&gateway).await;
}

#[tokio::test]
async fn what_is_no_token_is_none_and_says_why() {
    let oauth = OAuth::start(3600).await;
    let provider = oauth.provider(ok()).await;
    for (mood, why) in [
        (
            Mood::Says(200, "<html>canary-secret</html>".into()),
            "it is no JSON object of a token",
        ),
        (Mood::Says(200, "x".repeat(100_000)), "it is too long"),
        (Mood::Says(302, String::new()), "status 302"),
        (
            Mood::Says(400, "{\"error\": \"invalid_client\"}".into()),
            "refuses: invalid_client",
        ),
        (
            Mood::Says(200, "{\"access_token\": \"a b\"}".into()),
            "it holds no usable token",
        ),
        (Mood::Silent, "did not answer in time"),
    ] {
        oauth.set(mood);
        let gateway = Gateway::start(&config(&oauth, &provider, REFRESH)).await;
        gateway
            .wait_log(|line| line.contains("account main: no new token") && line.contains(why))
            .await;
        let response = ask(&gateway).await;
        assert_eq!(response.status, 503, "{why}: {response:?}");
    }
    assert!(provider.requests().is_empty());
    assert_eq!(oauth.granted(), 0);
}

#[tokio::test]
async fn a_token_of_unknown_life_serves_until_it_is_refused() {
    let oauth = OAuth::start(1).await;
    oauth.life(None);
    let provider = oauth.provider(ok()).await;
    let gateway = Gateway::start(&config(&oauth, &provider, REFRESH)).await;
    served(&gateway).await;
    assert_eq!(shown(&gateway).await["token"]["state"], "valid");
    oauth.life(Some(json!("3600")));
    oauth.revoke();
    served(&gateway).await;
    assert_eq!(oauth.asked(), 2);
    assert!(shown(&gateway).await["token"]["expires"].is_string());
}

#[tokio::test]
async fn tokens_are_asked_for_through_the_accounts_proxy() {
    for proxy in [Proxy::http(), Proxy::socks5()] {
        let proxy = proxy.authenticated().await;
        let oauth = OAuth::tls(3600).await;
        let provider = oauth.provider(ok()).await;
        let auth = format!(", refresh-token: {REFRESH}");
        let more = format!("  proxy-url: '{}'\n", proxy.url());
        let accounts = account(&oauth, &provider, &auth, &more);
        let yaml = with_keys(KEY, &accounts);
        let roots = oauth.ca_pem();
        let gateway = Gateway::start(&format!("upstream-ca: '{}'\n{yaml}", roots.display())).await;
        served(&gateway).await;
        let targets = proxy.targets();
        let oauth_at = oauth.url();
        let port = oauth_at
            .rsplit(':')
            .next()
            .unwrap()
            .split('/')
            .next()
            .unwrap();
        assert!(targets[0].ends_with(port), "{targets:?}");
    }
}

#[tokio::test]
async fn keys_of_the_store_rotate() {
    let oauth = OAuth::start(3600).await;
    let provider = oauth.provider(ok()).await;
    let url = database(Dialect::Sqlite).await;
    let auth = format!(", refresh-token: {REFRESH}");
    let accounts = account(&oauth, &provider, &auth, "");
    let yaml = |keys| format!("database-url: '{url}'\n{}", with_keys(keys, &accounts));
    let gateway = Gateway::start(&yaml(KEY)).await;
    served(&gateway).await;
    let both = format!("{KEY_B}, {KEY}");
    gateway.write_config(&yaml(&both));
    gateway
        .wait_log(|line| line.contains("sealed with the newest of secret-keys"))
        .await;
    gateway.signal(Signal::SIGTERM);
    gateway.wait_exit().await;
    // The old key may go.
    let gateway = Gateway::start(&yaml(KEY_B)).await;
    served(&gateway).await;
    assert_eq!(oauth.asked(), 1);
    gateway.signal(Signal::SIGTERM);
    gateway.wait_exit().await;
    // Without the key that has sealed it, what is stored is of no use and says so.
    let gateway = Gateway::start(&yaml(KEY)).await;
    gateway
        .wait_log(|line| line.contains("none of the secret-keys has sealed it"))
        .await;
}

#[tokio::test]
async fn a_database_that_does_not_take_tokens_is_told_of_and_served_without() {
    let oauth = OAuth::start(3600).await;
    let provider = oauth.provider(ok()).await;
    let mut server = Server::postgres().await;
    let url = server.database().await;
    migrate(&url).await;
    let yaml = format!(
        "database-url: '{url}'\n{}",
        config(&oauth, &provider, REFRESH)
    );
    let gateway = Gateway::start(&yaml).await;
    served(&gateway).await;
    // It goes while the endpoint is asked.
    let gate = Gate::new();
    oauth.set(Mood::Slow(gate.clone()));
    oauth.revoke();
    let ((), ()) = tokio::join!(served(&gateway), async {
        within("a renewal", oauth.request(1)).await;
        server.kill().await;
        gate.open();
    });
    oauth.set(Mood::Well);
    gateway
        .wait_log(|line| line.contains("its tokens cannot be stored, and are in memory only"))
        .await;
    let unsaved = r#"aiproxy_oauth_token_unsaved{account="main"}"#;
    assert_eq!(metric(&gateway, unsaved).await, Some(1.0));
    assert_eq!(shown(&gateway).await["token"]["saved"], false);
    // Away, it cannot tell whether another instance has used the refresh token: nobody uses it again.
    oauth.revoke();
    assert_eq!(ask(&gateway).await.status, 503);
    gateway
        .wait_log(|line| line.contains("which only the store knows"))
        .await;
    assert_eq!(oauth.asked(), 2);
    server.start().await;
    gateway
        .wait_lines(3, |line| line.contains("a token from"))
        .await;
    let form = OAuth::form(&oauth.request(2).await);
    assert!(form["refresh_token"].ends_with("-2"), "{form:?}");
    assert_eq!(metric(&gateway, unsaved).await, Some(0.0));
    gateway.signal(Signal::SIGKILL);
    gateway.wait_exit().await;
    let gateway = Gateway::start(&yaml).await;
    served(&gateway).await;
    assert_eq!(oauth.asked(), 3);
}

async fn migrate(url: &str) {
    let database = ai_proxy::state::sql::Database::new(url.parse_url());
    database.migrate().await.unwrap();
    database.close().await;
}

trait ParseUrl {
    fn parse_url(&self) -> ai_proxy::state::sql::DatabaseUrl;
}

impl ParseUrl for str {
    fn parse_url(&self) -> ai_proxy::state::sql::DatabaseUrl {
        ai_proxy::state::sql::DatabaseUrl::parse(self).unwrap()
    }
}

/// Three instances, from the first token over a refused one to a renewal: as if they were one.
async fn together(stores: impl Fn(usize) -> String) {
    let oauth = OAuth::start(3600).await;
    let provider = oauth.provider(ok()).await;
    let mut gateways = Vec::new();
    for n in 0..3 {
        let yaml = format!("{}\n{}", stores(n), config(&oauth, &provider, REFRESH));
        gateways.push(Gateway::start(&yaml).await);
    }
    let all = || futures::future::join_all(gateways.iter().map(served));
    all().await;
    assert_eq!(oauth.granted(), 1);
    oauth.life(Some(json!(12)));
    oauth.revoke();
    all().await;
    assert_eq!(oauth.asked(), 2);
    oauth.life(Some(json!(3600)));
    for gateway in &gateways {
        gateway
            .wait_lines(3, |line| line.contains("a token from"))
            .await;
    }
    all().await;
    assert_eq!(oauth.asked(), 3);
    let mut shared = 0.0;
    for gateway in &gateways {
        let series = r#"aiproxy_oauth_renewals_total{account="main",result="shared"}"#;
        shared += metric(gateway, series).await.unwrap_or(0.0);
    }
    assert_eq!(shared, 6.0);
}

#[tokio::test]
async fn instances_on_one_database_renew_once() {
    for dialect in Dialect::ALL {
        let url = database(dialect).await;
        migrate(&url).await;
        together(|_| format!("database-url: '{url}'")).await;
    }
}

#[tokio::test]
async fn instances_on_one_redis_renew_once() {
    let redis = Server::redis().await;
    let mut urls = Vec::new();
    for _ in 0..3 {
        urls.push(database(Dialect::Sqlite).await);
    }
    let url = redis.url();
    together(|n| format!("redis-url: '{url}'\ndatabase-url: '{}'", urls[n])).await;
}

#[tokio::test]
async fn who_dies_with_the_lock_delays_the_others_and_no_more() {
    let redis = Server::redis().await;
    for shared in [false, true] {
        let url = database(Dialect::Sqlite).await;
        let oauth = OAuth::start(3600).await;
        oauth.keeps_refresh_tokens();
        let provider = oauth.provider(ok()).await;
        let mut yaml = format!(
            "database-url: '{url}'\n{}",
            config(&oauth, &provider, REFRESH)
        );
        if shared {
            yaml = format!("redis-url: '{}'\n{yaml}", redis.url());
        }
        oauth.set(Mood::Silent);
        let dies = Gateway::start(&yaml).await;
        within("the token endpoint", oauth.request(0)).await;
        dies.signal(Signal::SIGKILL);
        dies.wait_exit().await;
        oauth.set(Mood::Well);
        let other = Gateway::start(&yaml).await;
        other.wait_log(|line| line.contains("a token from")).await;
        served(&other).await;
        assert_eq!(oauth.asked(), 2);
    }
}

#[tokio::test]
async fn redis_may_come_and_go() {
    let mut redis = Server::redis().await;
    let oauth = OAuth::start(3600).await;
    let provider = oauth.provider(ok()).await;
    let yaml = format!(
        "redis-url: '{}'\n{}",
        redis.url(),
        config(&oauth, &provider, REFRESH)
    );
    let gateway = Gateway::start(&yaml).await;
    served(&gateway).await;
    redis.kill().await;
    served(&gateway).await;
    // The others' databases are files of their own, so without it nobody knows who else renews.
    oauth.revoke();
    assert_eq!(ask(&gateway).await.status, 503);
    assert_eq!(oauth.asked(), 1);
    redis.start().await;
    gateway
        .wait_lines(2, |line| line.contains("a token from"))
        .await;
    served(&gateway).await;
    assert_eq!(oauth.asked(), 2);
}

#[tokio::test]
async fn nothing_of_it_is_shown_or_logged() {
    let oauth = OAuth::start(3600).await;
    let provider = oauth.provider(ok()).await;
    let yaml = format!("log-level: trace\n{}", config(&oauth, &provider, REFRESH));
    // What is dropped looks through its log; here as much is logged as there is.
    let gateway = Gateway::builder(&yaml)
        .env("RUST_LOG", "trace")
        .start()
        .await;
    served(&gateway).await;
    oauth.revoke();
    served(&gateway).await;
    oauth.kill();
    oauth.revoke();
    assert_eq!(ask(&gateway).await.status, 503);
    let key = || Key::Bearer(ADMIN_KEY.into());
    for path in ["/admin/config", "/admin/accounts", "/metrics"] {
        let response = get(gateway.admin().await, path, key()).await;
        assert_eq!(response.status, 200, "{path}");
        assert_no_secret(path, &response.body);
    }
    let mut client = Client::connect(gateway.admin().await).await;
    let question = json!({"path": PATH, "body": {"model": "gpt-5", "messages": []}});
    let explained = client.request("POST", "/admin/explain").key(key());
    let explained = explained.json(&question).send().await;
    assert_no_secret("/admin/explain", &explained.body);
}

/// An antigravity account whose provider fails at its first addresses.
#[tokio::test]
async fn antigravity_goes_on_to_its_other_addresses() {
    let oauth = OAuth::start(3600).await;
    let envelope = json!({"response": {"candidates": [{"content": {"role": "model", "parts": [{"text": "hi"}]},
        "finishReason": "STOP"}]}});
    let quota = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "quota", "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "metadata": {"quotaResetDelay": "1h16m0.5s"}}]}});
    let dead = crate::support::DeadPort::take();
    let full = Upstream::script([Reply::json(429, quota.clone())]).await;
    let well = oauth.provider(Reply::json(200, envelope)).await;
    let last = Upstream::always(Reply::json(429, quota)).await;
    let account = |others: &str| {
        format!(
            "- name: assist\n  preset: antigravity\n  project: my-project\n  models: [gemini-3-pro]\n  \
             base-url: '{}'\n  fallback-base-urls: [{others}]\n  \
             auth: {{type: oauth2, token-url: '{}', client-id: {CLIENT_ID}, client-secret: '{CLIENT_SECRET}', refresh-token: {REFRESH}}}\n",
            dead.url(),
            oauth.url()
        )
    };
    let others = format!("'{}', '{}'", full.url(), well.url());
    let gateway = Gateway::start(&with_keys(KEY, &account(&others))).await;
    let path = "/v1beta/models/gemini-3-pro:generateContent";
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
    let key = || Key::Gemini(CLIENT_KEY.into());
    let response = post_json(gateway.addr(), path, key(), &body).await;
    assert_eq!(response.status, 200, "{response:?}");
    let sent = well.request(0).await.json();
    assert_eq!(
        (&sent["project"], &sent["model"]),
        (&json!("my-project"), &json!("gemini-3-pro"))
    );
    assert_eq!(full.requests().len(), 1);
    assert_eq!(shown(&gateway).await["state"], "ready");

    // When the last one has had enough too, the account rests for as long as it says.
    let others = format!("'{}'", last.url());
    gateway.write_config(&with_keys(KEY, &account(&others)));
    gateway
        .wait_log(|line| line.contains("config reloaded"))
        .await;
    let response = post_json(gateway.addr(), path, key(), &body).await;
    assert_eq!(response.status, 429, "{response:?}");
    let model = shown(&gateway).await["models"][0].clone();
    assert_eq!(
        (&model["state"], &model["cause"]),
        (&json!("resting"), &json!("limit"))
    );
    let waits: f64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!(waits > Duration::from_secs(200).as_secs_f64(), "{waits}");
}
