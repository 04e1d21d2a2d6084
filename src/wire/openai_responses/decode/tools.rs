//! Tools and the choice among them.

use std::borrow::Cow;

use super::super::super::json::{Kind, Node};
use crate::chat::{
    CallKind, Common, CustomFormat, CustomTool, Extra, Format, Function, Location, McpServer,
    Place, ProviderKind, ProviderTool, Tool, ToolChoice, ToolKind,
};

/// Reads the list of tools.
pub(super) fn tools(list: Node<'_>) -> Vec<Tool<'_>> {
    let at = Place::field("tools");
    list.items()
        .enumerate()
        .map(|(index, item)| tool(item, at.item(index)))
        .collect()
}

/// Reads one tool.
pub(super) fn tool<'a>(node: Node<'a>, at: Place) -> Tool<'a> {
    let mut object = node.object();
    let kind = object.take_str("type").unwrap_or(Cow::Borrowed("function"));
    let kind = match &*kind {
        "function" => {
            // As Chat Completions writes it, one level deeper.
            if let Some(inner) = object.take("function") {
                object = inner.object();
            }
            ToolKind::Function(Function {
                name: object.take_str("name").unwrap_or_default(),
                description: object.take_str("description"),
                schema: object.take_json("parameters"),
                strict: object.take_bool("strict"),
            })
        }
        "custom" => ToolKind::Custom(CustomTool {
            name: object.take_str("name").unwrap_or_default(),
            description: object.take_str("description"),
            format: object
                .take("format")
                .map_or(CustomFormat::Text, custom_format),
        }),
        "namespace" => ToolKind::Namespace {
            name: object.take_str("name").unwrap_or_default(),
            description: object.take_str("description"),
            tools: object
                .take("tools")
                .into_iter()
                .flat_map(Node::items)
                .enumerate()
                .map(|(index, inner)| tool(inner, at.of("tools").part(index)))
                .collect(),
        },
        kind => {
            let tool = ProviderTool {
                origin: Format::OpenAiResponses,
                kind: provider_kind(kind),
                name: None,
                native: node.json(),
                common: common(node),
            };
            return Tool {
                at,
                kind: ToolKind::Provider(tool),
                cache: None,
                extra: Extra::default(),
            };
        }
    };
    let mut extra = object.rest();
    extra.0.retain(|(_, value)| value.as_str() != "null");
    Tool {
        at,
        kind,
        cache: None,
        extra,
    }
}

fn custom_format(node: Node<'_>) -> CustomFormat<'_> {
    // As Chat Completions writes it, one level deeper.
    let inner = node.get("grammar").unwrap_or(node);
    match (inner.get_str("syntax"), inner.get_str("definition")) {
        (Some(syntax), Some(definition)) => CustomFormat::Grammar { syntax, definition },
        _ => CustomFormat::Text,
    }
}

fn provider_kind(kind: &str) -> ProviderKind {
    match kind {
        kind if kind.starts_with("web_search") => ProviderKind::WebSearch,
        "file_search" => ProviderKind::FileSearch,
        "code_interpreter" => ProviderKind::CodeExecution,
        "image_generation" => ProviderKind::ImageGeneration,
        "mcp" => ProviderKind::Mcp,
        kind if kind.starts_with("computer") => ProviderKind::Computer,
        "local_shell" | "shell" => ProviderKind::Shell,
        "apply_patch" => ProviderKind::ApplyPatch,
        "tool_search" => ProviderKind::ToolSearch,
        _ => ProviderKind::Other,
    }
}

fn common(node: Node<'_>) -> Common<'_> {
    let filters = node.get("filters");
    let domains = |key: &str| {
        filters
            .and_then(|all| all.get(key))
            .map(strings)
            .unwrap_or_default()
    };
    Common {
        allowed_domains: domains("allowed_domains"),
        blocked_domains: domains("blocked_domains"),
        max_uses: None,
        context_size: node.get_str("search_context_size"),
        location: node.get("user_location").map(location),
        mcp: mcp(node),
    }
}

fn location(node: Node<'_>) -> Location<'_> {
    // Chat Completions nests it.
    let node = node.get("approximate").unwrap_or(node);
    Location {
        city: node.get_str("city"),
        country: node.get_str("country"),
        region: node.get_str("region"),
        timezone: node.get_str("timezone"),
    }
}

fn mcp(node: Node<'_>) -> Option<McpServer<'_>> {
    let allowed = node.get("allowed_tools");
    let names = allowed.and_then(|allowed| match allowed.kind() {
        Kind::Object => allowed.get("tool_names"),
        _ => Some(allowed),
    });
    Some(McpServer {
        label: node.get_str("server_label")?,
        url: node.get_str("server_url").unwrap_or_default(),
        token: node.get_str("authorization"),
        allowed_tools: names.map(strings),
    })
}

fn strings(list: Node<'_>) -> Vec<Cow<'_, str>> {
    list.items().filter_map(Node::str).collect()
}

/// The name of an allowed tool; what has none is called after its type.
fn allowed(tool: Node<'_>) -> Option<Cow<'_, str>> {
    let name = tool.get_str("name");
    name.or_else(|| match &*tool.get_str("type")? {
        kind if kind.starts_with("web_search") => Some(Cow::Borrowed("web_search")),
        kind if kind.starts_with("computer") => Some(Cow::Borrowed("computer")),
        "code_interpreter" => Some(Cow::Borrowed("code_execution")),
        kind @ ("local_shell" | "shell" | "apply_patch") => Some(Cow::Owned(kind.to_owned())),
        _ => None,
    })
}

/// Reads a choice. What neutral words do not hold of it goes to `native`.
pub(super) fn choice<'a>(node: Node<'a>, native: &mut Extra<'a>) -> Option<ToolChoice<'a>> {
    if let Some(word) = node.str() {
        return match &*word {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            "required" | "any" => Some(ToolChoice::Required),
            _ => None,
        };
    }
    let kind = node.get_str("type")?;
    // Chat Completions nests the name.
    let name = node
        .get_str("name")
        .or_else(|| node.get(&kind)?.get_str("name"));
    Some(match (&*kind, name) {
        ("function", Some(name)) => ToolChoice::Named {
            name,
            kind: CallKind::Function,
        },
        ("custom", Some(name)) => ToolChoice::Named {
            name,
            kind: CallKind::Custom,
        },
        ("allowed_tools", _) => {
            let inner = node.get("allowed_tools").unwrap_or(node);
            let tools = || inner.get("tools").into_iter().flat_map(Node::items);
            if tools().any(|tool| tool.get_str("type").as_deref() != Some("function")) {
                native.0.push(("tool_choice".into(), node.json()));
            }
            ToolChoice::Allowed {
                required: inner.get_str("mode").as_deref() == Some("required"),
                names: tools().filter_map(allowed).collect(),
            }
        }
        (kind, _) => ToolChoice::Provider {
            kind: provider_kind(kind),
            native: node.json(),
        },
    })
}
