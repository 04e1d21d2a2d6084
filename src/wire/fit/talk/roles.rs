//! Whose turn it is.

use super::{conversation, has_calls, join, made_up};
use crate::chat::{
    Change, Content, Fault, Format, Losses, Part, ReasoningMode, Request, Role, Turn,
};
use crate::wire::{Profile, TrailingAssistant};

/// Puts the turns in an order that the target takes.
pub(super) fn alternate(
    request: &mut Request<'_>,
    target: Format,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<(), Fault> {
    match target {
        Format::OpenAiChat | Format::OpenAiResponses => {
            prefill_is_a_turn(request, losses);
            return Ok(());
        }
        Format::Claude => {
            by_turns(request, true, losses);
            let first = request.turns.first();
            if let Some(at) = first
                .filter(|turn| turn.role == Role::Assistant)
                .map(|turn| turn.at)
            {
                request.turns.insert(0, made_up(".", at, losses));
            }
            end_with_user(request, profile, losses)?;
        }
        Format::Gemini => {
            prefill_is_a_turn(request, losses);
            by_turns(request, false, losses);
            let first = request.turns.first();
            if let Some(at) = first.filter(|turn| has_calls(turn)).map(|turn| turn.at) {
                request.turns.insert(0, made_up(".", at, losses));
            }
        }
    }
    if request.turns.is_empty() {
        let at = conversation(request.origin);
        return Err(Fault::cannot_carry(
            at,
            format!("'{at}' has no message with content for the model to answer"),
        ));
    }
    Ok(())
}

/// Neighbours of one side as one turn. Instructions stand right after the user's turn they are in.
fn by_turns(request: &mut Request<'_>, inside: bool, losses: &mut Losses) {
    let turns = std::mem::take(&mut request.turns);
    let mut out: Vec<Turn<'_>> = Vec::with_capacity(turns.len());
    let mut held: Option<Turn<'_>> = None;
    for turn in turns {
        match turn.role {
            Role::Instruction(_) if inside => match &mut held {
                Some(before) => join(before, turn),
                None => held = Some(turn),
            },
            Role::User | Role::Instruction(_) => push(&mut out, turn),
            Role::Assistant => {
                release(&mut out, &mut held, losses);
                push(&mut out, turn);
            }
        }
    }
    release(&mut out, &mut held, losses);
    request.turns = out;
}

fn push<'a>(out: &mut Vec<Turn<'a>>, turn: Turn<'a>) {
    match out.last_mut() {
        Some(last) if last.role == turn.role => join(last, turn),
        _ => out.push(turn),
    }
}

fn release<'a>(out: &mut Vec<Turn<'a>>, held: &mut Option<Turn<'a>>, losses: &mut Losses) {
    let Some(instruction) = held.take() else {
        return;
    };
    let may_follow = out.last().is_some_and(|turn| {
        let server = |part: &Part<'_>| {
            matches!(
                part.content,
                Content::ServerCall(_) | Content::ServerResult(_)
            )
        };
        turn.role == Role::User || turn.parts.last().is_some_and(server)
    });
    if !may_follow {
        out.push(made_up(".", instruction.at, losses));
    }
    out.push(instruction);
}

/// A last turn of the model that Anthropic and Gemini continue is a finished one elsewhere.
fn prefill_is_a_turn(request: &Request<'_>, losses: &mut Losses) {
    let means_prefill = matches!(request.origin, Format::Claude);
    if let Some(last) = request.turns.last()
        && means_prefill
        && last.role == Role::Assistant
    {
        losses.note(last.at, Change::Approximated);
    }
}

/// Clients of other formats do not mean Anthropic to continue the model's last words.
fn end_with_user(
    request: &mut Request<'_>,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let thinks = request
        .reasoning
        .as_ref()
        .is_some_and(|reasoning| reasoning.mode != ReasoningMode::Off);
    let Some(last) = request.turns.last_mut() else {
        return Ok(());
    };
    if last.role != Role::Assistant {
        return Ok(());
    }
    let at = last.at;
    match profile.claude.trailing_assistant {
        TrailingAssistant::Reject => Err(Fault::cannot_carry(
            at,
            format!("'{at}' is the last message and is the assistant's; the user's must follow"),
        )),
        TrailingAssistant::Prefill if profile.claude.prefill && !thinks => {
            trim_end(last);
            losses.note(at, Change::Approximated);
            Ok(())
        }
        TrailingAssistant::Prefill | TrailingAssistant::Continue => {
            request.turns.push(made_up("Continue.", at, losses));
            Ok(())
        }
    }
}

/// Anthropic refuses last words that end in white space.
fn trim_end(turn: &mut Turn<'_>) {
    if let Some(Content::Text(text)) = turn.parts.last_mut().map(|part| &mut part.content) {
        let length = text.text.trim_end().len();
        if length < text.text.len() {
            text.text.edit(|text| text.truncate(length));
        }
    }
}
