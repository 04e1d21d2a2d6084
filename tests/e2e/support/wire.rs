//! HTTP/1.1 as bytes, for the upstream, the client and the CONNECT proxy alike.
//!
//! Why by hand? The tests must see (and send) what an HTTP library would hide or refuse.

use std::io::{Error, ErrorKind, Result};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

/// No head in these tests is longer; a longer one means that the reader has lost its place.
const HEAD_LIMIT: usize = 1 << 20;

/// A TCP connection, perhaps inside TLS.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    /// The connection below.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for tokio_rustls::server::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl Socket for tokio_rustls::client::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Header fields in the order and spelling of the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The fields of a parsed message.
    pub fn of(map: &http::HeaderMap) -> Self {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into();
        Self(
            map.iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
        )
    }

    /// Whether a list-valued field names `token`.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    }
}

/// The first line of a message and its fields.
#[derive(Clone, Debug)]
pub struct Head {
    /// Request line or status line.
    pub start: String,
    /// The fields.
    pub headers: Headers,
}

/// How far the current body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// This many more bytes.
    Length(u64),
    /// In chunks.
    Chunked(Chunk),
    /// Until the peer closes.
    UntilClose,
}

/// Where in a chunked body the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Before a size line.
    Size,
    /// In the data, with this many bytes to come.
    Data(u64),
    /// Before the line break that follows the data.
    Break,
    /// After the last chunk.
    Trailers,
    /// After all of it.
    Done,
}

impl Framing {
    /// No body.
    pub const NONE: Self = Self::Length(0);

    /// The framing that the fields declare, or `otherwise`. Both framings at once, which is how
    /// requests are smuggled, are an error.
    pub fn declared(headers: &Headers, otherwise: Self) -> Result<Self> {
        let chunked = headers.lists("transfer-encoding", "chunked");
        let mut lengths = headers.all("content-length");
        match (chunked, lengths.next()) {
            (true, Some(_)) => Err(invalid("content-length beside transfer-encoding")),
            (true, None) => Ok(Self::Chunked(Chunk::Size)),
            (false, None) => Ok(otherwise),
            (false, Some(_)) if lengths.next().is_some() => Err(invalid("two content-lengths")),
            (false, Some(length)) => length
                .parse()
                .map(Self::Length)
                .map_err(|_| invalid(&format!("content-length: {length}"))),
        }
    }
}

/// Reads messages from a connection. Every method may be cancelled and called again.
pub struct Wire<R> {
    io: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Wire<R> {
    /// Starts at the beginning of a message.
    pub fn new(io: R) -> Self {
        let buffer = BytesMut::new();
        Self { io, buffer }
    }

    /// The connection, and what was read from it but not asked for.
    pub fn into_parts(self) -> (R, Bytes) {
        (self.io, self.buffer.freeze())
    }

    /// Resolves when the peer has closed; what it sends until then is kept.
    pub async fn closed(&mut self) {
        while self.fill().await.is_ok_and(|n| n > 0) {}
    }

    /// The next head; `None` when the peer closed instead of starting a message.
    pub async fn head(&mut self) -> Result<Option<Head>> {
        let end = loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(invalid("a head without end"));
            }
            if self.fill().await? == 0 {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(ErrorKind::UnexpectedEof.into()),
                };
            }
        };
        let bytes = self.buffer.split_to(end + 4);
        parse_head(&String::from_utf8_lossy(&bytes[..end])).map(Some)
    }

    /// The next bytes of a body as they arrive; `None` at its end. A peer that closes before the end
    /// is an [`ErrorKind::UnexpectedEof`].
    pub async fn piece(&mut self, framing: &mut Framing) -> Result<Option<Bytes>> {
        let chunk = match framing {
            Framing::Length(0) => return Ok(None),
            Framing::Length(left) => {
                let bytes = self.take(*left).await?;
                *left -= bytes.len() as u64;
                return Ok(Some(bytes));
            }
            Framing::UntilClose => {
                if self.buffer.is_empty() && self.fill().await? == 0 {
                    return Ok(None);
                }
                return Ok(Some(self.buffer.split().freeze()));
            }
            Framing::Chunked(chunk) => chunk,
        };
        loop {
            match *chunk {
                Chunk::Size => {
                    let line = self.line().await?;
                    let digits = line.split(';').next().unwrap_or_default().trim();
                    *chunk = match u64::from_str_radix(digits, 16) {
                        Ok(0) => Chunk::Trailers,
                        Ok(size) => Chunk::Data(size),
                        Err(_) => return Err(invalid(&format!("chunk size {line:?}"))),
                    };
                }
                Chunk::Data(left) => {
                    let bytes = self.take(left).await?;
                    *chunk = match left - bytes.len() as u64 {
                        0 => Chunk::Break,
                        left => Chunk::Data(left),
                    };
                    return Ok(Some(bytes));
                }
                Chunk::Break => match self.line().await?.as_str() {
                    "" => *chunk = Chunk::Size,
                    line => return Err(invalid(&format!("after a chunk: {line:?}"))),
                },
                Chunk::Trailers => {
                    if self.line().await?.is_empty() {
                        *chunk = Chunk::Done;
                    }
                }
                Chunk::Done => return Ok(None),
            }
        }
    }

    async fn fill(&mut self) -> Result<usize> {
        self.io.read_buf(&mut self.buffer).await
    }

    async fn take(&mut self, most: u64) -> Result<Bytes> {
        if self.buffer.is_empty() && self.fill().await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Ok(self.buffer.split_to(most.min(self.buffer.len())).freeze())
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(end + 2);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.fill().await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn parse_head(text: &str) -> Result<Head> {
    let mut lines = text.split("\r\n");
    let start = lines.next().unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    for line in lines {
        match line.split_once(':') {
            Some((name, value)) if !name.is_empty() && !name.contains([' ', '\t']) => {
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
            _ => return Err(invalid(&format!("header line {line:?}"))),
        }
    }
    Ok(Head {
        start,
        headers: Headers(headers),
    })
}

/// One chunk of a chunked body.
pub fn chunk(bytes: &[u8]) -> Bytes {
    let mut chunk = BytesMut::from(format!("{:x}\r\n", bytes.len()).as_bytes());
    chunk.put_slice(bytes);
    chunk.put_slice(b"\r\n");
    chunk.freeze()
}

/// An error for what HTTP/1.1 does not allow.
pub fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}
