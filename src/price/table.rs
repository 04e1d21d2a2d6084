//! Which price a model has.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Dollars;
use crate::chat::Glob;

/// Prices as they are given; what is left out follows from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Given {
    /// A million tokens of input.
    pub input: Option<Dollars>,
    /// Read from a cache; else as input.
    pub cache_read: Option<Dollars>,
    /// Written to a cache for minutes; else as input.
    pub cache_write: Option<Dollars>,
    /// Written to a cache for an hour or longer; else as the other writes.
    pub cache_write_long: Option<Dollars>,
    /// Sound in the input; else as input.
    pub audio_input: Option<Dollars>,
    /// Pictures in the input; else as input.
    pub image_input: Option<Dollars>,
    /// A million tokens of output.
    pub output: Option<Dollars>,
    /// Reasoning; else as output.
    pub reasoning: Option<Dollars>,
    /// Sound in the output; else as output.
    pub audio_output: Option<Dollars>,
    /// Pictures in the output; else as output.
    pub image_output: Option<Dollars>,
}

/// Prices of a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Input that is nothing of what follows.
    pub input: Dollars,
    /// Read from a cache.
    pub cache_read: Dollars,
    /// Written to a cache for minutes.
    pub cache_write: Dollars,
    /// Written to a cache for an hour or longer.
    pub cache_write_long: Dollars,
    /// Sound in the input.
    pub audio_input: Dollars,
    /// Pictures in the input.
    pub image_input: Dollars,
    /// Output that is nothing of what follows.
    pub output: Dollars,
    /// Reasoning.
    pub reasoning: Dollars,
    /// Sound in the output.
    pub audio_output: Dollars,
    /// Pictures in the output.
    pub image_output: Dollars,
}

/// Prices of requests whose input is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// They hold for all of a request with more input than this, in tokens.
    pub above: u64,
    /// The prices.
    pub rates: Rates,
}

/// What the requests for a model cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// Where it comes from: `shipped-` and a date, or `config-` and a hash of it.
    pub version: Arc<str>,
    /// The prices of a request that is not long.
    pub rates: Rates,
    /// Those of longer ones, the shortest first.
    pub tiers: Box<[Tier]>,
    /// Of every request.
    pub request: Dollars,
    /// Of one search of the web.
    pub web_search: Dollars,
}

/// The price of some models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// A provider or the name of an account; `None`: all.
    pub provider: Option<Box<str>>,
    /// The provider's names of the models.
    pub model: Glob,
    /// What they cost.
    pub price: Arc<Price>,
}

/// Rows of which the first that fits holds.
#[derive(Debug, Clone, Default)]
pub struct Table(Vec<Row>);

impl Given {
    /// `self`, and where it says nothing `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            input: self.input.or(other.input),
            cache_read: self.cache_read.or(other.cache_read),
            cache_write: self.cache_write.or(other.cache_write),
            cache_write_long: self.cache_write_long.or(other.cache_write_long),
            audio_input: self.audio_input.or(other.audio_input),
            image_input: self.image_input.or(other.image_input),
            output: self.output.or(other.output),
            reasoning: self.reasoning.or(other.reasoning),
            audio_output: self.audio_output.or(other.audio_output),
            image_output: self.image_output.or(other.image_output),
        }
    }

    /// All prices; what nothing is said about and nothing follows for costs nothing.
    pub fn rates(self) -> Rates {
        let input = self.input.unwrap_or_default();
        let output = self.output.unwrap_or_default();
        let cache_write = self.cache_write.unwrap_or(input);
        Rates {
            input,
            cache_read: self.cache_read.unwrap_or(input),
            cache_write,
            cache_write_long: self.cache_write_long.unwrap_or(cache_write),
            audio_input: self.audio_input.unwrap_or(input),
            image_input: self.image_input.unwrap_or(input),
            output,
            reasoning: self.reasoning.unwrap_or(output),
            audio_output: self.audio_output.unwrap_or(output),
            image_output: self.image_output.unwrap_or(output),
        }
    }
}

impl Price {
    /// With the prices `base`, and for longer requests those of `tiers`, which say only what is different.
    pub fn new(base: Given, tiers: &[(u64, Given)], request: Dollars, web_search: Dollars) -> Self {
        let mut tiers: Vec<Tier> = tiers
            .iter()
            .map(|(above, given)| Tier {
                above: *above,
                rates: given.or(base).rates(),
            })
            .collect();
        tiers.sort_by_key(|tier| tier.above);
        Self {
            version: "".into(),
            rates: base.rates(),
            tiers: tiers.into(),
            request,
            web_search,
        }
    }

    /// As it stands in a config: its version is a hash of what it says, so that another price has another one.
    #[must_use]
    pub fn configured(mut self) -> Self {
        let hash = Sha256::digest(self.text());
        let digits: String = hash
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.version = format!("config-{digits}").into();
        self
    }

    /// Whether tokens cost nothing, so that it need not be known how many there were.
    pub fn is_flat(&self) -> bool {
        let tiers = self.tiers.iter().map(|tier| &tier.rates);
        let mut all = std::iter::once(&self.rates).chain(tiers);
        all.all(|rates| rates.all().iter().all(|price| *price == Dollars::ZERO))
    }

    /// Everything in it as text.
    fn text(&self) -> String {
        let mut text = format!("{} {}", self.request, self.web_search);
        let base = Tier {
            above: 0,
            rates: self.rates,
        };
        for tier in std::iter::once(&base).chain(&self.tiers) {
            text.push_str(&format!(" >{}", tier.above));
            for price in tier.rates.all() {
                text.push_str(&format!(" {price}"));
            }
        }
        text
    }
}

impl Rates {
    /// In the order of the fields.
    pub fn all(&self) -> [Dollars; 10] {
        [
            self.input,
            self.cache_read,
            self.cache_write,
            self.cache_write_long,
            self.audio_input,
            self.image_input,
            self.output,
            self.reasoning,
            self.audio_output,
            self.image_output,
        ]
    }
}

impl Table {
    /// The operator's `rows`, then those that are shipped.
    pub fn new(mut rows: Vec<Row>) -> Self {
        rows.extend(super::shipped());
        Self(rows)
    }

    /// The row for `model` at a provider that `is_at` knows the names of.
    pub fn find(&self, model: &str, is_at: impl Fn(&str) -> bool) -> Option<&Row> {
        self.0
            .iter()
            .find(|row| row.model.matches(model) && row.provider.as_deref().is_none_or(&is_at))
    }

    /// Its rows, in their order.
    pub fn rows(&self) -> &[Row] {
        &self.0
    }
}
