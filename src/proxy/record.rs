//! What is written down of a request when it has ended: who asked for what, and what was used.
//!
//! The rules are in `docs/reference/usage.md`.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::context::{Ask, Attempt, Call, CallTarget, Context, Payload, Spent};
use crate::chat::{CacheWrites, Odd, Usage};
use crate::metrics::Cause;
use crate::usage::{Amounts, Earlier, Labels, Media, Quality, Record, RecordId, Tokens, Uncounted};
use crate::wire::Shape;

/// More tokens than any request has: who says more is wrong.
const MOST: u64 = 1_000_000_000;

/// How a request has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// The status that the client got.
    pub(super) status: u16,
    /// Why it failed, if it did.
    pub(super) cause: Option<Cause>,
}

/// The record of a request that has ended.
pub(super) fn of(ctx: &mut Context, end: End) -> Record {
    let client = ctx.client.clone();
    let used = ctx
        .call
        .as_deref()
        .zip(ctx.attempt.as_deref_mut())
        .map(|(call, attempt)| used(call, attempt, end))
        .unwrap_or_default();
    let (call, attempt) = (ctx.call.as_deref(), ctx.attempt.as_deref());
    let account = attempt.map(|attempt| attempt.account.id);
    let labels = &ctx.live.labels;
    let now = SystemTime::now();
    let since = |then: Instant| micros(then.saturating_duration_since(ctx.started));
    Record {
        id: RecordId::new(now),
        time: now,
        request_id: Arc::clone(&ctx.request_id),
        client: client.as_ref().map(|client| Arc::clone(&client.name)),
        account: attempt.map(|attempt| Arc::clone(&attempt.account.name)),
        provider: account.and_then(|account| labels.provider(account)),
        model_asked: call.map_or_else(Arc::default, |call| Arc::clone(&call.model)),
        model_used: attempt
            .map(|attempt| Arc::clone(&attempt.model))
            .filter(|model| !model.is_empty()),
        client_format: call.and_then(|call| call.format),
        provider_format: attempt.and_then(|attempt| attempt.relay.format()),
        streamed: call.is_some_and(|call| call.shape != Shape::Whole),
        own_key: ctx.own_key.is_some(),
        status: if end.status == 0 { 499 } else { end.status },
        error: end.cause.map(Cause::word),
        attempts: call.map_or(0, |call| call.tries),
        input: used.input,
        cache_read: used.cache_read,
        cache_write: used.cache_write,
        cache_write_long: used.cache_write_long,
        output: used.output,
        reasoning: used.reasoning,
        media: used.media,
        web_searches: used.web_searches,
        earlier: call.map_or_else(Vec::new, |call| earlier(&call.spent, labels)),
        uncounted: used.uncounted.map(Arc::new),
        cost: None,
        latency_micros: since(Instant::now()),
        first_token_micros: ctx.timing.first_token().map(since),
        bytes_in: match call.map(|call| &call.body) {
            Some(Payload::Read { bytes, .. }) => bytes.len() as u64,
            _ => ctx.timing.uploaded(),
        },
        bytes_out: call.map_or(0, |call| call.gate.bytes()) + ctx.timing.told(),
        tags: labels.tags(client.as_deref(), account),
    }
}

fn earlier(spent: &[Spent], labels: &Labels) -> Vec<Earlier> {
    let earlier = spent.iter().map(|spent| Earlier {
        account: Arc::clone(&spent.account.name),
        provider: labels.provider(spent.account.id),
        model: Arc::clone(&spent.model),
        used: amounts(&spent.said),
    });
    earlier.collect()
}

/// What a request has used by its providers' words, all its tries together.
pub(super) fn said(ctx: &Context) -> Option<Usage> {
    let total = total(ctx.call.as_deref()?, ctx.attempt.as_deref()?)?;
    let used = amounts(&total);
    Some(Usage {
        input: used.input,
        cache_read: used.cache_read,
        cache_write: used.cache_write,
        output: used.output,
        reasoning: used.reasoning,
        exact: true,
        ..Usage::default()
    })
}

/// What a provider said, cut to what can be.
pub(super) fn amounts(said: &Usage) -> Amounts {
    let used = Used::of(said, Quality::Reported);
    Amounts {
        input: used.input.count,
        cache_read: used.cache_read.count,
        cache_write: used.cache_write.count,
        cache_write_long: used.cache_write_long.count,
        output: used.output.count,
        reasoning: used.reasoning.count,
        media: used.media,
        web_searches: used.web_searches,
    }
}

/// All that providers said; `None`: nothing.
fn total(call: &Call, attempt: &Attempt) -> Option<Usage> {
    let spent = call.spent.iter().map(|spent| spent.said);
    spent.chain(attempt.relay.usage()).reduce(Usage::plus)
}

/// The numbers of a record.
#[derive(Debug, Default, PartialEq, Eq)]
struct Used {
    input: Tokens,
    cache_read: Tokens,
    cache_write: Tokens,
    cache_write_long: Tokens,
    output: Tokens,
    reasoning: Tokens,
    media: Media,
    web_searches: u64,
    uncounted: Option<Uncounted>,
}

