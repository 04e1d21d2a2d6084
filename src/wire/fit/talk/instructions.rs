//! What the system and the developer say, where the target takes it.

use crate::chat::{Change, Content, Fault, Format, Level, Losses, Part, Request, Role, Text, Turn};
use crate::wire::Profile;

/// Reduces instructions to what the target can hold and puts those inside the conversation where it
/// takes them. None moves past a turn of the model: that would change its sense and break prompt caches.
pub(super) fn place(
    request: &mut Request<'_>,
    target: Format,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<(), Fault> {
    if target != Format::OpenAiResponses {
        only_text(request, losses)?;
    }
    match target {
        Format::OpenAiChat | Format::OpenAiResponses => return Ok(()),
        Format::Claude | Format::Gemini => {}
    }
    // One level: what weighs more comes first.
    request
        .instructions
        .sort_by_key(|turn| turn.role != Role::Instruction(Level::System));
    if target == Format::Gemini || !profile.claude.mid_system {
        for turn in &mut request.turns {
            if matches!(turn.role, Role::Instruction(_)) {
                into_user(turn, losses);
            }
        }
    }
    if target == Format::Gemini && !profile.gemini.system {
        prepend(request, losses);
    }
    Ok(())
}

fn only_text(request: &mut Request<'_>, losses: &mut Losses) -> Result<(), Fault> {
    for turn in request.instructions.iter_mut().chain(&mut request.turns) {
        if !matches!(turn.role, Role::Instruction(_)) {
            continue;
        }
        let other = turn.parts.iter().filter(|part| !part.is_text());
        for part in other {
            losses.dropped(part.at)?;
        }
        turn.parts.retain(Part::is_text);
    }
    Ok(())
}

/// The user says what the system said.
fn into_user(turn: &mut Turn<'_>, losses: &mut Losses) {
    turn.role = Role::User;
    turn.name = None;
    turn.parts
        .retain(|part| part.as_lazy().is_some_and(|text| !text.is_blank()));
    for part in &mut turn.parts {
        if let Content::Text(text) = &mut part.content {
            text.text = format!("<system>{}</system>", text.text).into();
        }
    }
    if !turn.parts.is_empty() {
        losses.note(turn.at, Change::Approximated);
    }
}

/// A model that knows no system reads it as the user's first words.
fn prepend(request: &mut Request<'_>, losses: &mut Losses) {
    let mut words = Vec::new();
    for turn in std::mem::take(&mut request.instructions) {
        losses.note(turn.at, Change::Approximated);
        words.extend(
            turn.parts
                .into_iter()
                .filter_map(|part| match part.content {
                    Content::Text(text) if !text.text.is_blank() => Some(text.text.into_cow()),
                    _ => None,
                }),
        );
    }
    if words.is_empty() {
        return;
    }
    let mut text = words.join("\n\n");
    match request.turns.first_mut() {
        Some(first) if first.role == Role::User => {
            let own = first.parts.first_mut();
            if let Some(Content::Text(own)) = own.map(|part| &mut part.content) {
                text.push_str("\n\n");
                text.push_str(&own.text);
                own.text = text.into();
                own.citations.clear();
            } else {
                let part = Part::new(Content::Text(Text::new(text)));
                first.parts.insert(0, part);
            }
        }
        _ => {
            let turn = Turn::new(Role::User, vec![Part::text(text)]);
            request.turns.insert(0, turn);
        }
    }
}
