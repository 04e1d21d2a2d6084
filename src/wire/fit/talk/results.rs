//! What a tool gave, as far as the target takes it from a tool; the user shows the rest.

use crate::chat::{Content, Format, Losses, Part, Request, Role, Source, Text, ToolResult};
use crate::wire::Profile;

const ATTACHED: &str = "See attached content for this result.";

/// Reduces results to what the target can hold and moves the rest behind the results of their turn.
pub(super) fn fit(
    request: &mut Request<'_>,
    target: Format,
    profile: &Profile,
    losses: &mut Losses,
) {
    for turn in &mut request.turns {
        let is_result = |part: &Part<'_>| matches!(part.content, Content::ToolResult(_));
        if turn.role != Role::User || !turn.parts.iter().any(is_result) {
            continue;
        }
        let (mut results, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut turn.parts)
            .into_iter()
            .partition(is_result);
        let mut shown = Vec::new();
        for (number, part) in (1..).zip(&mut results) {
            if let Content::ToolResult(result) = &mut part.content {
                placeholders(result, target, losses);
                show(result, number, target, profile, &mut shown);
                mark_error(result, target);
            }
        }
        results.append(&mut shown);
        results.extend(rest);
        turn.parts = results;
    }
}

/// Anthropic takes neither sound nor moving pictures.
fn placeholders(result: &mut ToolResult<'_>, target: Format, losses: &mut Losses) {
    if target != Format::Claude {
        return;
    }
    for part in &mut result.content {
        let (source, kind) = match &part.content {
            Content::Audio(audio) => (&audio.source, "audio"),
            Content::Video(video) => (&video.source, "video"),
            _ => continue,
        };
        let text = match source {
            Source::Bytes { mime, base64 } => {
                let padding = base64
                    .bytes()
                    .rev()
                    .take_while(|byte| *byte == b'=')
                    .count();
                let bytes = (base64.len() * 3 / 4).saturating_sub(padding);
                format!("[{mime}, {bytes} bytes]")
            }
            _ => format!("[{kind}]"),
        };
        losses.note(part.at, crate::chat::Change::Approximated);
        part.content = Content::Text(Text::new(text));
    }
}

/// Moves out what a result may not hold.
fn show<'a>(
    result: &mut ToolResult<'a>,
    number: usize,
    target: Format,
    profile: &Profile,
    shown: &mut Vec<Part<'a>>,
) {
    let is_error = result.is_error == Some(true);
    let stays = |part: &Part<'_>| match (&part.content, target) {
        (Content::Text(_), _) => true,
        (Content::Image(_), Format::OpenAiChat) => profile.chat.tool_image,
        (_, Format::OpenAiChat) => false,
        (Content::Image(_) | Content::Document(_), Format::OpenAiResponses) => true,
        (_, Format::OpenAiResponses) => false,
        (_, Format::Claude) => !is_error,
        (_, Format::Gemini) => profile.gemini.fn_response_parts && gemini_holds(part),
    };
    if result.content.iter().all(stays) {
        return;
    }
    let name = result.name.as_deref().unwrap_or_default();
    let header = match target {
        Format::OpenAiChat | Format::OpenAiResponses => Some(format!(
            "Tool result {number} for {name} (call {}):",
            result.call
        )),
        Format::Gemini => Some(format!("Content returned by {name}:")),
        Format::Claude => None,
    };
    let (kept, moved): (Vec<_>, Vec<_>) = std::mem::take(&mut result.content)
        .into_iter()
        .partition(stays);
    result.content = kept;
    if result.content.is_empty() {
        result.content.push(Part::text(ATTACHED));
    }
    shown.extend(header.map(Part::text));
    shown.extend(moved);
}

/// What `functionResponse.parts` may hold.
fn gemini_holds(part: &Part<'_>) -> bool {
    let source = match &part.content {
        Content::Image(image) => &image.source,
        Content::Document(document) => &document.source,
        _ => return false,
    };
    let Source::Bytes { mime, .. } = source else {
        return false;
    };
    matches!(
        &**mime,
        "image/png" | "image/jpeg" | "image/webp" | "application/pdf" | "text/plain"
    )
}

/// The OpenAI formats have no flag for a tool that failed: the text says it. Anthropic wants words
/// with the flag.
fn mark_error(result: &mut ToolResult<'_>, target: Format) {
    if result.is_error != Some(true) || target == Format::Gemini {
        return;
    }
    let text = result
        .content
        .iter_mut()
        .find_map(|part| match &mut part.content {
            Content::Text(text) => Some(text),
            _ => None,
        });
    let Some(text) = text else {
        result.content.insert(0, Part::text("Error"));
        return;
    };
    if target == Format::Claude {
        return;
    }
    let head = text.text.trim_start().get(..5).unwrap_or_default();
    if !head.eq_ignore_ascii_case("error") {
        text.text = format!("Error: {}", text.text).into();
    }
}
