//! Any history, however shuffled, becomes one that the target takes, and a longer one begins as the
//! shorter one did.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::fit;
use crate::chat::{
    CallKind, Content, Format, Image, Level, Losses, OnLoss, Opaque, OpaqueKind, Part, Place,
    Reasoned, Request, Role, Source, ToolCall, ToolResult, Turn,
};
use crate::wire::Profile;

const IDS: [&str; 6] = [
    "call_1",
    "call_2",
    "call:3",
    "a call with spaces",
    "",
    "call_that_is_far_too_long_for_any_provider_that_counts_them_up_to_sixty_four",
];

pub(super) fn call(id: &str) -> Part<'static> {
    Part::new(Content::ToolCall(ToolCall {
        id: id.to_owned().into(),
        name: "weather".into(),
        arguments: "{}".into(),
        kind: CallKind::Function,
        namespace: None,
        item_id: None,
    }))
}

pub(super) fn result(id: &str, content: Vec<Part<'static>>) -> Part<'static> {
    Part::new(Content::ToolResult(ToolResult {
        call: id.to_owned().into(),
        name: None,
        content,
        is_error: None,
        kind: CallKind::Function,
    }))
}

pub(super) fn failed(id: &str, content: Vec<Part<'static>>) -> Part<'static> {
    let mut part = result(id, content);
    if let Content::ToolResult(result) = &mut part.content {
        result.is_error = Some(true);
    }
    part
}

pub(super) fn image() -> Part<'static> {
    Part::new(Content::Image(Image {
        source: Source::Bytes {
            mime: "image/png".into(),
            base64: "iVBORw0KGgo=".into(),
        },
        detail: None,
    }))
}

pub(super) fn state(origin: Format, kind: OpaqueKind, family: &'static str) -> Opaque<'static> {
    Opaque {
        origin,
        kind,
        family: family.into(),
        data: format!("state of {}", origin.name()).into(),
    }
}

pub(super) fn thought(opaque: Opaque<'static>) -> Part<'static> {
    Part::new(Content::Reasoning(Reasoned {
        opaque: vec![opaque],
        ..Reasoned::default()
    }))
}

fn text(empty: bool) -> BoxedStrategy<Part<'static>> {
    let full = "[a-z]{1,4}".prop_map(Part::text);
    if empty {
        prop_oneof![4 => full, 1 => Just(Part::text("")), 1 => Just(Part::text(" \n"))].boxed()
    } else {
        full.boxed()
    }
}

fn opaque() -> impl Strategy<Value = Opaque<'static>> {
    let one = prop_oneof![
        Just(state(Format::Claude, OpaqueKind::Signature, "m")),
        Just(state(Format::Claude, OpaqueKind::Redacted, "other")),
        Just(state(Format::OpenAiResponses, OpaqueKind::Encrypted, "m")),
        Just(state(Format::Gemini, OpaqueKind::Thought, "m")),
    ];
    (one, 0_u8..9).prop_map(|(mut one, number): (Opaque<'static>, u8)| {
        one.data.to_mut().push_str(&number.to_string());
        one
    })
}

fn turn(empty: bool) -> impl Strategy<Value = Turn<'static>> {
    let id = || proptest::sample::select(&IDS[..]);
    let content = vec(prop_oneof![3 => text(empty), 1 => Just(image())], 0..3);
    let given = (id(), content, any::<bool>()).prop_map(|(id, content, is_error)| {
        if is_error {
            failed(id, content)
        } else {
            result(id, content)
        }
    });
    let user = vec(
        prop_oneof![text(empty), Just(image()), given.clone(), given],
        1..4,
    );
    let signed = (id(), proptest::option::of(opaque())).prop_map(|(id, signature)| {
        let mut part = call(id);
        part.signature = signature;
        part
    });
    let said = prop_oneof![text(empty), signed, opaque().prop_map(thought)];
    let said = vec(said, 0..4).prop_map(move |mut parts| {
        if !empty {
            // Something stays of it wherever it goes.
            parts.push(Part::text("said"));
        }
        Turn::new(Role::Assistant, parts)
    });
    prop_oneof![
        3 => user.prop_map(|parts| Turn::new(Role::User, parts)),
        3 => said,
        1 => vec(text(empty), 1..3)
            .prop_map(|parts| Turn::new(Role::Instruction(Level::System), parts)),
    ]
}

