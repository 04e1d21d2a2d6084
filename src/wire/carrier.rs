//! Carriers: how the reasoning state of one provider travels through a client of another format.
//!
//! A client stores what it got and sends it back, so the state has to look like the client's own:
//! `aip1.<origin>.<kind>.<family>.<payload in base64url>` in a field that the client keeps, or a suffix
//! of a tool call's id where there is no such field.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::chat::{Format, Opaque, OpaqueKind};

/// What a carrier, an id that holds one and the id of one have in common. Whoever checks a request sees it.
pub const WORD: &str = super::json::TRACE;
/// What every carrier begins with.
pub const PREFIX: &str = "aip1.";
/// What stands between a tool call's id and the state that it carries.
pub const ID_MARK: &str = "__aip1_";
/// What the ids of reasoning items begin with that were made here: no provider has stored them.
pub const REASONING_ID: &str = "rs_aip1_";

/// Wraps state for a client. `family` is that of the model that made it, unless the state knows.
pub fn wrap(opaque: &Opaque<'_>, family: &str) -> String {
    format!("{PREFIX}{}", inner(opaque, family))
}

/// Unwraps state that [`wrap`] has wrapped. `None`: it is native, or broken.
pub fn unwrap(text: &str) -> Option<Opaque<'static>> {
    parse(text.strip_prefix(PREFIX)?)
}

/// Hides state in a tool call's id.
pub fn hide(id: &str, opaque: &Opaque<'_>, family: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(inner(opaque, family));
    format!("{id}{ID_MARK}{payload}")
}

/// A tool call's id without the state that [`hide`] has put in, and that state.
pub fn reveal(id: &str) -> (&str, Option<Opaque<'static>>) {
    let Some((id, payload)) = id.split_once(ID_MARK) else {
        return (id, None);
    };
    let decoded = URL_SAFE_NO_PAD.decode(payload).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    (id, text.and_then(|text| parse(&text)))
}

/// The family of a model: models of one family read each other's state.
pub fn family(model: &str) -> String {
    let name = model
        .rsplit('/')
        .next()
        .unwrap_or(model)
        .to_ascii_lowercase();
    let name: String = name
        .split(['@', ':'])
        .next()
        .unwrap_or_default()
        .chars()
        .map(|char| if char == '_' { '-' } else { char })
        .collect();
    let digits = |text: &str| -> usize { text.bytes().take_while(u8::is_ascii_digit).count() };
    for vendor in ["gemini-", "gpt-"] {
        if let Some(version) = name.strip_prefix(vendor) {
            let major = digits(version);
            if major > 0 {
                return name[..vendor.len() + major].to_owned();
            }
        }
    }
    let mut words: Vec<&str> = name.split('-').collect();
    let is_date = |word: &&str| word.len() == 8 && digits(word) == 8;
    while words.len() > 1
        && words
            .last()
            .is_some_and(|word| is_date(word) || *word == "latest")
    {
        words.pop();
    }
    let kept = |char: &char| char.is_ascii_lowercase() || char.is_ascii_digit() || *char == '-';
    words
        .join("-")
        .replace('.', "-")
        .chars()
        .filter(kept)
        .collect()
}

fn inner(opaque: &Opaque<'_>, family: &str) -> String {
    let origin = match opaque.origin {
        Format::Claude => 'a',
        Format::OpenAiResponses => 'r',
        Format::OpenAiChat => 'c',
        Format::Gemini => 'g',
    };
    let kind = match opaque.kind {
        OpaqueKind::Signature => "sig",
        OpaqueKind::Encrypted => "enc",
        OpaqueKind::Redacted => "red",
        OpaqueKind::Thought => "ts",
    };
    let family = if opaque.family.is_empty() {
        family
    } else {
        &opaque.family
    };
    let payload = URL_SAFE_NO_PAD.encode(opaque.data.as_bytes());
    format!("{origin}.{kind}.{family}.{payload}")
}

fn parse(text: &str) -> Option<Opaque<'static>> {
    let mut parts = text.split('.');
    let (origin, kind, family, payload) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let data = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some(Opaque {
        origin: match origin {
            "a" => Format::Claude,
            "r" => Format::OpenAiResponses,
            "c" => Format::OpenAiChat,
            "g" => Format::Gemini,
            _ => return None,
        },
        kind: match kind {
            "sig" => OpaqueKind::Signature,
            "enc" => OpaqueKind::Encrypted,
            "red" => OpaqueKind::Redacted,
            "ts" => OpaqueKind::Thought,
            _ => return None,
        },
        family: family.to_owned().into(),
        data: data.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn opaque(data: &str) -> Opaque<'static> {
        Opaque {
            origin: Format::Gemini,
            kind: OpaqueKind::Thought,
            family: "".into(),
            data: data.to_owned().into(),
        }
    }

    #[test]
    fn families_are_what_models_share() {
        for (model, want) in [
            ("claude-opus-4-8", "claude-opus-4-8"),
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
            ("claude-3-7-sonnet-latest", "claude-3-7-sonnet"),
            ("anthropic/claude-opus-4.8", "claude-opus-4-8"),
            ("gpt-5.3-codex", "gpt-5"),
            ("gpt-5-mini-2025-08-07", "gpt-5"),
            ("models/gemini-3-pro-preview", "gemini-3"),
            ("gemini-2.5-flash", "gemini-2"),
            ("o3", "o3"),
            ("Weird Name_1", "weirdname-1"),
        ] {
            assert_eq!(family(model), want, "{model}");
        }
    }

    #[test]
    fn what_is_no_carrier_is_left_alone() {
        for text in [
            "",
            "aip1.",
            "aip1.x.sig.f.YQ",
            "aip1.g.ts.f.%%",
            "aip1.g.ts.f.YQ.x",
            "EqQB",
        ] {
            assert_eq!(unwrap(text), None, "{text}");
        }
        assert_eq!(reveal("call_1"), ("call_1", None));
        assert_eq!(reveal("call_1__aip1_%"), ("call_1", None));
    }

    proptest! {
        #[test]
        fn what_is_wrapped_is_unwrapped(data in any::<String>()) {
            let state = opaque(&data);
            let known = Opaque { family: "gemini-3".into(), ..state.clone() };
            let wrapped = wrap(&state, "gemini-3");
            prop_assert_eq!(unwrap(&wrapped), Some(known.clone()));
            let hidden = hide("call_1", &state, "gemini-3");
            prop_assert!(hidden.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'));
            prop_assert_eq!(reveal(&hidden), ("call_1", Some(known)));
        }
    }
}
