//! Streamed answers, made once and sent many times.

use super::format::Format;
use super::shape::Shape;
use crate::stamp;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-request-id: req_mock_0123456789abcdef\r\ntransfer-encoding: chunked\r\n\r\n";

/// A streamed answer with its head, cut into writes.
pub(super) struct Stream {
    /// All of it.
    pub(super) bytes: Vec<u8>,
    /// One write for each event; the first brings the head, the last the end.
    pub(super) writes: Vec<Write>,
}

/// A part of a stream that is written at once.
pub(super) struct Write {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where the digits of its stamp are, from the start of the stream.
    pub(super) stamp: Option<usize>,
}

impl Stream {
    /// The stream of a format, in a shape.
    pub(super) fn new(format: Format, shape: &Shape) -> Self {
        let mut stream = Self {
            bytes: HEAD.as_bytes().to_vec(),
            writes: Vec::new(),
        };
        match format {
            Format::Chat => chat(&mut stream, shape),
            Format::Messages => messages(&mut stream, shape),
            Format::Responses => responses(&mut stream, shape),
            Format::Gemini => gemini(&mut stream, shape),
        }
        stream.bytes.extend_from_slice(b"0\r\n\r\n");
        if let Some(last) = stream.writes.last_mut() {
            last.end = stream.bytes.len();
        }
        stream
    }

    /// Adds an event as a chunk.
    fn event(&mut self, event: &str) {
        let start = self.writes.last().map_or(0, |write| write.end);
        let at = self.bytes.len();
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        self.bytes.extend_from_slice(chunk.as_bytes());
        self.writes.push(Write {
            start,
            end: self.bytes.len(),
            stamp: chunk.find("~t").map(|stamp| at + stamp + stamp::MARK.len()),
        });
    }

    /// Adds so many events with text, each of about the wanted length.
    fn texts(&mut self, shape: &Shape, event: impl Fn(usize, &str) -> String) {
        let words = words(event(100, "").len(), shape.chunk_bytes);
        for number in 0..shape.chunks {
            let text = format!("{words}{}", stamp::numbered(number));
            self.event(&event(number, &text));
        }
    }
}

/// Words that, with a stamp, make an event of `without` bytes as long as wanted.
fn words(without: usize, wanted: usize) -> String {
    const WORDS: &str =
        " lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor";
    let stamp = stamp::MARK.len() + stamp::DIGITS;
    let length = wanted.saturating_sub(without + stamp).max(1);
    WORDS.chars().cycle().take(length).collect()
}

