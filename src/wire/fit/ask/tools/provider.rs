//! Tools that providers define: which of them the target has too.

use super::super::To;
use super::typed;
use crate::chat::{
    CallKind, Change, Fault, Format, Function, Losses, OnLoss, Place, ProviderKind, ProviderTool,
    Tool, ToolKind,
};

/// What becomes of one.
pub(super) enum Fate<'a> {
    /// The target has it too.
    Keep,
    /// The client runs it: any function will do. How its calls look to the client.
    Function(Box<Function<'a>>, CallKind),
    /// The target reads pages while it searches.
    Search,
    /// The answer may hold pictures.
    Pictures,
    /// The answer can do without it.
    Drop,
}

/// Whether the provider runs it, not the client.
pub(super) const fn runs_there(tool: &ProviderTool<'_>) -> bool {
    !matches!(
        tool.kind,
        ProviderKind::Computer
            | ProviderKind::Shell
            | ProviderKind::Bash
            | ProviderKind::TextEditor
            | ProviderKind::ApplyPatch
            | ProviderKind::Memory
            | ProviderKind::Browser
    )
}

/// The name by which the target's model calls it.
pub(super) fn name(tool: &Tool<'_>, to: To<'_>) -> Option<&'static str> {
    let ToolKind::Provider(tool) = &tool.kind else {
        return None;
    };
    if !to.is(Format::Claude) {
        return None;
    }
    match tool.kind {
        ProviderKind::WebSearch => Some("web_search"),
        ProviderKind::WebFetch => Some("web_fetch"),
        ProviderKind::CodeExecution => Some("code_execution"),
        _ => None,
    }
}

/// What becomes of `tool` at the target.
pub(super) fn fate<'a>(
    tool: &mut ProviderTool<'a>,
    at: Place,
    to: To<'_>,
    has_functions: bool,
    losses: &mut Losses,
) -> Result<Fate<'a>, Fault> {
    if !runs_there(tool) {
        return match typed::function(tool) {
            Some((function, kind)) => Ok(Fate::Function(Box::new(function), kind)),
            None => Err(refused(at)),
        };
    }
    let fate = match (to.format, tool.kind) {
        (Format::OpenAiChat, ProviderKind::WebSearch) if to.profile.chat.web_search => Fate::Keep,
        (Format::OpenAiResponses, ProviderKind::WebFetch) => {
            tool.kind = ProviderKind::WebSearch;
            tool.common.max_uses = None;
            losses.note(at, Change::Approximated);
            Fate::Search
        }
        (
            Format::OpenAiResponses | Format::Claude,
            ProviderKind::WebSearch | ProviderKind::CodeExecution,
        )
        | (Format::OpenAiResponses, ProviderKind::ImageGeneration)
        | (Format::Claude, ProviderKind::WebFetch) => Fate::Keep,
        (Format::OpenAiResponses | Format::Claude, ProviderKind::Mcp)
            if tool.common.mcp.is_some() =>
        {
            Fate::Keep
        }
        (
            Format::Gemini,
            ProviderKind::WebSearch | ProviderKind::WebFetch | ProviderKind::CodeExecution,
        ) => {
            if has_functions && !to.profile.gemini.mix_tools {
                Fate::Drop
            } else {
                Fate::Keep
            }
        }
        (Format::Gemini, ProviderKind::ImageGeneration) => Fate::Pictures,
        // The answer can do without.
        (
            _,
            ProviderKind::WebSearch
            | ProviderKind::WebFetch
            | ProviderKind::CodeExecution
            | ProviderKind::Maps,
        ) => Fate::Drop,
        _ => return Err(refused(at)),
    };
    if matches!(fate, Fate::Keep | Fate::Search) {
        filters(tool, at, to, losses)?;
    }
    Ok(fate)
}

/// What a target that has the tool does not know about it. Which pages may be read is a matter of
/// safety.
fn filters(
    tool: &mut ProviderTool<'_>,
    at: Place,
    to: To<'_>,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let common = &mut tool.common;
    let takes_allowed = matches!(to.format, Format::OpenAiResponses | Format::Claude);
    let takes_blocked = to.is(Format::Claude);
    let is_lost = (!takes_allowed && !common.allowed_domains.is_empty())
        || (!takes_blocked && !common.blocked_domains.is_empty());
    if is_lost {
        if losses.policy() != OnLoss::Quiet {
            return Err(only_these(at));
        }
        if !takes_allowed {
            common.allowed_domains.clear();
        }
        common.blocked_domains.clear();
    }
    if !to.is(Format::Claude) && common.max_uses.take().is_some() {
        losses.dropped(at.of("max_uses"))?;
    }
    if to.is(Format::Gemini) && common.location.take().is_some() {
        losses.dropped(at.of("user_location"))?;
    }
    Ok(())
}

/// Reading pages, where the target does so while it searches: a search of its own only if there is
/// none that says which pages may be read.
pub(super) fn merge<'a>(
    kept: &mut Vec<Tool<'a>>,
    pages: Tool<'a>,
    losses: &Losses,
) -> Result<(), Fault> {
    let search = kept.iter().find_map(|tool| match &tool.kind {
        ToolKind::Provider(tool) if tool.kind == ProviderKind::WebSearch => Some(tool),
        _ => None,
    });
    let Some(search) = search else {
        kept.push(pages);
        return Ok(());
    };
    let widens = match &pages.kind {
        ToolKind::Provider(pages) => {
            let allowed = &pages.common.allowed_domains;
            !allowed.is_empty() && *allowed != search.common.allowed_domains
        }
        _ => false,
    };
    if widens && losses.policy() != OnLoss::Quiet {
        return Err(only_these(pages.at));
    }
    Ok(())
}

fn only_these(at: Place) -> Fault {
    Fault::cannot_carry(
        at,
        format!(
            "the provider that serves this model cannot keep '{at}' to these domains; without the list it could read any"
        ),
    )
}

fn refused(at: Place) -> Fault {
    Fault::cannot_carry(
        at,
        format!("the provider that serves this model has no tool like '{at}'"),
    )
}
