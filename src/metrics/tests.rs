//! The numbers, from what is counted to what is read.

use std::sync::Arc;

use super::*;
use crate::account::health::Scope;
use crate::account::testing::at;
use crate::account::{Account, ModelEntry};
use crate::chat::{Change, FaultKind, Loss, Usage};
use crate::config::{Config, Environment, Overrides, Source, load};
use crate::wire::Format;

struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn read(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn locate(&self, path: &std::path::Path) -> std::path::PathBuf {
        path.to_owned()
    }
}

fn config(accounts: Vec<Account>) -> Config {
    let source = Source::Text("port: 0\n".to_owned());
    let mut config = load(&source, &Nothing, &Overrides::default()).unwrap();
    config.accounts = accounts.into_iter().map(Arc::new).collect();
    config
}

fn account(name: &str, preset: &str, models: &[&str]) -> Account {
    let mut account = at(name, preset);
    let entry = |id: &&str| ModelEntry {
        id: (*id).into(),
        alias: (*id).into(),
    };
    account.models = models.iter().map(entry).collect();
    account
}

fn ended<'a>(account: &Account, model: &'a str) -> Ended<'a> {
    Ended {
        format: Some(Format::Claude),
        account: Some(account.id),
        model,
        status: 200,
        cause: None,
        took: Duration::from_millis(30),
        first_token: None,
        usage: None,
    }
}

fn text(metrics: &Metrics, config: &Config) -> String {
    metrics.text(config, &Moment::default())
}

