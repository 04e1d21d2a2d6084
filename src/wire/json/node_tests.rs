//! Looking into documents.

use super::*;
use proptest::prelude::*;

#[test]
fn values_are_read_where_they_stand() {
    let text =
        br#" { "a" : [ 1 , "x,]" , {"b":null} ] , "n":-1.50, "s":"q\"\u0041", "t":true,"a2":{} } "#;
    let node = Node::parse(text, 8).unwrap();
    let items: Vec<&str> = node.get("a").unwrap().items().map(Node::raw).collect();
    assert_eq!(items, ["1", "\"x,]\"", "{\"b\":null}"]);
    assert_eq!(node.get("n").unwrap().raw(), "-1.50");
    assert_eq!(node.get_str("s").as_deref(), Some("q\"A"));
    assert_eq!(node.get("t").unwrap().bool(), Some(true));
    assert_eq!(node.get("a2").unwrap().members().count(), 0);
    assert_eq!(
        node.get("a").unwrap().items().nth(2).unwrap().get("b"),
        None
    );
    assert_eq!(node.get("nope"), None);
}

#[test]
fn what_nobody_takes_is_the_rest() {
    let node = Node::parse(br#"{"z":1,"model":"m","y":null,"z":2}"#, 8).unwrap();
    let mut object = node.object();
    assert_eq!(object.take_str("model").as_deref(), Some("m"));
    let rest = object.clone().rest();
    let keys: Vec<&str> = rest.0.iter().map(|(key, _)| &**key).collect();
    assert_eq!(keys, ["z", "y", "z"]);
    assert_eq!(object.take("z").unwrap().raw(), "2");
    assert_eq!(object.take("y"), None);
}

#[test]
fn numbers() {
    let number = |text| Node::trusted(text);
    assert_eq!(number("3.0").u64(), Some(3));
    assert_eq!(number("1e3").u64(), Some(1000));
    assert_eq!(number("-3").u64(), None);
    assert_eq!(number("-3").i64(), Some(-3));
    assert_eq!(number("0.5").u64(), None);
    assert_eq!(number("18446744073709551615").u64(), Some(u64::MAX));
    assert_eq!(number("\"3\"").f64(), None);
}

#[test]
fn a_lone_surrogate_is_a_replacement_character() {
    assert_eq!(
        Node::trusted(r#""a\ud83d\n\ude00b""#).str().as_deref(),
        Some("a\u{fffd}\n\u{fffd}b")
    );
}

#[test]
fn any_kind_can_be_checked() {
    for text in ["1", "\"x\"", "[1]", "null", " {} "] {
        assert_eq!(Node::parse_any(text, 4).unwrap().raw(), text.trim());
    }
    for text in ["", "1,\"b\":2", "{", "x", "1 2"] {
        assert_eq!(Node::parse_any(text, 4), None, "{text}");
    }
}

proptest! {
    /// Whatever the text is, looking into it ends and does not panic.
    #[test]
    fn garbage_is_harmless(text in r#"[\[\]{}",:\\a1 é]{0,40}"#) {
        let node = Node::trusted(&text);
        let mut count = 0;
        for (_, value) in node.members() { count += value.items().count(); }
        for item in node.items() { count += item.members().count(); }
        prop_assert!(count <= text.len() * text.len() + 1);
    }
}
