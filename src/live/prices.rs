//! What models cost, looked up once each. Off the path of requests, but for those that ask.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::account::Account;
use crate::config::Config;
use crate::price::{Counts, Price, Table};
use crate::usage::{Cost, Quality, Record};

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

    /// What `record` cost, whose tokens are counted; `None`: no price is known, someone else pays, nobody was asked, or nobody knows
    /// what was used.
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
            (true, _) => price.cost(&counts(record)),
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
}

fn counts(record: &Record) -> Counts {
    Counts {
        input: record.input.count,
        cache_read: record.cache_read.count,
        cache_write: record.cache_write.count,
        cache_write_long: record.cache_write_long.count,
        output: record.output.count,
        reasoning: record.reasoning.count,
        audio_input: record.media.audio_input,
        image_input: record.media.image_input,
        audio_output: record.media.audio_output,
        image_output: record.media.image_output,
        web_searches: record.web_searches,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::account::testing::at;
    use crate::price::{Dollars, Given, Row};
    use crate::usage::{RecordId, Tokens};

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
