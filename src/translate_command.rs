//! `ai-proxy translate`: one document from one format into another, without a provider.
//!
//! It takes the same way as the gateway does, with the ids and times of an answer fixed, so that the
//! same input always gives the same output.

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use crate::chat::{Extra, Fault, FaultKind, Format, Losses, OnLoss};
use crate::wire::fit::Restore;
use crate::wire::json::{Node, object};
use crate::wire::media::Media;
use crate::wire::sse::{Blocks, Elements};
use crate::wire::translate::{self, Answer, Route, Seen, Source, Target};
use crate::wire::{Profile, Reply, Shape, codec};

/// What ids are made of that a document does not give.
const SEED: &str = "translate000000000000000";
/// How deep a request may nest at most.
const DEPTH: usize = 512;
/// The gateway's id of a request, where an error names one.
const REQUEST_ID: &str = "req_translate";

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What a client asks; it goes to a provider.
    Request,
    /// What a provider answers, as one document; it goes to a client.
    Response,
    /// What a provider answers, event by event; it goes to a client.
    Stream,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "request" => Ok(Self::Request),
            "response" => Ok(Self::Response),
            "stream" => Ok(Self::Stream),
            _ => Err("it is request, response or stream".to_owned()),
        }
    }
}

/// What is to be translated.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// What the document is.
    pub kind: Kind,
    /// Whose words it is in.
    pub from: Format,
    /// Whose it is to be in.
    pub to: Format,
    /// The model that answers; `None`: the one that the document names.
    pub model: Option<&'a str>,
    /// A Gemini request is for a stream, which its body does not say.
    pub stream: bool,
}

/// A document in another format.
#[derive(Debug)]
pub struct Translated {
    /// The document.
    pub document: Vec<u8>,
    /// What it does not carry.
    pub losses: Losses,
}

/// Translates `input`. The error is a document too: what the client would be told.
pub fn run(job: Job<'_>, input: &[u8]) -> Result<Translated, Vec<u8>> {
    let (done, client) = match job.kind {
        Kind::Request => (request(job, input), job.from),
        Kind::Response => (response(job, input), job.to),
        Kind::Stream => (stream(job, input), job.to),
    };
    done.map_err(|fault| codec(client).encode_fault(&fault, REQUEST_ID).body)
}

/// The losses as JSON lines.
pub fn loss_lines(losses: &Losses) -> Vec<u8> {
    let mut lines = Vec::new();
    for loss in losses.notes() {
        object(&mut lines, |line| {
            line.str("path", &loss.path);
            line.str("change", loss.change.name());
        });
        lines.push(b'\n');
    }
    lines
}

fn request(job: Job<'_>, input: &[u8]) -> Result<Translated, Fault> {
    let named = Node::parse(input, DEPTH).ok();
    let member = |name| named.and_then(|body| body.get(name));
    let model = member("model").and_then(Node::str);
    let model = job.model.or(model.as_deref()).unwrap_or_default();
    let stream = member("stream").and_then(Node::bool);
    let done = translate::request(
        Source {
            note: None,
            format: job.from,
            body: input,
            stream: job.stream || stream.unwrap_or_default(),
            media: Media::none(),
        },
        Target {
            format: job.to,
            model,
            profile: &profile(job.to, model),
        },
        OnLoss::Warn,
    )?;
    Ok(Translated {
        document: done.body,
        losses: done.losses,
    })
}

fn response(job: Job<'_>, input: &[u8]) -> Result<Translated, Fault> {
    let mut answer = answer(job, Shape::Whole, Shape::Whole);
    let mut document = Vec::new();
    let mut seen = answer.push(Shape::Whole, input, &mut document);
    if seen.fault.is_none() && !seen.ended {
        seen = answer.end(&mut document);
    }
    match seen.fault {
        Some(fault) => Err(fault),
        None => Ok(Translated {
            document,
            losses: answer.losses().clone(),
        }),
    }
}

fn stream(job: Job<'_>, input: &[u8]) -> Result<Translated, Fault> {
    let framed = if input.trim_ascii_start().starts_with(b"[") {
        Shape::JsonArray
    } else {
        Shape::Sse
    };
    let mut answer = answer(job, framed, Shape::Sse);
    let mut document = Vec::new();
    let mut failed = None;
    let mut push = |piece: &[u8]| {
        let Seen { fault, .. } = answer.push(framed, piece, &mut document);
        failed = failed.take().or(fault);
    };
    let input = Bytes::copy_from_slice(input);
    let cut = match framed {
        Shape::JsonArray => Elements::new(usize::MAX).push(input, &mut push),
        Shape::Sse | Shape::Whole => {
            let mut blocks = Blocks::new(usize::MAX);
            let cut = blocks.push(input, &mut push);
            push(&blocks.tail());
            cut
        }
    };
    cut.map_err(|_| {
        Fault::new(
            FaultKind::TooLarge,
            "event_too_large",
            "an event is too long",
        )
    })?;
    if failed.is_none() {
        failed = answer.end(&mut document).fault;
    }
    if let Some(fault) = failed {
        answer.fault(fault, &mut document);
    }
    Ok(Translated {
        document,
        losses: answer.losses().clone(),
    })
}

