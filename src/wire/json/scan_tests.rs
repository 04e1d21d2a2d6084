//! The walk over an object, against what `serde_json` accepts.

use super::*;
use proptest::prelude::*;
use serde_json::value::RawValue;

const DEEP_ENOUGH: usize = 1 << 20;

fn members(body: &[u8]) -> Vec<(String, String, Range<usize>)> {
    let mut seen = Vec::new();
    shallow(body, DEEP_ENOUGH, |member| {
        let raw = String::from_utf8(member.raw.to_vec()).unwrap();
        seen.push((member.key.into_owned(), raw, member.span));
    })
    .unwrap();
    seen
}

fn failure(body: &[u8]) -> String {
    shallow(body, 4, |_| {}).unwrap_err().to_string()
}

#[test]
fn members_come_with_decoded_keys_and_raw_values() {
    let body =
        b" { \"mod\\u0065l\" : \"a\\nb\" ,\"n\":-1.50E+3,\"o\":{\"x\":[1 ,{}]}, \"\":null}\n";
    assert_eq!(
        members(body),
        [
            ("model".into(), r#""a\nb""#.into(), 18..24),
            ("n".into(), "-1.50E+3".into(), 30..38),
            ("o".into(), r#"{"x":[1 ,{}]}"#.into(), 43..56),
            (String::new(), "null".into(), 61..65),
        ]
    );
    for (_, raw, span) in members(body) {
        assert_eq!(&body[span], raw.as_bytes());
    }
}

#[test]
fn the_outline_says_where_the_object_closes() {
    let outline = |body: &[u8]| shallow(body, 9, |_| {}).unwrap();
    assert_eq!(
        outline(b" { } "),
        Outline {
            close: 3,
            is_empty: true,
            holds_trace: false,
        }
    );
    assert_eq!(
        outline(b"{\"a\":{}}"),
        Outline {
            close: 7,
            is_empty: false,
            holds_trace: false,
        }
    );
}

#[test]
fn a_key_that_is_no_text_is_given_as_written() {
    assert_eq!(members(br#"{"\ud800":1}"#)[0].0, r"\ud800");
}

#[test]
fn errors_name_the_place() {
    for (body, message) in [
        ("", "not JSON: expected a value at byte 0"),
        ("  hello", "not JSON: expected a value at byte 2"),
        ("\u{feff}{}", "not JSON: expected a value at byte 0"),
        (
            "{\"model\":\"x\",\"a\":}",
            "not JSON: expected a value at byte 17",
        ),
        ("{", "not JSON: expected a key at byte 1"),
        ("{\"a\":1,}", "not JSON: expected a key at byte 7"),
        ("{\"a\" 1}", "not JSON: expected `:` at byte 5"),
        ("{\"a\":1 2}", "not JSON: expected `,` or `}` at byte 7"),
        ("{\"a\":[1 2]}", "not JSON: expected `,` or `]` at byte 8"),
        ("{\"a\":[1,]}", "not JSON: expected a value at byte 8"),
        (
            "{\"a\":01}",
            "not JSON: a number with a leading zero at byte 6",
        ),
        ("{\"a\":1.}", "not JSON: expected a digit at byte 7"),
        ("{\"a\":-}", "not JSON: expected a digit at byte 6"),
        ("{\"a\":tru}", "not JSON: expected a value at byte 5"),
        ("{\"a\":\"\\x\"}", "not JSON: an unknown escape at byte 7"),
        (
            "{\"a\":\"\\u12\"}",
            "not JSON: expected four hex digits at byte 7",
        ),
        (
            "{\"a\":\"b\n\"}",
            "not JSON: a control character in a string at byte 7",
        ),
        (
            "{\"a\":\"b",
            "not JSON: expected the end of a string at byte 7",
        ),
        ("{} {}", "not JSON: expected nothing more at byte 3"),
        ("[{}]", "the body must be a JSON object"),
        ("null", "the body must be a JSON object"),
        (
            "{\"a\":[[[[]]]]}",
            "JSON nested deeper than 4 levels at byte 8",
        ),
    ] {
        assert_eq!(failure(body.as_bytes()), message, "{body}");
    }
    assert_eq!(
        failure(b"{\"a\":\"\xff\"}"),
        "not JSON: invalid UTF-8 at byte 6"
    );
}

#[test]
fn the_outermost_object_counts_as_a_level() {
    assert!(shallow(b"{\"a\":{}}", 2, |_| {}).is_ok());
    assert!(matches!(
        shallow(b"{\"a\":{}}", 1, |_| {}),
        Err(JsonError::TooDeep { offset: 5, .. })
    ));
    assert!(matches!(
        shallow(b"{}", 0, |_| {}),
        Err(JsonError::TooDeep { offset: 0, .. })
    ));
}

#[test]
fn deep_nesting_does_not_use_the_stack() {
    let levels = 1_000_000;
    let body = format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(shallow(body.as_bytes(), levels + 1, |_| {}).is_ok());
    assert!(matches!(
        shallow(body.as_bytes(), levels, |_| {}),
        Err(JsonError::TooDeep { .. })
    ));
}

/// What `serde_json` takes for one JSON document, values not judged.
fn serde_accepts(body: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(body).is_ok()
}

fn starts_like_an_object(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

/// Text that is nearly JSON: made of its tokens, with spacing, in an order that is often right.
fn token_soup() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"\\ud83d\"",
        "\"\\ud83d\\ude00\"",
        "\"\\u00\"",
        "1",
        "-0.5e7",
        "1e999",
        "00",
        "true",
        "nul",
        "null",
        " ",
        "\n",
        "\t",
        "\u{b}",
        "\"",
        "\\",
        "é",
        "\u{feff}",
        "\"\u{1}\"",
        "123456789012345678901234567890",
        "\"k\":",
        "{\"k\":",
    ]);
    prop::collection::vec(token, 0..12)
        .prop_map(|tokens| format!("{{{}", tokens.concat()).into_bytes())
}

/// A document written with odd spacing.
pub(crate) fn document() -> impl Strategy<Value = String> {
    let space = || prop::sample::select(vec!["", "", "", " ", "\n", "\r\n\t"]);
    let text = || {
        prop_oneof![
            Just("\"model\"".to_owned()),
            Just("\"m\\u006fdel\"".to_owned()),
            Just("\"response\"".to_owned()),
            r#""([a-zé{}\[\],:]|\\"|\\\\|\\n|\\u00e9|\\ud83d\\ude00|\\ud800){0,6}""#,
        ]
    };
    let scalar = prop_oneof![
        text(),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-12.5e-3".to_owned()),
        Just("1e999".to_owned()),
        Just("0".to_owned()),
    ];
    let value = scalar.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec((space(), inner.clone(), space()), 0..4).prop_map(|items| {
                let items: Vec<String> = items
                    .into_iter()
                    .map(|(before, item, after)| format!("{before}{item}{after}"))
                    .collect();
                format!("[{}]", items.join(","))
            }),
            object(prop::collection::vec(
                (space(), text(), space(), inner, space()),
                0..4
            )),
        ]
    });
    (
        space(),
        object(prop::collection::vec(
            (space(), text(), space(), value, space()),
            0..5,
        )),
        space(),
    )
        .prop_map(|(before, object, after)| format!("{before}{object}{after}"))
}

