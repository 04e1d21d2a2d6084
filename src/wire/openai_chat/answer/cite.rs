//! Where an answer's text is from.

use crate::chat::{Citation, CitationKind, Format, Native};
use crate::wire::json::Node;

/// Reads an annotation. `before`: how many code points of the answer stand in other parts.
pub(super) fn citation(node: Node<'_>, before: u64) -> Option<Citation<'_>> {
    let (inner, kind) = match &*node.get_str("type")? {
        "url_citation" => (node.get("url_citation"), CitationKind::Web),
        "file_citation" => (node.get("file_citation"), CitationKind::File),
        _ => return None,
    };
    // Some servers write it flat, as OpenAI Responses does.
    let inner = inner.unwrap_or(node);
    let offset = |name| inner.get(name).and_then(Node::u64);
    let span = offset("start_index").zip(offset("end_index"));
    let span = span.filter(|(start, end)| *start >= before && start <= end);
    Some(Citation {
        kind,
        url: inner.get_str("url"),
        title: inner.get_str("title"),
        cited: None,
        span: span.map(|(start, end)| (start - before, end - before)),
        file_id: inner.get_str("file_id"),
        filename: inner.get_str("filename"),
        native: Some(Native {
            format: Format::OpenAiChat,
            json: node.json(),
        }),
    })
}
