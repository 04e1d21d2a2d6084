//! What an answer says survives the way into every other format and back out of it.

use serde_json::Value;

use super::*;
use crate::chat::{CallKind, Content, Fold, StopReason, Usage};

/// What no format may change.
#[derive(Debug, PartialEq)]
struct Essence {
    /// All text but white space: formats differ in where blocks end.
    text: String,
    reasoning: String,
    calls: Vec<(String, Value)>,
    stop: Class,
    /// Input, output, read from a cache, reasoning.
    usage: [u64; 4],
}

/// Reasons that some format cannot tell apart.
#[derive(Debug, PartialEq, Clone, Copy)]
enum Class {
    Done,
    Tools,
    Length,
    Declined,
}

fn class(reason: &StopReason) -> Class {
    match reason {
        StopReason::ToolUse => Class::Tools,
        StopReason::Length | StopReason::ContextWindow | StopReason::Compaction => Class::Length,
        StopReason::Refusal | StopReason::Safety | StopReason::Recitation => Class::Declined,
        StopReason::Stop
        | StopReason::StopSequence
        | StopReason::Pause
        | StopReason::MalformedTool
        | StopReason::Cancelled
        | StopReason::Other(_) => Class::Done,
    }
}

fn essence(
    format: Format,
    framed: Shape,
    reply: &Arc<Reply>,
    body: &[u8],
) -> Result<Essence, String> {
    let mut fold = Fold::default();
    let mut fault = None;
    events(format, framed, reply, body, &mut |event| match event {
        Event::Fault(what) => fault = Some(what),
        event => fold.push(event),
    });
    if let Some(fault) = fault {
        return Err(format!("{fault:?}"));
    }
    let answer = fold.finish().map_err(|fault| format!("{fault:?}"))?;
    let usage = answer.usage.unwrap_or_default();
    let first = &answer.candidates[0];
    let mut essence = Essence {
        text: String::new(),
        reasoning: String::new(),
        calls: Vec::new(),
        stop: class(&first.stop.reason),
        usage: counts(usage),
    };
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    for part in &first.parts {
        match &part.content {
            Content::Text(text) => essence.text += &dense(&text.text),
            Content::Reasoning(reasoned) => {
                for part in &reasoned.texts {
                    essence.reasoning += &dense(&part.text);
                }
            }
            Content::ToolCall(call) if call.kind == CallKind::Function => {
                let arguments = match &*call.arguments {
                    "" => "{}",
                    text => text,
                };
                // What is cut off is no JSON in any format.
                let arguments = serde_json::from_str(arguments).unwrap_or_default();
                essence.calls.push((call.name.to_string(), arguments));
            }
            _ => {}
        }
    }
    Ok(essence)
}

const fn counts(usage: Usage) -> [u64; 4] {
    [usage.input, usage.output, usage.cache_read, usage.reasoning]
}

/// What `there` may differ in from `here` in the client's format.
fn expected(here: Essence, there: &Essence, to: Format) -> Essence {
    let mut here = here;
    if here.stop == Class::Declined {
        // The words in which a model declines are text, a refusal, or left out.
        here.text.clone_from(&there.text);
    }
    if matches!(to, Format::Claude | Format::Gemini) && here.stop == Class::Length {
        // A call that was cut off has no arguments there.
        here.calls.clone_from(&there.calls);
    }
    here
}

fn compare(fixture: &Fixture, framed: Shape, complaints: &mut Complaints) {
    let reply = reply_to(fixture);
    if has_no_end(fixture) {
        return;
    }
    for to in others(fixture.format) {
        let name = case(fixture, to);
        let here = match essence(fixture.format, framed, &reply, &fixture.body) {
            Ok(essence) => essence,
            Err(what) => return complaints.note(format!("{name}: {what}")),
        };
        let (got, wanted) = if framed == Shape::Whole {
            let got = whole(fixture.format, to, &reply, &fixture.body);
            (got, Shape::Whole)
        } else {
            let body = std::iter::once(fixture.body.as_slice());
            let got = stream(fixture.format, framed, to, &reply, body);
            (got, Shape::Sse)
        };
        let client = Arc::new(super::reply(to));
        match essence(to, wanted, &client, &got.text) {
            Err(what) => complaints.note(format!("{name}: {what}")),
            Ok(there) => {
                let want = expected(here, &there, to);
                complaints.unless(there == want, || {
                    format!("{name}:\n  want {want:?}\n  got  {there:?}")
                });
            }
        }
    }
}

#[test]
fn whole_answers_say_the_same() {
    let mut complaints = Complaints::default();
    for fixture in fixtures::answers() {
        compare(&fixture, Shape::Whole, &mut complaints);
    }
    complaints.none();
}

#[test]
fn streams_say_the_same() {
    let mut complaints = Complaints::default();
    for fixture in fixtures::streams() {
        compare(&fixture, framing(&fixture), &mut complaints);
    }
    complaints.none();
}

/// The same answer whole and streamed: a client that asked for one gets what the other would get.
#[test]
fn a_stream_makes_the_same_document() {
    let mut complaints = Complaints::default();
    for fixture in fixtures::answers() {
        let reply = reply_to(&fixture);
        for to in others(fixture.format) {
            let mut out = Vec::new();
            let mut encoder = codec(to).encoder(Shape::Sse, &reply);
            let mut losses = Losses::new(OnLoss::Warn);
            events(
                fixture.format,
                Shape::Whole,
                &reply,
                &fixture.body,
                &mut |event| {
                    encoder.event(event, &mut losses, &mut out);
                },
            );
            let client = Arc::new(super::reply(to));
            let streamed = essence(to, Shape::Sse, &client, &out);
            let got = whole(fixture.format, to, &reply, &fixture.body);
            if got.fault.is_some() {
                continue;
            }
            let document = essence(to, Shape::Whole, &client, &got.text);
            let streamed = match (streamed, &document) {
                (Ok(streamed), Ok(document)) => Ok(expected(streamed, document, to)),
                (streamed, _) => streamed,
            };
            complaints.unless(streamed == document, || {
                format!("{}:\n  {streamed:?}\n  {document:?}", case(&fixture, to))
            });
        }
    }
    complaints.none();
}
