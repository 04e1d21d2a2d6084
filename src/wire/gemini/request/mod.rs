//! Reads requests.

mod config;
mod content;
mod tools;

use std::borrow::Cow;

use super::super::json::{Node, Object};
use super::members::{fields, inner_rest, list, present};
use crate::chat::{Fault, FaultKind, Format, Level, Part, Place, Request, Role, Tier, Turn};

/// The member of [`Request::native`] that holds the rest of `functionCallingConfig`.
pub(super) const CALLING: &str = "toolConfig.functionCallingConfig";

/// Reads a request. The model and whether to stream are in its path: the caller fills them in.
pub(super) fn decode(body: Node<'_>) -> Result<Request<'_>, Fault> {
    let mut members = fields(body);
    let mut contents = members.take("contents");
    if contents.is_none() {
        // What tokens are counted of may come in an object of its own.
        if let Some(inner) = members.take("generateContentRequest") {
            members = fields(inner);
            contents = members.take("contents");
            members.take("model");
        }
    }
    let contents = contents.ok_or_else(|| no_contents(members.clone()))?;
    let mut request = Request::new(Format::Gemini);
    let mut part = |name: &str| fields(members.take(name).unwrap_or_else(|| Node::trusted("{}")));
    let (mut generation, mut tool_config) = (part("generationConfig"), part("toolConfig"));
    let mut calling = fields(
        tool_config
            .take("functionCallingConfig")
            .unwrap_or_else(|| Node::trusted("{}")),
    );
    let system = members.take("systemInstruction");
    request.instructions = system.map(instructions).unwrap_or_default();
    request.turns = content::read(contents)?;
    if let Some(tools) = members.take("tools") {
        request.tools = tools::read(tools)?;
    }
    request.tool_choice = tools::read_choice(&mut calling, &mut request.tools);
    config::read(&mut generation, &mut request)?;
    request.state.cached_content = members.take_str("cachedContent");
    request.state.store = members.take_bool("store");
    request.tier = members.take_str("serviceTier").and_then(|name| tier(&name));
    request.native = present(members.rest());
    inner_rest(&mut request.native, "generationConfig", generation);
    inner_rest(&mut request.native, "toolConfig", tool_config);
    // `streamFunctionCallArguments` asks for pieces that no other format can be asked for.
    inner_rest(&mut request.native, CALLING, calling);
    Ok(request)
}

/// The name of a tier, as `flex` or `SERVICE_TIER_FLEX`.
pub(super) fn tier(name: &str) -> Option<Tier> {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix("service_tier_").unwrap_or(&name) {
        "standard" => Some(Tier::Standard),
        "flex" => Some(Tier::Flex),
        "priority" => Some(Tier::Priority),
        _ => None,
    }
}

fn no_contents(mut members: Object<'_>) -> Fault {
    let is_wrapped = members.take("request").is_some() && members.take("model").is_some();
    let message = if is_wrapped {
        "the body is wrapped in an envelope: send what is in 'request'"
    } else {
        "'contents' is missing"
    };
    Fault::new(FaultKind::InvalidRequest, "invalid_request", message).with_param("contents")
}

fn instructions(system: Node<'_>) -> Vec<Turn<'_>> {
    let texts: Vec<Cow<'_, str>> = match system.str() {
        Some(text) => vec![text],
        None => {
            let parts = system.get("parts").into_iter().flat_map(list);
            parts.filter_map(|part| part.get_str("text")).collect()
        }
    };
    texts
        .into_iter()
        .enumerate()
        .map(|(index, text)| {
            let at = Place::field("systemInstruction").of("parts").part(index);
            Turn::new(
                Role::Instruction(Level::System),
                vec![Part::text(text).at(at)],
            )
            .at(at)
        })
        .collect()
}

#[cfg(test)]
mod tests;
