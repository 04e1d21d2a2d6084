//! What a request that is explained would cost.

use serde::Serialize;

use crate::price::{Counts, Nano, Price};
use crate::proxy::context::{Attempt, Context};

/// Dollars for a million tokens.
#[derive(Debug, Serialize)]
pub(super) struct Priced {
    /// As it stands in records.
    version: String,
    input: String,
    cache_read: String,
    cache_write: String,
    cache_write_1h: String,
    output: String,
    reasoning: String,
}

impl Priced {
    /// The prices of a request with so much `input`.
    fn of(price: &Price, input: u64) -> Self {
        let rates = price.rates_for(input);
        Self {
            version: price.version.to_string(),
            input: rates.input.to_string(),
            cache_read: rates.cache_read.to_string(),
            cache_write: rates.cache_write.to_string(),
            cache_write_1h: rates.cache_write_long.to_string(),
            output: rates.output.to_string(),
            reasoning: rates.reasoning.to_string(),
        }
    }
}

/// What `input` tokens would cost where `attempt` goes, in dollars, and by which prices; nothing where the
/// client's own key pays.
pub(super) fn price(
    ctx: &Context,
    attempt: &Attempt,
    input: Option<u64>,
) -> (Option<String>, Option<Priced>) {
    let account = &attempt.account.name;
    let price = match ctx.own_key {
        Some(_) => None,
        None => ctx.live.prices.of(account, None, &attempt.model),
    };
    let Some(price) = price else {
        return (None, None);
    };
    let cost = input.map(|input| {
        let counts = Counts {
            input,
            ..Counts::default()
        };
        Nano(price.cost(&counts)).to_string()
    });
    (cost, Some(Priced::of(&price, input.unwrap_or_default())))
}
