//! Cutting the elements of an array, whole and split at every byte.

use super::*;
use crate::wire::fixtures;
use proptest::prelude::*;
use serde_json::value::RawValue;

struct Relayed {
    elements: Vec<String>,
    passed: String,
    tail: String,
    closed: bool,
}

fn relay<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Relayed {
    let mut scanner = Elements::new(usize::MAX);
    let mut elements = Vec::new();
    let mut passed = Vec::new();
    for part in parts {
        let out = scanner
            .push(Bytes::copy_from_slice(part), |element| {
                elements.push(String::from_utf8(element.to_vec()).unwrap());
            })
            .unwrap();
        passed.extend_from_slice(&out);
    }
    let closed = scanner.closed();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Relayed {
        elements,
        passed: text(passed),
        tail: text(scanner.tail().to_vec()),
        closed,
    }
}

fn whole(stream: &str) -> Relayed {
    relay([stream.as_bytes()])
}

#[test]
fn elements_are_cut_out_raw() {
    let relayed = whole("[{\"a\": [1, \"]}\\\"\"]}\n,\r\n{\"b\":{}} , \"x,\\\\\", -1.5 ,null]\n");
    assert_eq!(
        relayed.elements,
        [
            "{\"a\": [1, \"]}\\\"\"]}",
            "{\"b\":{}}",
            "\"x,\\\\\"",
            "-1.5",
            "null"
        ]
    );
    assert!(relayed.closed);
    assert_eq!(relayed.tail, "");
}

#[test]
fn what_is_passed_can_be_followed_by_one_more_element() {
    for (stream, passed) in [
        ("[", ""),
        ("[\n", ""),
        ("[{}", "[{}"),
        ("[{}\n,\n", "[{}"),
        ("[{},{\"a\":", "[{}"),
        ("[{},{\"a\":1}\n", "[{},{\"a\":1}"),
        ("[{}]\n", "[{}]\n"),
        ("[]", "[]"),
        ("[1", ""),
        ("[1,", "[1"),
    ] {
        let relayed = whole(stream);
        assert_eq!(relayed.passed, passed, "{stream:?}");
        assert_eq!(relayed.closed, stream.contains(']'));
        assert_eq!(relayed.passed + &relayed.tail, stream);
    }
}

#[test]
fn a_bare_object_is_an_element() {
    let relayed = whole(" {\"error\":{\"code\":429}}\n");
    assert_eq!(relayed.elements, ["{\"error\":{\"code\":429}}"]);
    assert!(relayed.closed);
    assert_eq!(relayed.passed, " {\"error\":{\"code\":429}}\n");
    assert!(!whole("{\"error\":").closed);
}

#[test]
fn lines_of_objects_are_elements() {
    let relayed = whole("{\"a\":1}\n{\"b\":2}\n{");
    assert_eq!(relayed.elements, ["{\"a\":1}", "{\"b\":2}"]);
    assert!(!relayed.closed);
    assert_eq!(relayed.tail, "\n{");
}

#[test]
fn text_that_is_no_json_stays_in_the_tail() {
    let relayed = whole("Bad Gateway");
    assert!(relayed.elements.is_empty() && !relayed.closed);
    assert_eq!(relayed.tail, "Bad Gateway");
}

#[test]
fn an_element_over_the_limit_is_an_error() {
    let mut elements = Elements::new(4);
    assert!(
        elements
            .push(Bytes::from_static(b"[{\"a\":1},{\"a"), |_| {})
            .is_ok()
    );
    assert_eq!(
        elements.push(Bytes::from_static(b"\":1"), |_| {}),
        Err(TooLong { limit: 4 })
    );
}

#[test]
fn every_split_of_the_recorded_array_gives_the_same() {
    let fixture = fixtures::streams()
        .find(|fixture| !fixture.is_sse())
        .unwrap();
    let expected: Vec<&RawValue> = serde_json::from_slice(&fixture.body).unwrap();
    let expected: Vec<&str> = expected.iter().map(|element| element.get()).collect();
    for at in 0..=fixture.body.len() {
        let relayed = relay([&fixture.body[..at], &fixture.body[at..]]);
        assert_eq!(relayed.elements, expected, "at {at}");
        assert_eq!((relayed.passed + &relayed.tail).as_bytes(), fixture.body);
        assert!(relayed.closed);
    }
    assert_eq!(relay(fixture.body.chunks(1)).elements, expected);
}

proptest! {
    #[test]
    fn any_chunks_of_any_text_give_the_same(
        stream in r#"([\[\]{},:1 n]|"[a\\,\]]{0,3}"|\{"a":1\}|\\|"){0,24}"#, size in 1..7usize
    ) {
        let all = whole(&stream);
        let parts = relay(stream.as_bytes().chunks(size));
        prop_assert_eq!(&parts.elements, &all.elements);
        prop_assert_eq!(parts.closed, all.closed);
        prop_assert_eq!(parts.passed + &parts.tail, stream);
    }
}
