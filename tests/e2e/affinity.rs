//! Conversations that stay with an account (`routing.session-affinity`).

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::dialect::{Dialect, Mode, account};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A};
use crate::support::upstream::Upstream;
use crate::support::within;

const SETTINGS: &str = "routing: {session-affinity: true}\ncooldown: {min: 0.02, max: 1}\n";

fn key(n: usize) -> String {
    format!("{UPSTREAM_KEY_A}-{n:02}")
}

fn config(dialect: Dialect, upstream: &Upstream, accounts: usize, settings: &str) -> String {
    let entries: Vec<_> = (0..accounts)
        .map(|n| account(&format!("a{n}"), &key(n), &upstream.url(), ""))
        .collect();
    dialect.config(settings, &entries)
}

/// Turn `n` of a conversation that began with `topic`.
fn turn(dialect: Dialect, topic: &str, n: usize) -> Value {
    let mut body = dialect.body("m", Mode::Whole);
    let said: Vec<_> = std::iter::once(("user", topic.to_owned()))
        .chain((0..n).flat_map(|n| {
            [
                ("model", format!("answer {n}")),
                ("user", format!("and {n}?")),
            ]
        }))
        .collect();
    let turns = said.iter().map(|(role, text)| match dialect {
        Dialect::Gemini => json!({"role": role, "parts": [{"text": text}]}),
        _ => json!({"role": role.replace("model", "assistant"), "content": text}),
    });
    let place = match dialect {
        Dialect::Chat | Dialect::Claude => "messages",
        Dialect::Responses => "input",
        Dialect::Gemini => "contents",
    };
    body[place] = turns.collect();
    body
}

/// Sends it; the key that it was served with.
async fn ask(dialect: Dialect, client: &mut Client, upstream: &Upstream, body: &Value) -> String {
    let request = dialect.request(client, dialect.model(), Mode::Whole);
    let mut body = body.clone();
    if dialect != Dialect::Gemini {
        body["model"] = dialect.model().into();
    }
    let answer = request.json(&body).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    dialect.key_of(upstream.requests().last().unwrap())
}

#[tokio::test]
async fn a_conversation_moves_when_its_account_fails_and_stays_where_it_went() {
    for dialect in Dialect::ALL {
        let limited: Arc<Mutex<Option<String>>> = Arc::default();
        let limit = Arc::clone(&limited);
        let upstream = Upstream::handler(move |request| {
            if limit.lock().as_ref() == Some(&dialect.key_of(request)) {
                let no = dialect.refusal(429, "rate_limit_error", "slow down");
                return no.header("retry-after-ms", "1");
            }
            dialect.answer(Mode::Whole)
        })
        .await;
        let gateway = Gateway::start(&config(dialect, &upstream, 3, SETTINGS)).await;
        let mut client = Client::connect(gateway.addr()).await;
        let home = ask(dialect, &mut client, &upstream, &turn(dialect, "topic", 0)).await;
        for n in 1..8 {
            let other = format!("other {n}");
            ask(dialect, &mut client, &upstream, &turn(dialect, &other, 0)).await;
            let body = turn(dialect, "topic", n);
            assert_eq!(
                ask(dialect, &mut client, &upstream, &body).await,
                home,
                "turn {n}"
            );
        }

        *limited.lock() = Some(home.clone());
        let moved = ask(dialect, &mut client, &upstream, &turn(dialect, "topic", 8)).await;
        assert_ne!(moved, home, "{dialect:?}");
        *limited.lock() = None;

        // It is back when it serves what is new.
        within("the first account back", async {
            for n in 0.. {
                let body = turn(dialect, &format!("new {n}"), 0);
                if ask(dialect, &mut client, &upstream, &body).await == home {
                    break;
                }
            }
        })
        .await;
        for n in 9..14 {
            let body = turn(dialect, "topic", n);
            assert_eq!(
                ask(dialect, &mut client, &upstream, &body).await,
                moved,
                "turn {n}"
            );
        }
    }
}

