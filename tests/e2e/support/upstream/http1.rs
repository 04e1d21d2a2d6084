//! One HTTP/1.1 connection of the upstream.

use std::io::{ErrorKind, Result};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use super::super::reply::{Body, Cut, Reply, Step};
use super::super::wire::{Framing, Head, Socket, Wire, chunk, invalid};
use super::{Request, Shared};

type Reader = Wire<ReadHalf<Box<dyn Socket>>>;
type Writer = WriteHalf<Box<dyn Socket>>;

/// What becomes of the connection after an exchange.
enum End {
    KeepAlive,
    Close,
    Reset,
    PeerGone,
}

pub(super) async fn serve(socket: Box<dyn Socket>, connection: usize, shared: &Shared) {
    let (reader, mut writer) = tokio::io::split(socket);
    let mut wire = Wire::new(reader);
    let mut reused = false;
    loop {
        let read = wire.head().await;
        let (request, framing) = match read.and_then(|head| head.map(understand).transpose()) {
            Ok(Some(understood)) => understood,
            Ok(None) => return,
            Err(error) => {
                if error.kind() == ErrorKind::InvalidData {
                    shared.fail(format!("connection {connection}: {error}"));
                }
                return;
            }
        };
        let last = request.headers.lists("connection", "close");
        let number = shared.record(Request {
            connection,
            reused,
            ..request
        });
        match exchange(&mut wire, &mut writer, number, framing, shared).await {
            End::KeepAlive if !last => reused = true,
            End::KeepAlive | End::Close => {
                // Closing with unread input would send a RST after the FIN.
                let _ = writer.shutdown().await;
                return wire.closed().await;
            }
            End::Reset => {
                let socket = wire.into_parts().0.unsplit(writer);
                return socket.tcp().set_zero_linger().unwrap();
            }
            End::PeerGone => return shared.cancelled(number),
        }
    }
}

fn understand(head: Head) -> Result<(Request, Framing)> {
    let mut words = head.start.split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(invalid(&format!("request line {:?}", head.start)));
    };
    if head.headers.all("host").count() != 1 {
        return Err(invalid("not exactly one host"));
    }
    let framing = Framing::declared(&head.headers, Framing::NONE)?;
    let request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        version: http::Version::HTTP_11,
        headers: head.headers,
        body: Bytes::new(),
        complete: false,
        cancelled: false,
        connection: 0,
        reused: false,
    };
    Ok((request, framing))
}

async fn exchange(
    wire: &mut Reader,
    writer: &mut Writer,
    number: usize,
    framing: Framing,
    shared: &Shared,
) -> End {
    let reply = shared.scripted(number);
    let early = reply.as_ref().is_some_and(|reply| reply.early);
    if !early {
        let expects = |request: &Request| request.headers.lists("expect", "100-continue");
        if expects(&shared.state.borrow().requests[number])
            && writer.write_all(CONTINUE).await.is_err()
        {
            return End::PeerGone;
        }
        if let Err(end) = receive(wire, number, framing, shared).await {
            return end;
        }
    }
    let reply = reply.unwrap_or_else(|| shared.handled(number));
    let end = tokio::select! {
        // A peer that closes right after the last byte has not cancelled anything.
        biased;
        end = play(&reply, writer, shared) => end,
        () = wire.closed() => End::PeerGone,
    };
    if early && matches!(end, End::KeepAlive) {
        return match receive(wire, number, framing, shared).await {
            Ok(()) => End::KeepAlive,
            Err(_) => End::Close,
        };
    }
    end
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Reads the request's body.
async fn receive(
    wire: &mut Reader,
    number: usize,
    mut framing: Framing,
    shared: &Shared,
) -> std::result::Result<(), End> {
    let mut body = BytesMut::new();
    let mut shown = 0;
    loop {
        match wire.piece(&mut framing).await {
            Ok(Some(piece)) => {
                body.extend_from_slice(&piece);
                // Showing each piece of a large body would copy it thousands of times.
                if body.len() < 65_536 || body.len() >= 2 * shown {
                    shown = body.len();
                    shared.change(number, |request| request.body = body.clone().freeze());
                }
            }
            Ok(None) => {
                shared.change(number, |request| {
                    request.body = body.freeze();
                    request.complete = true;
                });
                return Ok(());
            }
            Err(error) => {
                shared.change(number, |request| request.body = body.freeze());
                if error.kind() == ErrorKind::InvalidData {
                    shared.fail(format!("request {number}: {error}"));
                }
                return Err(End::PeerGone);
            }
        }
    }
}

async fn play<W: AsyncWrite + Unpin>(reply: &Reply, io: &mut W, shared: &Shared) -> End {
    let mut output = Output {
        io,
        left: reply.cut.map(|(bytes, _)| bytes),
        cut: reply.cut.map_or(Cut::Close, |(_, cut)| cut),
    };
    match output.reply(reply).await {
        Err(end) => end,
        Ok(()) => {
            if let Some(left) = output.left {
                shared.fail(format!("the answer ended {left} bytes before its cut"));
            }
            match reply.close || matches!(reply.body, Body::UntilClose) {
                true => End::Close,
                false => End::KeepAlive,
            }
        }
    }
}

/// Writes a response up to where it is to be cut.
struct Output<'a, W> {
    io: &'a mut W,
    left: Option<usize>,
    cut: Cut,
}

impl<W: AsyncWrite + Unpin> Output<'_, W> {
    async fn reply(&mut self, reply: &Reply) -> std::result::Result<(), End> {
        for step in &reply.before_header {
            self.step(step, &Body::Raw).await?;
        }
        if !matches!(reply.body, Body::Raw) {
            self.write(&head(reply)).await?;
        }
        for step in &reply.steps {
            self.step(step, &reply.body).await?;
        }
        if let Body::Chunked = reply.body {
            self.write(b"0\r\n\r\n").await?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step, body: &Body) -> std::result::Result<(), End> {
        match step {
            // An empty chunk would be the last one.
            Step::Send(bytes) if bytes.is_empty() => Ok(()),
            Step::Send(bytes) => match body {
                Body::Chunked => self.write(&chunk(bytes)).await,
                _ => self.write(bytes).await,
            },
            Step::Wait(gate) => {
                gate.pass().await;
                Ok(())
            }
            Step::Delay(delay) => {
                tokio::time::sleep(*delay).await;
                Ok(())
            }
            Step::Reset => Err(End::Reset),
            Step::Close => Err(End::Close),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> std::result::Result<(), End> {
        let allowed = self.left.unwrap_or(usize::MAX).min(bytes.len());
        let write = async {
            self.io.write_all(&bytes[..allowed]).await?;
            self.io.flush().await
        };
        write.await.map_err(|_| End::PeerGone)?;
        match &mut self.left {
            None => Ok(()),
            Some(left) => {
                *left -= allowed;
                match (*left, self.cut) {
                    (0, Cut::Reset) => Err(End::Reset),
                    (0, Cut::Close) => Err(End::Close),
                    _ => Ok(()),
                }
            }
        }
    }
}

fn head(reply: &Reply) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(reply.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown");
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", reply.status);
    for (name, value) in &reply.headers {
        text += &format!("{name}: {value}\r\n");
    }
    if let Some(length) = reply.length() {
        text += &format!("content-length: {length}\r\n");
    }
    if let Body::Chunked = reply.body {
        text += "transfer-encoding: chunked\r\n";
    }
    if reply.close || matches!(reply.body, Body::UntilClose) {
        text += "connection: close\r\n";
    }
    text += "\r\n";
    text.into_bytes()
}
