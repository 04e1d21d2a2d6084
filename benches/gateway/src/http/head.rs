//! What the head of a message says about the rest of it.

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes.
    Sized(u64),
    /// In chunks that tell.
    Chunked,
    /// Nothing is said about it.
    Unsaid,
}

/// The fields of a head that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The body that follows.
    pub body: Body,
    /// The connection ends with this message.
    pub close: bool,
    /// The client waits before it sends its body.
    pub expects_continue: bool,
    /// The body is a stream of events.
    pub events: bool,
}

impl Head {
    /// Reads the fields of a head, its first line included or not.
    pub fn parse(lines: &[u8]) -> Self {
        let mut head = Self {
            body: Body::Unsaid,
            close: false,
            expects_continue: false,
            events: false,
        };
        for line in lines.split(|byte| *byte == b'\n') {
            let Some(colon) = memchr::memchr(b':', line) else {
                continue;
            };
            head.field(&line[..colon], line[colon + 1..].trim_ascii());
        }
        head
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        let says = |wanted: &[u8]| value.eq_ignore_ascii_case(wanted);
        // By length first: this is done for every field of every message.
        match name.len() {
            6 if is(b"expect") => self.expects_continue = says(b"100-continue"),
            10 if is(b"connection") => self.close = says(b"close"),
            12 if is(b"content-type") => {
                let kind = value.split(|byte| *byte == b';').next().unwrap_or_default();
                self.events = kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream");
            }
            14 if is(b"content-length") && self.body != Body::Chunked => {
                let number = std::str::from_utf8(value)
                    .ok()
                    .and_then(|it| it.parse().ok());
                self.body = number.map_or(Body::Unsaid, Body::Sized);
            }
            17 if is(b"transfer-encoding") && says(b"chunked") => self.body = Body::Chunked,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_in_any_case() {
        let head = Head::parse(
            b"POST / HTTP/1.1\r\nContent-Length: 12\r\nCONNECTION:close\r\nExpect: 100-continue\r\n\r\n",
        );
        assert_eq!(head.body, Body::Sized(12));
        assert!(head.close && head.expects_continue && !head.events);
    }

    #[test]
    fn chunks_win_over_a_length() {
        for fields in [
            "transfer-encoding: chunked\r\ncontent-length: 3",
            "content-length: 3\r\ntransfer-encoding: chunked",
        ] {
            assert_eq!(Head::parse(fields.as_bytes()).body, Body::Chunked);
        }
    }

    #[test]
    fn an_event_stream_may_have_parameters() {
        assert!(Head::parse(b"content-type: text/event-stream; charset=utf-8\r\n").events);
        assert!(!Head::parse(b"content-type: application/json\r\n").events);
    }
}
