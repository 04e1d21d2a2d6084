//! Edits, one by one and of documents that nobody would write.

use proptest::prelude::*;

use super::*;

fn path(text: &str) -> Path {
    Path::try_new(text).unwrap()
}

fn plain(text: &str) -> Document<'_> {
    Document::new(text, false)
}

const BODY: &str = "{ \"a\" : 1.0,\n\t\"o\":{ \"x\":[1, 2 ,{\"y\":null}] } ,\"s\":\"t\\u0041\", \"e\":{ },\"l\":[],\"n\":null }\n";

#[test]
fn an_override_changes_one_place() {
    for (at, value, want) in [
        ("a", "2", BODY.replace("1.0", "2")),
        ("o.x.1", "\"b\"", BODY.replace("2 ,", "\"b\" ,")),
        ("o.x.2.y", "[]", BODY.replace("{\"y\":null}", "{\"y\":[]}")),
        (
            "o.x.3",
            "9",
            BODY.replace("{\"y\":null}]", "{\"y\":null},9]"),
        ),
        (
            "o.x.-1",
            "9",
            BODY.replace("{\"y\":null}]", "{\"y\":null},9]"),
        ),
        (
            "o.x.-1.a.0",
            "9",
            BODY.replace("{\"y\":null}]", "{\"y\":null},{\"a\":[9]}]"),
        ),
        (
            "o.z",
            "true",
            BODY.replace("null}] }", "null}],\"z\":true }"),
        ),
        (
            "o.z.0.k",
            "1",
            BODY.replace("null}] }", "null}],\"z\":[{\"k\":1}] }"),
        ),
        (
            r"o.z.\0",
            "1",
            BODY.replace("null}] }", "null}],\"z\":{\"0\":1} }"),
        ),
        ("e.k", "1", BODY.replace("{ }", "{\"k\":1 }")),
        ("e.0", "1", BODY.replace("{ }", "{\"0\":1 }")),
        ("e.-1", "1", BODY.replace("{ }", "{\"-1\":1 }")),
        ("l.0", "1", BODY.replace("[]", "[1]")),
        (
            "n.k.-1",
            "1",
            BODY.replace("\"n\":null", "\"n\":{\"k\":[1]}"),
        ),
        (
            r"new\.key\n",
            "\"\"",
            BODY.replace("null }\n", "null,\"new.keyn\":\"\" }\n"),
        ),
    ] {
        assert_eq!(
            plain(BODY).set(&path(at), value).as_deref(),
            Some(&*want),
            "{at}"
        );
    }
}

#[test]
fn a_path_that_leads_nowhere_changes_nothing() {
    for at in [
        "a.b", "s.0", "s.x.y", "o.x.y", "o.x.4", "o.x.9.a", "l.1", "z.1", "n.1", "a.-1",
    ] {
        assert_eq!(plain(BODY).set(&path(at), "1"), None, "{at}");
        assert_eq!(plain(BODY).default(&path(at), "1"), None, "{at}");
        assert_eq!(plain(BODY).remove(&path(at)), None, "{at}");
    }
}

#[test]
fn a_default_is_set_where_nothing_is() {
    for (at, is_set) in [
        ("a", false),
        ("n", false),
        ("n.k", false),
        ("o.x.2.y", false),
        ("o.x.2.z", true),
        ("z", true),
        ("z.y.x", true),
        ("l.0", true),
        ("o.x.2", false),
    ] {
        let once = plain(BODY).default(&path(at), "{\"v\":1}");
        assert_eq!(once.is_some(), is_set, "{at}");
        if let Some(once) = once {
            assert_eq!(plain(&once).default(&path(at), "2"), None, "{at}");
        }
    }
}