/// A history, short to read where one fails.
#[derive(Clone)]
struct History(Vec<Turn<'static>>);

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for turn in &self.0 {
            write!(f, "{:?}[", turn.role)?;
            for part in &turn.parts {
                match &part.content {
                    Content::Text(text) => write!(f, "{:?}", text.text)?,
                    Content::ToolCall(call) => write!(f, "call {:?}", call.id)?,
                    Content::ToolResult(one) => write!(f, "result {:?}", one.call)?,
                    Content::Reasoning(one) => write!(f, "{:?}", one.opaque)?,
                    _ => write!(f, "medium")?,
                }
                let signed = part.signature.as_ref().map(|one| &one.data);
                write!(
                    f,
                    "{} ",
                    signed.map(|data| format!("<{data}>")).unwrap_or_default()
                )?;
            }
            writeln!(f, "]")?;
        }
        Ok(())
    }
}

fn history(empty: bool) -> impl Strategy<Value = History> {
    vec(turn(empty), 1..12).prop_map(History)
}

#[derive(Debug, Clone, Copy)]
struct Flags {
    mid_system: bool,
    system: bool,
    response_parts: bool,
}

impl Flags {
    fn profile(self) -> Profile {
        let mut profile = Profile {
            family: "m".to_owned(),
            ..Profile::default()
        };
        profile.claude.mid_system = self.mid_system;
        profile.gemini.system = self.system;
        profile.gemini.fn_response_parts = self.response_parts;
        profile.gemini.signatures_required = true;
        profile
    }
}

fn flags() -> impl Strategy<Value = Flags> {
    let make = |(mid_system, system, response_parts)| Flags {
        mid_system,
        system,
        response_parts,
    };
    any::<(bool, bool, bool)>().prop_map(make)
}

fn fitted(turns: &[Turn<'static>], target: Format, profile: &Profile) -> Option<Request<'static>> {
    let origin = if target == Format::OpenAiChat {
        Format::OpenAiResponses
    } else {
        Format::OpenAiChat
    };
    let mut request = Request::new(origin);
    request.turns = turns.to_vec();
    for (index, turn) in request.turns.iter_mut().enumerate() {
        turn.at = Place::field("messages").item(index);
    }
    let mut losses = Losses::new(OnLoss::Warn);
    match fit(&mut request, target, profile, &mut losses) {
        Ok(()) => Some(request),
        Err(fault) => {
            assert!(fault.message.contains("no message with content"));
            None
        }
    }
}

/// What each provider answers with 400.
fn validate(request: &Request<'_>, target: Format) {
    let turns = &request.turns;
    let strict = matches!(target, Format::Claude | Format::Gemini);
    let mut calls = HashSet::new();
    for (index, turn) in turns.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| &turns[index]);
        let next = turns.get(index + 1);
        assert!(!turn.parts.is_empty(), "an empty turn");
        texts(&turn.parts, turn.role, target);
        if strict {
            assert_ne!(before.map(|turn| turn.role), Some(turn.role));
        }
        match turn.role {
            Role::Instruction(_) => match target {
                Format::Gemini => panic!("an instruction inside the conversation"),
                Format::Claude => {
                    assert_eq!(before.unwrap().role, Role::User);
                    assert!(next.is_none_or(|next| next.role == Role::Assistant));
                }
                _ => {}
            },
            Role::Assistant => {
                let ids: Vec<_> = turn.parts.iter().filter_map(call_id).collect();
                for id in &ids {
                    valid_id(id, target);
                    assert!(calls.insert((*id).to_owned()), "{id} is used twice");
                }
                let Some(next) = next else {
                    assert!(!strict || ids.is_empty(), "calls without results");
                    assert_ne!(target, Format::Claude, "the model has the last word");
                    continue;
                };
                let results: Vec<_> = next.parts.iter().map_while(result_id).collect();
                assert_eq!(results, ids, "results and calls");
            }
            Role::User => {
                let first = turn
                    .parts
                    .iter()
                    .take_while(|part| result_id(part).is_some());
                let all = turn.parts.iter().filter(|part| result_id(part).is_some());
                assert_eq!(first.count(), all.count(), "results must come first");
                if turn.parts.first().and_then(result_id).is_some() {
                    assert_eq!(before.unwrap().role, Role::Assistant);
                }
            }
        }
    }
    match target {
        Format::Claude => assert_eq!(turns[0].role, Role::User),
        Format::Gemini => assert!(!turns[0].parts.iter().any(|part| call_id(part).is_some())),
        _ => {}
    }
}

