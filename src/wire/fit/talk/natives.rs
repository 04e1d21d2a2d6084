//! Parts that only one format has.

use crate::chat::{Change, Content, Fault, Format, Losses, Native, Part, Place, Request, Text};
use crate::wire::json::Node;

/// Drops what only another format understands, or refuses the request where its sense would go with
/// it.
pub(super) fn drop_foreign(
    request: &mut Request<'_>,
    target: Format,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let says_refusal = matches!(target, Format::OpenAiChat | Format::OpenAiResponses);
    for turn in request.instructions.iter_mut().chain(&mut request.turns) {
        let parts = std::mem::take(&mut turn.parts);
        turn.parts.reserve(parts.len());
        for mut part in parts {
            if let Content::ToolResult(result) = &mut part.content {
                let mut kept = Vec::with_capacity(result.content.len());
                for mut inner in std::mem::take(&mut result.content) {
                    in_words(&mut inner, target, losses);
                    if keeps(&inner, target, losses)? {
                        kept.push(inner);
                    }
                }
                result.content = kept;
            }
            if !keeps(&part, target, losses)? {
                continue;
            }
            if let Content::Refusal(text) = &mut part.content
                && !says_refusal
            {
                let text = std::mem::take(text);
                part.content = Content::Text(Text::new(text));
            }
            turn.parts.push(part);
        }
    }
    Ok(())
}

/// What a tool gave is worth reading even where nobody knows its form.
fn in_words(part: &mut Part<'_>, target: Format, losses: &mut Losses) {
    if let Content::Native(native) = &part.content
        && native.format != target
    {
        losses.note(part.at, Change::Approximated);
        let json = native.json.as_str().to_owned();
        part.content = Content::Text(Text::new(json));
    }
}

fn keeps(part: &Part<'_>, target: Format, losses: &mut Losses) -> Result<bool, Fault> {
    let is_own = |native: Option<&Native<'_>>| native.is_some_and(|one| one.format == target);
    let keeps = match &part.content {
        Content::ServerCall(call) => is_own(call.native.as_ref()),
        Content::ServerResult(result) => is_own(result.native.as_ref()),
        Content::Native(native) => {
            if native.format != target {
                readable(native, part.at)?;
            }
            native.format == target
        }
        _ => true,
    };
    if !keeps {
        losses.dropped(part.at)?;
    }
    Ok(keeps)
}

/// Without these the conversation is another one.
fn readable(native: &Native<'_>, at: Place) -> Result<(), Fault> {
    let node = Node::trusted(native.json.as_str());
    let kind = node.get_str("type").unwrap_or_default();
    let why = match &*kind {
        "item_reference" => "refers to an item that only its own provider has",
        "compaction" => "holds a conversation that only its own provider can read",
        "compaction_trigger" => "asks for something that only its own provider does",
        "container_upload" => "refers to a file that only its own provider has",
        _ => return Ok(()),
    };
    Err(Fault::cannot_carry(
        at,
        format!("'{at}' of type '{kind}' {why}; another provider serves this model"),
    ))
}
