//! The client's side of HTTP/1.1.

use std::io::Result;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};

use super::super::Task;
use super::super::reply::Step;
use super::super::wire::{Framing, Headers, Socket, Wire, chunk, invalid};
use super::{Head, Outgoing, Upload};

type Writer = WriteHalf<Box<dyn Socket>>;

/// A connection. Uploads run beside the reading of the answer, which may come before their end.
pub(super) struct Connection {
    wire: Wire<ReadHalf<Box<dyn Socket>>>,
    upload: Option<Task<Writer>>,
}

/// A body that is being read.
pub(super) struct Body<'a> {
    connection: &'a mut Connection,
    framing: Framing,
}

impl Connection {
    pub(super) fn new(socket: Box<dyn Socket>) -> Self {
        let (reader, writer) = tokio::io::split(socket);
        Self {
            wire: Wire::new(reader),
            upload: Some(Task(tokio::spawn(async { writer }))),
        }
    }

    pub(super) async fn closed(&mut self) {
        self.wire.closed().await;
    }

    pub(super) async fn begin<'a>(
        &'a mut self,
        outgoing: Outgoing,
        host: &str,
    ) -> std::result::Result<(Head, super::Body<'a>), String> {
        let mut before = self.upload.take().expect("an upload");
        let writer = (&mut before.0).await.expect("an upload that did not panic");
        let head_only = outgoing.method == "HEAD";
        self.upload = Some(Task(tokio::spawn(send(writer, outgoing, host.to_owned()))));
        match self.answer(head_only).await {
            Ok((head, framing)) => {
                let connection = self;
                Ok((
                    head,
                    super::Body::Http1(Body {
                        connection,
                        framing,
                    }),
                ))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn answer(&mut self, head_only: bool) -> Result<(Head, Framing)> {
        loop {
            let closed = || invalid("the server closed the connection");
            let head = self.wire.head().await?.ok_or_else(closed)?;
            let status = head
                .start
                .strip_prefix("HTTP/1.1 ")
                .and_then(|rest| rest.get(..3)?.parse().ok())
                .ok_or_else(|| invalid(&format!("status line {:?}", head.start)))?;
            let framing = match status {
                100 | 102..200 => continue,
                101 => Framing::UntilClose,
                204 | 304 => Framing::NONE,
                _ if head_only => Framing::NONE,
                _ => Framing::declared(&head.headers, Framing::UntilClose)?,
            };
            let headers = head.headers;
            return Ok((Head { status, headers }, framing));
        }
    }
}

impl Body<'_> {
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>> {
        self.connection.wire.piece(&mut self.framing).await
    }
}

/// Sends as much as the server takes; the answer tells what it made of it.
async fn send(mut writer: Writer, outgoing: Outgoing, host: String) -> Writer {
    let _ = try_send(&mut writer, outgoing, &host).await;
    writer
}

async fn try_send(writer: &mut Writer, outgoing: Outgoing, host: &str) -> Result<()> {
    let Outgoing {
        method,
        path,
        mut headers,
        upload,
    } = outgoing;
    if headers.get("host").is_none() {
        headers.0.insert(0, ("host".into(), host.into()));
    }
    let framing = match &upload {
        Upload::None => None,
        Upload::Whole(body) => Some(("content-length", body.len().to_string())),
        Upload::Steps(Some(length), _) => Some(("content-length", length.to_string())),
        Upload::Steps(None, _) => Some(("transfer-encoding", "chunked".into())),
    };
    if let Some((name, value)) = framing
        && headers.get(name).is_none()
    {
        headers.0.push((name.into(), value));
    }
    writer.write_all(&head(&method, &path, &headers)).await?;
    match upload {
        Upload::None => {}
        Upload::Whole(body) => writer.write_all(&body).await?,
        Upload::Steps(length, steps) => {
            let chunked = length.is_none();
            for step in steps {
                match step {
                    Step::Send(bytes) if bytes.is_empty() => {}
                    Step::Send(bytes) if chunked => writer.write_all(&chunk(&bytes)).await?,
                    Step::Send(bytes) => writer.write_all(&bytes).await?,
                    Step::Wait(gate) => gate.pass().await,
                    Step::Delay(delay) => tokio::time::sleep(delay).await,
                    Step::Close => return writer.shutdown().await,
                    Step::Reset => panic!("to reset an upload, drop the client"),
                }
                writer.flush().await?;
            }
            if chunked {
                writer.write_all(b"0\r\n\r\n").await?;
            }
        }
    }
    writer.flush().await
}

fn head(method: &str, path: &str, headers: &Headers) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in &headers.0 {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    text.into_bytes()
}
