//! Writes answers: what a stream and a whole document have in common.

mod blocks;
mod deltas;
mod stream;
mod whole;

pub(super) use stream::Stream;
pub(super) use whole::Whole;

use std::borrow::Cow;

use super::{state, write};
use crate::chat::{
    Audio, CallKind, Citation, Content, Format, Image, Json, Opaque, OpaqueKind, Part, Source,
    Start, Tier,
};
use crate::wire::carrier;
use crate::wire::json::{ArrayWriter, Node, ObjectWriter, object};
use crate::wire::{Reply, StateInToolId};

/// The longest state, in bytes, that rides in the id of a call where only Gemini's may.
const MAX_STATE_IN_ID: usize = 8 * 1024;

/// What is said of an answer that was declined without a word.
const DECLINED: &str = "The model declined to answer.";

/// What every document of an answer begins with.
#[derive(Debug)]
struct Head {
    id: String,
    created: u64,
    model: String,
    tier: Option<Tier>,
    fingerprint: Option<String>,
}

impl Head {
    fn new(start: &Start<'_>, reply: &Reply) -> Self {
        Self {
            id: id(start.id.as_deref().unwrap_or_default(), reply),
            created: start.created.unwrap_or(reply.now),
            model: reply
                .model(start.model.as_deref().unwrap_or_default())
                .to_owned(),
            tier: start.tier,
            fingerprint: start.fingerprint.as_deref().map(str::to_owned),
        }
    }

    fn write(&self, o: &mut ObjectWriter<'_>, kind: &str) {
        o.str("id", &self.id);
        o.str("object", kind);
        o.num("created", self.created);
        o.str("model", &self.model);
        o.opt_str("service_tier", self.tier.map(write::tier));
        o.opt_str("system_fingerprint", self.fingerprint.as_deref());
    }
}

fn id(upstream: &str, reply: &Reply) -> String {
    const PREFIX: &str = "chatcmpl-";
    let is_kept = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    let kept: String = upstream.chars().filter(is_kept).collect();
    if kept.is_empty() {
        reply.id(PREFIX, 0)
    } else if kept.starts_with(PREFIX) {
        kept
    } else {
        format!("{PREFIX}{kept}")
    }
}

/// The id of a call with the state that rides in it.
fn call_id<'a>(id: &'a str, state: Option<&Opaque<'_>>, reply: &Reply) -> Cow<'a, str> {
    let rides = |state: &&Opaque<'_>| match reply.profile.chat.state_in_tool_id {
        StateInToolId::Off => false,
        StateInToolId::All => state.origin != Format::OpenAiChat,
        StateInToolId::Gemini => {
            state.origin == Format::Gemini
                && state.kind == OpaqueKind::Thought
                && state.data.len() <= MAX_STATE_IN_ID
        }
    };
    match state.filter(rides) {
        Some(state) => Cow::Owned(carrier::hide(id, state, &reply.profile.family)),
        None => Cow::Borrowed(id),
    }
}

/// The signature of a call or a text, in Google's extension.
fn signature(o: &mut ObjectWriter<'_>, state: &Opaque<'_>) {
    if state.kind == OpaqueKind::Thought {
        state::write_google(o, &state.data);
    }
}

/// A call, or its beginning.
fn call(o: &mut ObjectWriter<'_>, kind: CallKind, name: &str, arguments: &str) {
    if kind == CallKind::Custom {
        o.str("type", "custom");
        o.object("custom", |o| {
            o.str("name", name);
            o.str("input", arguments);
        });
    } else {
        o.str("type", "function");
        o.object("function", |o| {
            o.str("name", name);
            o.str("arguments", arguments);
        });
    }
}

/// State of reasoning whose visible text is `text`, as an entry of `reasoning_details`.
fn detail(a: &mut ArrayWriter<'_>, opaque: &Opaque<'_>, text: &str, index: u32, reply: &Reply) {
    if opaque.origin == Format::OpenAiChat {
        return a.object(|o| {
            let entry = Node::trusted(&opaque.data);
            for (name, value) in entry.members().filter(|(name, _)| name != "index") {
                o.raw(&name, value.raw());
            }
            o.num("index", index);
        });
    }
    let packed = state::pack(opaque, text);
    let carrier = carrier::wrap(&packed, &reply.profile.family);
    a.object(|o| {
        if opaque.kind == OpaqueKind::Signature {
            o.str("type", "reasoning.text");
            o.str("text", "");
            o.str("signature", &carrier);
        } else {
            o.str("type", "reasoning.encrypted");
            o.str("data", &carrier);
            if opaque.kind == OpaqueKind::Encrypted {
                let id = Node::parse_any(&packed.data, 8).and_then(|node| node.get_str("id"));
                o.opt_str("id", id.as_deref());
            }
        }
        o.str("format", state::detail_format(opaque.origin));
        o.num("index", index);
    });
}

/// A citation as JSON, unless there is nothing here to point to. `before` and `length`: where in the
/// answer the text stands that it is about, in code points.
fn annotation(citation: &Citation<'_>, before: u64, length: u64) -> Option<String> {
    if let Some(native) = &citation.native
        && native.format == Format::OpenAiChat
    {
        return Some(native.json.as_str().to_owned());
    }
    let url = citation.url.as_deref()?;
    let (start, end) = citation.span.unwrap_or((0, length));
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.str("type", "url_citation");
        o.object("url_citation", |o| {
            o.str("url", url);
            o.str("title", citation.title.as_deref().unwrap_or(url));
            o.num("start_index", before.saturating_add(start));
            o.num("end_index", before.saturating_add(end));
        });
    });
    String::from_utf8(out).ok()
}

/// Log probabilities, or `null`.
fn logprobs<'j>(o: &mut ObjectWriter<'_>, lists: impl Iterator<Item = &'j Json<'j>>) {
    let mut lists = lists.peekable();
    if lists.peek().is_none() {
        return o.raw("logprobs", "null");
    }
    o.object("logprobs", |o| {
        o.array("content", |a| {
            for entry in lists.flat_map(|list| Node::trusted(list.as_str()).items()) {
                a.raw(entry.raw());
            }
        });
        o.raw("refusal", "null");
    });
}

/// A picture as an entry of `images`.
fn image(a: &mut ArrayWriter<'_>, image: &Image<'_>) {
    if let Some(url) = write::url_of(&image.source) {
        a.object(|o| {
            o.str("type", "image_url");
            o.object("image_url", |o| o.str("url", &url));
        });
    }
}

/// The sound of an answer.
fn audio(o: &mut ObjectWriter<'_>, part: &Part<'_>, audio: &Audio<'_>, reply: &Reply) {
    let Source::Bytes { base64, .. } = &audio.source else {
        return;
    };
    o.object("audio", |o| {
        match part.extra.get("id") {
            Some(id) => o.raw("id", id.as_str()),
            None => o.str("id", &reply.id("audio_", 0)),
        }
        o.str("data", base64);
        o.num("expires_at", audio.expires_at.unwrap_or(reply.now + 3600));
        o.str(
            "transcript",
            audio.transcript.as_deref().unwrap_or_default(),
        );
    });
}

/// Whether something of an answer has a place in this format.
const fn is_carried(content: &Content<'_>) -> bool {
    !matches!(
        content,
        Content::Video(_)
            | Content::Document(_)
            | Content::ServerCall(_)
            | Content::ServerResult(_)
            | Content::Native(_)
    )
}
