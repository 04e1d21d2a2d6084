//! Reasoning and the state that providers want back: what is not the target's own goes no further.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::chat::{
    Content, Fault, Format, LazyStr, Losses, Opaque, OpaqueKind, Part, ReasonKind, ReasonText,
    Reasoned, Request, Role, Turn,
};
use crate::wire::json::Node;
use crate::wire::{Profile, ReasoningField};

/// Keeps what is native to the target and its family of models; moves it to the part that it belongs
/// to there.
pub(super) fn keep_native<'a>(
    request: &mut Request<'a>,
    target: Format,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let open_loop = open_loop(&request.turns);
    let mut seen = HashMap::new();
    for (index, turn) in request.turns.iter_mut().enumerate() {
        let parts = std::mem::take(&mut turn.parts);
        if target == Format::Gemini {
            reserve(&parts, &mut seen);
        }
        let mut step = Step {
            target,
            profile,
            in_loop: index >= open_loop,
            seen: &mut seen,
            waiting: None,
            out: Vec::with_capacity(parts.len()),
        };
        for part in parts {
            step.take(part, losses)?;
        }
        turn.parts = step.finish();
    }
    Ok(())
}

/// Drops the state of other providers and other families from a request that stays in its format.
/// Whether there was any.
pub(super) fn drop_foreign(request: &mut Request<'_>, family: &str) -> bool {
    let origin = request.origin;
    let mut any = false;
    request.turns.retain_mut(|turn| {
        let before = turn.parts.len();
        turn.parts.retain_mut(|part| {
            let is_own = |opaque: &Opaque<'_>| {
                opaque.family.is_empty() || (opaque.origin == origin && opaque.family == family)
            };
            if part.signature.as_ref().is_some_and(|one| !is_own(one)) {
                part.signature = None;
                any = true;
                // An empty text was only there for it.
                if part.as_lazy().is_some_and(LazyStr::is_empty) {
                    return false;
                }
            }
            let Content::Reasoning(reasoned) = &mut part.content else {
                return true;
            };
            let had = reasoned.opaque.len();
            reasoned.opaque.retain(is_own);
            let is_stripped = reasoned.opaque.len() < had;
            any |= is_stripped;
            if origin == Format::Claude && reasoned.opaque.is_empty() {
                // Unsigned, so another provider's.
                return false;
            }
            // Without its state reasoning is no use to anyone but to servers that want the text.
            !is_stripped || !reasoned.opaque.is_empty() || origin == Format::OpenAiChat
        });
        before == 0 || !turn.parts.is_empty()
    });
    any
}

/// The index of the first turn after the client's last own words: what follows is the open tool loop.
fn open_loop(turns: &[Turn<'_>]) -> usize {
    let speaks = |turn: &Turn<'_>| {
        let is_own = |part: &Part<'_>| !matches!(part.content, Content::ToolResult(_));
        turn.role == Role::User && turn.parts.iter().any(is_own)
    };
    turns.iter().rposition(speaks).map_or(0, |index| index + 1)
}

