//! Reads one event block.

use std::borrow::Cow;

use memchr::memchr2;

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event:` line, if there is one.
    pub name: Option<&'a [u8]>,
    /// The `data:` lines, joined with `\n`.
    pub data: Cow<'a, [u8]>,
}

impl<'a> Event<'a> {
    /// Reads a block. `None` if it has no `data`: a comment, a blank line, an `id` alone.
    pub fn parse(block: &'a [u8]) -> Option<Self> {
        let mut name = None;
        let mut data: Option<Cow<'a, [u8]>> = None;
        let mut rest = block.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(block);
        while !rest.is_empty() {
            let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let line = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            if let Some(value) = field(line, b"data") {
                match &mut data {
                    None => data = Some(Cow::Borrowed(value)),
                    Some(lines) => {
                        let lines = lines.to_mut();
                        lines.push(b'\n');
                        lines.extend_from_slice(value);
                    }
                }
            } else if let Some(value) = field(line, b"event") {
                name = (!value.is_empty()).then_some(value);
            }
        }
        Some(Self { name, data: data? })
    }
}

/// The value of a line `name: value`, `name:value` or `name`.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [] => Some(&[]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(block: &str) -> Option<(Option<&str>, String)> {
        let event = Event::parse(block.as_bytes())?;
        let name = event.name.map(|name| std::str::from_utf8(name).unwrap());
        Some((name, String::from_utf8(event.data.into_owned()).unwrap()))
    }

    #[test]
    fn name_and_data_are_read() {
        for (block, name, data) in [
            ("event: ping\ndata: {}\n\n", Some("ping"), "{}"),
            ("data:{}\nevent:x\r\n\r\n", Some("x"), "{}"),
            ("data:  two spaces \r\r", None, " two spaces "),
            ("data: a\rdata: b\r\ndata\ndata:c\n\n", None, "a\nb\n\nc"),
            (": comment\nid: 7\ndata: x\n\n", None, "x"),
            ("\u{feff}data: x\n\n", None, "x"),
            ("data: no end", None, "no end"),
            ("data:\n\n", None, ""),
            ("event:\ndata: x", None, "x"),
        ] {
            assert_eq!(parse(block), Some((name, data.to_owned())), "{block:?}");
        }
    }

    #[test]
    fn a_block_without_data_is_no_event() {
        for block in [
            "",
            "\n",
            "\r\n",
            ": ping\n\n",
            "event: x\n\n",
            "id: 1\n\n",
            "database: x\n\n",
            " data: x\n\n",
        ] {
            assert_eq!(parse(block), None, "{block:?}");
        }
    }

    #[test]
    fn one_data_line_is_borrowed() {
        assert!(matches!(
            Event::parse(b"data: x\n\n").unwrap().data,
            Cow::Borrowed(b"x")
        ));
    }
}
