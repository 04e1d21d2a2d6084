//! Tools and the choice among them, written.

use super::super::super::json::{ArrayWriter, ObjectWriter};
use super::super::content::ITEM;
use super::items;
use crate::chat::{
    CallKind, Common, CustomFormat, Fault, Format, Function, Json, Location, Losses, ProviderKind,
    ProviderTool, Request, Tool, ToolChoice, ToolKind,
};

/// Writes the tools and the choice among them.
pub(super) fn tools(
    request: &Request<'_>,
    losses: &mut Losses,
    o: &mut ObjectWriter<'_>,
) -> Result<(), Fault> {
    let own = request.origin == Format::OpenAiResponses;
    // What the input offers stands there, if the item is still in it.
    let mut turns = request.instructions.iter().chain(&request.turns);
    let in_input = own && turns.any(|turn| turn.extra.get(ITEM).is_some());
    let offered = || {
        let tools = request.tools.iter();
        tools.filter(|tool| !(in_input && tool.at.root() == "input"))
    };
    let mut result = Ok(());
    if offered().next().is_some() {
        o.array("tools", |list| {
            result = offered().try_for_each(|one| tool(one, own, losses, list));
        });
    }
    if let Some(choice) = &request.tool_choice
        && (own || !request.tools.is_empty())
    {
        let native = request.native.get("tool_choice").filter(|_| own);
        match (choice, native) {
            (ToolChoice::Allowed { .. }, Some(native)) => o.raw("tool_choice", native.as_str()),
            _ => write_choice(choice, request, o),
        }
    }
    result
}

fn tool(
    tool: &Tool<'_>,
    own: bool,
    losses: &mut Losses,
    list: &mut ArrayWriter<'_>,
) -> Result<(), Fault> {
    match &tool.kind {
        ToolKind::Function(function) => list.object(|o| {
            write_function(function, own, o);
            items::extra(&tool.extra, own, o);
        }),
        ToolKind::Custom(custom) => list.object(|o| {
            o.str("type", "custom");
            o.str("name", &custom.name);
            o.opt_str("description", custom.description.as_deref());
            if let CustomFormat::Grammar { syntax, definition } = &custom.format {
                o.object("format", |o| {
                    o.str("type", "grammar");
                    o.str("syntax", syntax);
                    o.str("definition", definition);
                });
            }
            items::extra(&tool.extra, own, o);
        }),
        ToolKind::Namespace {
            name,
            description,
            tools,
        } => {
            let mut result = Ok(());
            list.object(|o| {
                o.str("type", "namespace");
                o.str("name", name);
                o.opt_str("description", description.as_deref());
                o.array("tools", |list| {
                    result = tools
                        .iter()
                        .try_for_each(|one| self::tool(one, own, losses, list));
                });
                items::extra(&tool.extra, own, o);
            });
            return result;
        }
        ToolKind::Provider(provider) if provider.origin == Format::OpenAiResponses => {
            list.raw(provider.native.as_str());
        }
        ToolKind::Provider(provider) => {
            if !write_provider(provider, list) {
                losses.dropped(tool.at)?;
            }
        }
    }
    Ok(())
}

fn write_function(function: &Function<'_>, own: bool, o: &mut ObjectWriter<'_>) {
    o.str("type", "function");
    o.str("name", &function.name);
    o.opt_str("description", function.description.as_deref());
    let schema = function.schema.as_ref().map(Json::as_str);
    match schema {
        None if own => o.raw("parameters", "null"),
        None => o.raw("parameters", r#"{"type":"object","properties":{}}"#),
        Some(schema) => o.raw("parameters", schema),
    }
    // Left out, it would be taken for true and the schema changed.
    match function.strict {
        None if own => {}
        strict => o.bool("strict", strict.unwrap_or(false)),
    }
}

/// Writes the tool that does what another provider's does, if there is one.
fn write_provider(tool: &ProviderTool<'_>, list: &mut ArrayWriter<'_>) -> bool {
    let common = &tool.common;
    match tool.kind {
        ProviderKind::WebSearch | ProviderKind::WebFetch => {
            list.object(|o| web_search(common, o));
        }
        ProviderKind::CodeExecution => {
            list.raw(r#"{"type":"code_interpreter","container":{"type":"auto"}}"#);
        }
        ProviderKind::ImageGeneration => list.raw(r#"{"type":"image_generation"}"#),
        ProviderKind::Mcp => {
            let Some(server) = &common.mcp else {
                return false;
            };
            list.object(|o| {
                o.str("type", "mcp");
                o.str("server_label", &server.label);
                o.str("server_url", &server.url);
                o.opt_str("authorization", server.token.as_deref());
                if let Some(names) = &server.allowed_tools {
                    o.array("allowed_tools", |list| {
                        names.iter().for_each(|name| list.str(name));
                    });
                }
                // Nobody would be asked: other formats have no way to.
                o.str("require_approval", "never");
            });
        }
        _ => return false,
    }
    true
}

fn web_search(common: &Common<'_>, o: &mut ObjectWriter<'_>) {
    o.str("type", "web_search");
    if !common.allowed_domains.is_empty() {
        o.object("filters", |o| {
            o.array("allowed_domains", |list| {
                common
                    .allowed_domains
                    .iter()
                    .for_each(|name| list.str(name));
            });
        });
    }
    o.opt_str("search_context_size", common.context_size.as_deref());
    if let Some(Location {
        city,
        country,
        region,
        timezone,
    }) = &common.location
    {
        o.object("user_location", |o| {
            o.str("type", "approximate");
            o.opt_str("city", city.as_deref());
            o.opt_str("country", country.as_deref());
            o.opt_str("region", region.as_deref());
            o.opt_str("timezone", timezone.as_deref());
        });
    }
}

fn write_choice(choice: &ToolChoice<'_>, request: &Request<'_>, o: &mut ObjectWriter<'_>) {
    const KEY: &str = "tool_choice";
    let own = request.origin == Format::OpenAiResponses;
    let is_custom = |name: &str| {
        let mut tools = request.tools.iter();
        tools.any(|tool| matches!(&tool.kind, ToolKind::Custom(custom) if custom.name == name))
    };
    match choice {
        ToolChoice::Auto => o.str(KEY, "auto"),
        ToolChoice::None => o.str(KEY, "none"),
        ToolChoice::Required => o.str(KEY, "required"),
        ToolChoice::Named { name, kind } => o.object(KEY, |o| {
            let kind = match kind {
                CallKind::Custom => "custom",
                CallKind::Function | CallKind::Typed(_) => "function",
            };
            o.str("type", kind);
            o.str("name", name);
        }),
        ToolChoice::Allowed { required, names } => o.object(KEY, |o| {
            o.str("type", "allowed_tools");
            o.str("mode", if *required { "required" } else { "auto" });
            o.array("tools", |list| {
                for name in names {
                    list.object(|o| {
                        o.str(
                            "type",
                            if is_custom(name) {
                                "custom"
                            } else {
                                "function"
                            },
                        );
                        o.str("name", name);
                    });
                }
            });
        }),
        ToolChoice::Provider { native, .. } if own => o.raw(KEY, native.as_str()),
        ToolChoice::Provider { kind, .. } => {
            let hosted = match kind {
                // By the type that the tool is sent with.
                ProviderKind::WebSearch | ProviderKind::WebFetch => "web_search",
                ProviderKind::CodeExecution => "code_interpreter",
                ProviderKind::ImageGeneration => "image_generation",
                ProviderKind::FileSearch => "file_search",
                _ => return o.str(KEY, "auto"),
            };
            o.object(KEY, |o| o.str("type", hosted));
        }
    }
}