#[test]
fn what_is_counted_can_be_read() {
    let metrics = Arc::new(Metrics::try_new().unwrap());
    let config = config(vec![account("a", "anthropic", &["m"])]);
    let meters = Meters::new(&config, &metrics);
    let account = &config.accounts[0];
    meters.tried(account.id);
    meters.rested(account.id, Scope::Key, Cause::Fault(FaultKind::Auth));
    meters.metrics().retried(Cause::Unreachable);
    let stream = meters.stream(Some(Format::Gemini));
    meters.ended(&Ended {
        first_token: Some(Duration::from_millis(120)),
        usage: Some(Usage {
            input: 7,
            output: 3,
            ..Usage::default()
        }),
        ..ended(account, "m")
    });
    meters.ended(&Ended {
        format: None,
        account: None,
        status: 503,
        cause: Some(Cause::Fault(FaultKind::Overloaded)),
        ..ended(account, "")
    });
    meters.spent(Part::Request, Duration::from_micros(30));
    let loss = Loss {
        path: "top_k".to_owned(),
        change: Change::Dropped,
    };
    meters.lost((Format::Claude, Format::OpenAiChat), &[loss.clone(), loss]);
    metrics.reloaded(false);
    metrics.login_failed();
    let shown = text(&metrics, &config);
    for line in [
        r#"aiproxy_requests_total{format="claude",provider="anthropic",status="2xx"} 1"#,
        r#"aiproxy_requests_total{format="other",provider="none",status="5xx"} 1"#,
        r#"aiproxy_errors_total{cause="overloaded"} 1"#,
        r#"aiproxy_attempts_total{account="a"} 1"#,
        r#"aiproxy_cooldowns_total{account="a",cause="auth",scope="key"} 1"#,
        r#"aiproxy_retries_total{cause="unreachable"} 1"#,
        r#"aiproxy_streams_open{format="gemini"} 1"#,
        r#"aiproxy_request_duration_seconds_bucket{format="claude",provider="anthropic",le="0.05"} 1"#,
        r#"aiproxy_time_to_first_token_seconds_bucket{format="claude",provider="anthropic",le="0.1"} 0"#,
        r#"aiproxy_gateway_overhead_seconds_bucket{part="request",le="0.00005"} 1"#,
        r#"aiproxy_tokens_total{kind="input",model="m",provider="anthropic"} 7"#,
        r#"aiproxy_tokens_total{kind="output",model="m",provider="anthropic"} 3"#,
        r#"aiproxy_translation_losses_total{change="dropped",format="claude",upstream_format="openai-chat"} 2"#,
        r#"aiproxy_config_reloads_total{result="failed"} 1"#,
        r#"aiproxy_config_reloads_total{result="ok"} 0"#,
        "aiproxy_config_last_reload_successful 0",
        "aiproxy_admin_login_failures_total 1",
        concat!(
            "aiproxy_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"} 1"
        ),
    ] {
        assert!(
            shown.lines().any(|one| one == line),
            "no {line} in\n{shown}"
        );
    }
    drop(stream);
    let shown = text(&metrics, &config);
    assert!(shown.contains(r#"aiproxy_streams_open{format="gemini"} 0"#));
}

#[test]
fn names_that_clients_make_up_are_one_series() {
    let metrics = Arc::new(Metrics::try_new().unwrap());
    let config = config(vec![account("a", "openai", &["known"])]);
    let meters = Meters::new(&config, &metrics);
    let spend = |model: &str| {
        meters.ended(&Ended {
            usage: Some(Usage {
                input: 1,
                ..Usage::default()
            }),
            ..ended(&config.accounts[0], model)
        });
    };
    spend("known");
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    spend("made-up");
    let before = series(&text(&metrics, &config));
    for n in 0..10_000 {
        spend(&format!("made-up-{n}"));
    }
    let text = text(&metrics, &config);
    assert_eq!(series(&text), before);
    assert!(text.contains(r#"{kind="input",model="other",provider="openai"} 10001"#));
}

#[test]
fn a_reload_keeps_what_stays_and_forgets_what_is_gone() {
    let metrics = Arc::new(Metrics::try_new().unwrap());
    let both = config(vec![
        account("a", "openai", &[]),
        account("b", "anthropic", &[]),
    ]);
    let meters = Meters::new(&both, &metrics);
    for account in &both.accounts {
        meters.tried(account.id);
        meters.ended(&ended(account, "m"));
    }
    let one = config(vec![account("a", "openai", &[])]);
    let meters = Meters::new(&one, &metrics);
    meters.tried(one.accounts[0].id);
    let text = text(&metrics, &one);
    assert!(text.contains(r#"aiproxy_attempts_total{account="a"} 2"#));
    assert!(text.contains(r#"provider="openai",status="2xx"} 1"#));
    assert!(!text.contains(r#"account="b""#) && !text.contains("anthropic"));
}

#[test]
fn an_account_remembers_how_its_last_try_ended() {
    let metrics = Arc::new(Metrics::try_new().unwrap());
    let (nobody, config) = (
        config(Vec::new()),
        config(vec![account("a", "openai", &[])]),
    );
    let meters = Meters::new(&config, &metrics);
    let id = config.accounts[0].id;
    assert_eq!(meters.last(id), None);
    meters.outcome(id, Some(Cause::Silent));
    assert_eq!(meters.last(id).unwrap().word, "silent");
    meters.outcome(id, None);
    let last = meters.last(id).unwrap();
    assert_eq!(last.word, "ok");
    assert!(last.at.elapsed().unwrap() < Duration::from_secs(5));
    let reloaded = Meters::new(&config, &metrics);
    assert_eq!(reloaded.last(id).unwrap().word, "ok");
    Meters::new(&nobody, &metrics);
    assert_eq!(Meters::new(&config, &metrics).last(id), None);
}

#[test]
fn json_says_the_same_as_text() {
    let metrics = Arc::new(Metrics::try_new().unwrap());
    let config = config(vec![account("a", "openai", &[])]);
    let meters = Meters::new(&config, &metrics);
    meters.ended(&ended(&config.accounts[0], "m"));
    let moment = Moment {
        running: 3,
        accounts: vec![AccountNow {
            place: 0,
            usable: true,
            token: None,
            resting_models: 2,
        }],
        ..Moment::default()
    };
    let json: serde_json::Value = serde_json::from_str(&metrics.json(&config, &moment)).unwrap();
    let series = |name: &str| {
        let families = json["families"].as_array().unwrap().iter();
        let mut named = families.filter(|family| family["name"] == name);
        named.next().unwrap()["series"][0].clone()
    };
    assert_eq!(series("aiproxy_requests_running")["value"], 3.0);
    assert_eq!(series("aiproxy_account_resting_models")["value"], 2.0);
    assert_eq!(series("aiproxy_account_usable")["labels"]["account"], "a");
    let duration = series("aiproxy_request_duration_seconds");
    assert_eq!(
        (&duration["count"], &duration["sum"]),
        (&1.into(), &0.03.into())
    );
}

#[test]
fn every_family_is_registered() {
    let metrics = Metrics::try_new().unwrap();
    for family in FAMILIES {
        let again = IntCounter::new(family.name, "x").unwrap();
        let taken = metrics.registry.register(Box::new(again)).is_err();
        assert!(taken, "{}", family.name);
    }
}
