//! Calls and results of the history, in the terms of the tools that the target knows.

use std::borrow::Cow;

use super::full_name;
use super::names::Names;
use crate::chat::{CallKind, Content, Part, Request, ToolCall};
use crate::wire::json::{object, quote_into};

/// The names of all tools that were called.
pub(super) fn names<'n>(request: &'n Request<'_>) -> impl Iterator<Item = Cow<'n, str>> {
    request
        .turns
        .iter()
        .flat_map(|turn| &turn.parts)
        .filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some(called(call)),
            Content::ToolResult(result) => result.name.as_deref().map(Cow::Borrowed),
            _ => None,
        })
        .filter(|name| !name.is_empty())
}

/// The name of a tool that only its own format has is that of its call.
fn called<'n>(call: &'n ToolCall<'_>) -> Cow<'n, str> {
    match call.kind {
        CallKind::Typed(kind) => Cow::Borrowed(kind.strip_suffix("_call").unwrap_or(kind)),
        _ => full_name(call.namespace.as_deref(), &call.name),
    }
}

/// Renames the calls, makes functions of calls that are none for the target, and puts arguments into
/// the objects that `wrapped` tools take.
pub(super) fn fit(
    request: &mut Request<'_>,
    names: &Names,
    takes_custom: bool,
    wrapped: &[String],
) {
    let parts = request.turns.iter_mut().flat_map(|turn| &mut turn.parts);
    for Part { content, .. } in parts {
        match content {
            Content::ToolCall(call) => {
                let full = called(call);
                let name = names.get(&full);
                if name != call.name {
                    call.name = Cow::Owned(name.to_owned());
                }
                call.namespace = None;
                match call.kind {
                    CallKind::Custom if !takes_custom => {
                        call.arguments = Cow::Owned(member("input", |out| {
                            quote_into(out, &call.arguments);
                        }));
                        call.kind = CallKind::Function;
                    }
                    CallKind::Typed(_) => call.kind = CallKind::Function,
                    CallKind::Custom => {}
                    CallKind::Function => {
                        if wrapped.iter().any(|one| *one == call.name)
                            && !call.arguments.trim().is_empty()
                        {
                            call.arguments = Cow::Owned(member("value", |out| {
                                out.extend_from_slice(call.arguments.as_bytes());
                            }));
                        }
                    }
                }
            }
            Content::ToolResult(result) => {
                if let Some(name) = &mut result.name {
                    *name = Cow::Owned(names.get(name).to_owned());
                }
                if !(takes_custom && result.kind == CallKind::Custom) {
                    result.kind = CallKind::Function;
                }
            }
            _ => {}
        }
    }
}

/// An object with one member.
fn member(key: &str, write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    object(&mut out, |o| write(o.key(key)));
    String::from_utf8(out).unwrap_or_default()
}