fn named(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn chat(stream: &mut Stream, shape: &Shape) {
    let chunk = |choices: &str, rest: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-MockA1b2C3d4E5f6\",\"object\":\"chat.completion.chunk\",\"created\":1750000000,\"model\":\"mock-model\",\"choices\":[{choices}]{rest}}}\n\n"
        )
    };
    let choice = |delta: &str, finish: &str| {
        chunk(
            &format!(r#"{{"index":0,"delta":{delta},"finish_reason":{finish}}}"#),
            "",
        )
    };
    stream.event(&choice(r#"{"role":"assistant","content":""}"#, "null"));
    stream.texts(shape, |_, text| {
        choice(&format!(r#"{{"content":"{text}"}}"#), "null")
    });
    stream.event(&choice("{}", "\"stop\""));
    stream.event(&chunk(
        "",
        r#","usage":{"prompt_tokens":210,"completion_tokens":200,"total_tokens":410}"#,
    ));
    stream.event("data: [DONE]\n\n");
}

fn messages(stream: &mut Stream, shape: &Shape) {
    stream.event(&named("message_start", r#"{"type":"message_start","message":{"id":"msg_01MockA1b2C3d4E5f6","type":"message","role":"assistant","model":"mock-model","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":210,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}"#));
    stream.event(&named(
        "content_block_start",
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    ));
    stream.event(&named("ping", r#"{"type":"ping"}"#));
    stream.texts(shape, |_, text| {
        let delta = format!(r#"{{"type":"text_delta","text":"{text}"}}"#);
        named(
            "content_block_delta",
            &format!(r#"{{"type":"content_block_delta","index":0,"delta":{delta}}}"#),
        )
    });
    stream.event(&named(
        "content_block_stop",
        r#"{"type":"content_block_stop","index":0}"#,
    ));
    stream.event(&named("message_delta", r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":200}}"#));
    stream.event(&named("message_stop", r#"{"type":"message_stop"}"#));
}

fn responses(stream: &mut Stream, shape: &Shape) {
    const PLACE: &str = r#""item_id":"msg_MockA1b2","output_index":0,"content_index":0"#;
    let event = |name: &str, number: usize, rest: &str| {
        named(
            name,
            &format!(r#"{{"type":"{name}","sequence_number":{number},{rest}}}"#),
        )
    };
    let response = |status: &str, output: &str, usage: &str| {
        format!(
            r#""response":{{"id":"resp_MockA1b2C3d4E5f6","object":"response","created_at":1750000000,"status":"{status}","error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":null,"model":"mock-model","output":[{output}],"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{{"effort":null,"summary":null}},"store":false,"temperature":1.0,"text":{{"format":{{"type":"text"}}}},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":{usage},"user":null,"metadata":{{}}}}"#
        )
    };
    let part = |text: &str| {
        format!(r#"{{"type":"output_text","text":"{text}","annotations":[],"logprobs":[]}}"#)
    };
    let item = |status: &str, content: &str| {
        format!(
            r#"{{"id":"msg_MockA1b2","type":"message","status":"{status}","role":"assistant","content":[{content}]}}"#
        )
    };
    let begun = response("in_progress", "", "null");
    stream.event(&event("response.created", 0, &begun));
    stream.event(&event("response.in_progress", 1, &begun));
    let added = format!(r#""output_index":0,"item":{}"#, item("in_progress", ""));
    stream.event(&event("response.output_item.added", 2, &added));
    let added = format!(r#"{PLACE},"part":{}"#, part(""));
    stream.event(&event("response.content_part.added", 3, &added));
    stream.texts(shape, |number, text| {
        let delta = format!(r#"{PLACE},"delta":"{text}","logprobs":[]"#);
        event("response.output_text.delta", number + 4, &delta)
    });
    let next = shape.chunks + 4;
    let full = "mock answer";
    let done = format!(r#"{PLACE},"text":"{full}","logprobs":[]"#);
    stream.event(&event("response.output_text.done", next, &done));
    let done = format!(r#"{PLACE},"part":{}"#, part(full));
    stream.event(&event("response.content_part.done", next + 1, &done));
    let item = item("completed", &part(full));
    let done = format!(r#""output_index":0,"item":{item}"#);
    stream.event(&event("response.output_item.done", next + 2, &done));
    let usage = r#"{"input_tokens":210,"input_tokens_details":{"cached_tokens":0},"output_tokens":200,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":410}"#;
    let done = response("completed", &item, usage);
    stream.event(&event("response.completed", next + 3, &done));
}

fn gemini(stream: &mut Stream, shape: &Shape) {
    let event = |text: &str, finish: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}],\"role\":\"model\"}},{finish}\"index\":0}}],\"usageMetadata\":{{\"promptTokenCount\":210,\"totalTokenCount\":210}},\"modelVersion\":\"mock-model\"}}\r\n\r\n"
        )
    };
    stream.texts(shape, |_, text| event(text, ""));
    stream.event(&event(".", "\"finishReason\":\"STOP\","));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Framer, Piece};
    use crate::stamp::Scan;

    fn body(stream: &Stream) -> String {
        let (mut framer, mut input, mut body) = (Framer::answers(), &stream.bytes[..], Vec::new());
        while let Some(piece) = framer.next(&mut input) {
            match piece {
                Piece::Body(bytes) => body.extend_from_slice(bytes),
                Piece::Head(_, head) => assert!(head.events),
                Piece::End => assert!(input.is_empty()),
            }
        }
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn a_stream_has_the_events_that_were_asked_for() {
        let shape = Shape {
            chunks: 7,
            chunk_bytes: 350,
            ..Shape::default()
        };
        for format in Format::ALL {
            let stream = Stream::new(format, &shape);
            let body = body(&stream);
            let found = Scan::default().push(body.as_bytes(), |_| panic!("a time"));
            assert_eq!(found.stamps, 7, "{format:?}");
            assert_eq!(found.events as usize, stream.writes.len(), "{format:?}");
            for line in body.lines().filter_map(|line| line.strip_prefix("data: ")) {
                if line != "[DONE]" {
                    let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
                    assert!(parsed.is_ok(), "{line}");
                }
            }
            let lengths = body
                .split_inclusive("\n\n")
                .filter(|event| event.contains("~t"));
            for event in lengths.flat_map(|it| it.split_inclusive("\r\n\r\n")) {
                if event.contains("~t") {
                    assert!(
                        (345..=352).contains(&event.len()),
                        "{} {event}",
                        event.len()
                    );
                }
            }
        }
    }

    #[test]
    fn the_writes_are_the_stream() {
        for format in Format::ALL {
            let stream = Stream::new(format, &Shape::default());
            let mut end = 0;
            for write in &stream.writes {
                assert_eq!(write.start, end);
                end = write.end;
                if let Some(stamp) = write.stamp {
                    let digits = &stream.bytes[stamp..stamp + stamp::DIGITS];
                    assert!(digits.iter().all(u8::is_ascii_digit));
                    assert!((write.start..write.end).contains(&stamp));
                }
            }
            assert_eq!(end, stream.bytes.len());
        }
    }
}