/// What `call` has used: what earlier tries have spent by their providers' words, and the last one.
fn used(call: &Call, attempt: &mut Attempt, end: End) -> Used {
    let said = attempt.relay.usage();
    let is_whole = is_whole(attempt, end);
    let quality = match is_whole && call.spent.is_empty() {
        true => Quality::Reported,
        false => Quality::Partial,
    };
    let mut used = total(call, attempt).map_or_else(Used::default, |all| Used::of(&all, quality));
    if !is_countable(call, attempt, end) {
        return used;
    }
    let request = match (&call.body, call.format) {
        (Payload::Read { bytes, .. }, Some(format)) if said.is_none() => {
            Some((format, bytes.clone()))
        }
        _ => None,
    };
    let answer = match said {
        Some(_) if is_whole => None,
        _ => Some(attempt.relay.take_sample()).filter(|sample| !sample.is_empty()),
    };
    if request.is_some() || answer.is_some() {
        used.uncounted = Some(Uncounted::new(&attempt.model, request, answer));
    }
    used
}

/// Whether all of the answer came, so that what was said of it is the end of it.
fn is_whole(attempt: &Attempt, end: End) -> bool {
    let relay = &attempt.relay;
    relay.fault().is_none()
        && relay.enough().is_none()
        && (relay.has_ended() || end.cause.is_none())
}

/// Whether what nobody said may be counted here: a model has begun to answer, and the client was not told
/// of an error instead.
fn is_countable(call: &Call, attempt: &Attempt, end: End) -> bool {
    let embeds = || match &call.target {
        CallTarget::Gemini { action, .. } => action.to_ascii_lowercase().contains("embedcontent"),
        CallTarget::Path(_) => false,
    };
    let is_models = call.format.is_some() && (call.ask == Ask::Generate || embeds());
    let answers = attempt
        .status
        .is_some_and(|status| (200..300).contains(&status));
    let refused = matches!(
        end.cause,
        Some(Cause::Fault(_) | Cause::ProviderAnswer) if !call.gate.has_begun()
    );
    is_models && answers && !refused
}

impl Used {
    /// What the provider said, cut to what can be.
    fn of(usage: &Usage, quality: Quality) -> Self {
        let number = |count: u64, what: Odd, most: u64| {
            let cut = count.min(most);
            let clamped = cut < count || usage.odd.has(what);
            Tokens {
                count: cut,
                quality: if clamped { Quality::Clamped } else { quality },
            }
        };
        let input = number(usage.input, Odd::INPUT, MOST);
        let cache_read = number(usage.cache_read, Odd::CACHE_READ, input.count);
        let uncached = input.count - cache_read.count;
        let cache_write = number(usage.cache_write, Odd::CACHE_WRITE, uncached);
        let long = usage.cache_writes.map_or(0, CacheWrites::long);
        let output = number(usage.output, Odd::OUTPUT, MOST);
        Self {
            input,
            cache_read,
            cache_write,
            cache_write_long: number(long, Odd::CACHE_WRITE, cache_write.count),
            output,
            reasoning: number(usage.reasoning, Odd::REASONING, output.count),
            media: Media {
                audio_input: usage.audio_input.saturating_sub(usage.cached_audio),
                image_input: usage.image_input.saturating_sub(usage.cached_image),
                audio_output: usage.audio_output,
                image_output: usage.image_output,
            },
            web_searches: usage.web_searches.min(MOST),
            uncounted: None,
        }
    }
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: Usage = Usage {
        input: 1000,
        cache_read: 300,
        cache_write: 200,
        cache_writes: Some(CacheWrites {
            minutes5: 150,
            minutes30: 0,
            hour1: 50,
            hours12: 0,
        }),
        output: 60,
        reasoning: 40,
        audio_input: 0,
        cached_audio: 0,
        cached_image: 0,
        audio_output: 0,
        image_input: 0,
        image_output: 0,
        tool_input: 0,
        prediction_accepted: 0,
        prediction_rejected: 0,
        web_searches: 2,
        web_fetches: 0,
        exact: true,
        odd: Odd::INPUT,
    };

    fn numbers(usage: &Usage) -> [(u64, Quality); 6] {
        let used = Used::of(usage, Quality::Reported);
        [
            used.input,
            used.cache_read,
            used.cache_write,
            used.cache_write_long,
            used.output,
            used.reasoning,
        ]
        .map(|number| (number.count, number.quality))
    }

    #[test]
    fn what_cannot_be_is_clamped_and_only_that() {
        use Quality::{Clamped, Reported};
        let sane = Usage {
            odd: Odd::default(),
            ..USAGE
        };
        assert_eq!(
            numbers(&sane),
            [1000, 300, 200, 50, 60, 40].map(|count| (count, Reported))
        );
        let odd = Usage {
            odd: Odd::OUTPUT,
            ..sane
        };
        assert_eq!(numbers(&odd)[4], (60, Clamped));
        assert_eq!(numbers(&odd)[0], (1000, Reported));
        let parts = Usage {
            cache_read: 900,
            reasoning: 61,
            ..sane
        };
        assert_eq!(
            numbers(&parts),
            [
                (1000, Reported),
                (900, Reported),
                (100, Clamped),
                (50, Reported),
                (60, Reported),
                (60, Clamped)
            ]
        );
        let absurd = Usage {
            input: u64::MAX,
            output: MOST + 1,
            ..sane
        };
        assert_eq!(numbers(&absurd)[0], (MOST, Clamped));
        assert_eq!(numbers(&absurd)[4], (MOST, Clamped));
        assert_eq!(Used::of(&sane, Reported).web_searches, 2);
    }
}
