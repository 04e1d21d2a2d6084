//! Every format into every other: what recorded traffic becomes, and that it is right.
//!
//! `UPDATE_GOLDENS=1 cargo test --lib pairs_tests` writes what is expected anew; review the difference.

mod alike;
mod cuts;
mod faults;
mod framings;
mod golden;
mod requests;
mod round_trip;
mod state;

use std::sync::Arc;

use bytes::Bytes;

use super::fit::Restore;
use super::fixtures::{self, Fixture};
use super::media::Media;
use super::sse::{Blocks, Elements};
use super::translate::{Answer, Route, Source, Target, Translated, request};
use super::{Format, Profile, Reply, Shape, codec};
use crate::chat::{Event, Extra, Fault, FaultKind, Loss, Losses, OnLoss};

const SEED: &str = "translate000000000000000";

/// A model of a provider that speaks `format`.
pub(super) const fn model(format: Format) -> &'static str {
    match format {
        Format::OpenAiChat => "gpt-4.1",
        Format::OpenAiResponses => "gpt-5.2",
        Format::Claude => "claude-sonnet-4-5",
        Format::Gemini => "gemini-2.5-flash",
    }
}

/// Where that provider is.
const fn host(format: Format) -> &'static str {
    match format {
        Format::OpenAiChat | Format::OpenAiResponses => "api.openai.com",
        Format::Claude => "api.anthropic.com",
        Format::Gemini => "generativelanguage.googleapis.com",
    }
}

/// What is known about it.
pub(super) fn profile(format: Format) -> Profile {
    Profile::shipped(format, host(format), model(format))
}

fn others(format: Format) -> impl Iterator<Item = Format> {
    Format::ALL
        .into_iter()
        .filter(move |other| *other != format)
}

/// Translates a request for that model.
pub(super) fn ask(from: Format, to: Format, body: &[u8]) -> Result<Translated, Fault> {
    let stream =
        serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|body| body["stream"] == true);
    request(
        Source {
            note: None,
            format: from,
            body,
            stream,
            media: Media::none(),
        },
        Target {
            format: to,
            model: model(to),
            profile: &Arc::new(profile(to)),
        },
        OnLoss::Warn,
    )
}

fn reply(provider: Format) -> Reply {
    Reply {
        model: String::new(),
        request_id: "req_1".to_owned(),
        seed: SEED.to_owned(),
        now: 0,
        include_usage: true,
        legacy_functions: false,
        expose_reasoning: true,
        echo: Extra::default(),
        profile: Arc::new(profile(provider)),
    }
}

/// What knows a recorded answer.
fn reply_to(fixture: &Fixture) -> Arc<Reply> {
    let mut reply = reply(fixture.format);
    if fixture.name.contains("envelope") {
        let mut profile = profile(fixture.format);
        profile.gemini.envelope = true;
        reply.profile = Arc::new(profile);
    }
    Arc::new(reply)
}

/// What a client gets.
#[derive(Debug, PartialEq)]
struct Got {
    text: Vec<u8>,
    fault: Option<Fault>,
    losses: Vec<Loss>,
}

/// How an answer is framed.
fn framing(fixture: &Fixture) -> Shape {
    if fixture.is_sse() {
        Shape::Sse
    } else {
        Shape::JsonArray
    }
}

/// Whether a recorded stream has no good end: an error, a cut, a second answer in the midst of a call.
fn has_no_end(fixture: &Fixture) -> bool {
    ["error", "truncated-no-finish", "spliced-message-start"]
        .iter()
        .any(|word| fixture.name.contains(word))
}

/// Translates a stream that arrives in `chunks` into events for a client.
fn stream<'a>(
    from: Format,
    framed: Shape,
    to: Format,
    reply: &Arc<Reply>,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> Got {
    let route = Route {
        from,
        framed,
        to,
        wanted: Shape::Sse,
    };
    routed(route, reply, chunks)
}

