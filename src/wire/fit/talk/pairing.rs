//! Calls and their results: each call is answered once, right after the turn that made it, in its
//! order. Every provider refuses anything else.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use super::{has_calls, ids, join};
use crate::chat::{
    CallKind, Change, Content, Format, LazyStr, Losses, Part, Request, Role, Text, ToolResult, Turn,
};

/// What a call is answered with that nobody answered.
pub(super) const NO_RESULT: &str = "[no result was provided for this tool call]";

/// Pairs the calls of each turn of the model with the results before its next turn.
pub(super) fn pair(request: &mut Request<'_>, target: Format, losses: &mut Losses) {
    let mut pairing = Pairing {
        waits_for_results: matches!(target, Format::OpenAiChat | Format::OpenAiResponses),
        used: HashMap::new(),
        out: Vec::with_capacity(request.turns.len()),
        losses,
    };
    let mut turns = std::mem::take(&mut request.turns).into_iter().peekable();
    let mut between = Vec::new();
    while let Some(turn) = turns.next_if(|turn| turn.role != Role::Assistant) {
        between.push(turn);
    }
    pairing.segment(None, between);
    while let Some(turn) = turns.next() {
        let mut between = Vec::new();
        while let Some(turn) = turns.next_if(|turn| turn.role != Role::Assistant) {
            between.push(turn);
        }
        pairing.segment(Some(turn), between);
    }
    request.turns = pairing.out;
}

