//! Where an answer is from, as it is written: `groundingMetadata`.

use super::super::super::json::{Node, ObjectWriter, object};
use crate::chat::{Citation, CitationKind, Format, ServerCall, ServerResult, WebSource};
use crate::wire::json::compact;

/// What is gathered until the end of an answer.
#[derive(Debug, Default)]
pub(super) struct Sources {
    queries: Vec<String>,
    chunks: Vec<String>,
    supports: Vec<Support>,
}

#[derive(Debug)]
struct Support {
    part: usize,
    start: usize,
    end: usize,
    text: String,
    chunks: Vec<usize>,
}

impl Sources {
    /// Takes a search of the web.
    pub(super) fn search(&mut self, call: &ServerCall<'_>) {
        let input = Node::trusted(call.input.as_str());
        let all = input.get("queries").into_iter().flat_map(Node::items);
        let queries: Vec<String> = all
            .filter_map(|query| Some(query.str()?.into_owned()))
            .collect();
        if queries.is_empty() {
            let query = input.get_str("query");
            self.queries.extend(query.map(std::borrow::Cow::into_owned));
        }
        self.queries.extend(queries);
    }

    /// Takes what a search found.
    pub(super) fn found(&mut self, result: &ServerResult<'_>) {
        for source in &result.sources {
            self.chunk(page(source));
        }
    }

    /// Takes what is said to be the source of `text`, which is the part of that number.
    pub(super) fn cite(&mut self, text: &str, part: usize, citation: &Citation<'_>) {
        let Some(chunk) = source(citation) else {
            return;
        };
        let chunk = self.chunk(chunk);
        let (start, end) = match citation.span {
            Some((start, end)) => (byte(text, start), byte(text, end)),
            None => (0, text.len()),
        };
        match self.supports.last_mut() {
            Some(last) if (last.part, last.start, last.end) == (part, start, end) => {
                last.chunks.push(chunk);
            }
            _ => self.supports.push(Support {
                part,
                start,
                end,
                text: text.get(start..end).unwrap_or_default().to_owned(),
                chunks: vec![chunk],
            }),
        }
    }

    /// Writes them, if there are any.
    pub(super) fn write(&self, o: &mut ObjectWriter<'_>) {
        if self.queries.is_empty() && self.chunks.is_empty() {
            return;
        }
        o.object("groundingMetadata", |o| {
            if !self.queries.is_empty() {
                o.array("webSearchQueries", |a| {
                    for query in &self.queries {
                        a.str(query);
                    }
                });
            }
            if !self.chunks.is_empty() {
                o.array("groundingChunks", |a| {
                    for chunk in &self.chunks {
                        a.raw(chunk);
                    }
                });
            }
            if !self.supports.is_empty() {
                o.array("groundingSupports", |a| {
                    for support in &self.supports {
                        a.object(|o| support.write(o));
                    }
                });
            }
        });
    }

    /// The number of a source, which is listed once.
    fn chunk(&mut self, chunk: String) -> usize {
        let known = self.chunks.iter().position(|known| *known == chunk);
        known.unwrap_or_else(|| {
            self.chunks.push(chunk);
            self.chunks.len() - 1
        })
    }
}

impl Support {
    fn write(&self, o: &mut ObjectWriter<'_>) {
        let number = |number: usize| i128::try_from(number).unwrap_or(i128::MAX);
        o.object("segment", |o| {
            if self.part > 0 {
                o.num("partIndex", number(self.part));
            }
            if self.start > 0 {
                o.num("startIndex", number(self.start));
            }
            o.num("endIndex", number(self.end));
            o.str("text", &self.text);
        });
        o.array("groundingChunkIndices", |a| {
            for chunk in &self.chunks {
                a.raw(&chunk.to_string());
            }
        });
    }
}

fn page(source: &WebSource<'_>) -> String {
    web(&source.url, source.title.as_deref())
}

fn web(url: &str, title: Option<&str>) -> String {
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.object("web", |o| {
            o.str("uri", url);
            o.opt_str("title", title);
        });
    });
    String::from_utf8(out).unwrap_or_default()
}

/// A source as Gemini writes it. `None`: there is no form for it.
fn source(citation: &Citation<'_>) -> Option<String> {
    if let Some(native) = &citation.native
        && native.format == Format::Gemini
    {
        return Some(compact(native.json.as_str()).into_owned());
    }
    match citation.kind {
        CitationKind::Web => Some(web(citation.url.as_deref()?, citation.title.as_deref())),
        CitationKind::File => {
            let title = citation.title.as_deref().or(citation.filename.as_deref());
            let mut out = Vec::new();
            object(&mut out, |o| {
                o.object("retrievedContext", |o| {
                    o.opt_str("uri", citation.url.as_deref());
                    o.opt_str("title", title);
                    o.opt_str("text", citation.cited.as_deref());
                });
            });
            String::from_utf8(out).ok()
        }
        CitationKind::Document | CitationKind::SearchResult => None,
    }
}

/// The byte where a code point of a text begins.
fn byte(text: &str, point: u64) -> usize {
    let point = usize::try_from(point).unwrap_or(usize::MAX);
    text.char_indices()
        .nth(point)
        .map_or(text.len(), |(at, _)| at)
}
