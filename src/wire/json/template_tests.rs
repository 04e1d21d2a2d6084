//! What is like a template, and that it is JSON of the same structure.

use super::*;
use proptest::prelude::*;

/// A template of `document` with gaps at its members `t` (the text), `p` (padding) and every number.
fn templates(document: &str) -> Templates<()> {
    let mut templates = Templates::default();
    let node = Node::parse(document.as_bytes(), 8).unwrap();
    let mut gaps = Vec::new();
    for (key, value) in node.members() {
        match (&*key, inside(value), digits(value)) {
            ("t", Some(text), _) => gaps.push((Gap::Text, text)),
            ("p", Some(text), _) => gaps.push((Gap::Padding, text)),
            (_, _, Some(number)) => gaps.push((Gap::Digits, number)),
            _ => {}
        }
    }
    templates.keep(document, &gaps, ());
    templates
}

#[test]
fn only_the_gaps_may_differ() {
    let mut templates = templates(r#"{"n":1,"t":"a","x":"y","p":"..","m":20}"#);
    let mut scratch = String::new();
    for (document, want) in [
        (r#"{"n":1,"t":"a","x":"y","p":"..","m":20}"#, Some("a")),
        (r#"{"n":77,"t":"","x":"y","p":"","m":0}"#, Some("")),
        (
            r#"{"n":1,"t":"\"\u00e9\\","x":"y","p":"\"","m":1}"#,
            Some("\"é\\"),
        ),
        (
            r#"{"n":1,"t":"\ud83d","x":"y","p":"","m":1}"#,
            Some("\u{fffd}"),
        ),
        (r#"{"n":1,"t":"a","x":"z","p":"..","m":20}"#, None),
        (r#"{"n":01,"t":"a","x":"y","p":"..","m":20}"#, None),
        (r#"{"n":1.0,"t":"a","x":"y","p":"..","m":20}"#, None),
        (r#"{"n":-1,"t":"a","x":"y","p":"..","m":20}"#, None),
        (r#"{"n":,"t":"a","x":"y","p":"..","m":20}"#, None),
        (
            r#"{"n":12345678901234567890,"t":"a","x":"y","p":"..","m":20}"#,
            None,
        ),
        (r#"{"n":1,"t":null,"x":"y","p":"..","m":20}"#, None),
        (r#"{"n":1,"t":"a","x":"y","p":"..","m":20} "#, None),
        (r#"{"n":1,"t":"a","x":"y","p":"..","m":20"#, None),
        (r#"{"n":1,"t":"\x","x":"y","p":"..","m":20}"#, None),
        (r#"{"n":1,"t":"\u12g4","x":"y","p":"..","m":20}"#, None),
        (
            "{\"n\":1,\"t\":\"\n\",\"x\":\"y\",\"p\":\"..\",\"m\":20}",
            None,
        ),
        ("", None),
    ] {
        let found = templates.find(document.as_bytes());
        let text = found.map(|((), filled)| filled.text(&mut scratch).to_owned());
        assert_eq!(text.as_deref(), want, "{document}");
    }
    let broken = b"{\"n\":1,\"t\":\"\xff\",\"x\":\"y\",\"p\":\"..\",\"m\":20}";
    assert_eq!(templates.find(broken), None);
}

#[test]
fn the_numbers_are_found() {
    let mut templates = templates(r#"{"n":1,"t":"a","m":20}"#);
    let document = r#"{"n":123,"t":"bc","m":4}"#;
    let ((), filled) = templates.find(document.as_bytes()).unwrap();
    assert_eq!(&document[filled.digits], r#"123,"t":"bc","m":4"#);
}

#[test]
fn a_few_are_kept_and_all_of_them_are_found() {
    let mut templates = Templates::default();
    for n in 0..2 * KEPT {
        let document = format!(r#"{{"k{n}":"text"}}"#);
        let text = inside(Node::trusted(&document[6..12])).unwrap();
        templates.keep(&document, &[(Gap::Text, text)], n);
    }
    let found = (0..2 * KEPT).filter_map(|n| {
        let document = format!(r#"{{"k{n}":"other"}}"#);
        let (meaning, _) = templates.find(document.as_bytes())?;
        assert_eq!(meaning, n);
        Some(n)
    });
    assert_eq!(found.collect::<Vec<_>>(), [4, 5, 6, 7]);
}

#[test]
fn where_nothing_is_alike_nobody_looks_for_long() {
    let mut templates: Templates<()> = Templates::default();
    let tries = (0..1_000).filter(|_| templates.is_worthwhile()).count();
    assert!(tries < 100, "{tries}");
}

proptest! {
    #[test]
    fn what_is_like_a_template_is_json_of_its_structure(
        text in r#"([a-z"\\]|\\u[dD][89cCeE][0-9]{2}|\\[bfnrtu/x]|[\x00-\x7f]|é){0,8}"#,
        number in "[0-9]{0,3}|-1|1e3|[0-9]{18,22}",
    ) {
        let document = format!(r#"{{"n":{number},"t":"{text}"}}"#);
        let mut templates = templates(r#"{"n":1,"t":"a"}"#);
        let found = templates.find(document.as_bytes());
        let read = Node::parse(document.as_bytes(), 8).ok();
        let mut scratch = String::new();
        match (found, read) {
            (Some(((), filled)), Some(node)) => {
                let text = node.get_str("t").unwrap();
                prop_assert_eq!(filled.text(&mut scratch), &*text);
                prop_assert_eq!(node.get("n").unwrap().raw(), &document[filled.digits.clone()]);
                prop_assert!(node.get("n").unwrap().raw().parse::<u64>().is_ok());
            }
            (Some(_), None) => prop_assert!(false, "no JSON: {document}"),
            (None, Some(node)) => {
                // The structure is another one, or the number is.
                let is_other = node.members().count() != 2
                    || node.get("n").is_none_or(|n| digits(n).is_none());
                prop_assert!(is_other, "{document}");
            }
            (None, None) => {}
        }
    }
}
