//! Replacing one string, whole and split at every byte.

use super::super::scan::tests::document;
use super::*;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

const MODEL: &[&str] = &["model"];
const NESTED: &[&str] = &["response", "model"];

fn splice_parts<'a>(
    path: &'static [&'static str],
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let mut splicer = Splicer::new(path, "al\"ias");
    let mut out = Vec::new();
    for part in parts {
        splicer.push(part, &mut out);
    }
    splicer.end(&mut out);
    out
}

fn splice(path: &'static [&'static str], body: &str) -> String {
    String::from_utf8(splice_parts(path, [body.as_bytes()])).unwrap()
}

#[test]
fn the_string_at_the_path_is_replaced() {
    for (path, body, expected) in [
        (MODEL, r#"{"model":"x"}"#, r#"{"model":"al\"ias"}"#),
        (
            MODEL,
            r#"{ "a":[{"model":"x"}], "mod\u0065l" : "x\"y" ,"b":1}"#,
            r#"{ "a":[{"model":"x"}], "mod\u0065l" : "al\"ias" ,"b":1}"#,
        ),
        (
            MODEL,
            r#"[{"model":"x"}, {"model":"y"}]"#,
            r#"[{"model":"al\"ias"}, {"model":"al\"ias"}]"#,
        ),
        (
            MODEL,
            r#"{"choices":[{"model":"x"}]}"#,
            r#"{"choices":[{"model":"x"}]}"#,
        ),
        (
            MODEL,
            r#"{"response":{"model":"x"}}"#,
            r#"{"response":{"model":"x"}}"#,
        ),
        (
            NESTED,
            r#"{"response":{"id":"r","model":"x"},"model":"y"}"#,
            r#"{"response":{"id":"r","model":"al\"ias"},"model":"y"}"#,
        ),
        (
            NESTED,
            r#"{"other":{"model":"x"},"response":"model"}"#,
            r#"{"other":{"model":"x"},"response":"model"}"#,
        ),
        (
            NESTED,
            r#"{"response":[{"model":"x"}]}"#,
            r#"{"response":[{"model":"al\"ias"}]}"#,
        ),
    ] {
        assert_eq!(splice(path, body), expected);
    }
}

#[test]
fn a_value_that_is_not_a_string_stays() {
    for body in [
        r#"{"model":null}"#,
        r#"{"model":{"model":"x"}}"#,
        r#"{"model":["x"]}"#,
        r#"{"model":1.0}"#,
        r#"["model","x"]"#,
        r#""model""#,
    ] {
        assert_eq!(splice(MODEL, body), body);
    }
}

#[test]
fn raw_sse_blocks_can_be_given_as_they_are() {
    assert_eq!(
        splice(
            MODEL,
            ": it's \"quoted\n\nevent: x\ndata: {\"model\":\"a\"}\n\ndata: {\"model\":\"b\"}\r\n\r\ndata: [DONE]\n\n"
        ),
        ": it's \"quoted\n\nevent: x\ndata: {\"model\":\"al\\\"ias\"}\n\ndata: {\"model\":\"al\\\"ias\"}\r\n\r\ndata: [DONE]\n\n"
    );
}

#[test]
fn what_is_not_json_passes_untouched() {
    for body in [
        r#"{"model""x"}"#,
        r#"{,"model":"x"}"#,
        r#"{"a":1]"model":"x"}"#,
        r#"{"model":"x"#,
        r#"{"mod"#,
        r#"{"model":"x\"#,
        r#"{"a":"b" "model":"x"}"#,
        "<html>{}",
        "]}",
        "[}",
        "{]",
    ] {
        assert_eq!(splice(MODEL, body), body);
    }
}

#[test]
fn a_lost_splicer_recovers_after_reset() {
    let mut splicer = Splicer::new(MODEL, "m");
    let mut out = Vec::new();
    splicer.push(b"{?{\"model\":\"x\"}", &mut out);
    splicer.reset();
    splicer.push(b"{\"model\":\"x\"}", &mut out);
    assert_eq!(out, b"{?{\"model\":\"x\"}{\"model\":\"m\"}");
}

#[test]
fn a_string_that_is_no_name_passes_in_any_chunks() {
    let body = format!("{{\"model\":\"{}\"}}", "x".repeat(MAX_HELD));
    assert_eq!(splice(MODEL, &body), body);
    assert_eq!(
        splice_parts(MODEL, body.as_bytes().chunks(1000)),
        body.as_bytes()
    );
}

#[test]
fn deep_arrays_are_not_looked_into() {
    let body = format!("{}{{\"model\":\"x\"}}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(splice(MODEL, &body), body);
}

/// The members of an object in their order, repeated keys included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<&RawValue>()? {
                    // A key with a lone surrogate is no text; it is not one we look for either.
                    let key = serde_json::from_str(key.get()).unwrap_or_default();
                    members.push((key, map.next_value()?));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(InOrder).map(Members)
    }
}

