//! Writes `tools` and `toolConfig`.

use super::super::super::Profile;
use super::super::super::json::{ArrayWriter, Node, ObjectWriter, array, object};
use super::super::request::CALLING;
use super::write_rest;
use crate::chat::{
    Extra, Fault, Format, Function, Losses, ProviderKind, ProviderTool, Request, Tool, ToolChoice,
    ToolKind,
};

/// Writes both, as far as there is something in them.
pub(super) fn write(
    o: &mut ObjectWriter<'_>,
    request: &Request<'_>,
    profile: &Profile,
    own: Option<&Extra<'_>>,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let mut tools = Vec::new();
    let mut done = Ok(());
    array(&mut tools, |a| {
        write_functions(a, request, profile);
        done = request
            .tools
            .iter()
            .try_for_each(|tool| write_provider(a, tool, losses));
    });
    if tools != b"[]" {
        o.key("tools").append(&mut tools);
    }
    let mut config = Vec::new();
    object(&mut config, |o| write_config(o, request, profile, own));
    if config != b"{}" {
        o.key("toolConfig").append(&mut config);
    }
    done
}

fn functions<'a, 'b>(
    request: &'a Request<'b>,
) -> impl Iterator<Item = (&'a Tool<'b>, &'a Function<'b>)> {
    request.tools.iter().filter_map(|tool| match &tool.kind {
        ToolKind::Function(function) => Some((tool, function)),
        _ => None,
    })
}

fn write_functions(a: &mut ArrayWriter<'_>, request: &Request<'_>, profile: &Profile) {
    if functions(request).next().is_none() {
        return;
    }
    let is_own = request.origin == Format::Gemini;
    a.object(|o| {
        o.array("functionDeclarations", |a| {
            for (tool, function) in functions(request) {
                a.object(|o| {
                    o.str("name", &function.name);
                    o.opt_str("description", function.description.as_deref());
                    if let Some(schema) = &function.schema {
                        let is_json = profile.gemini.json_schema;
                        let name = if is_json {
                            "parametersJsonSchema"
                        } else {
                            "parameters"
                        };
                        o.raw(name, schema.as_str());
                    }
                    if is_own {
                        for (key, value) in &tool.extra.0 {
                            o.raw(key, value.as_str());
                        }
                    }
                });
            }
        });
    });
}

fn write_provider(
    a: &mut ArrayWriter<'_>,
    tool: &Tool<'_>,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let ToolKind::Provider(provider) = &tool.kind else {
        return match &tool.kind {
            ToolKind::Function(_) => Ok(()),
            _ => losses.dropped(tool.at),
        };
    };
    if provider.origin == Format::Gemini {
        a.raw(provider.native.as_str());
        return Ok(());
    }
    let name = match provider.kind {
        ProviderKind::WebSearch => "googleSearch",
        ProviderKind::WebFetch => "urlContext",
        ProviderKind::CodeExecution => "codeExecution",
        ProviderKind::Maps => "googleMaps",
        // A modality of the answer.
        ProviderKind::ImageGeneration => return Ok(()),
        ProviderKind::Mcp if provider.common.mcp.is_some() => {
            write_mcp(a, provider);
            return Ok(());
        }
        _ => return losses.dropped(tool.at),
    };
    a.object(|o| o.object(name, |_| {}));
    Ok(())
}

fn write_mcp(a: &mut ArrayWriter<'_>, provider: &ProviderTool<'_>) {
    let Some(server) = &provider.common.mcp else {
        return;
    };
    a.object(|o| {
        o.array("mcpServers", |a| {
            a.object(|o| {
                o.str("name", &server.label);
                o.object("streamableHttpTransport", |o| {
                    o.str("url", &server.url);
                    if let Some(token) = &server.token {
                        o.object("headers", |o| {
                            o.str("Authorization", &format!("Bearer {token}"));
                        });
                    }
                });
            });
        });
    });
}

fn write_config(
    o: &mut ObjectWriter<'_>,
    request: &Request<'_>,
    profile: &Profile,
    own: Option<&Extra<'_>>,
) {
    let mut calling = Vec::new();
    object(&mut calling, |o| {
        if functions(request).next().is_some() {
            write_choice(o, request, profile);
        }
        write_rest(o, own, CALLING);
    });
    if calling != b"{}" {
        o.key("functionCallingConfig").append(&mut calling);
    }
    let rest = own.and_then(|own| own.get("toolConfig"));
    let is_said = rest.is_some_and(|rest| {
        Node::trusted(rest.as_str())
            .get("includeServerSideToolInvocations")
            .is_some()
    });
    let runs_own = |tool: &Tool<'_>| matches!(tool.kind, ToolKind::Provider(_));
    let is_mixed = functions(request).next().is_some() && request.tools.iter().any(runs_own);
    if is_mixed && profile.gemini.mix_tools && !is_said {
        o.bool("includeServerSideToolInvocations", true);
    }
    write_rest(o, own, "toolConfig");
}

fn write_choice(o: &mut ObjectWriter<'_>, request: &Request<'_>, profile: &Profile) {
    let is_own = request.origin == Format::Gemini;
    let is_validated = profile.fronts_claude()
        || (is_own && functions(request).any(|(_, function)| function.strict == Some(true)));
    let (mode, names): (&str, Vec<&str>) = match &request.tool_choice {
        None if profile.fronts_claude() => ("VALIDATED", Vec::new()),
        None => return,
        Some(ToolChoice::Auto) if is_validated => ("VALIDATED", Vec::new()),
        Some(ToolChoice::Auto | ToolChoice::Provider { .. }) => ("AUTO", Vec::new()),
        Some(ToolChoice::None) => ("NONE", Vec::new()),
        Some(ToolChoice::Required) => ("ANY", Vec::new()),
        Some(ToolChoice::Named { name, .. }) => ("ANY", vec![name]),
        Some(ToolChoice::Allowed { required, names }) => {
            let mode = if *required { "ANY" } else { "VALIDATED" };
            (mode, names.iter().map(|name| &**name).collect())
        }
    };
    o.str("mode", mode);
    if !names.is_empty() {
        o.array("allowedFunctionNames", |a| {
            for name in names {
                a.str(name);
            }
        });
    }
}