/// Neighbouring turns of the model as one, where they have calls or must take turns with the user.
pub(super) fn joined(turns: Vec<Turn<'_>>, target: Format) -> Vec<Turn<'_>> {
    let all = matches!(target, Format::Claude | Format::Gemini);
    let mut out: Vec<Turn<'_>> = Vec::with_capacity(turns.len());
    // Whether the last turn has calls: asked once per turn, not once per join.
    let mut calls = false;
    for turn in turns {
        let is_model = turn.role == Role::Assistant;
        let has_calls = has_calls(&turn);
        match out.last_mut() {
            Some(last)
                if is_model && last.role == Role::Assistant && (all || calls || has_calls) =>
            {
                join(last, turn);
                calls |= has_calls;
            }
            _ => {
                out.push(turn);
                calls = has_calls;
            }
        }
    }
    out
}

struct Pairing<'a, 'l> {
    /// Calls without results may stand at the end.
    waits_for_results: bool,
    /// The ids of calls so far, and how often each was tried.
    used: HashMap<String, usize>,
    out: Vec<Turn<'a>>,
    losses: &'l mut Losses,
}

impl<'a> Pairing<'a, '_> {
    /// A turn of the model and everything up to its next one.
    fn segment(&mut self, model: Option<Turn<'a>>, mut between: Vec<Turn<'a>>) {
        let mut wanted: HashMap<String, usize> = HashMap::new();
        for part in model.iter().flat_map(|turn| &turn.parts) {
            if let Content::ToolCall(call) = &part.content {
                *wanted.entry(call.id.as_ref().to_owned()).or_default() += 1;
            }
        }
        let mut given = self.collect(&wanted, &mut between);
        let Some(mut model) = model else {
            self.out.extend(between);
            return;
        };
        if wanted.is_empty() {
            self.out.push(model);
            self.out.extend(between);
            return;
        }
        let is_open = between.is_empty() && given.is_empty() && self.waits_for_results;
        let results = self.answer(&mut model, &mut given, is_open);
        let at = model.at;
        self.out.push(model);
        match between.first_mut() {
            Some(next) if next.role == Role::User => {
                let own = std::mem::replace(&mut next.parts, results);
                // A user who only hands over results says nothing.
                let is_silent = |part: &Part<'_>| part.as_lazy().is_some_and(LazyStr::is_empty);
                let says = |part: &Part<'_>| !is_silent(part) || part.signature.is_some();
                next.parts.extend(own.into_iter().filter(says));
            }
            _ if results.is_empty() => {}
            _ => self.out.push(Turn::new(Role::User, results).at(at)),
        }
        self.out.extend(between);
    }

    /// Takes out the results that belong to the calls in `wanted`. Other results become text.
    fn collect(
        &mut self,
        wanted: &HashMap<String, usize>,
        between: &mut Vec<Turn<'a>>,
    ) -> HashMap<String, VecDeque<Part<'a>>> {
        let mut given: HashMap<String, VecDeque<Part<'a>>> = HashMap::new();
        let mut is_first = true;
        between.retain_mut(|turn| {
            let is_result = |part: &Part<'_>| matches!(part.content, Content::ToolResult(_));
            if turn.parts.iter().any(is_result) {
                let parts = std::mem::take(&mut turn.parts);
                for part in parts {
                    match part.content {
                        Content::ToolResult(result) if !wanted.contains_key(&*result.call) => {
                            self.losses.note(part.at, Change::Approximated);
                            turn.parts.extend(unknown(result, part.at));
                        }
                        Content::ToolResult(ref result) => {
                            let place = given.entry(result.call.as_ref().to_owned()).or_default();
                            place.push_back(part);
                        }
                        _ => turn.parts.push(part),
                    }
                }
            }
            // The first user turn takes the results even if it was nothing but results.
            let keeps = !turn.parts.is_empty() || (is_first && turn.role == Role::User);
            is_first = false;
            keeps
        });
        for (id, count) in wanted {
            let Some(results) = given.get_mut(id) else {
                continue;
            };
            while results.len() > *count {
                // The last word counts.
                if let Some(part) = results.pop_front() {
                    self.losses.note(part.at, Change::Dropped);
                }
            }
        }
        given
    }

    /// A result for each call, in order, each pair with an id of its own.
    fn answer(
        &mut self,
        model: &mut Turn<'a>,
        given: &mut HashMap<String, VecDeque<Part<'a>>>,
        is_open: bool,
    ) -> Vec<Part<'a>> {
        let mut results = Vec::new();
        for part in &mut model.parts {
            let at = part.at;
            let Content::ToolCall(call) = &mut part.content else {
                continue;
            };
            let found = given.get_mut(&*call.id).and_then(VecDeque::pop_front);
            self.rename_repeated(&mut call.id);
            let mut answer = match found {
                Some(part) => part,
                None if is_open => continue,
                None => {
                    self.losses.note(at, Change::Synthesised);
                    no_result(call.kind).at(at)
                }
            };
            if let Content::ToolResult(result) = &mut answer.content {
                result.call = call.id.clone();
                result.name = Some(call.name.clone());
                result.kind = call.kind;
            }
            results.push(answer);
        }
        results
    }

    /// Some servers count their calls anew in each turn; elsewhere an id may be used once.
    fn rename_repeated(&mut self, id: &mut Cow<'a, str>) {
        let count = self.used.entry(id.as_ref().to_owned()).or_default();
        *count += 1;
        if *count > 1 {
            *id = Cow::Owned(ids::mapped(&format!("{id} {count}")));
        }
    }
}

fn no_result(kind: CallKind) -> Part<'static> {
    Part::new(Content::ToolResult(ToolResult {
        call: Cow::Borrowed(""),
        name: None,
        content: vec![Part::text(NO_RESULT)],
        is_error: Some(true),
        kind,
    }))
}

/// What a result says whose call nobody knows.
fn unknown<'a>(result: ToolResult<'a>, at: crate::chat::Place) -> Vec<Part<'a>> {
    let mut text = format!("[result of unknown tool call {}]", result.call);
    let mut parts = vec![];
    for part in result.content {
        match &part.content {
            Content::Text(more) => {
                text.push('\n');
                text.push_str(&more.text);
            }
            _ => parts.push(part),
        }
    }
    parts.insert(0, Part::new(Content::Text(Text::new(text))).at(at));
    parts
}