type Written = (&'static str, String, &'static str, String, &'static str);

fn object(members: impl Strategy<Value = Vec<Written>>) -> impl Strategy<Value = String> {
    members.prop_map(|members| {
        let members: Vec<String> = members
            .into_iter()
            .map(|(before, key, around, value, after)| {
                format!("{before}{key}{around}:{around}{value}{after}")
            })
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_document_is_accepted(body in document()) {
        prop_assert!(serde_accepts(body.as_bytes()), "the generator is wrong: {}", body);
        let walked = shallow(body.as_bytes(), DEEP_ENOUGH, |_| {});
        prop_assert!(walked.is_ok());
    }

    #[test]
    fn mutated_documents_are_judged_as_serde_judges_them(
        body in document(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..3)
    ) {
        let mut body = body.into_bytes();
        for (at, byte, kind) in edits {
            if body.is_empty() {
                break;
            }
            let at = at.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => { body.remove(at); }
                2 => body.insert(at, byte),
                _ => body.truncate(at),
            }
        }
        let accepted = serde_accepts(&body) && starts_like_an_object(&body);
        prop_assert_eq!(shallow(&body, DEEP_ENOUGH, |_| {}).is_ok(), accepted);
    }

    #[test]
    fn token_soup_is_judged_as_serde_judges_it(body in token_soup()) {
        prop_assert_eq!(shallow(&body, DEEP_ENOUGH, |_| {}).is_ok(), serde_accepts(&body));
    }

    #[test]
    fn any_bytes_are_judged_as_serde_judges_them(body in prop::collection::vec(any::<u8>(), 0..40)) {
        let accepted = serde_accepts(&body) && starts_like_an_object(&body);
        prop_assert_eq!(shallow(&body, DEEP_ENOUGH, |_| {}).is_ok(), accepted);
    }

    #[test]
    fn the_depth_limit_is_exact(depth in 1..20usize, limit in 0..20usize) {
        let body = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        prop_assert_eq!(shallow(body.as_bytes(), limit, |_| {}).is_ok(), depth <= limit);
    }

    #[test]
    fn spans_point_at_the_values(body in document()) {
        let mut at = 0;
        for (_, raw, span) in members(body.as_bytes()) {
            prop_assert!(span.start >= at && serde_accepts(raw.as_bytes()));
            prop_assert_eq!(&body[span.clone()], raw);
            at = span.end;
        }
    }
}