fn texts(parts: &[Part<'_>], role: Role, target: Format) {
    for part in parts {
        match &part.content {
            Content::Text(text) => match target {
                Format::Claude => assert!(!text.text.trim().is_empty()),
                Format::Gemini => assert!(!text.text.is_empty() || part.signature.is_some()),
                _ => assert!(!text.text.is_empty() || (role == Role::User && parts.len() == 1)),
            },
            Content::Reasoning(reasoned) => {
                assert_ne!(target, Format::OpenAiChat);
                assert!(!reasoned.opaque.is_empty());
                for opaque in &reasoned.opaque {
                    assert_eq!((opaque.origin, &*opaque.family), (target, "m"));
                }
            }
            Content::ToolResult(result) => {
                assert_eq!(result.name.as_deref(), Some("weather"));
                let only_text = target == Format::OpenAiChat
                    || (target == Format::Claude && result.is_error == Some(true));
                if only_text {
                    assert!(result.content.iter().all(|part| part.as_text().is_some()));
                }
                let all_full = |part: &Part<'_>| part.as_text() != Some("");
                assert!(result.content.iter().all(all_full));
            }
            _ => {}
        }
        if let Some(signature) = &part.signature {
            assert_eq!((signature.origin, target), (Format::Gemini, target));
        }
    }
    if target == Format::Gemini {
        let calls = parts.iter().filter(|part| call_id(part).is_some());
        let mut calls = calls.map(|part| part.signature.is_some()).peekable();
        assert!(
            calls.peek().is_none() || calls.any(|signed| signed),
            "unsigned"
        );
    }
}

fn call_id<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    match &part.content {
        Content::ToolCall(call) => Some(&call.id),
        _ => None,
    }
}

fn result_id<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    match &part.content {
        Content::ToolResult(result) => Some(&result.call),
        _ => None,
    }
}

fn valid_id(id: &str, target: Format) {
    let most = match target {
        Format::OpenAiChat => 40,
        Format::OpenAiResponses => 64,
        _ => usize::MAX,
    };
    assert!(id.len() <= most && (target == Format::Gemini || !id.is_empty()));
    if target == Format::Claude {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        assert!(id.bytes().all(is_plain), "{id}");
    }
}

proptest! {
    #[test]
    fn any_history_becomes_one_that_the_target_takes(
        history in history(true), flags in flags(),
    ) {
        let (turns, profile) = (history.0, flags.profile());
        for target in Format::ALL {
            if let Some(request) = fitted(&turns, target, &profile) {
                validate_if_any(&request, target);
            }
        }
    }

    #[test]
    fn a_longer_conversation_begins_as_the_shorter_one(
        history in history(false), flags in flags(),
    ) {
        let (turns, profile) = (history.0, flags.profile());
        for target in Format::ALL {
            let Some(whole) = fitted(&turns, target, &profile) else { continue };
            for cut in 1..turns.len() {
                let is_asked = turns[cut - 1].role != Role::Assistant
                    && turns[cut].role == Role::Assistant;
                if !is_asked {
                    continue;
                }
                let Some(part) = fitted(&turns[..cut], target, &profile) else { continue };
                let last = part.turns.iter().rposition(|turn| turn.role == Role::User);
                let before = &part.turns[..last.unwrap_or(0)];
                prop_assert_eq!(before, &whole.turns[..before.len()], "{:?} {}", target, cut);
            }
        }
    }

    #[test]
    fn fitting_what_fits_changes_nothing(history in history(true), flags in flags()) {
        let (turns, profile) = (history.0, flags.profile());
        for target in [Format::Claude, Format::Gemini] {
            let Some(once) = fitted(&turns, target, &profile) else { continue };
            let Some(twice) = fitted(&once.turns, target, &profile) else {
                panic!("it fitted before");
            };
            let plain = |request: &Request<'static>| -> Vec<_> {
                let turns = request.turns.iter();
                turns.map(|turn| (turn.role, turn.parts.clone())).collect()
            };
            prop_assert_eq!(plain(&once), plain(&twice), "{:?}", target);
        }
    }
}

fn validate_if_any(request: &Request<'_>, target: Format) {
    if !request.turns.is_empty() {
        validate(request, target);
    }
}

#[test]
fn many_calls_take_no_longer_than_they_must() {
    const CALLS: usize = 20_000;
    let mut profile = Profile::default();
    profile.gemini.signatures_required = true;
    let ids: Vec<String> = (0..CALLS).map(|index| format!("call:{index}")).collect();
    let calls =
        |id: fn(&String) -> &str| -> Vec<_> { ids.iter().map(|one| call(id(one))).collect() };
    let results = ids.iter().rev().map(|id| result(id, vec![Part::text("x")]));
    let at_once = vec![
        Turn::new(Role::User, vec![Part::text("go")]),
        Turn::new(Role::Assistant, calls(|id| id)),
        Turn::new(Role::User, results.collect()),
    ];
    let no_results = vec![Turn::new(Role::Assistant, calls(|_| "same"))];
    let one_by_one = ids
        .iter()
        .flat_map(|id| {
            let one = Turn::new(Role::Assistant, vec![call(id)]);
            // No result for it, one for a call that never was.
            [one, Turn::new(Role::User, vec![result("none", vec![])])]
        })
        .collect();
    for turns in [at_once, no_results, one_by_one] {
        for target in Format::ALL {
            validate(&fitted(&turns, target, &profile).unwrap(), target);
        }
    }
}
