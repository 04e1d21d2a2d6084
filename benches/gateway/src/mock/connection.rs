//! A client's connection.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;

use super::format::Asked;
use super::stream::Stream;
use super::wanted::{Seen, Wanted};
use crate::clock::Nanos;
use crate::http::{Framer, Piece};

/// A connection, the request that it is sending and the answer that it is getting.
pub(super) struct Connection {
    socket: TcpStream,
    framer: Framer,
    /// What the request in progress asks for, and its target if that is the mock itself.
    asked: Asked,
    target: String,
    seen: Seen,
    close: bool,
    /// What could not be written yet.
    waiting: Vec<u8>,
    /// The stream that it is getting.
    pub(super) stream: Option<Running>,
}

/// A stream in progress.
pub(super) struct Running {
    pub(super) stream: Rc<Stream>,
    /// The next write.
    pub(super) next: usize,
    /// When that is due.
    pub(super) due: Nanos,
}

/// A whole request.
pub(super) struct Request {
    pub(super) asked: Asked,
    /// Of requests to the mock itself.
    pub(super) target: String,
    pub(super) streamed: bool,
}

/// Where a write stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    All,
    /// The rest is kept until there is room.
    Some,
    /// The connection is to be closed.
    Last,
}

impl Connection {
    pub(super) fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            framer: Framer::requests(),
            asked: Asked::Unknown,
            target: String::new(),
            seen: Seen::default(),
            close: false,
            waiting: Vec::new(),
            stream: None,
        })
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Reads what there is. `None`: the client has closed.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.socket.read(buffer) {
            Ok(0) => Ok(None),
            Ok(length) => Ok(Some(length)),
            Err(error) if waits(&error) => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// Takes input up to the end of a request, and that request.
    pub(super) fn request(&mut self, input: &mut &[u8], wanted: &Wanted) -> Option<Request> {
        while let Some(piece) = self.framer.next(input) {
            match piece {
                Piece::Head(lines, head) => {
                    let target = lines.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
                    self.asked = Asked::of(target);
                    self.target.clear();
                    if self.asked == Asked::Control {
                        self.target.push_str(&String::from_utf8_lossy(target));
                    }
                    self.seen = Seen::default();
                    self.close = head.close;
                    if head.expects_continue {
                        // Lost only when the client is gone, which the next read tells.
                        let _ = self.socket.write(b"HTTP/1.1 100 Continue\r\n\r\n");
                    }
                }
                Piece::Body(body) => wanted.look(&mut self.seen, body),
                Piece::End => {
                    return Some(Request {
                        asked: self.asked,
                        target: std::mem::take(&mut self.target),
                        streamed: self.seen.streamed,
                    });
                }
            }
        }
        None
    }

    /// Writes, or keeps for later what there is no room for.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<Sent> {
        if !self.waiting.is_empty() {
            self.waiting.extend_from_slice(bytes);
            return Ok(Sent::Some);
        }
        let written = match self.socket.write(bytes) {
            Ok(written) => written,
            Err(error) if waits(&error) => 0,
            Err(error) => return Err(error),
        };
        self.waiting.extend_from_slice(&bytes[written..]);
        Ok(self.state())
    }

    /// Writes what was kept.
    pub(super) fn send_waiting(&mut self) -> io::Result<Sent> {
        let written = match self.socket.write(&self.waiting) {
            Ok(written) => written,
            Err(error) if waits(&error) => 0,
            Err(error) => return Err(error),
        };
        self.waiting.drain(..written);
        Ok(self.state())
    }

    fn state(&self) -> Sent {
        match (self.waiting.is_empty(), self.close && self.stream.is_none()) {
            (false, _) => Sent::Some,
            (true, true) => Sent::Last,
            (true, false) => Sent::All,
        }
    }
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
