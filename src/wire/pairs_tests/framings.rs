//! A provider that streams and a client that does not, and the other way round; Gemini's array.

use serde_json::Value;

use super::super::validate::{self, Author, End};
use super::*;

fn chunks(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[test]
fn an_array_holds_what_events_do() {
    let mut complaints = Complaints::default();
    for fixture in fixtures::streams().filter(|fixture| fixture.format != Format::Gemini) {
        let (name, reply) = (case(&fixture, Format::Gemini), reply_to(&fixture));
        let route = |wanted| Route {
            from: fixture.format,
            framed: framing(&fixture),
            to: Format::Gemini,
            wanted,
        };
        let got = |wanted| {
            let body = std::iter::once(fixture.body.as_slice());
            routed(route(wanted), &reply, body).text
        };
        let (events, array) = (got(Shape::Sse), got(Shape::JsonArray));
        let shape = Shape::JsonArray;
        let judged = validate::stream(Format::Gemini, shape, Author::Gateway, &array);
        let expected = if has_no_end(&fixture) {
            End::Error
        } else {
            End::Success
        };
        complaints.unless(judged == Ok(expected), || format!("{name}: {judged:?}"));
        let elements: Vec<Value> = serde_json::from_slice(&array).unwrap_or_default();
        complaints.unless(elements == chunks(&events), || {
            format!("{name}: {}", String::from_utf8_lossy(&array))
        });
    }
    complaints.none();
}

#[test]
fn a_stream_is_collected_for_a_client_that_wants_a_document() {
    let mut complaints = Complaints::default();
    for fixture in fixtures::streams() {
        let reply = reply_to(&fixture);
        for to in others(fixture.format) {
            let route = Route {
                from: fixture.format,
                framed: framing(&fixture),
                to,
                wanted: Shape::Whole,
            };
            let got = routed(route, &reply, std::iter::once(fixture.body.as_slice()));
            let name = case(&fixture, to);
            if has_no_end(&fixture) {
                complaints.unless(got.fault.is_some() && got.text.is_empty(), || {
                    format!("{name}: {}", String::from_utf8_lossy(&got.text))
                });
                continue;
            }
            let judged = validate::answer(to, Author::Gateway, &got.text);
            complaints.unless(judged.is_ok(), || format!("{name}: {judged:?}"));
        }
    }
    complaints.none();
}

#[test]
fn a_document_is_streamed_for_a_client_that_wants_events() {
    let mut complaints = Complaints::default();
    for fixture in fixtures::answers() {
        let reply = reply_to(&fixture);
        for to in others(fixture.format) {
            let route = Route {
                from: fixture.format,
                framed: Shape::Whole,
                to,
                wanted: Shape::Sse,
            };
            let mut answer = Answer::new(route, Restore::default(), &reply);
            let mut text = Vec::new();
            let mut seen = answer.push(Shape::Whole, &fixture.body, &mut text);
            if !seen.ended && seen.fault.is_none() {
                seen = answer.end(&mut text);
            }
            let judged = validate::stream(to, Shape::Sse, Author::Gateway, &text);
            let expected = seen.fault.is_some() || judged == Ok(End::Success);
            complaints.unless(expected, || format!("{}: {judged:?}", case(&fixture, to)));
        }
    }
    complaints.none();
}
