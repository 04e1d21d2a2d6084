//! JSON strings: writing, reading, and finding where one ends.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// Writes text as a JSON string, quotes included.
pub fn quote(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    quote_into(&mut out, text);
    // Text and ASCII escapes make text.
    String::from_utf8(out).unwrap_or_default()
}

/// Appends text as a JSON string, quotes included.
pub fn quote_into(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape_into(out, text);
    out.push(b'"');
}

/// Appends text as the inside of a JSON string.
pub fn escape_into(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    while let Some(at) = next_escape(bytes, copied) {
        let byte = bytes[at];
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            _ => b"",
        };
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        if escape.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[high], HEX[low]]);
        } else {
            out.extend_from_slice(escape);
        }
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// Where the next byte stands, from `at` on, that must be escaped: a control, a quote, a backslash.
pub(super) fn next_escape(bytes: &[u8], mut at: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The high bit of every byte that is 0; above the first such byte others may be set too.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    // Eight bytes at a time.
    while let Some((eight, _)) = bytes.get(at..)?.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight);
        let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = below_space
            | zeros(word ^ (ONES * u64::from(b'"')))
            | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let is_escaped = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    let rest = bytes.get(at..)?.iter().position(is_escaped)?;
    Some(at + rest)
}

/// [`quote`], or `null` when there is no text.
pub fn quote_or_null(text: Option<&str>) -> Cow<'static, str> {
    text.map_or(Cow::Borrowed("null"), |text| Cow::Owned(quote(text)))
}

/// Reads a JSON string, quotes included. `None` if it is not exactly one, or not text: an escaped
/// surrogate without its other half is JSON but no character.
pub fn unquote(raw: &[u8]) -> Option<Cow<'_, str>> {
    let [b'"', inner @ .., b'"'] = raw else {
        return None;
    };
    unescape(std::str::from_utf8(inner).ok()?)
}

/// Where the string ends whose inside begins at `from`: the place after its closing quote, or `None`
/// when it goes on past the chunk. `escaped` carries a backslash over to the next chunk.
pub fn string_end(chunk: &[u8], from: usize, escaped: &mut bool) -> Option<usize> {
    let mut at = from;
    if *escaped {
        if at == chunk.len() {
            return None;
        }
        *escaped = false;
        at += 1;
    }
    while let Some(skipped) = memchr2(b'"', b'\\', &chunk[at..]) {
        at += skipped;
        if chunk[at] == b'"' {
            return Some(at + 1);
        }
        if at + 1 == chunk.len() {
            *escaped = true;
            return None;
        }
        at += 2;
    }
    None
}

fn unescape(inner: &str) -> Option<Cow<'_, str>> {
    let is_plain = |text: &str| !text.bytes().any(|byte| byte < 0x20 || byte == b'"');
    let Some(first) = inner.find('\\') else {
        return is_plain(inner).then_some(Cow::Borrowed(inner));
    };
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    let mut next = Some(first);
    while let Some(backslash) = next {
        let (plain, escape) = rest.split_at(backslash);
        if !is_plain(plain) {
            return None;
        }
        out.push_str(plain);
        let (character, used) = decode_escape(escape.as_bytes())?;
        out.push(character);
        rest = &escape[used..];
        next = rest.find('\\');
    }
    if !is_plain(rest) {
        return None;
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

/// JSON without the white space between its tokens.
pub fn compact(json: &str) -> Cow<'_, str> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    let bytes = json.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    let mut copied = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'"' {
            at = string_end(bytes, at + 1, &mut false).unwrap_or(bytes.len());
        } else if is_space(byte) {
            out.extend_from_slice(&bytes[copied..at]);
            at += 1;
            copied = at;
        } else {
            at += 1;
        }
    }
    if copied == 0 && out.is_empty() {
        return Cow::Borrowed(json);
    }
    out.extend_from_slice(&bytes[copied..]);
    // Only whole ASCII characters were left out.
    String::from_utf8(out).map_or(Cow::Borrowed(json), Cow::Owned)
}

/// The text of the inside of a string, with U+FFFD for every escape that is no character.
pub(super) fn decode_lossy(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    decode_lossy_into(inner, &mut out);
    out
}

