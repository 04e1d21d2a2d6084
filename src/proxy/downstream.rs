//! The wrapped client session: bodies that can be sent again, answers that can be taken back.
//!
//! Pingora forgets a body that was read before the upstream was chosen, and sends an answer's header
//! as soon as it comes. [`Downstream`] stands around the real session and changes both. The request
//! body counts as read, and each attempt supplies its own. The answer's header waits here until the
//! relay has let something through that is worth sending, so that a failure before that moment can
//! still move to another account unseen. While a provider is silent it writes keep-alives, and it
//! watches the limits of the attempt, so that Pingora needs no timer per read.
//!
//! Why is a write a future that owns the session? Pingora drops `read_body_or_idle` whenever an
//! upstream event arrives; a keep-alive that was cut half-way would break the framing. The future
//! that writes it keeps the session and is finished by whoever comes next.
//!
//! What Pingora calls is in [`session`]; here is what happens then.

mod alarm;
mod session;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use parking_lot::Mutex;
use pingora_core::protocols::http::{HttpTask, ServerSession};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use tokio::time::Instant;

use super::cost;
use super::gate::{Gate, KeepAlive};
use crate::lifecycle::Lifecycle;
use alarm::Alarm;

const SWITCHING_PROTOCOLS: StatusCode = StatusCode::SWITCHING_PROTOCOLS;

/// How the request's body reaches the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upload {
    /// It was read; each attempt supplies its own copy. `true` when there is one.
    Replayed(bool),
    /// Straight from the client, once.
    Streamed,
    /// None, until the provider has switched protocols; then straight from the client.
    WebSocket,
}

/// The session that Pingora sees.
pub(super) struct Downstream {
    /// The real session; away while a write that was begun in a silence has it.
    real: Option<Box<ServerSession>>,
    write: Option<Write>,
    gate: Arc<Gate>,
    lifecycle: Arc<Lifecycle>,
    upload: Upload,
    keep_alive: Option<KeepAlive>,
    /// What waits for the first content.
    held: Vec<HttpTask>,
    /// The attempt that `held` belongs to.
    attempt: u32,
    /// The attempt whose request header has left; 0: none.
    asked_in: u32,
    alarm: Alarm,
}

/// A write that owns the session, and what others may want to know meanwhile.
struct Write {
    /// Alone here, the lock only makes it `Sync`.
    progress: Mutex<BoxFuture<'static, (Box<ServerSession>, Result<()>)>>,
    request: Box<RequestHeader>,
}

impl Downstream {
    /// Wraps `session` in place. The real one comes back through [`unwrap`].
    pub(super) fn wrap(
        session: &mut Box<ServerSession>,
        gate: Arc<Gate>,
        lifecycle: Arc<Lifecycle>,
        upload: Upload,
        keep_alive: Option<KeepAlive>,
    ) {
        let real = std::mem::replace(session, Box::new(nothing()));
        **session = ServerSession::new_custom(Box::new(Self {
            real: Some(real),
            write: None,
            gate,
            lifecycle,
            upload,
            keep_alive,
            held: Vec::new(),
            attempt: 0,
            asked_in: 0,
            alarm: Alarm::default(),
        }));
    }

    /// The real session, once no write is under way.
    async fn settled(&mut self) -> Result<&mut ServerSession> {
        if let Some(write) = &mut self.write {
            let (session, result) = write.progress.get_mut().await;
            self.real = Some(session);
            self.write = None;
            result.map_err(|error| error.into_down())?;
        }
        match &mut self.real {
            Some(session) => Ok(session),
            None => Error::e_explain(ErrorType::InternalError, "the client session is gone"),
        }
    }

    /// Begins to write a keep-alive, and before the first one the header of the stream.
    fn begin_keep_alive(&mut self) -> Result<()> {
        let Some(keep_alive) = &self.keep_alive else {
            return Ok(());
        };
        let header = match self.gate.is_committed() {
            true => None,
            false => Some(keep_alive.header()?),
        };
        let Some(mut session) = self.real.take() else {
            return Ok(());
        };
        self.gate.commit();
        self.held.clear();
        let bytes = Bytes::from_static(keep_alive.bytes);
        let draining = self.lifecycle.is_draining();
        let request = Box::new(session.req_header().clone());
        let progress = Box::pin(async move {
            let result = async {
                if let Some(header) = header {
                    if draining {
                        session.set_keepalive(None);
                    }
                    session.write_response_header(header).await?;
                }
                session.write_response_body(bytes, false).await
            }
            .await;
            (session, result)
        });
        self.write = Some(Write {
            progress: Mutex::new(progress),
            request,
        });
        self.gate.pinged();
        Ok(())
    }