#[tokio::test]
async fn an_account_that_comes_or_goes_moves_nobody_else() {
    let dialect = Dialect::Claude;
    let upstream = Upstream::always(dialect.answer(Mode::Whole)).await;
    let gateway = Gateway::start(&config(dialect, &upstream, 4, SETTINGS)).await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut homes = Vec::new();
    for n in 0..40 {
        let body = turn(dialect, &format!("topic {n}"), 0);
        homes.push(ask(dialect, &mut client, &upstream, &body).await);
    }
    for (accounts, gone) in [(5, None), (3, Some(key(3)))] {
        gateway.write_config(&config(dialect, &upstream, accounts, SETTINGS));
        let says = format!("config reloaded: {accounts} accounts");
        gateway.wait_log(|line| line.contains(&says)).await;
        for (n, home) in homes.iter().enumerate() {
            let body = turn(dialect, &format!("topic {n}"), accounts);
            let now = ask(dialect, &mut client, &upstream, &body).await;
            assert_eq!(now == *home, gone.as_ref() != Some(home), "{n}");
        }
    }
}

#[tokio::test]
async fn a_thousand_conversations_are_shared_out_by_weight() {
    let dialect = Dialect::Chat;
    let upstream = Upstream::always(dialect.answer(Mode::Whole)).await;
    let weights = [2, 1, 1, 1, 1, 1, 1, 1, 1];
    let entries: Vec<_> = weights
        .iter()
        .enumerate()
        .map(|(n, weight)| {
            account(
                &format!("a{n}"),
                &key(n),
                &upstream.url(),
                &format!("weight: {weight}"),
            )
        })
        .collect();
    let gateway = Gateway::start(&dialect.config(SETTINGS, &entries)).await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut homes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for n in 0..1_000 {
        let body = turn(dialect, &format!("topic {n}"), 0);
        let home = ask(dialect, &mut client, &upstream, &body).await;
        homes.entry(home).or_default().push(n);
    }
    for (n, weight) in weights.iter().enumerate() {
        assert_eq!(homes[&key(n)].len(), weight * 100, "account {n}");
    }
    for (home, topics) in &homes {
        for n in topics.iter().step_by(20) {
            let body = turn(dialect, &format!("topic {n}"), 1);
            assert_eq!(ask(dialect, &mut client, &upstream, &body).await, *home);
        }
    }
}

#[tokio::test]
async fn no_client_moves_anothers_conversation() {
    let dialect = Dialect::Chat;
    let upstream = Upstream::always(dialect.answer(Mode::Whole)).await;
    let entries: Vec<_> = (0..2)
        .map(|n| account(&format!("a{n}"), &key(n), &upstream.url(), ""))
        .collect();
    let both = format!(
        "{}api-keys: [{CLIENT_KEY}, second-{CLIENT_KEY}]\n",
        SETTINGS
    );
    let list: String = entries
        .iter()
        .map(|entry| format!("- {{{entry}}}\n"))
        .collect();
    let gateway = Gateway::start(&format!("{both}{}:\n{list}", dialect.list())).await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut ask = async |who: &str, topic: &str| {
        let request = client.request("POST", &dialect.path(dialect.model(), Mode::Whole));
        let request = request
            .header("authorization", &format!("Bearer {who}"))
            .header("x-session-id", "one");
        let mut body = turn(dialect, topic, 0);
        body["model"] = dialect.model().into();
        assert_eq!(request.json(&body).send().await.status, 200);
        dialect.key_of(upstream.requests().last().unwrap())
    };
    let second = format!("second-{CLIENT_KEY}");
    let home = ask(CLIENT_KEY, "a").await;
    let other = ask(&second, "a").await;
    assert_ne!(home, other, "the next in turn");
    for topic in ["b", "c", "d"] {
        assert_eq!(ask(CLIENT_KEY, topic).await, home);
        assert_eq!(ask(&second, topic).await, other);
    }
}