/// Keeps the signatures of calls for them: there they must be.
fn reserve(parts: &[Part<'_>], seen: &mut HashMap<String, bool>) {
    let is_call = |part: &&Part<'_>| matches!(part.content, Content::ToolCall(_));
    for part in parts.iter().filter(is_call) {
        if let Some(signature) = &part.signature {
            seen.entry(signature.data.as_ref().to_owned()).or_default();
        }
    }
}

/// One turn on its way.
struct Step<'a, 'p> {
    target: Format,
    profile: &'p Profile,
    in_loop: bool,
    /// The state so far, and whether it has found its place: it goes back once.
    seen: &'p mut HashMap<String, bool>,
    /// A signature without a text, for the part that follows.
    waiting: Option<Opaque<'a>>,
    out: Vec<Part<'a>>,
}

impl<'a> Step<'a, '_> {
    fn take(&mut self, mut part: Part<'a>, losses: &mut Losses) -> Result<(), Fault> {
        let at = part.at;
        if let Some(signature) = part.signature.take() {
            if !self.is_native(&signature) {
                self.lost(at, losses)?;
            } else if self.target == Format::Gemini {
                let is_call = matches!(part.content, Content::ToolCall(_));
                if is_first(self.seen, &signature, is_call) {
                    part.signature = Some(signature);
                }
            } else if self.target != Format::OpenAiChat {
                // It came in the id of a call; at home it has a place of its own before it.
                self.reasoning(part_of(signature, at), losses)?;
            }
        }
        match part.content {
            Content::Reasoning(_) => self.reasoning(part, losses),
            _ => {
                self.other(part);
                Ok(())
            }
        }
    }

    fn reasoning(&mut self, mut part: Part<'a>, losses: &mut Losses) -> Result<(), Fault> {
        let Content::Reasoning(reasoned) = &mut part.content else {
            return Ok(());
        };
        let mut is_lost = !reasoned.texts.is_empty() || !reasoned.opaque.is_empty();
        match self.target {
            Format::OpenAiChat => self.for_chat(reasoned),
            target => {
                let mut opaque = std::mem::take(&mut reasoned.opaque);
                opaque.retain(|one| self.is_native(one));
                reasoned.opaque = opaque;
                if target == Format::Claude {
                    exact_text(reasoned);
                }
                is_lost &= reasoned.opaque.is_empty();
                let seen = &mut *self.seen;
                reasoned.opaque.retain(|one| is_first(seen, one, false));
                if reasoned.opaque.is_empty() {
                    reasoned.texts.clear();
                }
                // Whoever made the id up, it was not the provider.
                reasoned.id = None;
            }
        }
        if reasoned.texts.is_empty() && reasoned.opaque.is_empty() {
            return if is_lost {
                self.lost(part.at, losses)
            } else {
                Ok(())
            };
        }
        if self.target == Format::Gemini && reasoned.texts.is_empty() {
            if let Some(signature) = reasoned.opaque.pop() {
                self.release();
                self.waiting = Some(signature);
            }
            return Ok(());
        }
        self.release();
        self.out.push(part);
        Ok(())
    }

    fn other(&mut self, mut part: Part<'a>) {
        let may_sign = matches!(
            part.content,
            Content::ToolCall(_) | Content::Text(_) | Content::Image(_)
        );
        if may_sign && part.signature.is_none() {
            part.signature = self.waiting.take();
        }
        self.release();
        self.out.push(part);
    }

    /// A signature that no part took stands on an empty text.
    fn release(&mut self) {
        if let Some(signature) = self.waiting.take() {
            let mut part = Part::text("");
            part.signature = Some(signature);
            self.out.push(part);
        }
    }

    fn finish(mut self) -> Vec<Part<'a>> {
        self.release();
        self.out
    }

    fn for_chat(&self, reasoned: &mut Reasoned<'_>) {
        let chat = &self.profile.chat;
        match chat.reasoning_field {
            ReasoningField::ReasoningContent if self.in_loop || chat.reasoning_all_turns => {
                reasoned.opaque.clear();
            }
            ReasoningField::Reasoning => {
                let family = &self.profile.family;
                reasoned
                    .opaque
                    .retain(|one| one.family.is_empty() || one.family == *family);
            }
            ReasoningField::None | ReasoningField::ReasoningContent => {
                reasoned.texts.clear();
                reasoned.opaque.clear();
            }
        }
    }

    fn is_native(&self, opaque: &Opaque<'_>) -> bool {
        let is_known = matches!(
            (self.target, opaque.kind),
            (Format::Claude, OpaqueKind::Signature | OpaqueKind::Redacted)
                | (Format::OpenAiResponses, OpaqueKind::Encrypted)
                | (Format::Gemini, OpaqueKind::Thought)
                | (Format::OpenAiChat, _)
        );
        is_known
            && opaque.origin == self.target
            && !opaque.data.is_empty()
            && (opaque.family.is_empty() || opaque.family == self.profile.family)
    }

    /// Anthropic's models may miss their reasoning inside a tool loop; nobody misses it elsewhere.
    fn lost(&self, at: crate::chat::Place, losses: &mut Losses) -> Result<(), Fault> {
        if self.in_loop && self.target == Format::Claude {
            losses.dropped(at)?;
        }
        Ok(())
    }
}

/// Whether state has not been sent yet, and will not be on a call.
fn is_first(seen: &mut HashMap<String, bool>, opaque: &Opaque<'_>, on_call: bool) -> bool {
    match seen.entry(opaque.data.as_ref().to_owned()) {
        Entry::Vacant(place) => {
            place.insert(true);
            true
        }
        Entry::Occupied(mut place) => on_call && !place.insert(true),
    }
}

fn part_of(opaque: Opaque<'_>, at: crate::chat::Place) -> Part<'_> {
    Part::new(Content::Reasoning(Reasoned {
        opaque: vec![opaque],
        ..Reasoned::default()
    }))
    .at(at)
}

/// A signature for clients that may change the text has the text with it: `{"t":…,"s":…}`.
fn exact_text(reasoned: &mut Reasoned<'_>) {
    for opaque in &mut reasoned.opaque {
        if opaque.kind != OpaqueKind::Signature {
            continue;
        }
        let Some((text, signature)) = signed_text(&opaque.data) else {
            continue;
        };
        opaque.data = Cow::Owned(signature);
        reasoned.texts = vec![ReasonText {
            kind: ReasonKind::Raw,
            text: Cow::Owned(text),
        }];
    }
    reasoned.opaque.retain(|one| !one.data.is_empty());
}

/// The text and the signature of `{"t":…,"s":…}`.
pub(in crate::wire) fn signed_text(data: &str) -> Option<(String, String)> {
    if !data.starts_with('{') {
        return None;
    }
    let node = Node::parse(data.as_bytes(), 2).ok()?;
    let text = node.get_str("t")?.into_owned();
    Some((text, node.get_str("s")?.into_owned()))
}
