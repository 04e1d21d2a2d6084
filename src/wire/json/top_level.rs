//! Finds one member of a document while its bytes stream past, and keeps that alone.

use super::string_end;

/// A longer value is not kept.
const LONGEST: usize = 64 << 10;

/// Looks for an object of one of some names among the members of a document.
#[derive(Debug)]
pub struct TopLevel {
    names: &'static [&'static str],
    /// Containers that are open.
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    /// The last string, its closing quote included: perhaps a key.
    key: Vec<u8>,
    /// A key that is wanted, its colon and its value so far.
    found: Option<Vec<u8>>,
}

impl TopLevel {
    /// Looks for `names`, as they stand between their quotes.
    pub const fn new(names: &'static [&'static str]) -> Self {
        Self {
            names,
            depth: 0,
            in_string: false,
            is_escaped: false,
            key: Vec::new(),
            found: None,
        }
    }

    /// The next piece. When a member ends in it that was looked for, that member as it is written.
    pub fn push(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        let mut done = None;
        let mut at = 0;
        while at < piece.len() {
            let start = at;
            if self.in_string {
                let end = string_end(piece, at, &mut self.is_escaped);
                self.in_string = end.is_none();
                at = end.unwrap_or(piece.len());
                let inside = &piece[start..at];
                match &self.found {
                    Some(_) => self.keep(inside),
                    // A longer one is none of the names.
                    None if self.depth == 1 && self.key.len() < 64 => {
                        self.key.extend_from_slice(inside);
                    }
                    None => {}
                }
                continue;
            }
            let byte = piece[at];
            at += 1;
            self.structure(byte);
            self.keep(&piece[start..at]);
            if self.depth == 1
                && matches!(byte, b'}' | b',')
                && let Some(member) = self.found.take()
                && byte == b'}'
            {
                done = Some(member);
            }
            if self.found.is_none() && self.depth > 1 {
                at += skip(&piece[at..]);
            }
        }
        done
    }

    fn structure(&mut self, byte: u8) {
        match byte {
            b'"' => {
                self.in_string = true;
                if self.found.is_none() {
                    self.key.clear();
                }
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' if self.depth == 1 && self.found.is_none() => {
                let key = self.key.strip_suffix(b"\"").unwrap_or_default();
                if self.names.iter().any(|name| name.as_bytes() == key) {
                    self.found = Some([b"\"", key, b"\""].concat());
                }
            }
            _ => {}
        }
    }

    /// What was found goes on; one that is too long is none.
    fn keep(&mut self, bytes: &[u8]) {
        if let Some(found) = &mut self.found {
            found.extend_from_slice(bytes);
            if found.len() > LONGEST {
                self.found = None;
            }
        }
    }
}

/// How many bytes are neither quotes nor brackets.
fn skip(bytes: &[u8]) -> usize {
    let is_structure = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
    bytes.iter().position(is_structure).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(document: &str) -> Option<String> {
        let at_once = TopLevel::new(&["usage"]).push(document.as_bytes());
        for size in 1..document.len() {
            let mut finder = TopLevel::new(&["usage"]);
            let pieces = document.as_bytes().chunks(size);
            let found: Vec<Vec<u8>> = pieces.filter_map(|piece| finder.push(piece)).collect();
            assert_eq!(found.last(), at_once.as_ref(), "{document} by {size}");
        }
        at_once.map(|member| String::from_utf8(member).unwrap())
    }

    #[test]
    fn only_a_member_of_the_document_itself_is_found() {
        for (document, want) in [
            (
                r#"{"a":[{"usage":{"x":1}}],"s":"\"usage\":{}","usage" : {"n":{"m":[2]},"t":"}"} ,"z":0}"#,
                Some(r#""usage": {"n":{"m":[2]},"t":"}"}"#),
            ),
            (r#"{"usage":null,"b":{"usage":{"x":1}}}"#, None),
            (r#"{"usage":{"x":1}"#, Some(r#""usage":{"x":1}"#)),
            (r#"{"usage":{"x":1"#, None),
            (r#"{"a":"usage","b":{"c":1}}"#, None),
            (r#"{"usage":[{"x":1}],"c":{}}"#, None),
            (
                r#"{"usage":{"x":1},"usage":{"x":2}}"#,
                Some(r#""usage":{"x":2}"#),
            ),
            ("", None),
            ("}]:\"usage\":{}", None),
        ] {
            assert_eq!(found(document).as_deref(), want, "{document}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let long = "1,".repeat(LONGEST);
        let document = format!(r#"{{"usage":{{"x":[{long}1]}},"z":1}}"#);
        let mut finder = TopLevel::new(&["usage"]);
        assert_eq!(finder.push(document.as_bytes()), None);
        assert_eq!(finder.found, None);
    }
}
