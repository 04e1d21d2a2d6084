//! Every recorded document in the three other formats, compared with what it was when somebody looked.
//! What is written must also pass the judge.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::validate::{self, Author, End};
use super::*;

/// The files that a sweep wants, below `tests/goldens/<kind>`.
struct Goldens {
    kind: &'static str,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Goldens {
    const fn new(kind: &'static str) -> Self {
        Self {
            kind,
            files: BTreeMap::new(),
        }
    }

    /// Adds what `fixture` becomes for `to`.
    fn add(&mut self, fixture: &Fixture, to: Format, ending: &str, content: Vec<u8>) {
        if content.is_empty() {
            return;
        }
        let stem = Path::new(&fixture.name).file_stem().unwrap();
        let name = format!("{}.{}.{ending}", stem.to_str().unwrap(), to.name());
        let path = Path::new(fixture.format.name()).join(name);
        assert!(self.files.insert(path, content).is_none(), "two of a name");
    }

    /// Writes them when asked to, and complains where the folder differs.
    fn compare(self, complaints: &mut Complaints) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/goldens")
            .join(self.kind);
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            if folder.exists() {
                fs::remove_dir_all(&folder).unwrap();
            }
            for (path, content) in &self.files {
                let path = folder.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
        }
        let mut there = BTreeMap::new();
        for format in Format::ALL {
            let Ok(entries) = fs::read_dir(folder.join(format.name())) else {
                continue;
            };
            for entry in entries {
                let path = entry.unwrap().path();
                let content = fs::read(&path).unwrap();
                there.insert(path.strip_prefix(&folder).unwrap().to_owned(), content);
            }
        }
        let kind = self.kind;
        for (path, content) in &self.files {
            let path_there = path.display();
            match there.remove(path) {
                None => complaints.note(format!("{kind}/{path_there} is missing")),
                Some(was) if was != *content => {
                    complaints.note(format!(
                        "{kind}/{path_there} differs\n{}",
                        difference(&was, content)
                    ));
                }
                Some(_) => {}
            }
        }
        for path in there.keys() {
            complaints.note(format!("{kind}/{} is left over", path.display()));
        }
    }
}

/// The first line that differs.
fn difference(was: &[u8], is: &[u8]) -> String {
    let (was, is) = (String::from_utf8_lossy(was), String::from_utf8_lossy(is));
    let (mut was, mut is) = (was.lines(), is.lines());
    loop {
        match (was.next(), is.next()) {
            (None, None) => return "only in its last line's end".to_owned(),
            (was, is) if was != is => {
                return format!("  was {}\n  is  {}", was.unwrap_or("-"), is.unwrap_or("-"));
            }
            _ => {}
        }
    }
}

/// JSON with a member or an element a line, in the order it has.
fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut depth, mut in_string, mut is_escaped) = (0, false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', 2 * depth));
    };
    let mut bytes = json.trim_ascii().iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if in_string {
            out.push(byte);
            in_string = byte != b'"' || is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            continue;
        }
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'{' | b'[' => {
                out.push(byte);
                while bytes.peek().is_some_and(u8::is_ascii_whitespace) {
                    bytes.next();
                }
                if matches!(bytes.peek(), Some(b'}' | b']')) {
                    out.extend(bytes.next());
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth -= 1;
                line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend(b": "),
            _ => {
                in_string = byte == b'"';
                out.push(byte);
            }
        }
    }
    out.push(b'\n');
    out
}

/// An error as the client sees it.
fn refusal(client: Format, fault: &Fault) -> Vec<u8> {
    pretty(&codec(client).encode_fault(fault, "req_1").body)
}

#[test]
fn requests_become_what_they_became() {
    let (mut goldens, mut complaints) = (Goldens::new("requests"), Complaints::default());
    for fixture in fixtures::requests() {
        for to in others(fixture.format) {
            match ask(fixture.format, to, &fixture.body) {
                Err(fault) => {
                    let error = refusal(fixture.format, &fault);
                    goldens.add(&fixture, to, "refused.json", error);
                }
                Ok(done) => {
                    let judged = serde_json::from_slice(&done.body)
                        .map_err(|error| format!("no JSON: {error}"))
                        .and_then(|body| validate::request::judge(to, fixture.format, &body));
                    complaints.unless(judged.is_ok(), || {
                        format!("{}: {}", case(&fixture, to), judged.unwrap_err())
                    });
                    goldens.add(&fixture, to, "json", pretty(&done.body));
                    goldens.add(
                        &fixture,
                        to,
                        "losses",
                        listed(done.losses.notes()).into_bytes(),
                    );
                }
            }
        }
    }
    goldens.compare(&mut complaints);
    complaints.none();
}

#[test]
fn answers_become_what_they_became() {
    let (mut goldens, mut complaints) = (Goldens::new("responses"), Complaints::default());
    for fixture in fixtures::answers() {
        let reply = reply_to(&fixture);
        for to in others(fixture.format) {
            let got = whole(fixture.format, to, &reply, &fixture.body);
            if let Some(fault) = &got.fault {
                complaints.unless(got.text.is_empty(), || {
                    format!("{}: text and a fault", case(&fixture, to))
                });
                goldens.add(&fixture, to, "refused.json", refusal(to, fault));
            } else {
                let judged = validate::answer(to, Author::Gateway, &got.text);
                complaints.unless(judged.is_ok(), || {
                    format!("{}: {}", case(&fixture, to), judged.unwrap_err())
                });
                goldens.add(&fixture, to, "json", pretty(&got.text));
            }
            goldens.add(&fixture, to, "losses", listed(&got.losses).into_bytes());
        }
    }
    goldens.compare(&mut complaints);
    complaints.none();
}

#[test]
fn streams_become_what_they_became() {
    let (mut goldens, mut complaints) = (Goldens::new("streams"), Complaints::default());
    for fixture in fixtures::streams() {
        let (framed, reply) = (framing(&fixture), reply_to(&fixture));
        for to in others(fixture.format) {
            let body = std::iter::once(fixture.body.as_slice());
            let got = stream(fixture.format, framed, to, &reply, body);
            let expected = if has_no_end(&fixture) {
                End::Error
            } else {
                End::Success
            };
            let judged = validate::stream(to, Shape::Sse, Author::Gateway, &got.text);
            complaints.unless(judged == Ok(expected), || {
                format!("{}: {judged:?} ({:?})", case(&fixture, to), got.fault)
            });
            goldens.add(&fixture, to, "sse", got.text);
            goldens.add(&fixture, to, "losses", listed(&got.losses).into_bytes());
        }
    }
    goldens.compare(&mut complaints);
    complaints.none();
}

#[test]
fn json_is_laid_out_without_changing_it() {
    let json = br#"{"a":[1, {"b":"x:{,\"\\"}],"c":{},"d":[ ],"e":null}"#;
    let text = String::from_utf8(pretty(json)).unwrap();
    assert!(text.contains("\n  \"c\": {},\n  \"d\": [],\n"), "{text}");
    let value = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
    assert_eq!(value(text.as_bytes()), value(json));
}