#[test]
fn a_filter_takes_a_value_and_one_comma() {
    for (at, want) in [
        ("a", BODY.replace("\"a\" : 1.0,\n\t", "")),
        ("n", BODY.replace(",\"n\":null", "")),
        ("o.x", BODY.replace("\"x\":[1, 2 ,{\"y\":null}]", "")),
        ("o.x.0", BODY.replace("1, 2", "2")),
        ("o.x.2", BODY.replace(" ,{\"y\":null}", "")),
        ("o.x.2.y", BODY.replace("\"y\":null", "")),
    ] {
        assert_eq!(
            plain(BODY).remove(&path(at)).as_deref(),
            Some(&*want),
            "{at}"
        );
    }
    let twice = r#"{"k":1,"j":2,"\u006b":3,"k":4}"#;
    assert_eq!(
        plain(twice).remove(&path("k")).as_deref(),
        Some(r#"{"j":2}"#)
    );
    let often = format!(
        "{{{}\"j\":2,\"k\":1 , \"k\":2}}",
        "\"k\":0,".repeat(100_000)
    );
    assert_eq!(
        plain(&often).remove(&path("k")).as_deref(),
        Some(r#"{"j":2}"#)
    );
    assert_eq!(
        plain("[1,2,3]").remove(&path("1")).as_deref(),
        Some("[1,3]")
    );
}

#[test]
fn of_a_repeated_key_the_last_one_counts() {
    let text = r#"{"k":{"a":1},"k":{"b":1}}"#;
    assert_eq!(
        plain(text).set(&path("k.a"), "2").as_deref(),
        Some(r#"{"k":{"a":1},"k":{"b":1,"a":2}}"#)
    );
}

#[test]
fn gemini_spells_keys_in_two_ways() {
    let text = r#"{"generation_config":{"topK":1,"top_k":2}}"#;
    let document = Document::new(text, true);
    assert_eq!(
        document.set(&path("generationConfig.topP"), "1").as_deref(),
        Some(r#"{"generation_config":{"topK":1,"top_k":2,"topP":1}}"#)
    );
    assert_eq!(document.default(&path("generationConfig.topK"), "1"), None);
    assert_eq!(
        document.remove(&path("generationConfig.topK")).as_deref(),
        Some(r#"{"generation_config":{}}"#)
    );
    assert!(
        plain(text)
            .default(&path("generationConfig.topK"), "1")
            .is_some()
    );
}

/// Documents with few names, so that paths meet them.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1.50".to_owned()),
        Just("true".to_owned()),
        Just("\"a\\\"],\\u00e9{\"".to_owned()),
        Just("\"é\"".to_owned()),
    ];
    let space = || prop_oneof![Just(""), Just(" "), Just("\n\t")];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let member = (
            prop_oneof![Just("a"), Just("b"), Just("0"), Just("\\u0061")],
            space(),
            inner.clone(),
        );
        prop_oneof![
            (prop::collection::vec(member, 0..4), space()).prop_map(|(members, space)| {
                let members: Vec<_> = members
                    .into_iter()
                    .map(|(key, space, value)| format!("\"{key}\"{space}:{value}{space}"))
                    .collect();
                format!("{{{space}{}}}", members.join(","))
            }),
            (prop::collection::vec(inner, 0..4), space()).prop_map(|(items, space)| format!(
                "[{}{space}]",
                items.join(&format!("{space},"))
            )),
        ]
    })
}

fn steps() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        Just("a"),
        Just("b"),
        Just("0"),
        Just("1"),
        Just("-1"),
        Just("c")
    ];
    prop::collection::vec(step, 1..5).prop_map(|steps| steps.join("."))
}

/// The bytes around the first and the last difference.
fn differs_in_one_place(before: &str, after: &str) -> bool {
    let same = before
        .bytes()
        .zip(after.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let tail = before
        .bytes()
        .rev()
        .zip(after.bytes().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let short = before.len().min(after.len());
    // What is neither in the common front nor in the common end is the edit.
    same + tail >= short || before.len() > same + tail
}

fn parse(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What a reader of the whole document would do.
fn model(root: &serde_json::Value, path: &Path) -> Option<serde_json::Value> {
    let mut at = root;
    for step in path.steps() {
        at = match (at, step) {
            (serde_json::Value::Array(items), Step::Index(index, _)) => items.get(*index)?,
            (serde_json::Value::Object(members), step) => members.get(step.key())?,
            _ => return None,
        };
    }
    Some(at.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn an_edit_leaves_json_and_every_other_byte(text in value(), at in steps(), new in value()) {
        let (path, document) = (path(&at), plain(&text));
        let before = model(&parse(&text), &path);
        if let Some(after) = document.set(&path, &new) {
            let parsed = parse(&after);
            prop_assert!(after.contains(&new));
            if !path.appends() {
                prop_assert_eq!(model(&parsed, &path), Some(parse(&new)));
            }
            prop_assert!(differs_in_one_place(&text, &after));
            // Taking the new value out of its place gives the old text back.
            if before.is_some() {
                let Found::Value(old) = document.find(&path) else { panic!() };
                let place = document.place(old);
                prop_assert_eq!(&after[..place.start], &text[..place.start]);
                prop_assert_eq!(&after[place.start + new.len()..], &text[place.end..]);
            }
        } else {
            prop_assert_eq!(before, None);
        }
    }

    #[test]
    fn a_default_twice_is_a_default_once(text in value(), at in steps(), new in value()) {
        let path = path(&at);
        prop_assume!(!path.appends());
        if let Some(after) = plain(&text).default(&path, &new) {
                prop_assert_eq!(model(&parse(&text), &path), None);
                prop_assert_eq!(model(&parse(&after), &path), Some(parse(&new)));
                prop_assert_eq!(plain(&after).default(&path, "7"), None);
                // Only something was put in: without it the text is the old one.
                let same = text.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
                let more = after.len() - text.len();
                prop_assert!((0..=same).any(|at| [&after.as_bytes()[..at], &after.as_bytes()[at + more..]].concat() == text.as_bytes()));
        }
    }

    #[test]
    fn what_was_filtered_is_gone(text in value(), at in steps()) {
        let path = path(&at);
        if let Some(after) = plain(&text).remove(&path) {
            parse(&after);
            prop_assert!(after.len() < text.len());
            let is_element = matches!(path.steps().last(), Some(Step::Index(..)));
            prop_assert!(is_element || model(&parse(&after), &path).is_none(), "{}", after);
        } else {
            prop_assert_eq!(model(&parse(&text), &path), None);
        }
    }
}
