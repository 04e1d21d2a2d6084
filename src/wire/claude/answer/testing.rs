//! What the tests of answers share: the grammar of events, the rules of a stream that is written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::chat::{Answer, Event, Fault, Fold, Losses, Opening};
use crate::wire::sse::{Blocks, Event as SseEvent};
use crate::wire::{Claude, Codec, Decode, Encode, Profile, Reply, Shape};

/// What the answer's codecs know about the request.
pub(super) fn reply() -> Reply {
    Reply {
        model: String::new(),
        request_id: "req_1".to_owned(),
        seed: "abcdefghijklmnopqrstuvwx".to_owned(),
        now: 0,
        include_usage: false,
        legacy_functions: false,
        expose_reasoning: true,
        echo: crate::chat::Extra::default(),
        profile: Arc::new(Profile {
            family: "fam".to_owned(),
            ..Profile::default()
        }),
    }
}

/// Checks that events come in the order that the grammar asks for.
#[derive(Default)]
pub(super) struct Grammar {
    started: bool,
    next: u32,
    open: HashSet<u32>,
    stopped: bool,
    over: bool,
}

impl Grammar {
    pub(super) fn check(&mut self, event: &Event<'_>) {
        assert!(!self.over, "after the end: {event:?}");
        let is_start = matches!(event, Event::Start(_));
        let is_fault = matches!(event, Event::Fault(_));
        assert!(self.started != is_start || is_fault, "{event:?}");
        let is_open = |block: &u32| assert!(self.open.contains(block), "{event:?}");
        match event {
            Event::Start(_) => self.started = true,
            Event::Open { block, .. } => {
                assert!(!self.stopped);
                assert_eq!(*block, self.next);
                self.next += 1;
                self.open.insert(*block);
            }
            Event::Text { block, text, .. }
            | Event::Refusal { block, text }
            | Event::Reason { block, text, .. }
            | Event::Arguments { block, text } => {
                is_open(block);
                assert!(!text.is_empty());
            }
            Event::Signature { block, .. } | Event::Cite { block, .. } => is_open(block),
            Event::Close { block } => assert!(self.open.remove(block), "{event:?}"),
            Event::Part { .. } => assert!(!self.stopped),
            Event::Usage(_) => {}
            Event::Stop { .. } => {
                assert!(self.open.is_empty() && !self.stopped);
                self.stopped = true;
            }
            Event::End => {
                assert!(self.stopped);
                self.over = true;
            }
            Event::Fault(_) => self.over = true,
        }
    }
}

/// The SSE events of a recorded or written stream.
pub(super) fn sse(stream: &[u8]) -> Vec<(Option<Vec<u8>>, Vec<u8>)> {
    let mut events = Vec::new();
    let mut take = |block: &[u8]| {
        if let Some(event) = SseEvent::parse(block) {
            let name = event.name.map(<[u8]>::to_vec);
            events.push((name, event.data.trim_ascii().to_vec()));
        }
    };
    let mut blocks = Blocks::new(usize::MAX);
    blocks
        .push(Bytes::copy_from_slice(stream), &mut take)
        .unwrap();
    take(&blocks.tail());
    events
}

/// What became of an answer that was read.
pub(super) struct Read {
    pub(super) answer: Option<Answer<'static>>,
    pub(super) fault: Option<Fault>,
    /// It written again, as a stream and as a document.
    pub(super) stream: Vec<u8>,
    pub(super) whole: Vec<u8>,
}

/// Reads an answer, checks its events, and writes it again.
pub(super) fn read(shape: Shape, answer: &[u8]) -> Read {
    let reply = Arc::new(reply());
    let mut decoder = Claude.decoder(shape, &reply);
    let events = match shape {
        Shape::Whole => vec![(None, answer.to_vec())],
        _ => sse(answer),
    };
    let (mut fold, mut fault, mut grammar) = (Fold::default(), None, Grammar::default());
    let mut encoders = [
        (Claude.encoder(Shape::Sse, &reply), Vec::new()),
        (Claude.encoder(Shape::Whole, &reply), Vec::new()),
    ];
    let mut losses = Losses::default();
    // Events cannot be kept: the answer is read once for each who wants it.
    let mut taker = |event: Event<'_>| {
        grammar.check(&event);
        if let Event::Fault(found) = &event {
            fault = Some(found.clone());
        }
        for (encoder, out) in &mut encoders {
            encoder.event(event.clone(), &mut losses, out);
        }
        fold.push(event);
    };
    feed(&mut *decoder, &events, &mut taker);
    assert_eq!(losses.notes(), []);
    let [(_, stream), (_, whole)] = encoders;
    Read {
        answer: fold.finish().ok(),
        fault,
        stream,
        whole,
    }
}

fn feed(
    decoder: &mut dyn Decode,
    events: &[(Option<Vec<u8>>, Vec<u8>)],
    taker: &mut dyn FnMut(Event<'_>),
) {
    for (name, data) in events {
        decoder.event(name.as_deref(), data, taker);
    }
    decoder.end(taker);
    decoder.end(taker);
}

/// Writes events as `shape`.
pub(super) fn write(shape: Shape, reply: Reply, events: Vec<Event<'_>>) -> (Vec<u8>, Losses) {
    let mut encoder: Box<dyn Encode> = Claude.encoder(shape, &Arc::new(reply));
    let (mut losses, mut out) = (Losses::default(), Vec::new());
    let mut grammar = Grammar::default();
    for event in events {
        grammar.check(&event);
        encoder.event(event, &mut losses, &mut out);
    }
    (out, losses)
}

/// The events of a stream that was written, checked as strict clients do: named, one block at a time,
/// numbered from 0, a call's input in deltas, nothing after the end.
pub(super) fn strict(stream: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stream).unwrap();
    let mut values = Vec::new();
    let mut open: Option<u64> = None;
    let mut next = 0;
    let mut inputs: HashMap<u64, usize> = HashMap::new();
    let mut over = false;
    for block in text.split_terminator("\n\n") {
        let (name, data) = block.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap();
        assert!(!data.contains(['\n', '\r']), "{data}");
        let value: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(value["type"], name);
        assert!(!over, "{name} after the end");
        let begins = name == "message_start" || (name == "error" && values.is_empty());
        assert_eq!(values.is_empty(), begins, "{name}");
        let index = value["index"].as_u64();
        match name {
            "content_block_start" => {
                assert_eq!((open, index), (None, Some(next)));
                open = index;
                next += 1;
                if value["content_block"]["type"] == "tool_use" {
                    assert_eq!(value["content_block"]["input"], serde_json::json!({}));
                    inputs.insert(next - 1, 0);
                }
            }
            "content_block_delta" => {
                assert!(index.is_some() && index == open, "{block}");
                if let Some(count) = inputs.get_mut(&index.unwrap()) {
                    *count += 1;
                }
            }
            "content_block_stop" => {
                assert!(index.is_some() && index == open, "{block}");
                open = None;
            }
            "message_delta" => assert_eq!(open, None),
            "message_stop" | "error" => over = true,
            _ => {}
        }
        values.push(value);
    }
    assert!(over && inputs.values().all(|count| *count > 0), "{text}");
    values
}

/// A block that opens.
pub(super) const fn open(block: u32, opening: Opening<'_>) -> Event<'_> {
    Event::Open {
        block,
        candidate: 0,
        opening,
    }
}
