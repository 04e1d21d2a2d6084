//! The state of other providers in the extensions of this format.

use std::borrow::Cow;

use crate::chat::{Format, Opaque, OpaqueKind, ReasonKind, ReasonText, Reasoned};
use crate::wire::carrier;
use crate::wire::json::{Node, ObjectWriter, object};

/// Anthropic's reasoning in `reasoning_details`.
const CLAUDE: &str = "anthropic-claude-v1";
/// OpenAI's.
const RESPONSES: &str = "openai-responses-v1";
/// Gemini's.
const GEMINI: &str = "google-gemini-v1";

/// What a piece of state in a history is.
pub(super) enum Meaning<'a> {
    /// A provider's own.
    Native(Opaque<'a>),
    /// A carrier that was made here.
    Carried(Opaque<'static>),
    /// A carrier that cannot be read.
    Broken,
}

/// What `data` is; unless it is a carrier, it comes from a provider of format `origin`.
pub(super) fn meaning(data: Cow<'_, str>, origin: Format, kind: OpaqueKind) -> Meaning<'_> {
    if let Some(opaque) = carrier::unwrap(&data) {
        return Meaning::Carried(opaque);
    }
    if data.starts_with(carrier::PREFIX) {
        return Meaning::Broken;
    }
    Meaning::Native(Opaque {
        origin,
        kind,
        family: Cow::Borrowed(""),
        data,
    })
}

/// The text of an entry of `reasoning_details`.
pub(super) fn detail_text(entry: Node<'_>) -> Option<(ReasonKind, Cow<'_, str>)> {
    let (kind, text) = match &*entry.get_str("type")? {
        "reasoning.text" => (ReasonKind::Raw, entry.get_str("text")?),
        "reasoning.summary" => (ReasonKind::Summary, entry.get_str("summary")?),
        _ => return None,
    };
    (!text.is_empty()).then_some((kind, text))
}

/// The state in an entry of `reasoning_details`, as that of the provider that its `format` names.
pub(super) fn detail_state(entry: Node<'_>) -> Option<Meaning<'_>> {
    let (data, is_signature) = detail_data(entry)?;
    let (origin, kind) = match entry.get_str("format").as_deref() {
        Some(CLAUDE) if is_signature => (Format::Claude, OpaqueKind::Signature),
        Some(CLAUDE) => (Format::Claude, OpaqueKind::Redacted),
        Some(RESPONSES) => (Format::OpenAiResponses, OpaqueKind::Encrypted),
        Some(GEMINI) => (Format::Gemini, OpaqueKind::Thought),
        _ => {
            let own = own_state(entry)?;
            return Some(match meaning(data, own.origin, own.kind) {
                Meaning::Native(_) => Meaning::Native(own),
                other => other,
            });
        }
    };
    Some(meaning(data, origin, kind))
}

fn detail_data(entry: Node<'_>) -> Option<(Cow<'_, str>, bool)> {
    let filled = |name| entry.get_str(name).filter(|text| !text.is_empty());
    match filled("signature") {
        Some(signature) => Some((signature, true)),
        None => Some((filled("data")?, false)),
    }
}

/// The state in an entry of `reasoning_details` as that of whoever wrote the entry: all of it but the
/// text, so that it can be written again.
pub(super) fn own_state(entry: Node<'_>) -> Option<Opaque<'_>> {
    let (_, is_signature) = detail_data(entry)?;
    let mut data = Vec::new();
    object(&mut data, |o| {
        for (key, value) in entry.members() {
            if key != "text" {
                o.raw(&key, value.raw());
            }
        }
    });
    Some(Opaque {
        origin: Format::OpenAiChat,
        kind: if is_signature {
            OpaqueKind::Signature
        } else {
            OpaqueKind::Encrypted
        },
        family: Cow::Borrowed(""),
        data: Cow::Owned(String::from_utf8(data).unwrap_or_default()),
    })
}

/// What a carrier holds. Anthropic's signatures travel with the exact text that they sign.
pub(super) fn unpack(mut opaque: Opaque<'static>) -> Reasoned<'static> {
    let mut texts = Vec::new();
    if opaque.origin == Format::Claude && opaque.kind == OpaqueKind::Signature {
        let exact = Node::parse_any(&opaque.data, 8).and_then(|node| {
            let text = node.get_str("t")?.into_owned();
            Some((text, node.get_str("s")?.into_owned()))
        });
        if let Some((text, signature)) = exact {
            if !text.is_empty() {
                texts.push(ReasonText {
                    kind: ReasonKind::Raw,
                    text: Cow::Owned(text),
                });
            }
            opaque.data = Cow::Owned(signature);
        }
    }
    Reasoned {
        texts,
        opaque: vec![opaque],
        id: None,
    }
}

/// State whose visible text is `text`, as carriers hold it.
pub(super) fn pack<'a>(opaque: &'a Opaque<'_>, text: &str) -> Cow<'a, Opaque<'a>> {
    let mut exact = Vec::new();
    match (opaque.origin, opaque.kind) {
        (Format::Claude, OpaqueKind::Signature) => object(&mut exact, |o| {
            o.str("t", text);
            o.str("s", &opaque.data);
        }),
        // Here it always has its id beside it, if there is one.
        (Format::OpenAiResponses, OpaqueKind::Encrypted) if !opaque.data.starts_with('{') => {
            object(&mut exact, |o| o.str("encrypted_content", &opaque.data));
        }
        _ => return Cow::Borrowed(opaque),
    }
    Cow::Owned(Opaque {
        data: Cow::Owned(String::from_utf8(exact).unwrap_or_default()),
        ..opaque.clone()
    })
}

/// The `format` of an entry of `reasoning_details` with state of `origin`.
pub(super) const fn detail_format(origin: Format) -> &'static str {
    match origin {
        Format::Claude => CLAUDE,
        Format::OpenAiResponses => RESPONSES,
        Format::Gemini => GEMINI,
        Format::OpenAiChat => "unknown",
    }
}

/// Google's own extension for thought signatures: `extra_content`.
pub(super) fn google_signature(extra: Node<'_>) -> Option<Opaque<'static>> {
    let data = google_data(extra)?.into_owned();
    match meaning(Cow::Owned(data), Format::Gemini, OpaqueKind::Thought) {
        Meaning::Native(opaque) => Some(opaque.into_owned()),
        Meaning::Carried(opaque) => Some(opaque),
        Meaning::Broken => None,
    }
}

/// The signature in `extra_content`, as it stands there.
pub(super) fn google_data(extra: Node<'_>) -> Option<Cow<'_, str>> {
    let google = extra.get("google").or_else(|| extra.get("vertex"))?;
    let data = google.get_str("thought_signature")?;
    (!data.is_empty()).then_some(data)
}

/// The arguments of a call: a string, or from some servers the object itself.
pub(super) fn arguments(node: Node<'_>) -> Cow<'_, str> {
    node.str().unwrap_or_else(|| Cow::Borrowed(node.raw()))
}

/// Writes a thought signature into a call or a message.
pub(super) fn write_google(o: &mut ObjectWriter<'_>, signature: &str) {
    o.object("extra_content", |o| {
        o.object("google", |o| o.str("thought_signature", signature));
    });
}
