//! Which rules a request meets, and what they do in turn.

use http::HeaderValue;

use super::*;

fn path(text: &str) -> Path {
    Path::try_new(text).unwrap()
}

fn glob(pattern: &str) -> Option<Glob> {
    Some(Glob::try_new(pattern).unwrap())
}

fn values<const N: usize>(values: [(&str, &str); N]) -> Vec<(Path, Box<str>)> {
    values.map(|(at, value)| (path(at), value.into())).into()
}

fn rule(targets: Vec<Target>, change: Change) -> Rule {
    Rule { targets, change }
}

fn run(rules: &Rules, model: &str, body: &str, headers: &HeaderMap) -> Option<String> {
    let plan = rules.plan(model, Format::OpenAiChat, Format::Claude)?;
    let after = rules.apply(&plan, body.as_bytes(), headers)?;
    Some(String::from_utf8(after).unwrap())
}

#[test]
fn the_first_default_and_the_last_override_win() {
    let rules = Rules(vec![
        rule(vec![], Change::Default(values([("a", "1"), ("b", "1")]))),
        rule(vec![], Change::Default(values([("a", "2"), ("c", "2")]))),
        rule(vec![], Change::Override(values([("d", "1"), ("b", "3")]))),
        rule(vec![], Change::Override(values([("d", "2")]))),
        rule(vec![], Change::Filter(vec![path("c")])),
    ]);
    let after = run(&rules, "m", r#"{"c": 0, "x":1.0}"#, &HeaderMap::new());
    assert_eq!(after.as_deref(), Some(r#"{"x":1.0,"a":1,"b":3,"d":2}"#));
}

#[test]
fn a_rule_is_for_models_and_formats() {
    let change = || Change::Default(values([("a", "1")]));
    let target = |model, to, from| Target {
        model,
        to,
        from,
        ..Target::default()
    };
    let (chat, claude) = (Some(Format::OpenAiChat), Some(Format::Claude));
    for (target, want) in [
        (target(None, None, None), true),
        (target(glob("gpt-*"), None, None), true),
        (target(glob("claude-*"), None, None), false),
        (target(glob("gpt-*"), chat, claude), true),
        (target(None, claude, None), false),
        (target(None, None, chat), false),
    ] {
        let rules = Rules(vec![rule(vec![target.clone()], change())]);
        let plan = rules.plan("gpt-5", Format::OpenAiChat, Format::Claude);
        assert_eq!(plan.is_some(), want, "{target:?}");
    }
}

#[test]
fn headers_and_conditions_are_looked_at_for_each_request() {
    let with = |name: &'static str, value: &'static str| {
        HeaderMap::from_iter([(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )])
    };
    let rules = Rules(vec![rule(
        vec![
            Target {
                headers: vec![(
                    HeaderName::from_static("x-tier"),
                    Glob::try_new("gold*").unwrap(),
                )],
                conditions: vec![Condition::Exists(path("tools"))],
                ..Target::default()
            },
            Target {
                model: glob("other"),
                ..Target::default()
            },
        ],
        Change::Override(values([("a", "1")])),
    )]);
    for (model, body, headers, want) in [
        ("m", r#"{"tools":[]}"#, with("x-tier", "golden"), true),
        ("m", r#"{"tools":[]}"#, with("x-tier", "silver"), false),
        ("m", r#"{"tools":[]}"#, HeaderMap::new(), false),
        ("m", "{}", with("x-tier", "golden"), false),
        ("other", "{}", HeaderMap::new(), true),
    ] {
        let after = run(&rules, model, body, &headers);
        assert_eq!(after.is_some(), want, "{model} {body} {headers:?}");
    }
}

#[test]
fn a_condition_sees_what_the_rules_before_it_did() {
    let rules = Rules(vec![
        rule(vec![], Change::Default(values([("tier", "\"basic\"")]))),
        rule(
            vec![Target {
                conditions: vec![Condition::Equal(path("tier"), "\"basic\"".into())],
                ..Target::default()
            }],
            Change::Override(values([("max", "5")])),
        ),
    ]);
    let none = HeaderMap::new();
    assert_eq!(
        run(&rules, "m", "{}", &none).as_deref(),
        Some(r#"{"tier":"basic","max":5}"#)
    );
    assert_eq!(run(&rules, "m", r#"{"tier":"x"}"#, &none), None);
}
