//! Base64 and MIME types as all providers take them.

use std::borrow::Cow;

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;

use crate::chat::Source;

/// Writes bytes in standard base64, padded and without space, under a MIME type that is in use.
pub(super) fn normalise(source: &mut Source<'_>) {
    let Source::Bytes { mime, base64 } = source else {
        return;
    };
    if !is_standard(base64) {
        *base64 = Cow::Owned(standard(base64));
    }
    if mime.bytes().any(|byte| byte.is_ascii_uppercase()) {
        *mime = Cow::Owned(mime.to_ascii_lowercase());
    }
    if mime == "image/jpg" || mime == "image/pjpeg" {
        *mime = Cow::Borrowed("image/jpeg");
    }
    if mime.is_empty()
        && let Some(known) = sniff(base64)
    {
        *mime = Cow::Borrowed(known);
    }
}

/// The text that base64 stands for.
pub(super) fn text(base64: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(base64).ok()?).ok()
}

fn is_standard(text: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    text.len().is_multiple_of(4) && text.bytes().all(is_usual)
}

fn standard(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 3);
    out.extend(text.chars().filter_map(|char| match char {
        '-' => Some('+'),
        '_' => Some('/'),
        '=' => None,
        char if char.is_ascii_whitespace() => None,
        char => Some(char),
    }));
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

/// What the first bytes say.
fn sniff(base64: &str) -> Option<&'static str> {
    let types = [
        ("/9j/", "image/jpeg"),
        ("iVBORw0", "image/png"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("JVBERi", "application/pdf"),
    ];
    let found = types.iter().find(|(start, _)| base64.starts_with(start));
    found.map(|(_, mime)| *mime)
}
