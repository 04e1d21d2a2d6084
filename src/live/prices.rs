//! What models cost, looked up once each. Off the path of requests, but for those that ask.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::account::Account;
use crate::config::Config;
use crate::price::{Counts, Price, Table};
use crate::usage::{Amounts, Cost, Quality, Record};

/// Most models that are remembered; clients choose the names.
const MODELS: usize = 4096;

/// By account and model.
type Known = HashMap<(Arc<str>, Arc<str>), Option<Arc<Price>>>;

/// The prices in force.
#[derive(Debug)]
pub struct Prices {
    table: Arc<Table>,
    /// By name.
    accounts: HashMap<Arc<str>, Arc<Account>>,
    known: RwLock<Known>,
}

impl Prices {
    /// Those of `config`.
    pub fn new(config: &Config) -> Self {
        let accounts = config.accounts.iter();
        Self {
            table: Arc::clone(&config.prices),
            accounts: accounts
                .map(|account| (Arc::clone(&account.name), Arc::clone(account)))
                .collect(),
            known: RwLock::default(),
        }
    }

    /// The price of `model`, as the provider calls it, on the account of that name; `None`: it is unknown.
    /// An account that is gone is known by its `provider`.
    pub fn of(
        &self,
        account: &Arc<str>,
        provider: Option<&str>,
        model: &Arc<str>,
    ) -> Option<Arc<Price>> {
        let key = (Arc::clone(account), Arc::clone(model));
        if let Some(known) = self.known.read().get(&key) {
            return known.clone();
        }
        let providers = self.accounts.get(account).map(|account| &account.providers);
        let row = self.table.find(model, |name| {
            name == &**account
                || provider == Some(name)
                || providers.is_some_and(|names| names.iter().any(|known| **known == *name))
        });
        let price = row.map(|row| Arc::clone(&row.price));
        let mut known = self.known.write();
        if known.len() >= MODELS {
            known.clear();
        }
        known.insert(key, price.clone());
        price
    }

    /// What `record` cost, whose tokens are counted, each try by its own price; `None`: a price is unknown,
    /// someone else pays, nobody was asked, or nobody knows what was used.
    pub fn cost(&self, record: &Record) -> Option<Cost> {
        if record.own_key {
            return None;
        }
        let (account, model) = (record.account.as_ref()?, record.model_used.as_ref()?);
        let price = self.of(account, record.provider.as_deref(), model)?;
        let is_known = [record.input, record.output]
            .iter()
            .any(|tokens| tokens.quality != Quality::None);
        let failed = record.error.is_some() || record.status >= 400;
        let nano_dollars = match (is_known, failed) {
            (true, _) => self.tries(record, &price)?,
            // It failed before anything was used.
            (false, true) => 0,
            (false, false) if price.is_flat() => price.cost(&Counts::default()),
            (false, false) => return None,
        };
        Some(Cost {
            nano_dollars,
            price_version: Arc::clone(&price.version),
        })
    }

    /// What one try cost that has `used` so much, in billionths of a dollar; `None`: the price is unknown.
    pub fn cost_of(
        &self,
        account: &Arc<str>,
        provider: Option<&str>,
        model: &Arc<str>,
        used: &Amounts,
    ) -> Option<i64> {
        let price = self.of(account, provider, model)?;
        Some(price.cost(&counts(used)))
    }

    /// What its tries cost, the last one by `price`.
    fn tries(&self, record: &Record, price: &Price) -> Option<i64> {
        let last = record.last();
        let mut sum = match last == Amounts::default() && !record.earlier.is_empty() {
            true => 0,
            false => price.cost(&counts(&last)),
        };
        for one in &record.earlier {
            let cost =
                self.cost_of(&one.account, one.provider.as_deref(), &one.model, &one.used)?;
            sum = sum.saturating_add(cost);
        }
        Some(sum)
    }
}

