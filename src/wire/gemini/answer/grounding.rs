//! `groundingMetadata`: where an answer is from. It names bytes of the text, in one of its parts.

use std::borrow::Cow;
use std::ops::Range;

use super::super::super::json::{Node, Object, object};
use super::super::members::{fields, list, native};
use crate::chat::{
    Citation, CitationKind, Content, Json, Part, ServerCall, ServerResult, ServerTool, WebSource,
};
use crate::wire::json::compact;

/// What was said so far about where an answer is from.
#[derive(Debug, Default)]
pub(super) struct Grounding {
    supports: Vec<Support>,
    queries: Vec<String>,
    sources: Vec<WebSource<'static>>,
}

/// A piece of the text and what it is from.
#[derive(Debug)]
struct Support {
    bytes: Range<usize>,
    text: Option<String>,
    citations: Vec<Citation<'static>>,
}

impl Grounding {
    /// Takes `groundingMetadata`; it replaces what came before.
    pub(super) fn read(&mut self, node: Node<'_>) {
        let mut members = fields(node);
        let chunks = members.take("groundingChunks");
        let chunks: Vec<Option<Citation<'static>>> =
            chunks.into_iter().flat_map(list).map(chunk).collect();
        let supports = members.take("groundingSupports");
        self.supports = supports
            .into_iter()
            .flat_map(list)
            .filter_map(|support| read_support(support, &chunks))
            .collect();
        let queries = members.take("webSearchQueries");
        let queries = queries.into_iter().flat_map(list).filter_map(Node::str);
        self.queries = queries.map(Cow::into_owned).collect();
        let pages = chunks.into_iter().flatten();
        let pages = pages.filter(|page| page.kind == CitationKind::Web);
        self.sources = pages
            .filter_map(|page| {
                let (url, title) = (page.url?, page.title);
                Some(WebSource { url, title })
            })
            .collect();
    }

    /// Takes `citationMetadata`.
    pub(super) fn read_citations(&mut self, node: Node<'_>) {
        let mut members = fields(node);
        let citations = members
            .take("citations")
            .or_else(|| members.take("citationSources"));
        for citation in citations.into_iter().flat_map(list) {
            let mut citation = fields(citation);
            let Some(url) = citation.take_str("uri") else {
                continue;
            };
            let title = citation.take_str("title");
            let web = Citation {
                url: Some(url.into_owned().into()),
                title: title.map(|title| title.into_owned().into()),
                ..empty(CitationKind::Web)
            };
            self.supports.push(Support {
                bytes: bytes("startIndex", "endIndex", &mut citation),
                text: None,
                citations: vec![web],
            });
        }
    }

    /// Takes out what is about a text; if it is the last one, all that is left.
    pub(super) fn about(&mut self, text: &str, is_last: bool) -> Vec<Citation<'static>> {
        let mut found = Vec::new();
        self.supports.retain_mut(|support| {
            let span = support.span(text);
            if span.is_none() && !is_last {
                return true;
            }
            for mut citation in support.citations.drain(..) {
                citation.span = span;
                found.push(citation);
            }
            false
        });
        found
    }

    /// The search that was made, if one was, as the call and its result.
    pub(super) fn search(&mut self, id: String) -> Option<[Part<'static>; 2]> {
        if self.queries.is_empty() && self.sources.is_empty() {
            return None;
        }
        let mut input = Vec::new();
        object(&mut input, |o| {
            o.opt_str("query", self.queries.first().map(String::as_str));
            if self.queries.len() > 1 {
                o.array("queries", |a| {
                    for query in &self.queries {
                        a.str(query);
                    }
                });
            }
        });
        let call = ServerCall {
            id: id.clone().into(),
            tool: ServerTool::WebSearch,
            input: Json::trusted(String::from_utf8(input).unwrap_or_default()),
            native: None,
        };
        let result = ServerResult {
            call: id.into(),
            tool: ServerTool::WebSearch,
            error: None,
            sources: std::mem::take(&mut self.sources),
            output: None,
            native: None,
        };
        Some([
            Part::new(Content::ServerCall(call)),
            Part::new(Content::ServerResult(result)),
        ])
    }
}

impl Support {
    /// The code points of a text that it is about. The words count for more than the numbers, which
    /// do not always say of which part they are.
    fn span(&self, text: &str) -> Option<(u64, u64)> {
        let named = text.get(self.bytes.clone());
        let range = match (&self.text, named) {
            (None, Some(_)) => self.bytes.clone(),
            (Some(words), Some(named)) if words == named => self.bytes.clone(),
            (Some(words), _) if !words.is_empty() => {
                let start = text.find(words.as_str())?;
                start..start + words.len()
            }
            _ => return None,
        };
        let points =
            |end: usize| -> Option<u64> { u64::try_from(text.get(..end)?.chars().count()).ok() };
        Some((points(range.start)?, points(range.end)?))
    }
}

