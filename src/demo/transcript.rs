//! The conversation that `ai-proxy demo` shows: one request in each format, as it goes over the wire.
//!
//! The client is a plain socket. What is printed is what was sent and received, with nothing between
//! that could make it look better.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::secret::Secret;
use crate::wire::Format;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const LONGEST_ANSWER: u64 = 1 << 20;
/// Longest line that is printed, in characters.
const WIDTH: usize = 110;
/// Most fields that are printed of a document.
const FIELDS: usize = 5;

/// Asks `gateway` one question in each format, as the client with `key`, and writes to `out` what was
/// said. The first answer that is not a 200 ends it with an error, after it has been written.
pub async fn run(gateway: SocketAddr, key: &str, out: &mut (dyn Write + Send)) -> io::Result<()> {
    for question in questions(key) {
        let asked = tokio::time::timeout(PATIENCE, question.ask(gateway));
        let received = asked.await.map_err(|_| {
            let name = question.format.name();
            io::Error::new(io::ErrorKind::TimedOut, format!("{name}: no answer"))
        })??;
        question.print(&received, out)?;
        if received.status != 200 {
            let name = question.format.name();
            return Err(io::Error::other(format!(
                "{name}: the gateway answered {}",
                received.status
            )));
        }
    }
    writeln!(out, "{}", footer(gateway, key))
}

struct Question {
    format: Format,
    path: &'static str,
    /// The header with the key: its name, what stands before the key, and the key.
    credential: (&'static str, &'static str, Secret),
    body: Value,
    /// Where the answer, or a piece of it, stands in the document or in an event.
    answer: &'static str,
}

struct Received {
    status: u16,
    body: String,
}

fn questions(key: &str) -> [Question; 4] {
    let question = |format, path, (name, scheme), answer, body| Question {
        format,
        path,
        credential: (name, scheme, Secret::new(key)),
        answer,
        body,
    };
    let bearer = ("authorization", "Bearer ");
    [
        question(
            Format::OpenAiChat,
            "/v1/chat/completions",
            bearer,
            "/choices/0/message/content",
            json!({
                "model": "demo-gpt",
                "messages": [{"role": "user", "content": "Good morning"}],
            }),
        ),
        question(
            Format::OpenAiResponses,
            "/v1/responses",
            bearer,
            "/delta",
            json!({"model": "demo-gpt", "input": "What can you do?", "stream": true}),
        ),
        question(
            Format::Claude,
            "/v1/messages",
            ("x-api-key", ""),
            "/delta/partial_json",
            json!({
                "model": "demo-claude",
                "max_tokens": 64,
                "stream": true,
                "messages": [{"role": "user", "content": "Use the tool"}],
                "tools": [{
                    "name": "get_weather",
                    "input_schema": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    },
                }],
            }),
        ),
        question(
            Format::Gemini,
            "/v1beta/models/demo-gemini:generateContent",
            ("x-goog-api-key", ""),
            "/candidates/0/content/parts/0/text",
            json!({"contents": [{"role": "user", "parts": [{"text": "Good night"}]}]}),
        ),
    ]
}

impl Question {
    async fn ask(&self, gateway: SocketAddr) -> io::Result<Received> {
        let (name, scheme, key) = &self.credential;
        let body = self.body.to_string();
        let version = match self.format {
            Format::Claude => "anthropic-version: 2023-06-01\r\n",
            _ => "",
        };
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: {gateway}\r\n{name}: {scheme}{}\r\n\
             {version}content-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.path,
            key.expose(),
            body.len(),
        );
        let mut stream = TcpStream::connect(gateway).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
        parse(&answer)
    }

    fn print(&self, received: &Received, out: &mut dyn Write) -> io::Result<()> {
        let (name, scheme, key) = &self.credential;
        writeln!(out, "── {} ──", self.format.name())?;
        writeln!(out, "> POST {}   {name}: {scheme}{key}", self.path)?;
        writeln!(out, "> {}", cut(&self.body.to_string()))?;
        writeln!(out, "< {}", received.status)?;
        for line in received.lines() {
            writeln!(out, "< {}", cut(&line))?;
        }
        writeln!(out, "= {}", received.text(self.answer))?;
        writeln!(out)
    }
}

