//! What the provider does itself: `server_tool_use` and its results, `mcp_tool_use`, citations.

use std::borrow::Cow;

use super::super::json::{Kind, Node};
use crate::chat::{
    Citation, CitationKind, Content, Format, Json, Native, ServerCall, ServerResult, ServerTool,
    WebSource,
};

/// The block as only Anthropic writes it.
pub(super) fn native(block: Node<'_>) -> Native<'_> {
    Native {
        format: Format::Claude,
        json: block.json(),
    }
}

/// Reads a block that the client does not take part in: a server's call, its result, anything else.
pub(super) fn read<'a>(kind: &str, block: Node<'a>) -> Content<'a> {
    match kind {
        "server_tool_use" | "mcp_tool_use" => Content::ServerCall(call(kind, block)),
        _ if kind.ends_with("_tool_result") => Content::ServerResult(result(kind, block)),
        _ => Content::Native(native(block)),
    }
}

fn call<'a>(kind: &str, block: Node<'a>) -> ServerCall<'a> {
    let name = block.get_str("name").unwrap_or_default();
    ServerCall {
        id: block.get_str("id").unwrap_or_default(),
        tool: if kind == "mcp_tool_use" {
            ServerTool::Mcp
        } else {
            tool(&name)
        },
        input: block
            .get("input")
            .map_or_else(|| Json::trusted("{}"), Node::json),
        native: Some(native(block)),
    }
}

fn result<'a>(kind: &str, block: Node<'a>) -> ServerResult<'a> {
    let content = block.get("content");
    let items = || content.into_iter().flat_map(Node::items);
    let sources = items().filter_map(|item| {
        Some(WebSource {
            url: item.get_str("url")?,
            title: item.get_str("title"),
        })
    });
    let error = content.and_then(|content| content.get_str("error_code"));
    ServerResult {
        call: block.get_str("tool_use_id").unwrap_or_default(),
        tool: tool(kind.strip_suffix("_tool_result").unwrap_or(kind)),
        error,
        sources: sources.collect(),
        output: content.and_then(|content| content.get_str("stdout")),
        native: Some(native(block)),
    }
}

/// The tool of a name: that of the tool, or that which its result has before `_tool_result`.
fn tool(name: &str) -> ServerTool {
    match name {
        "web_search" => ServerTool::WebSearch,
        "web_fetch" => ServerTool::WebFetch,
        "code_execution" | "bash_code_execution" | "text_editor_code_execution" => {
            ServerTool::CodeExecution
        }
        "mcp" => ServerTool::Mcp,
        _ if name.starts_with("tool_search") => ServerTool::ToolSearch,
        other => ServerTool::Other(other.to_owned()),
    }
}

/// Whether this is a search result that the gateway made of another format's search. Anthropic's own
/// have content that it wants back.
pub(super) fn is_synthesised(block: Node<'_>) -> bool {
    block.get_str("type").as_deref() == Some("web_search_tool_result")
        && block.get("content").is_some_and(|content| {
            content
                .items()
                .any(|item| item.get_str("encrypted_content").as_deref() == Some(""))
        })
}

/// Reads the citations of a text block.
pub(super) fn citations(list: Option<Node<'_>>) -> Vec<Citation<'_>> {
    let items = list.into_iter().flat_map(Node::items);
    items
        .filter(|item| item.kind() == Kind::Object)
        .map(citation)
        .collect()
}

/// Reads one citation.
pub(super) fn citation(one: Node<'_>) -> Citation<'_> {
    let kind = match one.get_str("type").as_deref() {
        Some("web_search_result_location") => CitationKind::Web,
        Some("search_result_location") => CitationKind::SearchResult,
        _ => CitationKind::Document,
    };
    let url = match kind {
        CitationKind::SearchResult => one.get_str("source"),
        _ => one.get_str("url"),
    };
    Citation {
        kind,
        url,
        title: one
            .get_str("title")
            .or_else(|| one.get_str("document_title")),
        cited: one.get_str("cited_text"),
        span: None,
        file_id: one.get_str("file_id"),
        filename: None,
        native: Some(native(one)),
    }
}

/// A citation as Anthropic wrote it, if it did.
pub(super) fn native_citation<'c>(citation: &'c Citation<'_>) -> Option<&'c str> {
    citation
        .native
        .as_ref()
        .filter(|native| native.format == Format::Claude)
        .map(|native| native.json.as_str())
}

/// The arguments of a call as the object that `input` must be. What is no object is wrapped, so that
/// the client's check of the schema fails instead of the tool running without input.
pub(super) fn input(arguments: &str) -> Cow<'_, str> {
    /// Deeper arguments than those of a request that was checked count as no JSON.
    const DEPTH: usize = 512;
    let text = arguments.trim();
    if text.is_empty() {
        return Cow::Borrowed("{}");
    }
    let mut out = Vec::with_capacity(text.len() + 32);
    match Node::parse_any(text, DEPTH) {
        Some(node) if node.kind() == Kind::Object => return Cow::Borrowed(text),
        Some(node) => super::super::json::object(&mut out, |o| o.raw("value", node.raw())),
        None => super::super::json::object(&mut out, |o| o.str("__invalid_json__", arguments)),
    }
    // Text and ASCII make text.
    Cow::Owned(String::from_utf8(out).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_always_an_object() {
        for (arguments, want) in [
            ("", "{}"),
            (" \n", "{}"),
            (r#" {"a": 1.0} "#, r#"{"a": 1.0}"#),
            ("[1]", r#"{"value":[1]}"#),
            ("null", r#"{"value":null}"#),
            (r#"{"a":"#, r#"{"__invalid_json__":"{\"a\":"}"#),
            (r#"{"a":1}{"#, r#"{"__invalid_json__":"{\"a\":1}{"}"#),
        ] {
            assert_eq!(input(arguments), want, "{arguments}");
        }
    }

    #[test]
    fn only_searches_without_encrypted_content_are_the_gateways() {
        let ours = r#"{"type":"web_search_tool_result","content":[{"encrypted_content":""}]}"#;
        let theirs = r#"{"type":"web_search_tool_result","content":[{"encrypted_content":"E"}]}"#;
        let error = r#"{"type":"web_search_tool_result","content":{"error_code":"x"}}"#;
        for (text, want) in [(ours, true), (theirs, false), (error, false)] {
            assert_eq!(is_synthesised(Node::trusted(text)), want, "{text}");
        }
    }
}
