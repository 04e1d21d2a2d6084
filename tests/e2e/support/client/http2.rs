//! The client's side of HTTP/2.

use std::collections::VecDeque;
use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::super::Task;
use super::super::reply::Step;
use super::super::wire::{Headers, Socket};
use super::{Head, Outgoing, Upload};

type Outgo = BoxBody<Bytes, Broken>;

/// Ends an upload before its end.
#[derive(Debug, thiserror::Error)]
#[error("the upload broke off")]
struct Broken;

/// A connection, driven by a task of its own.
pub(super) struct Connection {
    sender: SendRequest<Outgo>,
    driver: Task<()>,
}

impl Connection {
    pub(super) async fn new(socket: Box<dyn Socket>) -> Self {
        let io = TokioIo::new(socket);
        let (sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
        let driver = async {
            // How it ended shows in the exchanges.
            let _ = connection.await;
        };
        Self {
            sender,
            driver: Task(tokio::spawn(driver)),
        }
    }

    pub(super) async fn closed(&mut self) {
        let _ = (&mut self.driver.0).await;
    }

    pub(super) async fn begin(
        &mut self,
        outgoing: Outgoing,
        host: &str,
    ) -> Result<(Head, super::Body<'static>), String> {
        let mut request = http::Request::builder()
            .method(outgoing.method.as_str())
            .uri(format!("http://{host}{}", outgoing.path));
        for (name, value) in &outgoing.headers.0 {
            request = request.header(name, value);
        }
        if let Upload::Steps(Some(length), _) = outgoing.upload {
            request = request.header("content-length", length);
        }
        let request = request.body(body(outgoing.upload)).unwrap();
        let response = match self.sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => return Err(format!("{error:?}")),
        };
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let headers = Headers::of(&head.headers);
        Ok((Head { status, headers }, super::Body::Http2(body)))
    }
}

/// The next bytes of an answer.
pub(super) async fn piece(body: &mut Incoming) -> std::io::Result<Option<Bytes>> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(error)) => return Err(std::io::Error::other(error)),
            Some(Ok(frame)) => {
                let none = |fields: &http::HeaderMap| fields.is_empty();
                assert!(frame.trailers_ref().is_none_or(none), "{frame:?} came");
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

fn body(upload: Upload) -> Outgo {
    let never = |never: Infallible| match never {};
    match upload {
        Upload::None => Empty::new().map_err(never).boxed(),
        Upload::Whole(body) => Full::new(body).map_err(never).boxed(),
        Upload::Steps(_, steps) => {
            let steps = VecDeque::from(steps);
            BodyExt::boxed(StreamBody::new(futures::stream::unfold(steps, frame)))
        }
    }
}

async fn frame(
    mut steps: VecDeque<Step>,
) -> Option<(Result<Frame<Bytes>, Broken>, VecDeque<Step>)> {
    loop {
        match steps.pop_front()? {
            Step::Send(bytes) => return Some((Ok(Frame::data(bytes)), steps)),
            Step::Wait(gate) => gate.pass().await,
            Step::Delay(delay) => tokio::time::sleep(delay).await,
            Step::Close | Step::Reset => return Some((Err(Broken), VecDeque::new())),
        }
    }
}
