//! Changing the configuration of a running gateway.

use std::fs;

use nix::sys::signal::Signal;

use crate::chat::{
    answer, answered, ask, config, gated_bytes, gated_stream, streamed_question, text,
};
use crate::support::client::Client;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::CLIENT_KEY;
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;
use crate::support::{Task, within};

fn reloaded(line: &str) -> bool {
    line.contains("config reloaded:")
}

/// Asks until the answer says `wanted`; for changes that the gateway notices by itself.
async fn answers(gateway: &Gateway, wanted: &str) {
    let asking = async { while text(&answered(gateway).await) != wanted {} };
    within(&format!("an answer that says {wanted}"), asking).await;
}

#[tokio::test]
async fn a_change_is_for_new_requests_and_streams_end_as_they_began() {
    let gate = Gate::new();
    let old = Upstream::always(gated_stream(&gate)).await;
    let new = Upstream::always(answer("new")).await;
    let gateway = Gateway::start(&config(&[("a", &old.url(), "")])).await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut stream = ask(&mut client, &streamed_question()).stream().await;
    stream.until("one").await;
    gateway.write_config(&config(&[("a", &new.url(), "")]));
    gateway
        .wait_log(|line| line.contains("config reloaded: 1 accounts"))
        .await;
    assert_eq!(text(&answered(&gateway).await), "new");
    gate.open();
    let whole = stream.rest().await;
    assert!(whole.complete);
    assert_eq!(whole.text(), gated_bytes());
    assert_eq!(old.requests().len(), 1);
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_each_error_is_logged_with_its_path() {
    let (old, new) = (
        Upstream::always(answer("old")).await,
        Upstream::always(answer("new")).await,
    );
    let gateway = Gateway::start(&config(&[("a", &old.url(), "")])).await;
    let new = config(&[("a", &new.url(), "")]);
    for (broken, paths) in [
        ("api-keys: [\n".to_owned(), &["config.yaml"][..]),
        (format!("request-retries: 3\n{new}"), &["request-retries: "]),
        (
            format!("request-retry: often\ntimeouts: {{connect: -1}}\ncooldwn: {{}}\n{new}"),
            &["request-retry: ", "timeouts.connect: ", "cooldwn: "],
        ),
    ] {
        gateway.write_config(&broken);
        for path in paths {
            let says = format!("config not reloaded, the old one stays: {path}");
            let line = |line: &str| {
                line.contains(&says) || line.contains("old one stays") && line.contains(path)
            };
            let line = gateway.wait_log(line).await;
            assert!(line.contains("ERROR"), "{line}");
        }
        assert_eq!(text(&answered(&gateway).await), "old");
    }
    assert!(!gateway.log().iter().any(|line| reloaded(line)));
    gateway.write_config(&new);
    gateway.wait_log(reloaded).await;
    assert_eq!(text(&answered(&gateway).await), "new");
}

#[tokio::test]
async fn a_file_may_be_rewritten_renamed_over_removed_and_made_again() {
    let (one, two) = (
        Upstream::always(answer("one")).await,
        Upstream::always(answer("two")).await,
    );
    let listener = "host: 127.0.0.1\nport: 0\n";
    let one = listener.to_owned() + &config(&[("a", &one.url(), "")]);
    let two = listener.to_owned() + &config(&[("a", &two.url(), "")]);
    let gateway = Gateway::start(&one).await;
    fs::write(gateway.config_path(), &two).unwrap();
    answers(&gateway, "two").await;
    gateway.write_config(&one);
    answers(&gateway, "one").await;
    fs::remove_file(gateway.config_path()).unwrap();
    gateway
        .wait_log(|line| line.contains("config.yaml: cannot be read"))
        .await;
    assert_eq!(text(&answered(&gateway).await), "one");
    fs::write(gateway.config_path(), &two).unwrap();
    answers(&gateway, "two").await;
}

#[tokio::test]
async fn a_hangup_reloads_also_what_the_file_only_refers_to() {
    let upstream = Upstream::always(answer("yes")).await;
    let yaml = config(&[("a", &upstream.url(), "")]).replace(CLIENT_KEY, "'file:client.key'");
    let builder = Gateway::builder(&yaml).file("client.key", CLIENT_KEY);
    let gateway = builder.start().await;
    assert_eq!(answered(&gateway).await.status, 200);
    fs::write(gateway.directory().join("client.key"), "sk-another").unwrap();
    gateway.signal(Signal::SIGHUP);
    gateway.wait_log(reloaded).await;
    assert_eq!(answered(&gateway).await.status, 401);
}

#[tokio::test]
async fn a_gateway_on_all_addresses_does_not_lose_its_keys() {
    let upstream = Upstream::always(answer("yes")).await;
    let yaml = format!("host: 0.0.0.0\n{}", config(&[("a", &upstream.url(), "")]));
    let gateway = Gateway::start(&yaml).await;
    let keyless = yaml.replace(&format!("api-keys: [{CLIENT_KEY}]"), "api-keys: []");
    let refusal = |line: &str| line.contains("api-keys: removing all of them");
    for (n, open) in [keyless.clone(), keyless.replace("0.0.0.0", "127.0.0.1")]
        .into_iter()
        .enumerate()
    {
        gateway.write_config(&open);
        gateway.signal(Signal::SIGHUP);
        gateway.wait_lines(n + 1, refusal).await;
        let mut stranger = Client::connect(gateway.addr()).await;
        let request = stranger.request("POST", "/v1/chat/completions");
        let refused = request.json(&crate::chat::question()).send().await;
        assert_eq!(refused.status, 401);
        assert_eq!(answered(&gateway).await.status, 200);
    }
    gateway.write_config(&format!("allow-anonymous: true\n{keyless}"));
    gateway.signal(Signal::SIGHUP);
    gateway.wait_log(reloaded).await;
}

#[tokio::test]
async fn cooldowns_and_turns_of_unchanged_accounts_survive() {
    let limited = Reply::status(429).header("retry-after", "100");
    let resting = Upstream::script([limited, answer("rested")]).await;
    let (b, c) = (
        Upstream::always(answer("b")).await,
        Upstream::always(answer("c")).await,
    );
    let yaml = config(&[
        ("resting", &resting.url(), "priority: 1"),
        ("b", &b.url(), ""),
        ("c", &c.url(), ""),
    ]);
    let gateway = Gateway::start(&yaml).await;
    let mut said = vec![text(&answered(&gateway).await)];
    for round in 1..=5 {
        gateway.write_config(&format!("request-retry: {round}\n{yaml}"));
        gateway.signal(Signal::SIGHUP);
        gateway.wait_lines(round, reloaded).await;
        said.push(text(&answered(&gateway).await));
    }
    let turns = [["b", "c"], ["c", "b"]].map(|turn| turn.repeat(3));
    assert!(turns.iter().any(|turn| said == *turn), "{said:?}");
    assert_eq!(resting.requests().len(), 1);
}

#[tokio::test]
async fn log_level_and_format_change_and_other_settings_say_that_they_cannot() {
    let upstream = Upstream::always(answer("yes")).await;
    let yaml = config(&[("a", &upstream.url(), "")]);
    let gateway = Gateway::start(&yaml).await;
    answered(&gateway).await;
    gateway.write_config(&format!("log-level: warn\nport: 1\n{yaml}"));
    let restart = "host, port or allow-http2 changes only with a restart";
    gateway.wait_log(|line| line.contains(restart)).await;
    answered(&gateway).await;
    gateway.write_config(&format!("log-format: json\n{yaml}"));
    gateway
        .wait_log(|line| line.starts_with('{') && reloaded(line))
        .await;
    answered(&gateway).await;
    let json = |line: &str| line.starts_with('{') && line.contains("/v1/chat/completions");
    let line = gateway.wait_log(json).await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["target"], &line["status"]),
        (&"access".into(), &200.into())
    );
    let log = gateway.log();
    let accesses = log.iter().filter(|line| line.contains("/v1/chat"));
    assert_eq!(
        accesses.count(),
        2,
        "the second was below the level: {log:?}"
    );
}

