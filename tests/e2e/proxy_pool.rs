//! Proxies that are shared out among accounts, and that accounts keep.

use ai_proxy::state::sql::{Database, DatabaseUrl, Dialect};
use serde_json::{Value, json};

use crate::chat::{PATH, answer, text};
use crate::support::client::{Client, Response, post_json};
use crate::support::gateway::Gateway;
use crate::support::keys::{
    ADMIN_KEY, CLIENT_KEY, PROXY_PASSWORD, UPSTREAM_KEY_A, UPSTREAM_KEY_B, assert_no_secret,
};
use crate::support::proxies::Proxy;
use crate::support::servers::database;
use crate::support::upstream::Upstream;
use crate::support::within;

const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

async fn fresh(dialect: Dialect) -> String {
    let url = database(dialect).await;
    let database = Database::new(DatabaseUrl::parse(&url).unwrap());
    database.migrate().await.unwrap();
    database.close().await;
    url
}

/// Accounts that answer to their name as a prefix, with more keys of their entries.
fn yaml(
    url: &str,
    pool: &[(&Proxy, usize)],
    accounts: &[(&str, &str)],
    upstream: &Upstream,
) -> String {
    let pool: Vec<String> = pool
        .iter()
        .map(|(proxy, capacity)| format!("{{url: '{}', capacity: {capacity}}}", proxy.url()))
        .collect();
    let mut yaml = format!(
        "admin: {{port: 0, key: {ADMIN_KEY}, allow-private-base-urls: true}}\napi-keys: [{CLIENT_KEY}]\n\
         database-url: '{url}'\nsecret-keys: ['{SECRET}']\nrequest-retry: 0\nproxy-pool: [{}]\nopenai-api-key:\n",
        pool.join(", ")
    );
    for (name, more) in accounts {
        yaml += &format!(
            "  - {{name: {name}, prefix: {name}, api-key: {UPSTREAM_KEY_A}, base-url: '{}', {more}}}\n",
            upstream.url()
        );
    }
    yaml
}

async fn call(gateway: &Gateway, method: &str, path: &str, body: Option<&Value>) -> Response {
    let mut client = Client::connect(gateway.admin().await).await;
    let mut request = client
        .request(method, path)
        .key(ADMIN_KEY)
        .header("if-match", "*");
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await;
    assert_no_secret(path, response.text().as_bytes());
    response
}

/// The accounts of each proxy, and those without one.
async fn shared(gateway: &Gateway) -> (Vec<Vec<String>>, Vec<String>) {
    let shown = call(gateway, "GET", "/admin/proxies", None).await.json();
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let proxies = shown["proxies"].as_array().unwrap().iter();
    let proxies = proxies.map(|proxy| names(&proxy["accounts"])).collect();
    (proxies, names(&shown["without"]))
}

async fn id(gateway: &Gateway, place: usize) -> String {
    let shown = call(gateway, "GET", "/admin/proxies", None).await.json();
    shown["proxies"][place]["id"].as_str().unwrap().to_owned()
}

/// Asks the account, and says which of the proxies its connection went through.
async fn way(gateway: &Gateway, account: &str, proxies: &[&Proxy]) -> Option<usize> {
    let before: Vec<usize> = proxies.iter().map(|proxy| proxy.connections()).collect();
    let model = format!("{account}/gpt-5");
    let question = json!({"model": model, "messages": [{"role": "user", "content": "Why?"}]});
    let answer = post_json(gateway.addr(), PATH, CLIENT_KEY, &question).await;
    assert_eq!(text(&answer), "x", "{account}");
    let used = proxies.iter().zip(before);
    let mut used = used.map(|(proxy, before)| proxy.connections() > before);
    used.position(|used| used)
}