/// Translates a stream that arrives in `chunks`.
fn routed<'a>(route: Route, reply: &Arc<Reply>, chunks: impl Iterator<Item = &'a [u8]>) -> Got {
    let framed = route.framed;
    let mut answer = Answer::new(route, Restore::default(), reply);
    let (mut text, mut fault) = (Vec::new(), None);
    let mut push = |piece: &[u8]| {
        let seen = answer.push(framed, piece, &mut text);
        fault = fault.take().or(seen.fault);
    };
    let (mut blocks, mut elements) = (Blocks::new(usize::MAX), Elements::new(usize::MAX));
    for chunk in chunks {
        let chunk = Bytes::copy_from_slice(chunk);
        match framed {
            Shape::JsonArray => elements.push(chunk, &mut push).unwrap(),
            Shape::Sse | Shape::Whole => blocks.push(chunk, &mut push).unwrap(),
        };
    }
    push(&blocks.tail());
    if fault.is_none() {
        fault = answer.end(&mut text).fault;
    }
    if let Some(fault) = &fault {
        answer.fault(fault.clone(), &mut text);
    }
    Got {
        text,
        fault,
        losses: answer.losses().notes().to_vec(),
    }
}

/// Translates a whole answer.
fn whole(from: Format, to: Format, reply: &Arc<Reply>, body: &[u8]) -> Got {
    let route = Route {
        from,
        framed: Shape::Whole,
        to,
        wanted: Shape::Whole,
    };
    let mut answer = Answer::new(route, Restore::default(), reply);
    let mut text = Vec::new();
    let mut seen = answer.push(Shape::Whole, body, &mut text);
    if !seen.ended && seen.fault.is_none() {
        seen = answer.end(&mut text);
    }
    Got {
        text,
        fault: seen.fault,
        losses: answer.losses().notes().to_vec(),
    }
}

/// A whole answer for a client, and what it lost; `None`: there is only an error.
pub(super) fn answer(from: Format, to: Format, body: &[u8]) -> Option<(Vec<u8>, Vec<Loss>)> {
    let got = whole(from, to, &Arc::new(reply(from)), body);
    got.fault.is_none().then_some((got.text, got.losses))
}

fn listed(losses: &[Loss]) -> String {
    losses
        .iter()
        .map(|loss| format!("{} {}\n", loss.change.name(), loss.path))
        .collect()
}

/// What an answer says, event by event.
fn events(
    format: Format,
    framed: Shape,
    reply: &Arc<Reply>,
    body: &[u8],
    emit: &mut dyn FnMut(Event<'_>),
) {
    let mut decoder = codec(format).decoder(framed, reply);
    let mut push = |piece: &[u8]| match framed {
        Shape::Sse => {
            if let Some(event) = super::sse::Event::parse(piece) {
                decoder.event(event.name, event.data.trim_ascii(), emit);
            }
        }
        Shape::Whole | Shape::JsonArray => decoder.event(None, piece, emit),
    };
    let bytes = Bytes::copy_from_slice(body);
    match framed {
        Shape::Whole => push(body),
        Shape::JsonArray => drop(Elements::new(usize::MAX).push(bytes, &mut push).unwrap()),
        Shape::Sse => {
            let mut blocks = Blocks::new(usize::MAX);
            blocks.push(bytes, &mut push).unwrap();
            push(&blocks.tail());
        }
    }
    decoder.end(emit);
}

/// Complaints of a sweep; a sweep reports all of them at once.
#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    fn note(&mut self, what: String) {
        self.0.push(what);
    }

    fn unless(&mut self, ok: bool, what: impl FnOnce() -> String) {
        if !ok {
            self.note(what());
        }
    }

    fn none(&self) {
        assert!(
            self.0.is_empty(),
            "{} complaints\n{}\n",
            self.0.len(),
            self.0.join("\n")
        );
    }
}

/// What tells one case of a sweep from another.
fn case(fixture: &Fixture, to: Format) -> String {
    format!("{}/{} → {}", fixture.format.name(), fixture.name, to.name())
}
