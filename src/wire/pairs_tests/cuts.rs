//! However a stream arrives, the client gets the same; and what is cut off is never a success.

use super::super::Weight;
use super::super::validate::{self, Author, End};
use super::*;

/// How many places a stream is cut at, so that the sweep takes seconds.
const CUTS: usize = 24;

/// Ways to write the same stream.
fn spellings(fixture: &Fixture) -> Vec<(&'static str, Vec<u8>)> {
    let mut all = vec![("as it is", fixture.body.clone())];
    if fixture.is_sse() && !fixture.body.contains(&b'\r') {
        let text = String::from_utf8(fixture.body.clone()).unwrap();
        all.push(("CRLF", text.replace('\n', "\r\n").into_bytes()));
        all.push(("CR", text.replace('\n', "\r").into_bytes()));
        all.push(("BOM", format!("\u{feff}{text}").into_bytes()));
        all.push(("no last line's end", text.trim_end().as_bytes().to_vec()));
        all.push((
            "comments",
            text.replace("\n\n", "\n\n: still here\n\n").into_bytes(),
        ));
        if text.contains("data: ") {
            all.push(("no space", text.replace("data: ", "data:").into_bytes()));
        }
    }
    all
}

#[test]
fn cuts_and_spelling_make_no_difference() {
    let mut complaints = Complaints::default();
    for fixture in fixtures::streams() {
        let (framed, reply) = (framing(&fixture), reply_to(&fixture));
        for to in others(fixture.format) {
            let got = |chunks: &mut dyn Iterator<Item = &[u8]>| {
                let chunks = chunks.map(<[u8]>::to_vec).collect::<Vec<_>>();
                let chunks = chunks.iter().map(Vec::as_slice);
                stream(fixture.format, framed, to, &reply, chunks)
            };
            let want = got(&mut std::iter::once(fixture.body.as_slice()));
            for (spelling, body) in spellings(&fixture) {
                let same = got(&mut std::iter::once(body.as_slice())) == want;
                complaints.unless(same, || format!("{}: {spelling}", case(&fixture, to)));
            }
            let same = got(&mut fixture.body.chunks(1)) == want;
            complaints.unless(same, || format!("{}: byte by byte", case(&fixture, to)));
            let step = fixture.body.len() / CUTS + 1;
            for at in (1..fixture.body.len()).step_by(step) {
                let (first, second) = fixture.body.split_at(at);
                let same = got(&mut [first, second].into_iter()) == want;
                complaints.unless(same, || format!("{}: cut at {at}", case(&fixture, to)));
            }
        }
    }
    complaints.none();
}

/// The events of a stream, and how many of them are needed for its end.
fn pieces(fixture: &Fixture) -> (Vec<Vec<u8>>, usize) {
    let framed = framing(fixture);
    let mut pieces = Vec::new();
    let mut keep = |piece: &[u8]| pieces.push(piece.to_vec());
    let body = Bytes::from(fixture.body.clone());
    match framed {
        Shape::JsonArray => {
            Elements::new(usize::MAX).push(body, &mut keep).unwrap();
        }
        Shape::Sse | Shape::Whole => {
            let mut blocks = Blocks::new(usize::MAX);
            blocks.push(body, &mut keep).unwrap();
            keep(&blocks.tail());
        }
    }
    let codec = codec(fixture.format);
    let last = pieces
        .iter()
        .position(|piece| codec.weigh(piece, framed) == Weight::Final);
    let needed = last.map_or(usize::MAX, |last| last + 1);
    (pieces, needed)
}

#[test]
fn what_is_cut_off_is_never_a_success() {
    let mut complaints = Complaints::default();
    for fixture in fixtures::streams() {
        let (framed, reply) = (framing(&fixture), reply_to(&fixture));
        let (pieces, needed) = pieces(&fixture);
        if has_no_end(&fixture) {
            continue;
        }
        for to in others(fixture.format) {
            for kept in 0..=pieces.len() {
                let chunks = pieces[..kept].iter().map(Vec::as_slice);
                let got = stream(fixture.format, framed, to, &reply, chunks);
                let name = || format!("{}: {kept} of {}", case(&fixture, to), pieces.len());
                let judged = validate::stream(to, Shape::Sse, Author::Gateway, &got.text);
                let expected = match (kept >= needed, &judged) {
                    // A second part of the end may have to come too.
                    (true, Ok(end)) => (*end == End::Error) == got.fault.is_some(),
                    (false, Ok(end)) => {
                        let code = got.fault.as_ref().and_then(|fault| fault.code.as_deref());
                        *end == End::Error && code == Some("stream_interrupted")
                    }
                    // An error may be all there is.
                    (_, Err(_)) => false,
                };
                complaints.unless(expected, || {
                    format!("{}: {judged:?} {:?}", name(), got.fault)
                });
            }
        }
    }
    complaints.none();
}
