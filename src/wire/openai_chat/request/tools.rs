//! Tools and which of them must be used.

use std::borrow::Cow;

use super::{Kept, keep, malformed, object_of};
use crate::chat::{
    CallKind, Common, CustomFormat, CustomTool, Fault, Format, Function, Location, Place,
    ProviderKind, ProviderTool, Request, Tool, ToolChoice, ToolKind,
};
use crate::wire::json::{Kind, Node, Object};
use crate::wire::openai_chat::cache_mark;

/// Takes all members that are about tools.
pub(super) fn decode<'a>(
    request: &mut Request<'a>,
    members: &mut Object<'a>,
    kept: &mut Kept<'a>,
) -> Result<(), Fault> {
    if let Some(tools) = members.take("tools") {
        if tools.kind() != Kind::Array {
            return Err(malformed("tools", "'tools' must be an array of tools"));
        }
        for (index, node) in tools.items().enumerate() {
            request.tools.push(tool(node, index)?);
        }
    }
    if let Some(functions) = members.take("functions") {
        request.legacy_functions = true;
        for (index, node) in functions.items().enumerate() {
            let at = Place::field("functions").item(index);
            let kind = ToolKind::Function(function(node, at)?.0);
            request.tools.push(tool_at(at, kind));
        }
    }
    if let Some(options) = members.take("web_search_options") {
        request.tools.push(web_search(options));
    }
    request.parallel_tools = members.take_bool("parallel_tool_calls");
    if let Some(wanted) = members.take("function_call") {
        request.legacy_functions = true;
        match choice(wanted) {
            Some(choice) => request.tool_choice = Some(choice),
            None => keep(kept, "function_call", wanted),
        }
    }
    if let Some(wanted) = members.take("tool_choice") {
        match choice(wanted) {
            Some(choice) => request.tool_choice = Some(choice),
            None => keep(kept, "tool_choice", wanted),
        }
    }
    Ok(())
}

fn tool_at(at: Place, kind: ToolKind<'_>) -> Tool<'_> {
    Tool {
        at,
        kind,
        cache: None,
        extra: crate::chat::Extra::default(),
    }
}

fn tool(node: Node<'_>, index: usize) -> Result<Tool<'_>, Fault> {
    let at = Place::field("tools").item(index);
    let mut members = node.object();
    let kind = members.take_str("type").unwrap_or_default();
    let mut rest = None;
    let kind = if let Some(inner) = members.take("function") {
        let (function, extra) = function(inner, at)?;
        rest = object_of(&extra).map(|rest| ("function", rest));
        ToolKind::Function(function)
    } else if let Some(inner) = members.take("custom") {
        let mut inner = inner.object();
        let name = inner.take_str("name").ok_or_else(|| nameless(at))?;
        ToolKind::Custom(CustomTool {
            name,
            description: inner.take_str("description"),
            format: inner.take("format").map_or(CustomFormat::Text, format),
        })
    } else if kind == "function" || kind.is_empty() {
        // The flat form of OpenAI Responses: many clients mix the two up.
        let (function, _) = function(node, at)?;
        return Ok(tool_at(at, ToolKind::Function(function)));
    } else {
        let known = match &*kind {
            "web_search" | "web_search_preview" => ProviderKind::WebSearch,
            _ => ProviderKind::Other,
        };
        return Ok(tool_at(
            at,
            ToolKind::Provider(ProviderTool {
                origin: Format::OpenAiChat,
                kind: known,
                name: Some(kind),
                native: node.json(),
                common: Common::default(),
            }),
        ));
    };
    let mut extra = members.rest();
    if let Some((name, rest)) = rest {
        extra.0.push((Cow::Borrowed(name), rest));
    }
    let cache = cache_mark(&extra);
    Ok(Tool {
        at,
        kind,
        cache,
        extra,
    })
}

fn nameless(at: Place) -> Fault {
    malformed(format!("{at}.name"), format!("'{at}' needs a name"))
}

fn function(node: Node<'_>, at: Place) -> Result<(Function<'_>, crate::chat::Extra<'_>), Fault> {
    let mut members = node.object();
    let function = Function {
        name: members.take_str("name").ok_or_else(|| nameless(at))?,
        description: members.take_str("description"),
        schema: members.take_json("parameters"),
        strict: members.take_bool("strict"),
    };
    Ok((function, members.rest()))
}

fn format(node: Node<'_>) -> CustomFormat<'_> {
    let grammar = node.get("grammar").map(|grammar| {
        let mut grammar = grammar.object();
        CustomFormat::Grammar {
            syntax: grammar.take_str("syntax").unwrap_or_default(),
            definition: grammar.take_str("definition").unwrap_or_default(),
        }
    });
    grammar.unwrap_or(CustomFormat::Text)
}

fn web_search(options: Node<'_>) -> Tool<'_> {
    let location = options.get("user_location").map(|location| {
        let mut place = location.get("approximate").unwrap_or(location).object();
        Location {
            city: place.take_str("city"),
            country: place.take_str("country"),
            region: place.take_str("region"),
            timezone: place.take_str("timezone"),
        }
    });
    tool_at(
        Place::field("web_search_options"),
        ToolKind::Provider(ProviderTool {
            origin: Format::OpenAiChat,
            kind: ProviderKind::WebSearch,
            name: None,
            native: options.json(),
            common: Common {
                context_size: options.get_str("search_context_size"),
                location,
                ..Common::default()
            },
        }),
    )
}

fn choice(wanted: Node<'_>) -> Option<ToolChoice<'_>> {
    if let Some(word) = wanted.str() {
        return match &*word {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            "required" | "any" => Some(ToolChoice::Required),
            _ => None,
        };
    }
    let named = |member: &str| wanted.get(member)?.get_str("name");
    if let Some(name) = named("function") {
        let kind = CallKind::Function;
        return Some(ToolChoice::Named { name, kind });
    }
    if let Some(name) = named("custom") {
        let kind = CallKind::Custom;
        return Some(ToolChoice::Named { name, kind });
    }
    if let Some(allowed) = wanted.get("allowed_tools") {
        let names = allowed.get("tools")?.items().filter_map(|tool| {
            let inner = tool.get("function").or_else(|| tool.get("custom"));
            inner.unwrap_or(tool).get_str("name")
        });
        return Some(ToolChoice::Allowed {
            required: allowed.get_str("mode").as_deref() == Some("required"),
            names: names.collect(),
        });
    }
    // `function_call: {"name": …}`, and the flat form of OpenAI Responses.
    let kind = match wanted.get_str("type").as_deref() {
        None | Some("function") => CallKind::Function,
        Some("custom") => CallKind::Custom,
        Some(_) => return None,
    };
    let name = wanted.get_str("name")?;
    Some(ToolChoice::Named { name, kind })
}
