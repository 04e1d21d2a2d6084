//! Reads `tools` and `toolConfig`.

use std::borrow::Cow;

use super::super::super::json::{Node, Object};
use super::super::members::{camel, fields, list, native_member, present};
use super::super::schema::to_json_schema;
use crate::chat::{
    CallKind, Common, Extra, Fault, Format, Function, Json, McpServer, Place, ProviderKind,
    ProviderTool, Tool, ToolChoice, ToolKind,
};

/// Reads the tools.
pub(super) fn read(tools: Node<'_>) -> Result<Vec<Tool<'_>>, Fault> {
    let mut out = Vec::new();
    for (index, tool) in list(tools).enumerate() {
        let at = Place::field("tools").item(index);
        for (key, value) in tool.members() {
            if value.is_null() {
                continue;
            }
            match &*camel(key) {
                "functionDeclarations" => {
                    for (index, declaration) in list(value).enumerate() {
                        let at = at.of("functionDeclarations").part(index);
                        out.push(function(declaration, at)?);
                    }
                }
                "mcpServers" => out.extend(list(value).map(|server| mcp(server, at))),
                name => out.push(provider(name, value, at)),
            }
        }
    }
    Ok(out)
}

fn function(declaration: Node<'_>, at: Place) -> Result<Tool<'_>, Fault> {
    let mut members = fields(declaration);
    let json = members.take("parametersJsonSchema");
    let schema = match (json, members.take("parameters")) {
        (Some(json), _) => Some(json.json()),
        (None, Some(schema)) => Some(to_json_schema(schema, &format!("{at}.parameters"))?),
        (None, None) => None,
    };
    let function = Function {
        name: members.take_str("name").unwrap_or_default(),
        description: members.take_str("description"),
        schema,
        strict: None,
    };
    Ok(Tool {
        at,
        kind: ToolKind::Function(function),
        cache: None,
        extra: present(members.rest()),
    })
}

fn provider<'a>(name: &str, value: Node<'a>, at: Place) -> Tool<'a> {
    let kind = match name {
        "googleSearch" | "googleSearchRetrieval" | "enterpriseWebSearch" => ProviderKind::WebSearch,
        "urlContext" => ProviderKind::WebFetch,
        "codeExecution" => ProviderKind::CodeExecution,
        "fileSearch" => ProviderKind::FileSearch,
        "googleMaps" => ProviderKind::Maps,
        "computerUse" => ProviderKind::Computer,
        _ => ProviderKind::Other,
    };
    let excluded = fields(value).take("excludeDomains");
    let common = Common {
        blocked_domains: excluded
            .into_iter()
            .flat_map(list)
            .filter_map(Node::str)
            .collect(),
        ..Common::default()
    };
    tool(kind, native_member(name, value).json, common, at)
}

fn mcp(server: Node<'_>, at: Place) -> Tool<'_> {
    let mut members = fields(server);
    let transport = members.take("streamableHttpTransport").map(fields);
    let mut transport = transport.unwrap_or_else(|| members.clone());
    let headers = transport.take("headers");
    let bearer = headers.and_then(|headers| {
        let named = |name: &str| headers.get_str(name);
        let value = named("Authorization").or_else(|| named("authorization"))?;
        let token = value.strip_prefix("Bearer ")?;
        Some(Cow::Owned(token.to_owned()))
    });
    let common = Common {
        mcp: Some(McpServer {
            label: members.take_str("name").unwrap_or_default(),
            url: transport.take_str("url").unwrap_or_default(),
            token: bearer,
            allowed_tools: None,
        }),
        ..Common::default()
    };
    let native = native_member("mcpServers", Node::trusted(&format!("[{}]", server.raw())));
    tool(ProviderKind::Mcp, native.json, common, at)
}

fn tool<'a>(kind: ProviderKind, native: Json<'a>, common: Common<'a>, at: Place) -> Tool<'a> {
    Tool {
        at,
        kind: ToolKind::Provider(ProviderTool {
            origin: Format::Gemini,
            kind,
            name: None,
            native,
            common,
        }),
        cache: None,
        extra: Extra::default(),
    }
}

/// Takes the tool choice from `functionCallingConfig`.
pub(super) fn read_choice<'a>(
    calling: &mut Object<'a>,
    tools: &mut [Tool<'a>],
) -> Option<ToolChoice<'a>> {
    let mode = calling.take_str("mode")?;
    let names = calling.take("allowedFunctionNames");
    let mut names: Vec<Cow<'a, str>> = names
        .into_iter()
        .flat_map(list)
        .filter_map(Node::str)
        .collect();
    let required = match &*mode.to_ascii_uppercase() {
        "AUTO" => return Some(ToolChoice::Auto),
        "NONE" => return Some(ToolChoice::None),
        "ANY" => true,
        "VALIDATED" => false,
        _ => return None,
    };
    if !required {
        for tool in tools {
            if let ToolKind::Function(function) = &mut tool.kind {
                function.strict = Some(true);
            }
        }
    }
    Some(match (required, names.len()) {
        (true, 0) => ToolChoice::Required,
        (false, 0) => ToolChoice::Auto,
        (true, 1) => ToolChoice::Named {
            name: names.pop()?,
            kind: CallKind::Function,
        },
        _ => ToolChoice::Allowed { required, names },
    })
}