const RELOADS: usize = 1_000;
const STREAMS: usize = 200;

#[tokio::test]
async fn a_thousand_reloads_lose_no_request_and_no_byte_of_running_streams() {
    let gate = Gate::new();
    let (slow, quick) = (
        Upstream::always(gated_stream(&gate)).await,
        Upstream::always(answer("quick")).await,
    );
    let accounts = config(&[
        ("slow", &slow.url(), "models: [gpt-5-slow]"),
        ("quick", &quick.url(), "models: [gpt-5]"),
    ]);
    // The streams may last longer than a silence that asks for a keep-alive.
    let quiet = "streaming: {keepalive-seconds: 0}";
    let configs = [1, 2].map(|retries| format!("request-retry: {retries}\n{quiet}\n{accounts}"));
    let builder = Gateway::builder(&configs[0]).env("RUST_LOG", "info,access=off");
    let gateway = builder.start().await;
    let addr = gateway.addr();
    let streams: Vec<_> = (0..STREAMS)
        .map(|_| {
            Task(tokio::spawn(async move {
                let mut client = Client::connect(addr).await;
                let mut question = streamed_question();
                question["model"] = "gpt-5-slow".into();
                ask(&mut client, &question).send().await
            }))
        })
        .collect();
    slow.request(STREAMS - 1).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let short = Task(tokio::spawn(async move {
        let mut client = Client::connect(addr).await;
        let mut served = 0;
        while !*stopped.borrow() {
            let answer = ask(&mut client, &crate::chat::question()).send().await;
            assert_eq!(text(&answer), "quick");
            served += 1;
        }
        served
    }));
    for round in 1..=RELOADS {
        gateway.write_config(&configs[round % 2]);
        gateway.signal(Signal::SIGHUP);
        // The gateway may find the change by itself as well, so there may be more reloads.
        gateway.wait_lines(round, reloaded).await;
    }
    stop.send_replace(true);
    let mut short = short;
    let served = within("the last short request", &mut short.0)
        .await
        .unwrap();
    assert!(served > 100, "only {served} short requests");
    gate.open();
    for mut stream in streams {
        let whole = within("a stream to end", &mut stream.0).await.unwrap();
        assert_eq!(whole.status, 200);
        assert!(whole.complete);
        assert_eq!(whole.text(), gated_bytes());
    }
    println!("{RELOADS} reloads, {STREAMS} streams, {served} short requests");
}
