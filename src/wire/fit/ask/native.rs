//! Members that only the client's own format has: most say nothing about the answer, some must not
//! be lost unseen.

use super::To;
use crate::chat::{Fault, Format, Losses, Place, ProviderKind, Request, ToolKind};
use crate::wire::json::Node;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Warn,
    Reject,
}

/// Members that matter; of all others nobody is told.
const MEMBERS: &[(Format, &str, Action)] = &[
    (Format::OpenAiChat, "prediction", Action::Warn),
    (Format::OpenAiChat, "moderation", Action::Warn),
    (Format::OpenAiResponses, "moderation", Action::Warn),
    (Format::OpenAiResponses, "access_programs", Action::Warn),
    (Format::OpenAiResponses, "context_management", Action::Warn),
    (Format::OpenAiResponses, "image", Action::Warn),
    (Format::Claude, "context_management", Action::Warn),
    (Format::Claude, "fallbacks", Action::Warn),
    (Format::Claude, "thread", Action::Reject),
    (Format::Claude, "compaction", Action::Reject),
    (Format::Gemini, "modelArmorConfig", Action::Warn),
    (Format::Gemini, "imageConfig", Action::Warn),
    (Format::Gemini, "generationConfig.imageConfig", Action::Warn),
];

/// Empties the native members of a foreign format.
pub(super) fn fit(request: &mut Request<'_>, to: To<'_>, losses: &mut Losses) -> Result<(), Fault> {
    let origin = request.origin;
    let native = std::mem::take(&mut request.native);
    for (key, value) in &native.0 {
        let value = Node::trusted(value.as_str());
        if value.is_null() {
            continue;
        }
        match (origin, normal(key).as_str()) {
            (Format::OpenAiResponses, "maxtoolcalls") => {
                max_tool_calls(request, to, value, losses)?;
            }
            (Format::Claude, "container") => {
                // An id stands for files at the provider.
                let has_files = value.get("id").is_some() || value.str().is_some();
                let place = Place::field("container");
                if has_files {
                    return Err(foreign(place));
                }
                losses.dropped(place)?;
            }
            (Format::Claude, "mcpservers") => {
                let is_kept = request.tools.iter().any(|tool| {
                    matches!(&tool.kind, ToolKind::Provider(tool) if tool.kind == ProviderKind::Mcp)
                });
                if !is_kept && value.items().next().is_some() {
                    return Err(foreign(Place::field("mcp_servers")));
                }
            }
            (Format::Claude, "outputconfig") => {
                if value.get("task_budget").is_some() {
                    losses.dropped(Place::field("output_config.task_budget"))?;
                }
            }
            (Format::Gemini, "safetysettings") => {
                if value.items().any(is_strict) {
                    losses.dropped(Place::field("safetySettings"))?;
                }
            }
            (Format::Gemini, "generationconfig") => {
                if value.get("imageConfig").is_some() {
                    losses.dropped(Place::field("generationConfig.imageConfig"))?;
                }
            }
            (_, name) => {
                let row = MEMBERS
                    .iter()
                    .find(|(format, member, _)| *format == origin && normal(member) == name);
                if let Some((_, member, action)) = row {
                    let place = Place::field(member);
                    match action {
                        Action::Warn => losses.dropped(place)?,
                        Action::Reject => return Err(foreign(place)),
                    }
                }
            }
        }
    }
    Ok(())
}

/// The member's name however it is spelled.
fn normal(key: &str) -> String {
    key.chars()
        .filter(|char| *char != '_')
        .map(|char| char.to_ascii_lowercase())
        .collect()
}

fn foreign(place: Place) -> Fault {
    Fault::cannot_carry(
        place,
        format!("the provider that serves this model has no '{place}'"),
    )
}

/// Whether a safety setting blocks more than models do by themselves.
fn is_strict(setting: Node<'_>) -> bool {
    setting.get_str("threshold").is_some_and(|threshold| {
        matches!(
            &*threshold,
            "BLOCK_LOW_AND_ABOVE" | "BLOCK_MEDIUM_AND_ABOVE"
        )
    })
}

/// A limit for all tools of the provider is one for its search, if that is the only one.
fn max_tool_calls(
    request: &mut Request<'_>,
    to: To<'_>,
    value: Node<'_>,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let mut own = request
        .tools
        .iter_mut()
        .filter_map(|tool| match &mut tool.kind {
            ToolKind::Provider(tool) => Some(tool),
            _ => None,
        });
    match (own.next(), own.next()) {
        (Some(search), None) if to.is(Format::Claude) && search.kind == ProviderKind::WebSearch => {
            search.common.max_uses = search.common.max_uses.or_else(|| value.u64());
            Ok(())
        }
        _ => losses.dropped(Place::field("max_tool_calls")),
    }
}