impl Received {
    /// The answer in lines: one for each event of a stream, one for each field of a document.
    fn lines(&self) -> Vec<String> {
        let Ok(Value::Object(fields)) = serde_json::from_str(&self.body) else {
            return self.events().collect();
        };
        let line = |(name, value): (&String, &Value)| format!("{name}: {value}");
        let mut lines: Vec<String> = fields.iter().take(FIELDS).map(line).collect();
        if let Some(left @ 1..) = fields.len().checked_sub(FIELDS) {
            lines.push(format!("… and {left} more"));
        }
        lines
    }

    /// What was said, put together from the strings at `pointer`.
    fn text(&self, pointer: &str) -> String {
        let text = |json: &str| {
            let value: Value = serde_json::from_str(json).ok()?;
            Some(value.pointer(pointer)?.as_str()?.to_owned())
        };
        text(&self.body).unwrap_or_else(|| self.events().filter_map(|data| text(&data)).collect())
    }

    fn events(&self) -> impl Iterator<Item = String> {
        let events = self.body.split("\n\n").map(data);
        events.filter(|data| !data.is_empty())
    }
}

/// What an event says. Its name is left out: it is the `type` in the data.
fn data(event: &str) -> String {
    let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
    lines.map(str::trim).collect()
}

/// Reads an HTTP/1.1 answer that ends with its connection.
fn parse(answer: &[u8]) -> io::Result<Received> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n")
        .ok_or_else(|| broken("it ended before its headers did"))?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| broken("it has no status"))?;
    let body = &answer[end + 4..];
    let chunked = head
        .lines()
        .any(|line| line.starts_with("transfer-encoding:") && line.ends_with("chunked"));
    let body = if chunked {
        unchunked(body)?
    } else {
        body.to_vec()
    };
    Ok(Received {
        status,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn unchunked(mut rest: &[u8]) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = memchr::memmem::find(rest, b"\r\n").ok_or_else(|| broken("it was cut off"))?;
        let size = std::str::from_utf8(&rest[..line])
            .ok()
            .and_then(|size| size.split(';').next())
            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok())
            .ok_or_else(|| broken("a chunk has no size"))?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Ok(body);
        }
        let (chunk, after) = rest
            .split_at_checked(size)
            .ok_or_else(|| broken("it was cut off"))?;
        body.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n").unwrap_or(after);
    }
}

fn broken(why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the gateway's answer cannot be read: {why}"),
    )
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

fn footer(gateway: SocketAddr, key: &str) -> String {
    format!(
        "── your turn ──\n\
         OpenAI SDK:    OPENAI_BASE_URL=http://{gateway}/v1  OPENAI_API_KEY={key}    model demo-gpt\n\
         Anthropic SDK: ANTHROPIC_BASE_URL=http://{gateway}  ANTHROPIC_API_KEY={key}  model demo-claude\n\
         google-genai:  genai.Client(api_key=\"{key}\", http_options={{\"base_url\": \"http://{gateway}\"}})  model demo-gemini\n\
         Each of them may ask for the models of the others: what it sends and gets is translated.\n\
         Say \"demo-error-429\" and the first key of that provider runs out of quota: you get the second one's answer."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_a_missing_end_is_an_error() {
        let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let received = parse(whole).unwrap();
        assert_eq!((received.status, received.body.as_str()), (200, "abcde"));
        for end in 0..whole.len() - 4 {
            assert!(parse(&whole[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_document_is_shown_field_by_field_and_a_stream_event_by_event() {
        let lines = |body: &str| {
            let body = body.to_owned();
            Received { status: 200, body }.lines()
        };
        assert_eq!(lines(r#"{"id":"x","n":[1]}"#), ["id: \"x\"", "n: [1]"]);
        assert_eq!(
            lines("event: a\ndata: {}\n\n: ping\n\ndata: [DONE]\n\n"),
            ["{}", "[DONE]"]
        );
    }

    #[test]
    fn what_was_said_is_put_together_from_a_document_or_from_events() {
        for body in [
            r#"{"a":"xyz"}"#,
            "data: {\"a\":\"x\"}\n\ndata: {}\n\ndata: {\"a\":\"yz\"}\n\n",
        ] {
            let body = body.to_owned();
            assert_eq!(Received { status: 200, body }.text("/a"), "xyz");
        }
    }
}