#[tokio::test]
async fn the_first_proxy_with_room_is_kept_over_restarts_and_in_another_order() {
    let upstream = Upstream::always(answer("x")).await;
    let (first, second) = (Proxy::http().authenticated().await, Proxy::socks5().await);
    let url = fresh(Dialect::Sqlite).await;
    let pool = [(&first, 1), (&second, 2)];
    let accounts = [
        ("a", ""),
        ("direct", "proxy-url: direct"),
        ("b", ""),
        ("c", ""),
        ("d", ""),
    ];
    let gateway = Gateway::start(&yaml(&url, &pool, &accounts, &upstream)).await;
    let wanted = |proxies: &[&[&str]], without: &[&str]| {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        (
            proxies.iter().map(|list| names(list)).collect::<Vec<_>>(),
            names(without),
        )
    };
    assert_eq!(
        shared(&gateway).await,
        wanted(&[&["a"], &["b", "c"]], &["d"])
    );
    gateway
        .wait_log(|line| line.contains("proxy-pool has no room for 1 accounts"))
        .await;
    for (account, proxy) in [
        ("a", Some(0)),
        ("b", Some(1)),
        ("direct", None),
        ("d", None),
    ] {
        assert_eq!(
            way(&gateway, account, &[&first, &second]).await,
            proxy,
            "{account}"
        );
    }
    let config = call(&gateway, "GET", "/admin/config", None).await;
    assert!(!config.text().contains(PROXY_PASSWORD));
    drop(gateway);

    let turned = [("d", ""), ("c", ""), ("b", ""), ("a", "")];
    let gateway = Gateway::start(&yaml(&url, &pool, &turned, &upstream)).await;
    assert_eq!(
        shared(&gateway).await,
        wanted(&[&["a"], &["c", "b"]], &["d"])
    );
    // A reload too; one that goes makes room.
    gateway.write_config(&yaml(
        &url,
        &pool,
        &[("d", ""), ("c", ""), ("a", "")],
        &upstream,
    ));
    within("the reload", async {
        while shared(&gateway).await != wanted(&[&["a"], &["d", "c"]], &[]) {}
    })
    .await;
    // A proxy that is taken away gives its accounts to the others, and comes back empty.
    gateway.write_config(&yaml(
        &url,
        &[(&second, 3)],
        &[("a", ""), ("c", ""), ("d", "")],
        &upstream,
    ));
    within("the smaller pool", async {
        while shared(&gateway).await != wanted(&[&["a", "c", "d"]], &[]) {}
    })
    .await;
    // It is stored before the proxy comes back.
    within("the new proxy to be stored", async {
        while assignments(&url)
            .await
            .iter()
            .any(|proxy| *proxy != assignments_of(&second))
        {}
    })
    .await;
    gateway.write_config(&yaml(
        &url,
        &[(&first, 3), (&second, 3)],
        &[("a", ""), ("c", ""), ("d", "")],
        &upstream,
    ));
    within("the larger pool", async {
        while shared(&gateway).await != wanted(&[&[], &["a", "c", "d"]], &[]) {}
    })
    .await;
}

/// The proxies that are stored for the accounts that are there.
async fn assignments(url: &str) -> Vec<String> {
    let database = Database::new(DatabaseUrl::parse(url).unwrap());
    let rows = database
        .rows(
            "SELECT proxy FROM proxy_assignments ORDER BY assigned_at DESC LIMIT 1",
            vec![],
        )
        .await
        .unwrap();
    let found = rows.iter().map(|row| row.text(0).unwrap()).collect();
    database.close().await;
    found
}

fn assignments_of(proxy: &Proxy) -> String {
    let proxy = ai_proxy::upstream::OutboundProxy::try_new(&proxy.url()).unwrap();
    ai_proxy::account::proxies::ProxyId::of(&proxy).to_string()
}

