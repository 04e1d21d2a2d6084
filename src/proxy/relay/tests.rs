//! What the relay makes of recorded streams does not depend on how they were cut in transit.

use serde_json::Value;

use super::events::EVENT;
use super::*;
use crate::wire::Weight;
use crate::wire::fixtures::{self, Fixture};
use crate::wire::sse::{Blocks, Elements};

const ALIAS: &str = "the-alias";

/// The recordings that are whole answers: one is refused before any content, one is cut.
fn answers() -> impl Iterator<Item = Fixture> {
    let is_answer = |fixture: &Fixture| {
        !matches!(
            &*fixture.name,
            "vai-openai-error-1.sse" | "auth-truncated-no-finish.sse"
        )
    };
    fixtures::streams().filter(is_answer)
}

fn shape(fixture: &Fixture) -> Shape {
    match fixture.is_sse() {
        true => Shape::Sse,
        false => Shape::JsonArray,
    }
}

/// A relay that has seen the header.
fn relay(fixture: &Fixture, alias: bool) -> Relay {
    let kind = match shape(fixture) {
        Shape::Sse => "text/event-stream",
        _ => "application/json",
    };
    let mut header = ResponseHeader::build(200, None).unwrap();
    header.insert_header(CONTENT_TYPE, kind).unwrap();
    let mut relay = Relay::new(Wanted {
        format: Some(fixture.format),
        errors: Some(fixture.format),
        shape: shape(fixture),
        model: alias.then(|| ALIAS.into()),
        hold_back: 1024 * 1024,
        limits: true,
    });
    assert_eq!(relay.header(&mut header), Kind::Events);
    relay
}

/// What comes out when the stream comes in pieces of these sizes, round and round.
fn relayed(fixture: &Fixture, alias: bool, sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut relay = relay(fixture, alias);
    let mut rest = Bytes::from(fixture.body.clone());
    let mut out = Vec::new();
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = (*sizes.next().unwrap()).min(rest.len());
        let mut data = Some(rest.split_to(size));
        relay.body(&mut data, false).unwrap();
        out.extend(data);
    }
    let mut data = None;
    relay.body(&mut data, true).unwrap();
    out.extend(data);
    assert!(relay.has_ended(), "{}", fixture.name);
    out.into_iter()
        .filter(|piece| !piece.is_empty())
        .map(|piece| piece.to_vec())
        .collect()
}

const CUTS: [&[usize]; 7] = [
    &[1],
    &[2],
    &[3, 1, 4, 1, 5, 9, 2, 6],
    &[7],
    &[64, 1],
    &[1000, 3, 500],
    &[usize::MAX],
];

#[test]
fn any_cut_of_a_stream_comes_out_as_it_went_in() {
    for fixture in answers() {
        for cut in CUTS {
            let out = relayed(&fixture, false, cut).concat();
            assert!(out == fixture.body, "{} in {cut:?}", fixture.name);
        }
        // Around each byte, where the stream is short enough.
        if fixture.body.len() < 1_000 {
            for at in 1..fixture.body.len() {
                let out = relayed(&fixture, false, &[at, usize::MAX]).concat();
                assert!(out == fixture.body, "{} at {at}", fixture.name);
            }
        }
    }
}

#[test]
fn nothing_passes_before_the_first_content_and_that_passes_at_once() {
    for fixture in answers() {
        let first = relayed(&fixture, false, &[1]).swap_remove(0);
        let codec = codec(fixture.format);
        let mut weights = Vec::new();
        let mut weigh = |event: &[u8]| weights.push(codec.weigh(event, shape(&fixture)));
        match shape(&fixture) {
            Shape::JsonArray => {
                Elements::new(EVENT)
                    .push(first.clone().into(), weigh)
                    .unwrap();
            }
            _ => {
                let mut blocks = Blocks::new(EVENT);
                blocks.push(first.clone().into(), &mut weigh).unwrap();
                let tail = blocks.tail();
                if !tail.is_empty() {
                    weigh(&tail);
                }
            }
        }
        let (last, before) = weights.split_last().unwrap();
        assert_ne!(*last, Weight::Quiet, "{}", fixture.name);
        assert!(
            before.iter().all(|one| *one == Weight::Quiet),
            "{}",
            fixture.name
        );
    }
}

#[test]
fn an_alias_changes_the_models_name_and_nothing_else() {
    for fixture in answers() {
        let whole = relayed(&fixture, true, &[usize::MAX]).concat();
        for cut in CUTS {
            let out = relayed(&fixture, true, cut).concat();
            assert!(out == whole, "{} in {cut:?}", fixture.name);
        }
        // Put the names back, one after the other.
        let mut names = names(&fixture).into_iter();
        let text = String::from_utf8(whole).unwrap();
        let alias = format!("\"{ALIAS}\"");
        let mut parts = text.split(&alias);
        let mut restored = parts.next().unwrap().to_owned();
        for part in parts {
            restored += &format!("\"{}\"", names.next().expect(&fixture.name));
            restored += part;
        }
        assert_eq!(names.next(), None, "{}", fixture.name);
        assert!(restored.as_bytes() == fixture.body, "{}", fixture.name);
    }
}