    /// Sends what was held and what follows it. A client that does not read cannot keep the request
    /// past its time.
    async fn forward(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let draining = self.lifecycle.is_draining();
        let begins = matches!(tasks.first(), Some(HttpTask::Header(..)));
        let gate = Arc::clone(&self.gate);
        let write = async {
            let session = self.settled().await?;
            // Only a header can tell the client. A connection that was not told goes on: its next
            // answer will.
            if draining && begins {
                session.set_keepalive(None);
            }
            session.response_duplex_vec(tasks).await
        };
        let mut write = pin!(write);
        let torn = Torn(&gate);
        // Most writes are done at once, and then nobody has looked at the clock.
        let at_once = poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx))).await;
        let written = match at_once {
            Poll::Ready(written) => written,
            Poll::Pending => match gate.end_of_write(Instant::now()) {
                None => write.await,
                Some((end, limit)) => match tokio::time::timeout_at(end, write).await {
                    Ok(written) => written,
                    Err(_) => return Err(limit.error()),
                },
            },
        };
        std::mem::forget(torn);
        gate.taken();
        written
    }

    /// Takes the next pieces of the running attempt's answer: holds them back, or sends them.
    async fn relay(&mut self, mut tasks: Vec<HttpTask>) -> Result<bool> {
        // A provider that only says that it will answer has not been heard: its time runs on.
        tasks.retain(|task| !is_interim(task));
        if tasks.is_empty() {
            return Ok(false);
        }
        let (attempt, committed) = self.gate.heard();
        if attempt != self.attempt {
            self.attempt = attempt;
            self.held.clear();
        }
        if committed {
            // A header that left once (with a keep-alive, or for an earlier attempt) stays.
            tasks.retain(|task| !matches!(task, HttpTask::Header(_, false)));
            if tasks.is_empty() {
                return Ok(false);
            }
            if self.ends_unjudged(&tasks) {
                return Err(unjudged());
            }
            self.gate.sent(&tasks);
            return self.forward(tasks).await;
        }
        for task in tasks {
            match task {
                HttpTask::Failed(error) => return Err(error),
                other => self.held.push(other),
            }
        }
        if !is_worth_sending(&self.held) {
            return Ok(false);
        }
        if self.ends_unjudged(&self.held) {
            return Err(unjudged());
        }
        self.gate.commit();
        let mut tasks = std::mem::take(&mut self.held);
        announce_length(&mut tasks);
        if let (Some(cost), Some(HttpTask::Header(header, false))) =
            (self.gate.cost(), tasks.first_mut())
        {
            // It is made of digits.
            let _ = header.insert_header(cost::HEADER, cost.to_string());
        }
        self.gate.sent(&tasks);
        self.forward(tasks).await
    }

    /// Waits for the client: for its body if that is not read yet, else for its leaving. Meanwhile
    /// keep-alives go out and the attempt's limits are watched.
    async fn watch(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        loop {
            let now = Instant::now();
            let (limit, ping) = self.gate.due(self.keep_alive.as_ref().map(|one| one.every));
            if let Some((at, limit)) = limit
                && now >= at
            {
                return Err(limit.error());
            }
            if ping.is_some_and(|at| now >= at) && self.write.is_none() {
                self.begin_keep_alive()?;
                continue;
            }
            let wake = [limit.map(|(at, _)| at), ping].into_iter().flatten().min();
            let upload = self.upload;
            if self.real.is_none() {
                let mut alarm = Alarm::default();
                tokio::select! {
                    biased;
                    settled = self.settled() => settled.map(|_| ())?,
                    () = alarm.ring_at(limit.map(|(at, _)| at)) => {}
                }
            }
            let Some(session) = &mut self.real else {
                continue;
            };
            let idle = match upload {
                Upload::Replayed(_) => true,
                Upload::Streamed | Upload::WebSocket => no_body_expected,
            };
            tokio::select! {
                biased;
                read = session.read_body_or_idle(idle) => {
                    self.gate.uploaded();
                    return read;
                }
                () = self.alarm.ring_at(wake) => {}
            }
        }
    }

    /// Whether `tasks` end an answer that nobody could judge, because the relay never saw a body.
    fn ends_unjudged(&self, tasks: &[HttpTask]) -> bool {
        let ends = |task: &HttpTask| task.is_end() && !matches!(task, HttpTask::Failed(_));
        tasks.iter().any(ends) && self.gate.is_undecided()
    }
}

/// A write that is under way. Dropped before it is done, by a time limit or by Pingora, it leaves half
/// of something behind.
struct Torn<'a>(&'a Gate);

impl Drop for Torn<'_> {
    fn drop(&mut self) {
        self.0.set_torn();
    }
}

/// Takes the real session back out. Does nothing to a session that is not wrapped.
pub(super) fn unwrap(session: &mut Box<ServerSession>, gate: &Gate) {
    if !session.is_custom() {
        return;
    }
    **session = nothing();
    if let Some(real) = gate.take_session() {
        *session = real;
    }
}

/// A stand-in that nobody calls.
fn nothing() -> ServerSession {
    ServerSession::new_custom(Box::new(()))
}

impl Drop for Downstream {
    fn drop(&mut self) {
        if let Some(session) = self.real.take() {
            self.gate.hand_back(session);
        }
    }
}

fn unjudged() -> Box<Error> {
    Error::explain(
        ErrorType::HTTPStatus(0),
        "an answer that ended with its header",
    )
}

/// Whether `task` is a header that another one follows.
fn is_interim(task: &HttpTask) -> bool {
    matches!(task, HttpTask::Header(header, false)
        if header.status.is_informational() && header.status != SWITCHING_PROTOCOLS)
}

/// Whether `tasks` hold something that ends the wait: a byte of the answer, or its end.
fn is_worth_sending(tasks: &[HttpTask]) -> bool {
    tasks.iter().any(|task| match task {
        HttpTask::Body(Some(data), end) => *end || !data.is_empty(),
        // The client waits for it before it sends anything.
        HttpTask::Header(header, _) if header.status == SWITCHING_PROTOCOLS => true,
        other => other.is_end(),
    })
}

/// A whole answer that goes out in one piece says how long it is.
fn announce_length(tasks: &mut [HttpTask]) {
    let ends = tasks
        .last()
        .is_some_and(|task| matches!(task, HttpTask::Body(_, true)));
    let length: usize = tasks
        .iter()
        .map(|task| match task {
            HttpTask::Body(Some(data), _) => data.len(),
            _ => 0,
        })
        .sum();
    if let Some(HttpTask::Header(header, false)) = tasks.first_mut()
        && ends
        && !header.headers.contains_key(CONTENT_LENGTH)
    {
        header.remove_header(&TRANSFER_ENCODING);
        // Writing a number as a header value cannot fail.
        let _ = header.insert_header(CONTENT_LENGTH, length);
    }
}