#[tokio::test]
async fn instances_agree_and_the_accounts_of_a_dead_proxy_move() {
    let upstream = Upstream::always(answer("x")).await;
    let (first, second) = (Proxy::http().await, Proxy::http().await);
    for dialect in Dialect::ALL {
        let url = fresh(dialect).await;
        let pool = [(&first, 2), (&second, 3)];
        let config = yaml(&url, &pool, &[("a", ""), ("b", ""), ("c", "")], &upstream);
        let (one, other) = tokio::join!(Gateway::start(&config), Gateway::start(&config));
        assert_eq!(shared(&one).await, shared(&other).await, "{dialect:?}");
        assert_eq!(way(&one, "a", &[&first, &second]).await, Some(0));

        let dead = id(&one, 0).await;
        let marked = call(&one, "POST", &format!("/admin/proxies/{dead}/dead"), None).await;
        assert_eq!(marked.json()["proxies"][0]["state"], "dead", "{marked:?}");
        let moved = shared(&one).await;
        assert_eq!(
            moved.0,
            [vec![], vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]]
        );
        assert_eq!(way(&one, "a", &[&first, &second]).await, Some(1));
        within("the other instance to hear of it", async {
            while shared(&other).await != moved {}
        })
        .await;
        let alive = call(
            &other,
            "POST",
            &format!("/admin/proxies/{dead}/alive"),
            None,
        )
        .await;
        assert_eq!(alive.json()["proxies"][0]["state"], "alive");
        assert_eq!(shared(&other).await, moved, "who has moved stays");

        // An account that is made now gets the room, and keeps its proxy with another key.
        let document = json!({"list": "openai-api-key", "name": "made", "prefix": "made", "api-key": UPSTREAM_KEY_B, "base-url": upstream.url()});
        let made = call(&other, "POST", "/admin/accounts", Some(&document)).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(shared(&other).await.0[0], ["made"], "{dialect:?}");
        within("the first to have it too", async {
            while shared(&one).await != shared(&other).await {}
        })
        .await;
        let gone = call(
            &one,
            "POST",
            &format!("/admin/proxies/{}/dead", id(&one, 1).await),
            None,
        )
        .await;
        assert_eq!(gone.status, 200);
        let back = call(
            &one,
            "POST",
            &format!("/admin/proxies/{}/alive", id(&one, 1).await),
            None,
        )
        .await;
        assert_eq!(back.status, 200);
        let before = shared(&one).await;
        let changed = call(
            &one,
            "PATCH",
            "/admin/accounts/made",
            Some(&json!({"api-key": UPSTREAM_KEY_A})),
        )
        .await;
        assert_eq!(changed.status, 200, "{changed:?}");
        assert_eq!(shared(&one).await, before, "{dialect:?}");
        assert_eq!(changed.json()["proxy"], json!(first.url()), "{dialect:?}");
        let gone = call(&one, "DELETE", "/admin/accounts/made", None).await;
        assert_eq!(gone.status, 200, "{gone:?}");
        assert!(!shared(&one).await.0[0].contains(&"made".to_owned()));
        let audit = call(&one, "GET", "/admin/audit", None).await.json();
        let actions: Vec<_> = audit["audit"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["action"].as_str().unwrap())
            .collect();
        assert!(
            actions.ends_with(&["create", "proxy-alive", "proxy-dead"]),
            "{actions:?}"
        );
    }
    let gateway = Gateway::start(&yaml(
        &fresh(Dialect::Sqlite).await,
        &[(&first, 1)],
        &[("a", "")],
        &upstream,
    ))
    .await;
    let nobody = call(&gateway, "POST", "/admin/proxies/000000000000/dead", None).await;
    assert_eq!(
        (nobody.status, nobody.json()["error"]["code"].clone()),
        (404, json!("unknown_proxy"))
    );
}

#[tokio::test]
async fn a_pool_that_is_wrong_is_refused_with_all_its_errors() {
    let pool = format!(
        "proxy-pool: [{{url: ftp://x}}, {{url: 'http://u:{PROXY_PASSWORD}@h:1', capacity: 0}}, {{url: 'http://u:other@h:1'}}, {{capacity: 2}}]\n"
    );
    let (code, stderr) = Gateway::expect_failure(&pool).await;
    assert_eq!(code, 2);
    for wanted in [
        "proxy-pool[0].url: must start with http://",
        "proxy-pool[1].capacity: must be at least 1",
        "proxy-pool[2].url: is in the pool already",
        "proxy-pool[3].url: is not a URL",
    ] {
        assert!(stderr.contains(wanted), "{wanted}\n{stderr}");
    }
}