fn answer(job: Job<'_>, framed: Shape, wanted: Shape) -> Answer {
    let model = job.model.unwrap_or_default();
    let reply = Arc::new(Reply {
        model: String::new(),
        request_id: REQUEST_ID.to_owned(),
        seed: SEED.to_owned(),
        now: 0,
        include_usage: true,
        legacy_functions: false,
        expose_reasoning: true,
        echo: Extra::default(),
        profile: profile(job.from, model),
    });
    let route = Route {
        from: job.from,
        framed,
        to: job.to,
        wanted,
    };
    Answer::new(route, Restore::default(), &reply)
}

/// What is known about a model at the provider whose format it is.
fn profile(format: Format, model: &str) -> Arc<Profile> {
    let host = match format {
        Format::OpenAiChat | Format::OpenAiResponses => "api.openai.com",
        Format::Claude => "api.anthropic.com",
        Format::Gemini => "generativelanguage.googleapis.com",
    };
    Arc::new(Profile::shipped(format, host, model))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Change, Place};

    fn job(kind: Kind, from: Format, to: Format) -> Job<'static> {
        Job {
            kind,
            from,
            to,
            model: None,
            stream: false,
        }
    }

    #[test]
    fn what_is_no_json_is_refused_in_the_clients_words() {
        let asked = job(Kind::Request, Format::Claude, Format::OpenAiChat);
        let error = String::from_utf8(run(asked, b"{").unwrap_err()).unwrap();
        assert!(
            error.contains(r#""type":"invalid_request_error""#),
            "{error}"
        );
        let answered = job(Kind::Response, Format::Claude, Format::Gemini);
        let error = String::from_utf8(run(answered, b"{").unwrap_err()).unwrap();
        assert!(error.contains(r#""status":"#), "{error}");
    }

    #[test]
    fn a_request_takes_the_same_way_every_time() {
        let asked = job(Kind::Request, Format::OpenAiChat, Format::Claude);
        let body = br#"{"model":"claude-sonnet-4-5","temperature":1.5,"messages":[{"role":"user","content":"Hi"}]}"#;
        let done = run(asked, body).unwrap();
        let document = String::from_utf8(done.document.clone()).unwrap();
        assert!(document.contains("claude-sonnet-4-5"), "{document}");
        let lines = String::from_utf8(loss_lines(&done.losses)).unwrap();
        assert_eq!(lines, "{\"path\":\"temperature\",\"change\":\"clamped\"}\n");
        assert_eq!(run(asked, body).unwrap().document, done.document);
        let other = Job {
            model: Some("claude-opus-4-1"),
            ..asked
        };
        let document = run(other, body).unwrap().document;
        assert!(String::from_utf8(document).unwrap().contains("opus"));
    }

    #[test]
    fn an_answer_is_translated_whole_and_as_a_stream() {
        let whole = br#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}"#;
        let answered = job(Kind::Response, Format::Gemini, Format::Claude);
        let document = String::from_utf8(run(answered, whole).unwrap().document).unwrap();
        assert!(document.contains(&format!("msg_{SEED}")), "{document}");
        let whole = String::from_utf8(whole.to_vec()).unwrap();
        let streamed = job(Kind::Stream, Format::Gemini, Format::Claude);
        let text = |input: String| {
            let done = run(streamed, input.as_bytes()).unwrap();
            String::from_utf8(done.document).unwrap()
        };
        let sse = text(format!("data: {whole}\n\n"));
        assert!(sse.contains("event: message_stop"), "{sse}");
        assert_eq!(text(format!("[{whole}]")), sse);
        let cut = text(format!(
            "data: {}\n\n",
            whole.replace(",\"finishReason\":\"STOP\"", "")
        ));
        assert!(!cut.contains("event: message_stop"), "{cut}");
    }

    #[test]
    fn losses_are_json_lines() {
        let mut losses = Losses::new(OnLoss::Warn);
        losses.note(Place::field("messages").item(2), Change::Approximated);
        losses.note_at("a \"b\"".to_owned(), Change::Dropped);
        let lines = String::from_utf8(loss_lines(&losses)).unwrap();
        let want = [
            r#"{"path":"messages[2]","change":"approximated"}"#,
            r#"{"path":"a \"b\"","change":"dropped"}"#,
        ];
        assert_eq!(lines.lines().collect::<Vec<_>>(), want);
    }

    #[test]
    fn kinds_are_named() {
        assert_eq!("stream".parse(), Ok(Kind::Stream));
        assert!("streams".parse::<Kind>().is_err());
    }
}