fn counts(used: &Amounts) -> Counts {
    Counts {
        input: used.input,
        cache_read: used.cache_read,
        cache_write: used.cache_write,
        cache_write_long: used.cache_write_long,
        output: used.output,
        reasoning: used.reasoning,
        audio_input: used.media.audio_input,
        image_input: used.media.image_input,
        audio_output: used.media.audio_output,
        image_output: used.media.image_output,
        web_searches: used.web_searches,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::account::testing::at;
    use crate::price::{Dollars, Given, Row};
    use crate::usage::{Earlier, RecordId, Tokens};

    fn prices() -> Prices {
        let row = |provider: &str, input: &str| Row {
            provider: Some(provider.into()),
            model: crate::account::Glob::try_new("m*").unwrap(),
            price: Arc::new(
                Price::new(
                    Given {
                        input: Some(Dollars::parse(input).unwrap()),
                        output: Some(Dollars::parse(input).unwrap()),
                        ..Given::default()
                    },
                    &[],
                    Dollars::ZERO,
                    Dollars::ZERO,
                )
                .configured(),
            ),
        };
        let named = |name: &str, provider: &str| {
            let account = Arc::new(at(name, provider));
            (Arc::clone(&account.name), account)
        };
        let rows = vec![row("team", "9"), row("openai", "2"), row("ollama", "0")];
        Prices {
            table: Arc::new(Table::new(rows)),
            accounts: [
                named("a", "openai"),
                named("team", "openai"),
                named("o", "ollama"),
            ]
            .into(),
            known: RwLock::default(),
        }
    }

    fn record(account: &str, model: &str, count: u64, quality: Quality) -> Record {
        let tokens = Tokens { count, quality };
        Record {
            id: RecordId::new(SystemTime::now()),
            time: SystemTime::now(),
            request_id: "r".into(),
            client: None,
            account: Some(account.into()),
            provider: None,
            model_asked: model.into(),
            model_used: Some(model.into()),
            client_format: None,
            provider_format: None,
            streamed: false,
            own_key: false,
            status: 200,
            error: None,
            attempts: 1,
            input: tokens,
            cache_read: Tokens::default(),
            cache_write: Tokens::default(),
            cache_write_long: Tokens::default(),
            output: Tokens::default(),
            reasoning: Tokens::default(),
            media: crate::usage::Media::default(),
            web_searches: 0,
            earlier: Vec::new(),
            uncounted: None,
            cost: None,
            latency_micros: 1,
            first_token_micros: None,
            bytes_in: 0,
            bytes_out: 0,
            tags: "".into(),
        }
    }

    fn cost(record: &Record) -> Option<i64> {
        prices().cost(record).map(|cost| cost.nano_dollars)
    }

    #[test]
    fn a_record_costs_what_its_account_and_model_say() {
        let of = |account, model| cost(&record(account, model, 1_000, Quality::Reported));
        assert_eq!(of("a", "m1"), Some(2_000_000));
        assert_eq!(of("team", "m1"), Some(9_000_000), "an entry's own name");
        assert_eq!(of("o", "m1"), Some(0));
        assert_eq!(of("a", "other"), None);
        assert_eq!(of("gone", "m1"), None);
        let mut gone = record("gone", "m1", 1_000, Quality::Estimated);
        gone.provider = Some("openai".into());
        assert_eq!(cost(&gone), Some(2_000_000), "known by its provider");
        assert_eq!(of("a", "gpt-4o"), Some(2_500_000));
        let shipped = prices().cost(&record("a", "gpt-4o", 1, Quality::Partial));
        let version = format!("shipped-{}", crate::price::DATE);
        assert_eq!(*shipped.unwrap().price_version, *version);
    }

    #[test]
    fn each_try_has_a_price_of_its_own() {
        let try_on = |account: &str, model: &str| Earlier {
            account: account.into(),
            provider: None,
            model: model.into(),
            used: Amounts {
                input: 150_000,
                ..Amounts::default()
            },
        };
        let with = |count, earlier| Record {
            earlier: vec![earlier],
            ..record("a", "m", count, Quality::Partial)
        };
        let elsewhere = with(150_000 + 1_000, try_on("team", "m"));
        assert_eq!(cost(&elsewhere), Some(150_000 * 9_000 + 1_000 * 2_000));
        let unknown = with(151_000, try_on("a", "other"));
        assert_eq!(cost(&unknown), None);
        // More than 200,000 tokens cost more, but only in one request.
        let gemini = |record: Record| Record {
            account: Some("gone".into()),
            provider: Some("gemini".into()),
            model_used: Some("gemini-2.5-pro".into()),
            ..record
        };
        let mut before = try_on("gone", "gemini-2.5-pro");
        before.provider = Some("gemini".into());
        let twice = cost(&gemini(with(300_000, before)));
        let of = |count| cost(&gemini(record("", "", count, Quality::Reported))).unwrap();
        assert_eq!(twice, Some(2 * of(150_000)));
        assert!(of(300_000) > 2 * of(150_000));
        let nothing_since = with(150_000, try_on("team", "m"));
        assert_eq!(cost(&nothing_since), Some(150_000 * 9_000));
    }

    #[test]
    fn what_nobody_knows_or_pays_has_no_cost() {
        let mut own = record("a", "m", 1_000, Quality::Reported);
        own.own_key = true;
        assert_eq!(cost(&own), None);
        let mut unasked = record("a", "m", 1_000, Quality::Reported);
        unasked.account = None;
        assert_eq!(cost(&unasked), None);
        let unknown = record("a", "m", 0, Quality::None);
        assert_eq!(cost(&unknown), None);
        let mut failed = unknown;
        failed.status = 503;
        assert_eq!(cost(&failed), Some(0));
        let free = record("o", "m", 0, Quality::None);
        assert_eq!(cost(&free), Some(0), "whatever it was");
        let absurd = record("a", "m", u64::MAX, Quality::Clamped);
        assert_eq!(cost(&absurd), Some(i64::MAX));
    }
}
