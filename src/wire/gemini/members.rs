//! Members of Gemini's objects: proto JSON may spell them in camelCase and in snake_case.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::super::carrier;
use super::super::json::{Node, Object, compact, object, quote};
use crate::chat::{Extra, Format, Json, Native, Opaque, OpaqueKind};

/// What standard and url-safe base64 of a carrier begin with.
const CARRIER: &str = "YWlwMS";

/// The members of a message under their camelCase names.
pub(super) fn fields(node: Node<'_>) -> Object<'_> {
    Object::renamed(node, camel)
}

/// `function_call` as `functionCall`. Leading underscores stay.
pub fn camel(key: Cow<'_, str>) -> Cow<'_, str> {
    let start = key.len() - key.trim_start_matches('_').len();
    if !key.bytes().skip(start).any(|byte| byte == b'_') {
        return key;
    }
    let mut out = String::with_capacity(key.len());
    let mut is_up = false;
    for (at, character) in key.char_indices() {
        if character == '_' && at >= start {
            is_up = true;
        } else if std::mem::take(&mut is_up) {
            out.extend(character.to_uppercase());
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// One value or a list of them: proto JSON takes both for a repeated field.
pub(super) fn list(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let is_array = node.raw().starts_with('[');
    let one = (!is_array && !node.is_null()).then_some(node);
    node.items().chain(one)
}

/// What nobody took of a message inside of a part, to be written back there: one extra member that is
/// named like the message.
pub(super) fn inner_rest<'a>(extra: &mut Extra<'a>, name: &'static str, rest: Object<'a>) {
    let rest = present(rest.rest());
    if rest.0.is_empty() {
        return;
    }
    let mut out = Vec::new();
    object(&mut out, |o| {
        for (key, value) in &rest.0 {
            o.raw(key, value.as_str());
        }
    });
    let json = Json::trusted(String::from_utf8(out).unwrap_or_default());
    extra.0.push((Cow::Borrowed(name), json));
}

/// The members that are not `null`.
pub(super) fn present(mut extra: Extra<'_>) -> Extra<'_> {
    extra.0.retain(|(_, value)| value.as_str() != "null");
    extra
}

/// `{"key": value}` as Gemini's own.
pub(super) fn native_member(key: &str, value: Node<'_>) -> Native<'static> {
    native(format!("{{{}:{}}}", quote(key), compact(value.raw())))
}

/// Something as Gemini writes it.
pub(super) fn native<'a>(json: impl Into<Cow<'a, str>>) -> Native<'a> {
    Native {
        format: Format::Gemini,
        json: Json::trusted(json),
    }
}

/// Reads a thought signature: the state of another provider that was wrapped in it, or Gemini's own.
pub(super) fn opaque(signature: Cow<'_, str>) -> Opaque<'_> {
    carried(&signature).unwrap_or(Opaque {
        origin: Format::Gemini,
        kind: OpaqueKind::Thought,
        family: Cow::Borrowed(""),
        data: signature,
    })
}

fn carried(signature: &str) -> Option<Opaque<'static>> {
    if !signature.starts_with(CARRIER) {
        return None;
    }
    // Client libraries write bytes in either alphabet.
    let bytes = STANDARD
        .decode(signature)
        .or_else(|_| URL_SAFE.decode(signature))
        .ok()?;
    carrier::unwrap(&String::from_utf8(bytes).ok()?)
}

/// Writes state as a thought signature. `family` is that of the model that made it.
pub(super) fn signature<'a>(opaque: &'a Opaque<'_>, family: &str) -> Cow<'a, str> {
    if opaque.origin == Format::Gemini && opaque.kind == OpaqueKind::Thought {
        return Cow::Borrowed(&opaque.data);
    }
    Cow::Owned(STANDARD.encode(carrier::wrap(opaque, family)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn snake_case_is_camel_case() {
        for (snake, want) in [
            ("function_call", "functionCall"),
            ("_response_json_schema", "_responseJsonSchema"),
            ("topP", "topP"),
            ("top_p", "topP"),
            ("", ""),
            ("_", "_"),
            ("é_é", "éÉ"),
        ] {
            assert_eq!(camel(snake.into()), want);
        }
    }

    #[test]
    fn space_outside_of_strings_goes() {
        assert_eq!(
            compact("{ \"a b\" : [ 1.0 ,\n \"x \\\" y\" ] }"),
            r#"{"a b":[1.0,"x \" y"]}"#
        );
        assert!(matches!(compact("{\"a b\":1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_signature_that_only_looks_like_a_carrier_is_geminis_own() {
        for text in [
            "YWlwMS",
            "YWlwMS54",
            "skip_thought_signature_validator",
            "EqQB",
        ] {
            let read = opaque(text.into());
            assert_eq!((read.origin, &*read.data), (Format::Gemini, text));
        }
    }

    proptest! {
        #[test]
        fn foreign_state_travels_in_both_alphabets(data in any::<String>()) {
            let state = Opaque {
                origin: Format::Claude,
                kind: OpaqueKind::Signature,
                family: "claude-opus-4-8".into(),
                data: data.into(),
            };
            let written = signature(&state, "").into_owned();
            prop_assert_eq!(opaque(written.as_str().into()), state.clone());
            let url_safe = written.replace('+', "-").replace('/', "_");
            prop_assert_eq!(opaque(url_safe.into()), state);
        }
    }
}