/// Appends the text of the inside of a string, with U+FFFD for every escape that is no character.
pub fn decode_lossy_into(inner: &str, out: &mut String) {
    let mut rest = inner;
    while let Some(backslash) = memchr(b'\\', rest.as_bytes()) {
        let (plain, escape) = rest.split_at(backslash);
        out.push_str(plain);
        let (character, used) = decode_escape(escape.as_bytes()).unwrap_or_else(|| {
            let length = if escape.as_bytes().get(1) == Some(&b'u') {
                6
            } else {
                2
            };
            ('\u{fffd}', length)
        });
        out.push(character);
        rest = escape.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// The character of the escape that `text` starts with, and how many bytes it takes. `None`: it is
/// none, or not all of it is there.
pub fn decode_escape(text: &[u8]) -> Option<(char, usize)> {
    let simple = match text.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return decode_unicode_escape(text),
        _ => return None,
    };
    Some((simple, 2))
}

fn decode_unicode_escape(text: &[u8]) -> Option<(char, usize)> {
    let first = hex4(text.get(2..6)?)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    // Not a character, so a surrogate: a leading one needs its trailing half right behind it.
    let [b'\\', b'u', digits @ ..] = text.get(6..12)? else {
        return None;
    };
    let second = hex4(digits)?;
    let is_pair = (0xD800..0xDC00).contains(&first) && (0xDC00..0xE000).contains(&second);
    let pair = is_pair.then(|| 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))?;
    Some((char::from_u32(pair)?, 12))
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| {
        Some(value << 4 | char::from(*digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_read() {
        for (raw, text) in [
            (r#""""#, ""),
            (r#""plain""#, "plain"),
            (r#""mod\u0065l""#, "model"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\ud83d\uDE00!""#, "😀!"),
            (r#""é😀""#, "é😀"),
        ] {
            assert_eq!(unquote(raw.as_bytes()).as_deref(), Some(text), "{raw}");
        }
    }

    #[test]
    fn what_is_not_one_string_is_refused() {
        for raw in [
            "",
            "\"",
            "a",
            "\"a",
            "\"a\"b\"",
            "\"\\\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\ud83d\"",
            "\"\\ud83d\\n\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ude00\"",
            "\"\n\"",
            "\"\\u+123\"",
            "null",
            " \"a\"",
        ] {
            assert_eq!(unquote(raw.as_bytes()), None, "{raw}");
        }
        assert_eq!(unquote(b"\"\xff\""), None);
    }

    #[test]
    fn a_string_without_escapes_is_borrowed() {
        assert!(matches!(
            unquote(b"\"gpt-5\""),
            Some(Cow::Borrowed("gpt-5"))
        ));
    }

    #[test]
    fn compact_json_has_no_space_between_tokens() {
        for (json, want) in [
            (r#"{"a b":[1, "x \" y"]}"#, r#"{"a b":[1,"x \" y"]}"#),
            ("{\n  \"a\" : {\r\n}\t}", r#"{"a":{}}"#),
            ("{\"é \": null }", "{\"é \":null}"),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (r#" "unclosed  "#, r#""unclosed  "#),
            ("", ""),
        ] {
            assert_eq!(compact(json), want);
        }
        assert!(matches!(compact("{}"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn quoting_is_what_serde_writes_up_to_short_escapes(text in any::<String>()) {
            let quoted = quote(&text);
            prop_assert_eq!(&serde_json::from_str::<String>(&quoted).unwrap(), &text);
            prop_assert_eq!(unquote(quoted.as_bytes()).unwrap(), text);
        }

        #[test]
        fn unquoting_agrees_with_serde(inner in r#"([a-z"\\]|\\u[dD][89cCeE][0-9]{2}|\\[bfnrtu/x]|[\x00-\x7f]|é){0,8}"#) {
            let raw = format!("\"{inner}\"");
            prop_assert_eq!(
                unquote(raw.as_bytes()).map(Cow::into_owned),
                serde_json::from_str::<String>(&raw).ok()
            );
        }

        #[test]
        fn a_string_ends_at_the_same_place_however_it_is_split(
            inner in r#"([a-z]|\\\\|\\"|")*"#, split in any::<prop::sample::Index>()
        ) {
            let bytes = inner.as_bytes();
            let whole = string_end(bytes, 0, &mut false);
            let split = split.index(bytes.len() + 1);
            let mut escaped = false;
            let parts = string_end(&bytes[..split], 0, &mut escaped).or_else(|| {
                string_end(&bytes[split..], 0, &mut escaped).map(|end| end + split)
            });
            prop_assert_eq!(parts, whole);
        }
    }
}