fn read_support(node: Node<'_>, chunks: &[Option<Citation<'static>>]) -> Option<Support> {
    let mut members = fields(node);
    let mut segment = fields(members.take("segment")?);
    let indices = members.take("groundingChunkIndices");
    let indices = indices.into_iter().flat_map(list).filter_map(Node::u64);
    let cited = indices.filter_map(|index| {
        let index = usize::try_from(index).ok()?;
        chunks.get(index)?.clone()
    });
    Some(Support {
        citations: cited.collect(),
        text: segment.take_str("text").map(Cow::into_owned),
        bytes: bytes("startIndex", "endIndex", &mut segment),
    })
}

fn bytes(start: &str, end: &str, members: &mut Object<'_>) -> Range<usize> {
    let mut number = |name: &str| {
        let number = members.take_u64(name).unwrap_or(0);
        usize::try_from(number).unwrap_or(usize::MAX)
    };
    number(start)..number(end)
}

fn chunk(node: Node<'_>) -> Option<Citation<'static>> {
    let mut members = fields(node);
    let own = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
    let (kind, source) = match members.take("web").or_else(|| members.take("maps")) {
        Some(web) => (CitationKind::Web, web),
        None => (CitationKind::File, members.take("retrievedContext")?),
    };
    let mut source = fields(source);
    Some(Citation {
        url: own(source.take_str("uri")),
        title: own(source.take_str("title")),
        cited: own(source.take_str("text")),
        native: Some(native(compact(node.raw()).into_owned())),
        ..empty(kind)
    })
}

fn empty(kind: CitationKind) -> Citation<'static> {
    Citation {
        kind,
        url: None,
        title: None,
        cited: None,
        span: None,
        file_id: None,
        filename: None,
        native: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grounding(json: &str) -> Grounding {
        let mut grounding = Grounding::default();
        grounding.read(Node::trusted(json));
        grounding
    }

    #[test]
    fn bytes_become_code_points() {
        let text = "é…𝄞 Paris.";
        let start = "é…𝄞 ".len();
        let json = format!(
            r#"{{"groundingChunks":[{{"web":{{"uri":"https://a.example","title":"A"}}}},{{"web":{{"uri":"https://b.example"}}}}],"groundingSupports":[{{"segment":{{"startIndex":{start},"endIndex":{},"text":"Paris."}},"groundingChunkIndices":[0,1]}}],"webSearchQueries":["q1","q2"]}}"#,
            text.len()
        );
        let mut read = grounding(&json);
        let cited = read.about(text, false);
        let cited: Vec<_> = cited
            .iter()
            .map(|one| (one.url.as_deref(), one.span))
            .collect();
        assert_eq!(
            cited,
            [
                (Some("https://a.example"), Some((4, 10))),
                (Some("https://b.example"), Some((4, 10)))
            ]
        );
        assert_eq!(read.about(text, true), []);
        let [call, result] = read.search("s".into()).unwrap();
        assert!(
            matches!(call.content, Content::ServerCall(call) if call.input.as_str() == r#"{"query":"q1","queries":["q1","q2"]}"#)
        );
        assert!(
            matches!(result.content, Content::ServerResult(result) if result.sources.len() == 2)
        );
    }

    #[test]
    fn words_are_found_in_the_part_that_has_them() {
        let mut read = grounding(
            r#"{"groundingChunks":[{"retrievedContext":{"text":"t"}}],"groundingSupports":[{"segment":{"endIndex":1,"text":"é"},"groundingChunkIndices":[0]},{"segment":{"endIndex":3},"groundingChunkIndices":[0,7]},{"segment":{"endIndex":99,"text":"gone"},"groundingChunkIndices":[0]}]}"#,
        );
        let first: Vec<_> = read
            .about("xx", false)
            .into_iter()
            .map(|one| one.span)
            .collect();
        assert_eq!(first, []);
        let second: Vec<_> = read
            .about("xé", true)
            .into_iter()
            .map(|one| one.span)
            .collect();
        assert_eq!(second, [Some((1, 2)), Some((0, 2)), None]);
        assert_eq!(read.search("s".into()), None);
    }

    #[test]
    fn citations_with_an_address_count() {
        let mut read = Grounding::default();
        read.read_citations(Node::trusted(
            r#"{"citations":[{"startIndex":1,"endIndex":2,"uri":"https://a.example","license":"MIT"},{"startIndex":0,"endIndex":1}]}"#,
        ));
        let cited = read.about("abc", false);
        assert_eq!((cited.len(), cited[0].span), (1, Some((1, 2))));
    }
}
