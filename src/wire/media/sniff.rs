//! What a medium is, as its first bytes say: what a server calls it is not believed.

/// What the first bytes of something say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// A medium of this MIME type.
    Medium(&'static str),
    /// A page of the web.
    Html,
    /// Nothing that is known.
    Unknown,
}

/// How many bytes [`sniff`] wants to see, when there are so many.
pub const ENOUGH: usize = 512;

/// Starts of files.
const STARTS: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"FLV\x01", "video/x-flv"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
    (b"\x00\x00\x01\xb3", "video/mpeg"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-wmv"),
];

/// Kinds of RIFF and of AIFF containers.
const CONTAINERS: &[(&[u8], &[u8], &str)] = &[
    (b"RIFF", b"WEBP", "image/webp"),
    (b"RIFF", b"WAVE", "audio/wav"),
    (b"RIFF", b"AVI ", "video/x-msvideo"),
    (b"FORM", b"AIFF", "audio/aiff"),
    (b"FORM", b"AIFC", "audio/aiff"),
];

/// Brands of the ISO container, by how they begin.
const BRANDS: &[(&[u8], &str)] = &[
    (b"avif", "image/avif"),
    (b"avis", "image/avif"),
    (b"heic", "image/heic"),
    (b"heix", "image/heic"),
    (b"mif1", "image/heif"),
    (b"msf1", "image/heif"),
    (b"M4A", "audio/mp4"),
    (b"M4B", "audio/mp4"),
    (b"qt", "video/quicktime"),
    (b"3g", "video/3gpp"),
    (b"iso", "video/mp4"),
    (b"mp4", "video/mp4"),
    (b"avc1", "video/mp4"),
    (b"dash", "video/mp4"),
    (b"M4V", "video/mp4"),
    (b"MSNV", "video/mp4"),
];

/// What `bytes`, the start of a file, say that it is.
pub fn sniff(bytes: &[u8]) -> Sniffed {
    if let Some(mime) = medium(bytes) {
        return Sniffed::Medium(mime);
    }
    if is_html(bytes) {
        return Sniffed::Html;
    }
    Sniffed::Unknown
}

fn medium(bytes: &[u8]) -> Option<&'static str> {
    if let Some((_, mime)) = STARTS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Some(mime);
    }
    if let (Some(outer), Some(inner)) = (bytes.get(..4), bytes.get(8..12)) {
        let mut containers = CONTAINERS.iter();
        if let Some((.., mime)) = containers.find(|(one, two, _)| (*one, *two) == (outer, inner)) {
            return Some(mime);
        }
    }
    if let (Some(b"ftyp"), Some(brand)) = (bytes.get(4..8), bytes.get(8..12)) {
        let mut brands = BRANDS.iter();
        let found = brands.find(|(start, _)| brand.starts_with(start));
        return found.map(|(_, mime)| *mime);
    }
    if bytes.starts_with(b"\x1a\x45\xdf\xa3") {
        let head = bytes.get(..64).unwrap_or(bytes);
        let webm = memchr::memmem::find(head, b"webm").is_some();
        return Some(if webm {
            "video/webm"
        } else {
            "video/x-matroska"
        });
    }
    if bytes.starts_with(b"BM") && bytes.get(6..10) == Some(b"\0\0\0\0") {
        return Some("image/bmp");
    }
    frame(bytes)
}

/// MPEG sound without a tag before it: a frame's header.
fn frame(bytes: &[u8]) -> Option<&'static str> {
    let [0xff, second, third, ..] = *bytes else {
        return None;
    };
    let (version, layer) = (second >> 3 & 0b11, second >> 1 & 0b11);
    let (bitrate, rate) = (third >> 4, third >> 2 & 0b11);
    if second & 0xf6 == 0xf0 {
        return Some("audio/aac");
    }
    // Layer III, and no value that is reserved.
    let is_mp3 = second & 0xe0 == 0xe0
        && version != 0b01
        && layer == 0b01
        && !matches!(bitrate, 0 | 0b1111)
        && rate != 0b11;
    is_mp3.then_some("audio/mpeg")
}

fn is_html(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bytes = bytes.trim_ascii_start();
    [
        "<!doctype html",
        "<html",
        "<head",
        "<body",
        "<script",
        "<!--",
    ]
    .iter()
    .any(|start| {
        bytes
            .get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_say_what_a_medium_is() {
        let table: &[(&[u8], &str)] = &[
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            (b"GIF87a..", "image/gif"),
            (b"GIF89a..", "image/gif"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
            (b"BM\x10\0\0\0\0\0\0\0\x36", "image/bmp"),
            (b"II*\0\x08", "image/tiff"),
            (b"MM\0*\0", "image/tiff"),
            (b"\0\0\0\x18ftypheic", "image/heic"),
            (b"\0\0\0\x18ftypmif1", "image/heif"),
            (b"\0\0\0\x18ftypavif", "image/avif"),
            (b"%PDF-1.7\n", "application/pdf"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "audio/wav"),
            (b"ID3\x04\0", "audio/mpeg"),
            (b"\xff\xfb\x90\x64", "audio/mpeg"),
            (b"\xff\xf3\x84\xc4", "audio/mpeg"),
            (b"\xff\xf1\x50\x80", "audio/aac"),
            (b"\xff\xf9\x50\x80", "audio/aac"),
            (b"OggS\0", "audio/ogg"),
            (b"fLaC\0", "audio/flac"),
            (b"FORM\0\0\0\x10AIFFCOMM", "audio/aiff"),
            (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
            (b"\0\0\0\x18ftypisom", "video/mp4"),
            (b"\0\0\0\x18ftypmp42", "video/mp4"),
            (b"\0\0\0\x14ftypqt  ", "video/quicktime"),
            (b"\0\0\0\x14ftyp3gp4", "video/3gpp"),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "video/webm"),
            (
                b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska",
                "video/x-matroska",
            ),
            (b"RIFF\x10\0\0\0AVI LIST", "video/x-msvideo"),
            (b"\x00\x00\x01\xba\x44", "video/mpeg"),
        ];
        for (bytes, mime) in table {
            assert_eq!(sniff(bytes), Sniffed::Medium(mime), "{bytes:?}");
        }
    }

    #[test]
    fn pages_and_everything_else_are_no_media() {
        for page in [
            "<!DOCTYPE html><p>",
            "\u{feff}\r\n <!doctype HTML>",
            "<html lang=en>",
            "  <head>",
            "<BODY>",
            "<script>1</script>",
            "<!-- x --><html>",
        ] {
            assert_eq!(sniff(page.as_bytes()), Sniffed::Html, "{page}");
        }
        let unknown: &[&[u8]] = &[
            b"",
            b"{\"Code\": \"Success\"}",
            b"root:x:0:0:root",
            b"<svg xmlns='http://www.w3.org/2000/svg'>",
            b"<?xml version='1.0'?>",
            b"PK\x03\x04",
            b"RIFF\x10\0\0\0XXXX",
            b"\0\0\0\x18ftypxxxx",
            b"BM says",
            b"\xff\xff\xff\xff",
            b"\xff\xfe\x90\0",
            b"\xff\xfb",
        ];
        for bytes in unknown {
            assert_eq!(sniff(bytes), Sniffed::Unknown, "{bytes:?}");
        }
    }

    #[test]
    fn no_cut_of_a_start_makes_another_medium_of_it() {
        for (start, mime) in STARTS {
            for length in 0..start.len() {
                let is = sniff(&start[..length]);
                assert!(
                    is == Sniffed::Unknown || is == Sniffed::Medium(mime),
                    "{start:?} at {length}: {is:?}"
                );
            }
        }
    }
}
