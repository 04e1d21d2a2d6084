//! Reads tools and the choice among them.

use std::borrow::Cow;

use super::decode::{cache_mark, unreadable};
use crate::chat::{
    CallKind, Common, Fault, Format, Function, Location, McpServer, Place, ProviderKind,
    ProviderTool, Request, Tool, ToolChoice, ToolKind,
};
use crate::wire::json::{Kind, Node};

/// Reads `tools`, and those of `mcp_servers` that no tool set names.
pub(super) fn read<'a>(
    tools: Option<Node<'a>>,
    servers: Option<Node<'a>>,
) -> Result<Vec<Tool<'a>>, Fault> {
    let place = Place::field("tools");
    if tools.is_some_and(|tools| tools.kind() != Kind::Array) {
        return Err(unreadable(place, "must be an array"));
    }
    let servers: Vec<Node<'a>> = servers.into_iter().flat_map(Node::items).collect();
    let items = tools.into_iter().flat_map(Node::items).enumerate();
    let mut all: Vec<Tool<'a>> = items
        .map(|(at, tool)| one(place.item(at), tool, &servers))
        .collect::<Result<_, _>>()?;
    for (at, server) in servers.iter().enumerate() {
        let Some(mcp) = mcp_server(*server, None) else {
            continue;
        };
        let is_named = all.iter().any(|tool| match &tool.kind {
            ToolKind::Provider(tool) => {
                tool.common.mcp.as_ref().map(|other| &other.label) == Some(&mcp.label)
            }
            _ => false,
        });
        if is_named {
            continue;
        }
        all.push(Tool {
            at: Place::field("mcp_servers").item(at),
            kind: ToolKind::Provider(ProviderTool {
                origin: Format::Claude,
                kind: ProviderKind::Mcp,
                name: None,
                native: server.json(),
                common: Common {
                    mcp: Some(mcp),
                    ..Common::default()
                },
            }),
            cache: None,
            extra: crate::chat::Extra::default(),
        });
    }
    Ok(all)
}

fn one<'a>(at: Place, tool: Node<'a>, servers: &[Node<'a>]) -> Result<Tool<'a>, Fault> {
    if tool.kind() != Kind::Object {
        return Err(unreadable(at, "must be an object"));
    }
    let mut members = tool.object();
    let cache = members.take("cache_control").map(cache_mark);
    let kind = tool.get_str("type");
    if let Some(kind) = kind.filter(|kind| kind != "custom") {
        let kind = ToolKind::Provider(provided(&kind, tool, servers));
        return Ok(Tool {
            at,
            kind,
            cache,
            extra: crate::chat::Extra::default(),
        });
    }
    let Some(name) = members.take_str("name") else {
        return Err(unreadable(at.of("name"), "must be a string"));
    };
    let function = Function {
        name,
        description: members.take_str("description"),
        schema: members.take_json("input_schema"),
        strict: members.take_bool("strict"),
    };
    Ok(Tool {
        at,
        kind: ToolKind::Function(function),
        cache,
        extra: members.rest(),
    })
}

/// What a tool is that Anthropic defines: its type without the date of its version.
fn provider_kind(kind: &str) -> ProviderKind {
    const KINDS: [(&str, ProviderKind); 11] = [
        ("web_search_", ProviderKind::WebSearch),
        ("web_fetch_", ProviderKind::WebFetch),
        ("code_execution_", ProviderKind::CodeExecution),
        ("bash_", ProviderKind::Bash),
        ("text_editor_", ProviderKind::TextEditor),
        ("computer_", ProviderKind::Computer),
        ("browser_", ProviderKind::Browser),
        ("browser/", ProviderKind::Browser),
        ("memory_", ProviderKind::Memory),
        ("tool_search_tool_", ProviderKind::ToolSearch),
        ("mcp_toolset", ProviderKind::Mcp),
    ];
    KINDS
        .into_iter()
        .find(|(prefix, _)| kind.starts_with(prefix))
        .map_or(ProviderKind::Other, |(_, kind)| kind)
}

fn provided<'a>(kind: &str, tool: Node<'a>, servers: &[Node<'a>]) -> ProviderTool<'a> {
    let kind = provider_kind(kind);
    let location = tool.get("user_location").map(|place| Location {
        city: place.get_str("city"),
        country: place.get_str("country"),
        region: place.get_str("region"),
        timezone: place.get_str("timezone"),
    });
    let server = tool.get_str("mcp_server_name").and_then(|name| {
        let server = servers
            .iter()
            .find(|server| server.get_str("name").as_ref() == Some(&name))?;
        mcp_server(*server, Some(tool))
    });
    ProviderTool {
        origin: Format::Claude,
        kind,
        name: tool.get_str("name"),
        native: tool.json(),
        common: Common {
            allowed_domains: texts(tool.get("allowed_domains")),
            blocked_domains: texts(tool.get("blocked_domains")),
            max_uses: tool.get("max_uses").and_then(Node::u64),
            context_size: None,
            location,
            mcp: server,
        },
    }
}

/// A server, with the tools that it or a tool set allows.
fn mcp_server<'a>(server: Node<'a>, tool_set: Option<Node<'a>>) -> Option<McpServer<'a>> {
    let older = server
        .get("tool_configuration")
        .and_then(|config| config.get("allowed_tools"))
        .map(|list| texts(Some(list)));
    Some(McpServer {
        label: server.get_str("name")?,
        url: server.get_str("url")?,
        token: server.get_str("authorization_token"),
        allowed_tools: tool_set.and_then(allowed).or(older),
    })
}

/// The tools of a set that are on where those that are not named are off.
fn allowed(tool_set: Node<'_>) -> Option<Vec<Cow<'_, str>>> {
    let is_on = |config: Node<'_>| config.get("enabled").and_then(Node::bool);
    let default = tool_set.get("default_config").and_then(is_on);
    if default != Some(false) {
        return None;
    }
    let configs = tool_set.get("configs")?;
    Some(
        configs
            .members()
            .filter(|(_, config)| is_on(*config) == Some(true))
            .map(|(name, _)| name)
            .collect(),
    )
}

fn texts(list: Option<Node<'_>>) -> Vec<Cow<'_, str>> {
    let items = list.into_iter().flat_map(Node::items);
    items.filter_map(Node::str).collect()
}

/// A choice that names one of the provider's own tools is one of that kind elsewhere.
pub(super) fn choose_provided<'a>(request: &mut Request<'a>, choice: Option<Node<'a>>) {
    let (Some(ToolChoice::Named { name, .. }), Some(choice)) = (&request.tool_choice, choice)
    else {
        return;
    };
    let kind = request.tools.iter().find_map(|tool| match &tool.kind {
        ToolKind::Provider(tool) if tool.name.as_ref() == Some(name) => Some(tool.kind),
        _ => None,
    });
    if let Some(
        kind @ (ProviderKind::WebSearch | ProviderKind::WebFetch | ProviderKind::CodeExecution),
    ) = kind
    {
        request.tool_choice = Some(ToolChoice::Provider {
            kind,
            native: choice.json(),
        });
    }
}

/// Reads `tool_choice`, and whether several calls at once are allowed.
pub(super) fn choice(choice: Node<'_>) -> Option<(ToolChoice<'_>, Option<bool>)> {
    let kind = choice.get_str("type")?;
    let wanted = match &*kind {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named {
            name: choice.get_str("name")?,
            kind: CallKind::Function,
        },
        _ => return None,
    };
    let single = choice
        .get("disable_parallel_tool_use")
        .and_then(Node::bool)
        .map(|single| !single);
    Some((wanted, single))
}
