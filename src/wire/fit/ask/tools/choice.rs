//! Whether the model must use a tool, and which.

use super::super::{To, place};
use super::provider;
use crate::chat::{
    CallKind, Change, Fault, Format, Losses, ProviderKind, ReasoningMode, Request, Tool,
    ToolChoice, ToolKind,
};
use crate::wire::json::Node;

/// Whether the target may be made to call a tool. Reasoning is already what it gets.
pub(in crate::wire::fit::ask) fn may_force(request: &Request<'_>, to: To<'_>) -> bool {
    let is_enabled = request
        .reasoning
        .as_ref()
        .is_some_and(|reasoning| reasoning.mode == ReasoningMode::On && reasoning.budget.is_some());
    !to.is(Format::Claude) || (to.profile.claude.forced_tool && !is_enabled)
}

/// Fits the choice and whether calls may be made at once. Tools are already what the target gets.
pub(in crate::wire::fit::ask) fn choose(
    request: &mut Request<'_>,
    to: To<'_>,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let at = place::TOOL_CHOICE.at(request.origin);
    let choice = request.tool_choice.take();
    request.tool_choice = match choice {
        Some(ToolChoice::Named { name, .. }) if !has(&request.tools, &name) => {
            // A tool that the provider runs, which has a name only where the client's format is spoken.
            let run = request.tools.iter().find_map(|tool| match &tool.kind {
                ToolKind::Provider(tool) if tool.name.as_deref() == Some(&*name) => Some(tool),
                _ => None,
            });
            match run {
                Some(tool) if to.is(Format::OpenAiResponses) => Some(ToolChoice::Provider {
                    kind: tool.kind,
                    native: tool.native.clone(),
                }),
                _ => {
                    losses.note(at, Change::Approximated);
                    Some(ToolChoice::Auto)
                }
            }
        }
        Some(ToolChoice::Provider { kind, native }) => {
            let is_there = request.tools.iter().any(|tool| is_kind(tool, kind));
            // It became a function of that name.
            let own = Node::trusted(native.as_str()).get_str("type");
            let own = own.map(|kind| match kind.starts_with("computer") {
                true => "computer".into(),
                false => kind,
            });
            let function = own.filter(|name| {
                let is_client = !matches!(kind, ProviderKind::WebSearch | ProviderKind::Other);
                is_client && has(&request.tools, name)
            });
            if let Some(name) = function {
                Some(ToolChoice::Named {
                    name: name.into_owned().into(),
                    kind: CallKind::Function,
                })
            } else if is_there && matches!(to.format, Format::OpenAiResponses | Format::Claude) {
                Some(ToolChoice::Provider { kind, native })
            } else {
                losses.note(at, Change::Approximated);
                Some(ToolChoice::Auto)
            }
        }
        Some(ToolChoice::Allowed { required, names }) if to.is(Format::Claude) => {
            request.tools.retain(|tool| {
                let name = name_of(tool, to);
                name.is_none_or(|name| names.iter().any(|one| one == name))
            });
            losses.note(at, Change::Approximated);
            Some(if required {
                ToolChoice::Required
            } else {
                ToolChoice::Auto
            })
        }
        Some(ToolChoice::Allowed {
            required,
            mut names,
        }) => {
            // A name that nobody has is an error there.
            let before = names.len();
            names.retain(|name| has(&request.tools, name));
            if names.len() < before {
                losses.note(at, Change::Approximated);
            }
            match names.is_empty() {
                true => Some(ToolChoice::None),
                false => Some(ToolChoice::Allowed { required, names }),
            }
        }
        other => other,
    };
    if !may_force(request, to) {
        let named = match &request.tool_choice {
            Some(ToolChoice::Named { name, .. }) => Some(name.clone()),
            _ => None,
        };
        let is_forced = matches!(
            request.tool_choice,
            Some(ToolChoice::Required | ToolChoice::Named { .. } | ToolChoice::Provider { .. })
        );
        if let Some(named) = named {
            request
                .tools
                .retain(|tool| name_of(tool, to).is_some_and(|name| name == named));
        }
        if is_forced {
            request.tool_choice = Some(ToolChoice::Auto);
            losses.note(at, Change::Approximated);
        }
    }
    parallel(request, to, losses)?;
    if !has_any(request, to) {
        request.tool_choice = None;
        request.parallel_tools = None;
    }
    Ok(())
}

fn parallel(request: &mut Request<'_>, to: To<'_>, losses: &mut Losses) -> Result<(), Fault> {
    let knows = match to.format {
        Format::OpenAiChat => to.profile.chat.parallel_param,
        Format::Gemini => false,
        Format::OpenAiResponses => true,
        // Where nothing may be called nothing may be said about it.
        Format::Claude => {
            if request.tool_choice == Some(ToolChoice::None) {
                request.parallel_tools = None;
            }
            true
        }
    };
    if !knows && request.parallel_tools.take() == Some(false) && has_any(request, to) {
        losses.dropped(place::PARALLEL.at(request.origin))?;
    }
    Ok(())
}

/// Whether there are tools to choose from. OpenAI Chat's search is none: it is a field of its own.
fn has_any(request: &Request<'_>, to: To<'_>) -> bool {
    request
        .tools
        .iter()
        .any(|tool| !(to.is(Format::OpenAiChat) && is_kind(tool, ProviderKind::WebSearch)))
}

fn is_kind(tool: &Tool<'_>, kind: ProviderKind) -> bool {
    matches!(&tool.kind, ToolKind::Provider(tool) if tool.kind == kind)
}

fn has(tools: &[Tool<'_>], wanted: &str) -> bool {
    tools.iter().any(|tool| match &tool.kind {
        ToolKind::Function(function) => function.name == wanted,
        ToolKind::Custom(custom) => custom.name == wanted,
        ToolKind::Namespace { .. } | ToolKind::Provider(_) => false,
    })
}

fn name_of<'t>(tool: &'t Tool<'_>, to: To<'_>) -> Option<&'t str> {
    match &tool.kind {
        ToolKind::Function(function) => Some(&function.name),
        ToolKind::Custom(custom) => Some(&custom.name),
        ToolKind::Namespace { .. } => None,
        ToolKind::Provider(_) => provider::name(tool, to),
    }
}