/// Where the strings at the path stand in `root`, found by `serde_json`.
fn spans(root: &str, value: &str, path: &[&str], found: &mut Vec<Range<usize>>) {
    let value = value.trim();
    if value.starts_with('{') && !path.is_empty() {
        for (key, member) in serde_json::from_str::<Members<'_>>(value).unwrap().0 {
            let member = member.get();
            if key != path[0] {
                continue;
            }
            if path.len() > 1 {
                spans(root, member, &path[1..], found);
            } else if member.starts_with('"') {
                let start = member.as_ptr() as usize - root.as_ptr() as usize;
                found.push(start..start + member.len());
            }
        }
    } else if value.starts_with('[') {
        for element in serde_json::from_str::<Vec<&RawValue>>(value).unwrap() {
            spans(root, element.get(), path, found);
        }
    }
}

fn reference(body: &str, path: &[&str]) -> String {
    let mut found = Vec::new();
    spans(body, body, path, &mut found);
    let mut out = body.to_owned();
    for span in found.into_iter().rev() {
        out.replace_range(span, &quote("al\"ias"));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn it_does_what_serde_would(body in document(), in_array in any::<bool>()) {
        let body = if in_array { format!("[{body}, {body}]") } else { body };
        for path in [MODEL, NESTED] {
            prop_assert_eq!(splice(path, &body), reference(&body, path));
        }
    }

    #[test]
    fn every_split_gives_the_same(body in document(), cut in any::<prop::sample::Index>()) {
        let mut body = body.into_bytes();
        // Cut documents must come out whole too.
        body.truncate(body.len() - cut.index(body.len()).min(5));
        for path in [MODEL, NESTED] {
            let whole = splice_parts(path, [&body[..]]);
            for split in 0..=body.len() {
                prop_assert_eq!(&splice_parts(path, [&body[..split], &body[split..]]), &whole);
            }
            prop_assert_eq!(splice_parts(path, body.chunks(1)), whole);
        }
    }

    #[test]
    fn a_document_like_others_becomes_what_it_would_alone(
        bodies in prop::collection::vec(
            prop_oneof![
                document(),
                r#"\{"id":"[ab]","model":"[xy]","model":"x","t":"[a-c]{0,3}(\\u0061)?"\}"#,
                r#"\{"id":"a",("mod\\u0065l"|"model"):"x"(,"t":"[a-c]{0,3}(\\u0061)?"|,"model":"y"|,"a":\{"model":"y"\})?\}?"#,
                r#"\{"response":\{"model":"x","t":[1-3]\}\}( \{"response":\{"model":"y"\}\})?"#,
            ],
            1..4,
        ),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
    ) {
        for path in [MODEL, NESTED] {
            let mut splicer = Splicer::new(path, "al\"ias");
            for index in &order {
                let body = index.get::<String>(&bodies);
                let mut out = Vec::new();
                splicer.document(body.as_bytes(), &mut out);
                prop_assert_eq!(String::from_utf8(out).unwrap(), splice(path, body));
            }
        }
    }

    #[test]
    fn no_byte_is_lost_of_what_is_not_replaced(
        parts in prop::collection::vec(r#"[{}\[\]",:\\a ]{0,6}|"model":|\{"model":"x"|[\x00-\xff]"#, 0..12)
    ) {
        let body = parts.concat();
        // A path that cannot be in the body: everything is copied.
        prop_assert_eq!(&splice(&["elsewhere"], &body), &body);
        // Otherwise only strings may have changed.
        let spliced = splice_parts(MODEL, body.as_bytes().chunks(3));
        prop_assert_eq!(spliced, splice(MODEL, &body).into_bytes());
    }
}
