//! One HTTP/2 connection of the upstream.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};

use super::super::reply::{Body, Cut, Reply, Step};
use super::super::wire::{Headers, Socket};
use super::{Request, Shared};

/// What becomes of a stream or its connection.
enum End {
    Complete,
    PeerGone,
    CloseConnection,
}

pub(super) async fn serve(socket: Box<dyn Socket>, number: usize, shared: &Shared) {
    let Ok(mut connection) = h2::server::handshake(socket).await else {
        return;
    };
    let mut open = HashSet::new();
    let mut exchanges = FuturesUnordered::new();
    let mut reused = false;
    loop {
        tokio::select! {
            // In this order and in one task: when an exchange has yielded, its frames are written.
            biased;
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { break };
                let (head, body) = request.into_parts();
                let n = shared.record(understand(&head, number, reused));
                reused = true;
                open.insert(n);
                exchanges.push(exchange(n, body, respond, shared));
            }
            Some((n, end)) = exchanges.next() => {
                open.remove(&n);
                match end {
                    End::Complete => {}
                    End::PeerGone => shared.cancelled(n),
                    End::CloseConnection => return,
                }
            }
        }
    }
    for n in open {
        shared.cancelled(n);
    }
}

fn understand(head: &http::request::Parts, connection: usize, reused: bool) -> Request {
    let mut headers = Headers::of(&head.headers);
    for (name, value) in [
        (":scheme", head.uri.scheme_str()),
        (":authority", head.uri.authority().map(|it| it.as_str())),
    ] {
        if let Some(value) = value {
            headers.0.push((name.to_owned(), value.to_owned()));
        }
    }
    let target = head.uri.path_and_query().map_or("", |it| it.as_str());
    Request {
        method: head.method.to_string(),
        target: target.to_owned(),
        version: http::Version::HTTP_2,
        headers,
        body: Bytes::new(),
        complete: false,
        cancelled: false,
        connection,
        reused,
    }
}

async fn exchange(
    n: usize,
    mut body: RecvStream,
    respond: SendResponse<Bytes>,
    shared: &Shared,
) -> (usize, End) {
    let reply = shared.scripted(n);
    let early = reply.as_ref().is_some_and(|reply| reply.early);
    if !early && !receive(n, &mut body, shared).await {
        return (n, End::PeerGone);
    }
    let reply = reply.unwrap_or_else(|| shared.handled(n));
    if let Body::Raw = reply.body {
        shared.fail("a raw reply on HTTP/2".to_owned());
    }
    let end = match play(&reply, respond).await {
        Ok(()) => End::Complete,
        Err(end) => end,
    };
    if early && matches!(end, End::Complete) {
        receive(n, &mut body, shared).await;
    }
    (n, end)
}

/// Reads the request's body; whether it came to its end.
async fn receive(n: usize, body: &mut RecvStream, shared: &Shared) -> bool {
    let mut received = BytesMut::new();
    while let Some(piece) = body.data().await {
        let Ok(piece) = piece else { return false };
        let _ = body.flow_control().release_capacity(piece.len());
        received.extend_from_slice(&piece);
        shared.change(n, |request| request.body = received.clone().freeze());
    }
    shared.change(n, |request| request.complete = true);
    true
}

async fn play(reply: &Reply, mut respond: SendResponse<Bytes>) -> Result<(), End> {
    for step in &reply.before_header {
        match step {
            Step::Send(_) => {}
            Step::Reset => {
                respond.send_reset(Reason::INTERNAL_ERROR);
                return Ok(());
            }
            Step::Close => return Err(End::CloseConnection),
            pause => unless(pause_for(pause), poll_fn(|cx| respond.poll_reset(cx))).await?,
        }
    }
    let mut stream = respond
        .send_response(head(reply), reply.steps.is_empty())
        .map_err(|_| End::PeerGone)?;
    if reply.steps.is_empty() {
        return Ok(());
    }
    let mut left = reply.cut.map_or(usize::MAX, |(bytes, _)| bytes);
    for step in &reply.steps {
        match step {
            Step::Send(bytes) => {
                let bytes = bytes.slice(..bytes.len().min(left));
                left -= bytes.len();
                stream.send_data(bytes, false).map_err(|_| End::PeerGone)?;
                // So that it becomes a frame of its own.
                tokio::task::yield_now().await;
            }
            Step::Reset => return reset(stream).await,
            Step::Close => return Err(End::CloseConnection),
            pause => unless(pause_for(pause), poll_fn(|cx| stream.poll_reset(cx))).await?,
        }
        match reply.cut {
            Some((_, Cut::Reset)) if left == 0 => return reset(stream).await,
            Some((_, Cut::Close)) if left == 0 => return Err(End::CloseConnection),
            _ => {}
        }
    }
    if !reply.trailers.is_empty() {
        let fields = reply.trailers.iter();
        let fields = fields.map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, http::HeaderValue::from_static(value))
        });
        return stream
            .send_trailers(fields.collect())
            .map_err(|_| End::PeerGone);
    }
    stream
        .send_data(Bytes::new(), true)
        .map_err(|_| End::PeerGone)
}

/// A reset drops what is queued, so it waits until the connection has had its turn.
async fn reset(mut stream: SendStream<Bytes>) -> Result<(), End> {
    tokio::task::yield_now().await;
    stream.send_reset(Reason::INTERNAL_ERROR);
    Ok(())
}

async fn pause_for(step: &Step) {
    match step {
        Step::Wait(gate) => gate.pass().await,
        Step::Delay(delay) => tokio::time::sleep(*delay).await,
        Step::Send(_) | Step::Reset | Step::Close => unreachable!("not a pause"),
    }
}

/// Waits for `pause`, unless the peer gives the stream up first.
async fn unless<T>(
    pause: impl Future<Output = ()>,
    reset: impl Future<Output = T>,
) -> Result<(), End> {
    let (pause, reset) = (pin!(pause), pin!(reset));
    tokio::select! {
        () = pause => Ok(()),
        _ = reset => Err(End::PeerGone),
    }
}

fn head(reply: &Reply) -> http::Response<()> {
    let mut head = http::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        head = head.header(name, value);
    }
    if let Some(length) = reply.length() {
        head = head.header("content-length", length);
    }
    head.body(()).expect("a script's header is valid on HTTP/2")
}
