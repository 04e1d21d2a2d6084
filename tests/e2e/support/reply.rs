//! What a scripted upstream answers.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::gate::Gate;

/// One act of a script. Text and bytes are sent, a gate is waited for, a duration is slept.
#[derive(Clone, Debug)]
pub enum Step {
    /// One write; one chunk of a chunked body, one DATA frame of HTTP/2.
    Send(Bytes),
    /// Until the test opens the gate.
    Wait(Gate),
    /// Real time; for testing timeouts, never for waiting.
    Delay(Duration),
    /// HTTP/1.1: the connection is reset (RST). HTTP/2: the stream is (INTERNAL_ERROR).
    Reset,
    /// HTTP/1.1: the connection is closed (FIN). HTTP/2: without a GOAWAY.
    Close,
}

impl From<&str> for Step {
    fn from(text: &str) -> Self {
        Self::Send(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Step {
    fn from(text: String) -> Self {
        Self::Send(text.into())
    }
}

impl From<Bytes> for Step {
    fn from(bytes: Bytes) -> Self {
        Self::Send(bytes)
    }
}

impl From<Vec<u8>> for Step {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Send(bytes.into())
    }
}

impl From<&Gate> for Step {
    fn from(gate: &Gate) -> Self {
        Self::Wait(gate.clone())
    }
}

impl From<Duration> for Step {
    fn from(delay: Duration) -> Self {
        Self::Delay(delay)
    }
}

/// How the end of the body is told. HTTP/2 knows only its own way; there this chooses whether a
/// `content-length` is sent.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// By this `content-length`, or the true one.
    Length(Option<u64>),
    Chunked,
    UntilClose,
    /// The steps are the whole response, head included.
    Raw,
}

/// How a cut connection ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    Reset,
    Close,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
    pub(super) before_header: Vec<Step>,
    pub(super) steps: Vec<Step>,
    pub(super) cut: Option<(usize, Cut)>,
    pub(super) early: bool,
    pub(super) close: bool,
    pub(super) trailers: Vec<(&'static str, &'static str)>,
}

impl Reply {
    fn new(status: u16, body: Body, steps: Vec<Step>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
            before_header: Vec::new(),
            steps,
            cut: None,
            early: false,
            close: false,
            trailers: Vec::new(),
        }
    }

    /// Fields after the body; on HTTP/2 only.
    pub fn trailers(mut self, fields: &[(&'static str, &'static str)]) -> Self {
        self.trailers = fields.to_vec();
        self
    }

    /// No body.
    pub fn status(status: u16) -> Self {
        Self::new(status, Body::Length(None), Vec::new())
    }

    /// A JSON document with its length.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "scripts pass json!({..}) literals"
    )]
    pub fn json(status: u16, body: Value) -> Self {
        let steps = vec![body.to_string().into()];
        Self::new(status, Body::Length(None), steps).header("content-type", "application/json")
    }

    /// 200 and these bytes with their length.
    pub fn content_length_body(bytes: impl Into<Bytes>) -> Self {
        Self::new(200, Body::Length(None), vec![bytes.into().into()])
    }

    /// 200 and an event stream in chunks, each piece a chunk and a write of its own.
    pub fn sse<S: Into<Step>>(pieces: impl IntoIterator<Item = S>) -> Self {
        let steps = pieces.into_iter().map(Into::into).collect();
        Self::new(200, Body::Chunked, steps).header("content-type", "text/event-stream")
    }

    /// These bytes instead of a response.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::new(200, Body::Raw, vec![bytes.into().into()])
    }

    /// A reset before the first byte.
    pub fn reset_before_header() -> Self {
        Self::status(200).first(Step::Reset)
    }

    /// No answer until the peer gives up.
    pub fn silence() -> Self {
        Self::status(200).first(&Gate::new())
    }

    /// Adds a field; a `content-type` takes the place of the one before.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if name.eq_ignore_ascii_case("content-type") {
            self.headers
                .retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Does `step` before the header goes out (after other such steps).
    pub fn first(mut self, step: impl Into<Step>) -> Self {
        self.before_header.push(step.into());
        self
    }

    /// Does `step` after all others so far: `.then(&gate).then("data: 2\n\n").then(Step::Reset)`.
    pub fn then(mut self, step: impl Into<Step>) -> Self {
        self.steps.push(step.into());
        self
    }

    /// Cuts what is sent into writes of at most `size` bytes.
    pub fn in_pieces_of(mut self, size: usize) -> Self {
        let steps = std::mem::take(&mut self.steps);
        for step in steps {
            match step {
                Step::Send(mut bytes) => {
                    while bytes.len() > size {
                        self.steps.push(Step::Send(bytes.split_to(size)));
                    }
                    self.steps.push(Step::Send(bytes));
                }
                other => self.steps.push(other),
            }
        }
        self
    }

    /// Declares this `content-length`, true or not.
    pub fn declared_length(mut self, length: u64) -> Self {
        self.body = Body::Length(Some(length));
        self
    }

    /// Sends the body in chunks.
    pub fn chunked(mut self) -> Self {
        self.body = Body::Chunked;
        self
    }

    /// Ends the body by closing the connection, as HTTP/1.0 does.
    pub fn until_close(mut self) -> Self {
        self.body = Body::UntilClose;
        self
    }

    /// Resets the connection after `n` bytes of the response, counted over head, body and chunk
    /// framing; on HTTP/2, resets the stream after `n` bytes of body.
    pub fn cut_after(mut self, n: usize) -> Self {
        self.cut = Some((n, Cut::Reset));
        self
    }

    /// Like [`cut_after`](Self::cut_after), with a clean FIN.
    pub fn end_after(mut self, n: usize) -> Self {
        self.cut = Some((n, Cut::Close));
        self
    }

    /// Answers as soon as the request's head is there, before its body. Not for handlers, which see
    /// the body first.
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// Says `connection: close` and closes after the answer.
    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }

    /// The length to declare, when one is to be declared.
    pub(super) fn length(&self) -> Option<u64> {
        let sent = |step: &Step| match step {
            Step::Send(bytes) => bytes.len() as u64,
            _ => 0,
        };
        match self.body {
            Body::Length(declared) => {
                let has_body = !matches!(self.status, 100..200 | 204 | 304);
                has_body.then(|| declared.unwrap_or_else(|| self.steps.iter().map(sent).sum()))
            }
            _ => None,
        }
    }
}
