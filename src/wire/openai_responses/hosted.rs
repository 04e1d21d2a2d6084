//! What the provider runs itself, and what only this format has a shape for: items read.

use std::borrow::Cow;

use super::super::json::{Kind, Node, object};
use crate::chat::{
    Content, Extra, Format, Image, Json, Native, Part, Place, ServerCall, ServerResult, ServerTool,
    Source, ToolCall, WebSource,
};

/// A call that the client runs, in a shape of its own: the item's type and the tool's name.
pub(super) const TYPED: [(&str, &str); 4] = [
    ("computer_call", "computer"),
    ("local_shell_call", "local_shell"),
    ("shell_call", "shell"),
    ("apply_patch_call", "apply_patch"),
];

/// Reads a call in a shape of its own.
pub(super) fn typed_call<'a>(item: Node<'a>) -> Option<(ToolCall<'a>, Extra<'a>)> {
    let mut members = item.object();
    let kind = members.take_str("type")?;
    let (kind, name) = TYPED.into_iter().find(|(typed, _)| *typed == kind)?;
    let action = ["action", "actions", "operation"]
        .into_iter()
        .find_map(|key| members.take(key));
    let item_id = members.take_str("id");
    let id = members.take_str("call_id");
    let call = ToolCall {
        id: id.or_else(|| item_id.clone()).unwrap_or_default(),
        name: Cow::Borrowed(name),
        arguments: Cow::Borrowed(action.map_or("{}", Node::raw)),
        kind: crate::chat::CallKind::Typed(kind),
        namespace: None,
        item_id,
    };
    Some((call, members.rest()))
}

/// What a hosted item is in neutral words: the call, what came of it, a picture.
pub(super) fn hosted<'a>(item: Node<'a>, at: Place) -> Option<Vec<Part<'a>>> {
    let kind = item.get_str("type")?;
    let id = item
        .get_str("id")
        .or_else(|| item.get_str("call_id"))
        .unwrap_or_default();
    let native = || {
        Some(Native {
            format: Format::OpenAiResponses,
            json: item.json(),
        })
    };
    let call = |tool: ServerTool, input: Json<'a>| {
        Part::new(Content::ServerCall(ServerCall {
            id: id.clone(),
            tool,
            input,
            native: native(),
        }))
        .at(at)
    };
    // Part of the call's item: nothing native of its own.
    let result = |tool: ServerTool, sources: Vec<WebSource<'a>>, output: Option<Cow<'a, str>>| {
        let failed = item.get_str("status").as_deref() == Some("failed");
        let error = match item.get("error") {
            Some(error) => Some(words(error)),
            None => failed.then(|| "unavailable".into()),
        };
        Part::new(Content::ServerResult(ServerResult {
            call: id.clone(),
            tool,
            error,
            sources,
            output,
            native: None,
        }))
        .at(at)
    };
    Some(match &*kind {
        "web_search_call" => {
            let (input, sources) = search(item);
            vec![
                call(ServerTool::WebSearch, input),
                result(ServerTool::WebSearch, sources, None),
            ]
        }
        "file_search_call" => vec![
            call(ServerTool::FileSearch, members_of(item, &["queries"])),
            result(ServerTool::FileSearch, Vec::new(), None),
        ],
        "code_interpreter_call" => vec![
            call(ServerTool::CodeExecution, members_of(item, &["code"])),
            result(ServerTool::CodeExecution, Vec::new(), logs(item)),
        ],
        "image_generation_call" => picture(
            item,
            at,
            call(ServerTool::ImageGeneration, Json::trusted("{}")),
        ),
        "mcp_call" => vec![
            call(
                ServerTool::Mcp,
                members_of(item, &["server_label", "name", "arguments"]),
            ),
            result(ServerTool::Mcp, Vec::new(), item.get_str("output")),
        ],
        "tool_search_call" => vec![call(
            ServerTool::ToolSearch,
            members_of(item, &["arguments"]),
        )],
        "tool_search_output" => vec![native_result(item, "call_id", ServerTool::ToolSearch, at)],
        "mcp_approval_response" => {
            vec![native_result(
                item,
                "approval_request_id",
                ServerTool::Mcp,
                at,
            )]
        }
        "mcp_list_tools" | "mcp_approval_request" => {
            vec![call(ServerTool::Mcp, Json::trusted("{}"))]
        }
        kind if kind.starts_with("program") => {
            vec![call(
                ServerTool::Other(kind.to_owned()),
                Json::trusted("{}"),
            )]
        }
        _ => return None,
    })
}

fn native_result<'a>(item: Node<'a>, key: &str, tool: ServerTool, at: Place) -> Part<'a> {
    Part::new(Content::ServerResult(ServerResult {
        call: item.get_str(key).unwrap_or_default(),
        tool,
        error: None,
        sources: Vec::new(),
        output: None,
        native: Some(Native {
            format: Format::OpenAiResponses,
            json: item.json(),
        }),
    }))
    .at(at)
}

/// A picture that was made is a picture.
fn picture<'a>(item: Node<'a>, at: Place, call: Part<'a>) -> Vec<Part<'a>> {
    let Some(base64) = item.get_str("result") else {
        return vec![call];
    };
    let mime = match item.get_str("output_format").as_deref() {
        Some("jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        _ => "image/png",
    };
    let image = Part::new(Content::Image(Image {
        source: Source::Bytes {
            mime: Cow::Borrowed(mime),
            base64,
        },
        detail: None,
    }));
    vec![call, image.at(at)]
}

fn search(item: Node<'_>) -> (Json<'static>, Vec<WebSource<'_>>) {
    let Some(action) = item.get("action") else {
        return (Json::trusted("{}"), Vec::new());
    };
    let source = |source: Node<'_>| source.get("url").is_some();
    let sources = action.get("sources").map(|list| {
        list.items()
            .filter(|one| source(*one))
            .map(|one| WebSource {
                url: one.get_str("url").unwrap_or_default(),
                title: one.get_str("title"),
            })
            .collect()
    });
    let input = members_of(action, &["query", "queries", "url", "pattern"]);
    (input, sources.unwrap_or_default())
}

/// Some members of an object, as an object.
fn members_of(node: Node<'_>, keys: &[&str]) -> Json<'static> {
    let mut out = Vec::new();
    object(&mut out, |o| {
        for key in keys {
            o.opt_raw(key, node.get(key).map(Node::raw));
        }
    });
    Json::trusted(String::from_utf8(out).unwrap_or_default())
}

fn logs(item: Node<'_>) -> Option<Cow<'_, str>> {
    let outputs = item.get("outputs")?;
    let mut logs = outputs.items().filter_map(|output| output.get_str("logs"));
    let first = logs.next()?;
    Some(logs.fold(first, |mut all, more| {
        all.to_mut().push_str(&more);
        all
    }))
}

fn words(error: Node<'_>) -> Cow<'_, str> {
    match error.kind() {
        Kind::Object => error
            .get_str("code")
            .or_else(|| error.get_str("message"))
            .unwrap_or_else(|| Cow::Borrowed(error.raw())),
        _ => error.str().unwrap_or_else(|| Cow::Borrowed(error.raw())),
    }
}
