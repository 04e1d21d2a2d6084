//! The beta features that a request needs.

use crate::chat::{
    Content, Format, Part, ProviderKind, ReasoningMode, Request, Source, Tool, ToolKind, ToolResult,
};
use crate::wire::Profile;
use crate::wire::json::Node;

/// The values of `anthropic-beta` without which the encoded `request` would be refused.
pub(in crate::wire::claude) fn betas(
    request: &Request<'_>,
    profile: &Profile,
) -> Vec<&'static str> {
    let own = request.origin == Format::Claude;
    let is_native = |name: &str| own && request.native.get(name).is_some();
    let mut needed = Vec::new();
    let mut need = |condition: bool, beta: &'static str| {
        if condition {
            needed.push(beta);
        }
    };
    let has_mcp = request.tools.iter().any(
        |tool| matches!(&tool.kind, ToolKind::Provider(tool) if tool.kind == ProviderKind::Mcp),
    );
    need(has_mcp || is_native("mcp_servers"), "mcp-client-2025-11-20");
    let turns = request.turns.iter().chain(&request.instructions);
    let has_file = turns.flat_map(|turn| &turn.parts).any(uses_file);
    need(has_file, "files-api-2025-04-14");
    let thinks_by_budget = request.reasoning.as_ref().is_some_and(|reasoning| {
        reasoning.mode == ReasoningMode::On && reasoning.budget.is_some_and(|budget| budget > 0)
    });
    need(
        profile.claude.interleaved && thinks_by_budget && !request.tools.is_empty(),
        "interleaved-thinking-2025-05-14",
    );
    need(
        is_native("context_management"),
        "context-management-2025-06-27",
    );
    need(
        request.tools.iter().any(is_old_code_execution),
        "code-execution-2025-05-22",
    );
    needed
}

fn uses_file(part: &Part<'_>) -> bool {
    let is_file = |source: &Source<'_>| match source {
        Source::File { .. } => true,
        Source::Parts(parts) => parts.iter().any(uses_file),
        _ => false,
    };
    match &part.content {
        Content::Image(image) => is_file(&image.source),
        Content::Document(document) => is_file(&document.source),
        Content::ToolResult(ToolResult { content, .. }) => content.iter().any(uses_file),
        Content::Native(native) => {
            let kind = Node::trusted(native.json.as_str()).get_str("type");
            native.format == Format::Claude && kind.as_deref() == Some("container_upload")
        }
        _ => false,
    }
}

fn is_old_code_execution(tool: &Tool<'_>) -> bool {
    let ToolKind::Provider(tool) = &tool.kind else {
        return false;
    };
    let kind = Node::trusted(tool.native.as_str()).get_str("type");
    tool.origin == Format::Claude && kind.as_deref() == Some("code_execution_20250522")
}