/// The model's name in each event that has one.
fn names(fixture: &Fixture) -> Vec<String> {
    let path = codec(fixture.format).answer_model_path(shape(fixture));
    let pointer = format!("/{}", path.join("/"));
    let text = std::str::from_utf8(&fixture.body).unwrap();
    let events: Vec<Value> = match shape(fixture) {
        Shape::JsonArray => serde_json::from_str(text).unwrap(),
        _ => text
            .lines()
            .filter_map(|line| serde_json::from_str(line.trim_start().strip_prefix("data:")?).ok())
            .collect(),
    };
    let name = |event: &Value| Some(event.pointer(&pointer)?.as_str()?.to_owned());
    events.iter().filter_map(name).collect()
}

/// What each recorded answer has cost, worked out apart from this code: input, cache read, cache write,
/// output, reasoning.
fn costs() -> Vec<(String, Option<[u64; 5]>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/USAGE.tsv");
    let table = std::fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let (name, numbers) = line.split_once('\t').unwrap();
        let numbers: Vec<u64> = numbers.split(' ').flat_map(str::parse).collect();
        (name.to_owned(), numbers.try_into().ok())
    };
    table.lines().map(row).collect()
}

/// What a relay says that the answer has cost which comes in pieces of these sizes.
fn cost(
    fixture: &Fixture,
    is_stream: bool,
    alias: bool,
    hold_back: usize,
    sizes: &[usize],
) -> Option<[u64; 5]> {
    let (kind, shape) = match (is_stream, fixture.is_sse()) {
        (true, true) => ("text/event-stream", Shape::Sse),
        (true, false) => ("application/json", Shape::JsonArray),
        (false, _) => ("application/json", Shape::Whole),
    };
    let mut header = ResponseHeader::build(200, None).unwrap();
    header.insert_header(CONTENT_TYPE, kind).unwrap();
    header
        .insert_header(CONTENT_LENGTH, fixture.body.len())
        .unwrap();
    let mut relay = Relay::new(Wanted {
        format: Some(fixture.format),
        errors: Some(fixture.format),
        shape,
        model: alias.then(|| ALIAS.into()),
        hold_back,
        limits: true,
    });
    relay.header(&mut header);
    let mut rest = Bytes::from(fixture.body.clone());
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = (*sizes.next().unwrap()).min(rest.len());
        let end = size == rest.len();
        // One is refused, one is cut: they cost what they say all the same.
        let _ = relay.body(&mut Some(rest.split_to(size)), end);
    }
    relay.usage().map(|usage| {
        [
            usage.input,
            usage.cache_read,
            usage.cache_write,
            usage.output,
            usage.reasoning,
        ]
    })
}

/// The sample of a Responses stream that begins with a long echo of the request and is cut.
fn sampled(samples: bool, pieces: &[&str]) -> Sample {
    let mut header = ResponseHeader::build(200, None).unwrap();
    header
        .insert_header(CONTENT_TYPE, "text/event-stream")
        .unwrap();
    let mut relay = Relay::new(Wanted {
        format: Some(Format::OpenAiResponses),
        errors: None,
        shape: Shape::Sse,
        model: None,
        hold_back: 1 << 20,
        limits: true,
    });
    relay.sample(samples);
    relay.header(&mut header);
    for piece in pieces {
        let mut data = Some(Bytes::copy_from_slice(piece.as_bytes()));
        relay.body(&mut data, false).unwrap();
    }
    relay.take_sample()
}

#[test]
fn only_what_an_answer_says_is_sampled_and_only_where_somebody_wants_it() {
    let echo = format!(
        "event: response.created\ndata: {{\"type\":\"response.created\",\"response\":{{\"instructions\":\"{}\"}}}}\n\n",
        "be brief ".repeat(10_000)
    );
    let says = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\" hello world\"}\n\n";
    let done = "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"text\":\" hello world\"}\n\n";
    let many = says.repeat(499);
    let pieces = [&*echo, says, &many, done];
    let mut wanted = Sample::default();
    for event in [says, &many] {
        for event in event.split_inclusive("\n\n") {
            wanted.push(event.as_bytes());
        }
    }
    assert!(!wanted.is_empty());
    assert_eq!(sampled(true, &pieces), wanted);
    assert!(sampled(false, &pieces).is_empty());
    assert!(sampled(true, &pieces[..1]).is_empty());
}

#[test]
fn recorded_answers_cost_what_their_providers_say() {
    let costs = costs();
    let (streams, wholes) = (fixtures::streams(), fixtures::answers());
    let all = streams
        .map(|fixture| (fixture, true))
        .chain(wholes.map(|fixture| (fixture, false)));
    let mut seen = 0;
    for (fixture, is_stream) in all {
        let folder = match fixture.format {
            Format::Claude => "anthropic",
            other => other.name(),
        };
        let is_it = |name: &str| name.starts_with(folder) && name.ends_with(&fixture.name);
        let (_, want) = costs
            .iter()
            .find(|(name, _)| is_it(name))
            .unwrap_or_else(|| panic!("{} has no row", fixture.name));
        for sizes in CUTS {
            for (alias, hold_back) in [(false, 1 << 20), (true, 1 << 20), (false, 64), (true, 64)] {
                let cost = cost(&fixture, is_stream, alias, hold_back, sizes);
                assert_eq!(cost, *want, "{} in {sizes:?}", fixture.name);
            }
        }
        seen += 1;
    }
    assert_eq!(seen, costs.len());
}
