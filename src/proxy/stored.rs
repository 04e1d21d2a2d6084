//! Responses that a provider has stored (OpenAI): only the account that made one can go on from it, show
//! it or delete it.

use std::borrow::Cow;

use memchr::memmem::{self, Finder};

use super::admission;
use super::context::{Ask, Context};
use super::not_found::clipped;
use crate::account::pool::Route;
use crate::chat::{Fault, FaultKind};
use crate::live::Maker;
use crate::secret::KeyHash;
use crate::wire::json::{pick, unquote};
use crate::wire::{Format, Shape, Word};

static PREVIOUS: Word = Word::new(|| Finder::new("\"previous_response_id\""));

/// How far into an answer its id is looked for.
const HEAD: usize = 4096;

/// Asks the stores about the response that `body` goes on from, when this process does not know it.
pub(super) async fn recall(ctx: &Context, body: &[u8]) {
    if PREVIOUS.is_in(body)
        && let Some(id) = previous(body)
    {
        ctx.live.made.recall(&id, client(ctx)).await;
    }
}

/// Asks the stores about the response that a path under `/v1/responses/` is about.
pub(super) async fn recall_path(ctx: &Context, path: &str) {
    if let Some(id) = id_in(path) {
        ctx.live.made.recall(id, client(ctx)).await;
    }
}

fn previous(body: &[u8]) -> Option<Cow<'_, str>> {
    pick(body, ["previous_response_id"]).and_then(|[id]| unquote(id?))
}

fn id_in(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/v1/responses/")?;
    rest.split('/').next().filter(|id| !id.is_empty())
}

/// Narrows `route` to the account that made the response that `body` goes on from.
pub(super) fn narrowed(ctx: &Context, route: Route, body: &[u8]) -> Result<Route, Fault> {
    if !PREVIOUS.is_in(body) {
        return Ok(route);
    }
    let Some(id) = previous(body) else {
        return Ok(route);
    };
    match maker(ctx, &id) {
        Some(maker) => route.only(maker.account).ok_or_else(|| unknown(&id)),
        // Whoever made it, before this process began, it was this one.
        None if route.is_single() => Ok(route),
        None => Err(unknown(&id)),
    }
}

/// The account that a path under `/v1/responses/` is for. `None`: the path is about no response.
pub(super) fn route(ctx: &Context, path: &str) -> Option<Result<Route, Fault>> {
    let id = id_in(path)?;
    let router = &ctx.live.router;
    let found = match maker(ctx, id) {
        Some(maker) => router.of_account(maker.account),
        None => {
            // It may be another client's.
            if let Err(fault) = admission::may_pass_through(ctx.client.as_deref()) {
                return Some(Err(fault));
            }
            router.only_speaker(Format::OpenAiResponses)
        }
    };
    Some(found.ok_or_else(|| {
        let message = format!("no account here has made the response '{}'", clipped(id));
        Fault::new(FaultKind::NotFound, "response_not_found", message)
    }))
}

/// Who made a response for this client.
fn maker(ctx: &Context, id: &str) -> Option<Maker> {
    let maker = ctx.live.made.maker(id)?;
    (maker.client == client(ctx)).then_some(maker)
}

/// The client's key as makers know it. Names say where a key stands in the config, which may change.
fn client(ctx: &Context) -> Option<u64> {
    let client = ctx.client.as_ref()?;
    let hash = KeyHash::of(client.hash.as_bytes());
    let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
    Some(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

fn unknown(id: &str) -> Fault {
    let message = format!("Previous response with id '{}' not found.", clipped(id));
    Fault::new(
        FaultKind::InvalidRequest,
        "previous_response_not_found",
        message,
    )
    .with_param("previous_response_id")
}

/// Remembers who makes the answer that begins with `data`.
pub(super) fn remember(ctx: &Context, data: &[u8]) {
    let (Some(call), Some(attempt)) = (ctx.call.as_deref(), ctx.attempt.as_deref()) else {
        return;
    };
    let stores = call.format == Some(Format::OpenAiResponses)
        && call.ask == Ask::Generate
        && attempt.translated.is_none()
        && call.shape != Shape::JsonArray;
    if stores && let Some(id) = response_id(data) {
        let maker = Maker {
            account: attempt.account.id,
            client: client(ctx),
        };
        ctx.live.made.remember(id, maker);
    }
}

/// The id in the first event or the document.
fn response_id(data: &[u8]) -> Option<&str> {
    let head = &data[..data.len().min(HEAD)];
    let mut from = 0;
    while let Some(at) = memmem::find(&head[from..], b"\"id\"") {
        from += at + 4;
        let value = head[from..].trim_ascii_start();
        let Some(value) = value.strip_prefix(b":") else {
            continue;
        };
        let Some(value) = value.trim_ascii_start().strip_prefix(b"\"") else {
            continue;
        };
        if value.starts_with(b"resp_") {
            let end = memchr::memchr(b'"', value)?;
            return std::str::from_utf8(&value[..end]).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_response_is_found_in_its_beginning() {
        for (data, want) in [
            (&br#"{"id" : "resp_1","previous_response_id":"resp_0"}"#[..], Some("resp_1")),
            (
                b"event: response.created\ndata: {\"response\":{\"object\":\"x\",\"id\":\"resp_2\"}}\n\n",
                Some("resp_2"),
            ),
            (br#"{"id":"msg_1","id":1}"#, None),
            (br#"{"id":"resp_cut"#, None),
            (b"", None),
        ] {
            assert_eq!(response_id(data), want, "{}", String::from_utf8_lossy(data));
        }
    }
}
