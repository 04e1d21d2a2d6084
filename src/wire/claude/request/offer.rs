//! Writes tools and the choice among them.

use super::encode::cache_control;
use crate::chat::{
    Common, Fault, Format, Function, Json, Losses, McpServer, Place, ProviderKind, ProviderTool,
    Request, Tool, ToolChoice, ToolKind,
};
use crate::wire::json::{ArrayWriter, Node, ObjectWriter};

/// Writes `tools` and `mcp_servers`.
pub(super) fn tools(
    request: &Request<'_>,
    own: bool,
    losses: &mut Losses,
    o: &mut ObjectWriter<'_>,
) -> Result<(), Fault> {
    let mut result = Ok(());
    if request.tools.iter().any(|tool| !is_server(tool)) {
        o.array("tools", |a| {
            for tool in request.tools.iter().filter(|tool| !is_server(tool)) {
                if result.is_ok() {
                    result = one(tool, own, losses, a);
                }
            }
        });
    }
    // Those of a client of this format are among its native members.
    if !own {
        servers(&request.tools, o);
    }
    result
}

/// Whether it is an entry of `mcp_servers` that no tool set names.
fn is_server(tool: &Tool<'_>) -> bool {
    matches!(&tool.kind, ToolKind::Provider(ProviderTool { origin: Format::Claude, kind: ProviderKind::Mcp, native, .. })
        if Node::trusted(native.as_str()).get_str("type").as_deref() != Some("mcp_toolset"))
}

fn one(
    tool: &Tool<'_>,
    own: bool,
    losses: &mut Losses,
    a: &mut ArrayWriter<'_>,
) -> Result<(), Fault> {
    match &tool.kind {
        ToolKind::Function(function) => a.object(|o| {
            client_tool(function, o);
            cache_control(tool.cache, own, o);
            if own {
                for (key, value) in &tool.extra.0 {
                    o.raw(key, value.as_str());
                }
            }
        }),
        ToolKind::Provider(provider) if provider.origin == Format::Claude => {
            a.raw(provider.native.as_str());
        }
        ToolKind::Provider(provider) => {
            let Some((kind, name)) = equivalent(provider.kind) else {
                return losses.dropped(tool.at);
            };
            a.object(|o| {
                o.str("type", kind);
                match &provider.common.mcp {
                    Some(server) if provider.kind == ProviderKind::Mcp => tool_set(server, o),
                    _ => {
                        o.str("name", name);
                        limits(&provider.common, o);
                    }
                }
                cache_control(tool.cache, own, o);
            });
        }
        ToolKind::Custom(_) | ToolKind::Namespace { .. } => return losses.dropped(tool.at),
    }
    Ok(())
}

fn client_tool(function: &Function<'_>, o: &mut ObjectWriter<'_>) {
    o.str("name", &function.name);
    o.opt_str("description", function.description.as_deref());
    let schema = function.schema.as_ref().map(Json::as_str);
    o.raw(
        "input_schema",
        schema.unwrap_or(match function.strict {
            // A strict tool has to say that there is nothing else.
            Some(true) => r#"{"type":"object","properties":{},"additionalProperties":false}"#,
            _ => r#"{"type":"object","properties":{}}"#,
        }),
    );
    o.opt_bool("strict", function.strict);
}

/// The type and name of Anthropic's own tool of a kind.
const fn equivalent(kind: ProviderKind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        ProviderKind::WebSearch => ("web_search_20250305", "web_search"),
        ProviderKind::WebFetch => ("web_fetch_20250910", "web_fetch"),
        ProviderKind::CodeExecution => ("code_execution_20250825", "code_execution"),
        ProviderKind::Mcp => ("mcp_toolset", ""),
        _ => return None,
    })
}

fn limits(common: &Common<'_>, o: &mut ObjectWriter<'_>) {
    o.opt_num("max_uses", common.max_uses);
    for (key, domains) in [
        ("allowed_domains", &common.allowed_domains),
        ("blocked_domains", &common.blocked_domains),
    ] {
        if !domains.is_empty() {
            o.array(key, |a| domains.iter().for_each(|domain| a.str(domain)));
        }
    }
    if let Some(place) = &common.location {
        o.object("user_location", |o| {
            o.str("type", "approximate");
            o.opt_str("city", place.city.as_deref());
            o.opt_str("region", place.region.as_deref());
            o.opt_str("country", place.country.as_deref());
            o.opt_str("timezone", place.timezone.as_deref());
        });
    }
}

fn tool_set(server: &McpServer<'_>, o: &mut ObjectWriter<'_>) {
    o.str("mcp_server_name", &server.label);
    if let Some(allowed) = &server.allowed_tools {
        o.object("default_config", |o| o.bool("enabled", false));
        o.object("configs", |o| {
            for name in allowed {
                o.object(name, |o| o.bool("enabled", true));
            }
        });
    }
}

fn servers(tools: &[Tool<'_>], o: &mut ObjectWriter<'_>) {
    let servers: Vec<&McpServer<'_>> = tools
        .iter()
        .filter_map(|tool| match &tool.kind {
            ToolKind::Provider(tool) => tool.common.mcp.as_ref(),
            _ => None,
        })
        .collect();
    if servers.is_empty() {
        return;
    }
    o.array("mcp_servers", |a| {
        for server in servers {
            a.object(|o| {
                o.str("type", "url");
                o.str("name", &server.label);
                o.str("url", &server.url);
                o.opt_str("authorization_token", server.token.as_deref());
            });
        }
    });
}

/// Writes `tool_choice`.
pub(super) fn choice(
    request: &Request<'_>,
    own: bool,
    losses: &mut Losses,
    o: &mut ObjectWriter<'_>,
) {
    // A choice among nothing is an error.
    if request.tools.is_empty() && !own {
        return;
    }
    let single = request.parallel_tools == Some(false);
    let (kind, name) = match &request.tool_choice {
        None if single => ("auto", None),
        None => return,
        Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Named { name, .. }) => ("tool", Some(&**name)),
        Some(ToolChoice::Allowed { required, .. }) => {
            (if *required { "any" } else { "auto" }, None)
        }
        Some(ToolChoice::Provider { kind, .. }) => match equivalent(*kind) {
            Some((_, name)) if !name.is_empty() => ("tool", Some(name)),
            _ => {
                losses.note(
                    Place::field("tool_choice"),
                    crate::chat::Change::Approximated,
                );
                ("auto", None)
            }
        },
    };
    o.object("tool_choice", |o| {
        o.str("type", kind);
        o.opt_str("name", name);
        if single && kind != "none" {
            o.bool("disable_parallel_tool_use", true);
        }
    });
}
