//! What an alias does to any body: exactly the model's own token changes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Splicer, insert_member, quote, replace, request_head};

const ALIAS: &str = "te\"am/é\\model";

/// A body, and where its model's token stands.
#[derive(Debug, Clone)]
struct Body {
    before: String,
    token: String,
    after: String,
    name: String,
}

impl Body {
    fn with(&self, token: &str) -> String {
        [&*self.before, token, &self.after].concat()
    }
}

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\n\t"), 1 => Just("  \r\n ")]
}

/// `text` as a JSON string in which the characters that `escaped` picks are written as `\uXXXX`.
fn spelled(text: &str, escaped: u64) -> String {
    let mut out = String::from("\"");
    for (n, c) in text.chars().enumerate() {
        let must = matches!(c, '"' | '\\') || c.is_control();
        if must || escaped >> (n % 64) & 1 == 1 {
            let mut units = [0; 2];
            for (n, unit) in c.encode_utf16(&mut units).iter().enumerate() {
                out += &match (escaped as usize + n) % 2 {
                    0 => format!("\\u{unit:04x}"),
                    _ => format!("\\u{unit:04X}"),
                };
            }
        } else {
            out.push(c);
        }
    }
    out + "\""
}

fn string() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        Just("model".to_owned()),
        Just("\",\"model\":\"x\"}".to_owned()),
        Just("stream".to_owned()),
        "[a-zé😀\"\\\\{}\\[\\],: ]{0,12}",
    ];
    (text, any::<u64>()).prop_map(|(text, escaped)| spelled(&text, escaped))
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("0".to_owned()),
        Just("-0.0".to_owned()),
        Just("1.0".to_owned()),
        Just("1e400".to_owned()),
        Just("-1.50E-0400".to_owned()),
        "[1-9][0-9]{20,60}",
    ]
}

/// Any value, spaced oddly; objects in it have members called `model`, and some of them twice.
fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        string(),
        number(),
        Just("null".to_owned()),
        Just("true".to_owned()),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        let element =
            (space(), inner.clone(), space()).prop_map(|(a, value, b)| [a, &value, b].concat());
        let member = (space(), string(), space(), space(), inner, space())
            .prop_map(|(a, key, b, c, value, d)| [a, &key, b, ":", c, &value, d].concat());
        prop_oneof![
            vec(element, 0..4).prop_map(|elements| format!("[{}]", elements.join(","))),
            vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// A member of the body that is neither `model` nor `stream`.
fn other() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("Model".to_owned()),
        Just("model ".to_owned()),
        Just("messages".to_owned()),
        "[a-zé😀\"]{0,4}",
    ];
    (space(), key, any::<u64>(), space(), value(), space()).prop_map(
        |(a, key, escaped, b, value, c)| [a, &spelled(&key, escaped), b, ":", &value, c].concat(),
    )
}

fn body() -> impl Strategy<Value = Body> {
    let model = ("[a-z0-9./é😀\"\\\\ -]{1,12}", any::<u64>(), any::<u64>());
    let spaces = (space(), space(), space(), space(), space());
    (vec(other(), 0..4), model, spaces, vec(other(), 0..4)).prop_map(
        |(before, (name, escaped, key_escaped), (a, b, c, d, e), after)| {
            let key = spelled("model", key_escaped);
            let first: String = before.iter().map(|member| format!("{member},")).collect();
            let last: String = after.iter().map(|member| format!(",{member}")).collect();
            Body {
                before: [a, "{", &first, b, &key, c, ":", d].concat(),
                token: spelled(&name, escaped),
                after: [e, &last, "}", a].concat(),
                name,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_models_token_and_nothing_else_is_replaced(body in body()) {
        let text = body.with(&body.token);
        let head = request_head(text.as_bytes(), 128).unwrap();
        let model = head.model.clone().unwrap();
        prop_assert_eq!(&*model.value, &*body.name);
        prop_assert_eq!(&text[model.span.clone()], &*body.token);

        let alias = quote(ALIAS);
        let aliased = replace(text.as_bytes(), model.span.clone(), alias.as_bytes());
        prop_assert_eq!(String::from_utf8(aliased).unwrap(), body.with(&alias));
        // Without an alias: the same bytes.
        let same = replace(text.as_bytes(), model.span, body.token.as_bytes());
        prop_assert_eq!(String::from_utf8(same).unwrap(), text);
    }

    #[test]
    fn a_member_is_added_and_nothing_else_changes(body in body()) {
        let text = body.with(&body.token);
        let head = request_head(text.as_bytes(), 128).unwrap();
        let added = insert_member(text.as_bytes(), &head, "stream", "true");
        let added = String::from_utf8(added).unwrap();
        let (before, after) = text.split_at(text.rfind('}').unwrap());
        prop_assert_eq!(&*added, [before, ",\"stream\":true", after].concat());
        prop_assert!(request_head(added.as_bytes(), 128).unwrap().wants_stream());
    }

    #[test]
    fn an_answer_is_changed_in_the_same_place_however_it_is_cut(
        body in body(),
        cut in any::<prop::sample::Index>(),
    ) {
        let text = body.with(&body.token);
        let (one, two) = text.as_bytes().split_at(cut.index(text.len() + 1));
        let mut splicer = Splicer::new(&["model"], ALIAS);
        let mut out = Vec::new();
        splicer.push(one, &mut out);
        splicer.push(two, &mut out);
        splicer.end(&mut out);
        prop_assert_eq!(String::from_utf8(out).unwrap(), body.with(&quote(ALIAS)));
    }
}
