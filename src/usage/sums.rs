//! Entries added up by time and by who used what.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Entry, Quality};

/// What is added up, as columns of `usage_hourly` and `usage_daily`.
pub const SUMS: [&str; 19] = [
    "requests",
    "errors",
    "attempts",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_long_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_searches",
    "estimated_tokens",
    "partial_tokens",
    "cost_nano_dollars",
    "cost_unknown",
    "latency_micros",
    "first_tokens",
    "first_token_micros",
    "bytes_in",
    "bytes_out",
];

/// Seconds of an hour and of a day.
pub const HOUR: i64 = 3_600;
/// Seconds of a day.
pub const DAY: i64 = 24 * HOUR;

/// One number for each of [`SUMS`].
pub type Sums = [i64; SUMS.len()];

/// Identifies a [`Series`].
pub type SeriesId = [u8; 16];

/// Who used what. Empty: none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Series {
    /// The account's name.
    pub account: Arc<str>,
    /// The provider's name.
    pub provider: Arc<str>,
    /// The model as the provider was asked for it. Empty also for a request that failed and used nothing:
    /// clients can invent names.
    pub model: Arc<str>,
    /// The name of the client's key.
    pub client: Arc<str>,
    /// A JSON object.
    pub tags: Arc<str>,
}

impl Series {
    /// That of an entry.
    pub fn of(entry: &Entry) -> Self {
        let is_answered = entry.error.is_none() || entry.tokens.iter().any(|(count, _)| *count > 0);
        let or_empty = |text: &Option<Arc<str>>| text.clone().unwrap_or_default();
        Self {
            account: or_empty(&entry.account),
            provider: or_empty(&entry.provider),
            model: match is_answered {
                true => or_empty(&entry.model_used),
                false => Arc::default(),
            },
            client: or_empty(&entry.client),
            tags: Arc::clone(&entry.tags),
        }
    }

    /// Its texts, as they stand in columns.
    pub fn texts(&self) -> [&Arc<str>; 5] {
        [
            &self.account,
            &self.provider,
            &self.model,
            &self.client,
            &self.tags,
        ]
    }

    /// Its id: a hash of its texts.
    pub fn id(&self) -> SeriesId {
        let mut hash = Sha256::new();
        for text in self.texts() {
            // Lengths first: what is cut elsewhere is another series.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        let mut id = SeriesId::default();
        id.copy_from_slice(&hash.finalize()[..16]);
        id
    }
}

/// Sums by the second that a time begins with and by series, sorted.
pub type ByTime = BTreeMap<(i64, SeriesId), Sums>;

/// Entries added up by hour and by day.
#[derive(Debug, Default)]
pub struct Totals {
    /// Every series in them.
    pub series: BTreeMap<SeriesId, Series>,
    /// By hour.
    pub hours: ByTime,
    /// By day.
    pub days: ByTime,
}

impl Totals {
    /// Those of `entries`.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut totals = Self::default();
        for entry in entries {
            totals.add(entry);
        }
        totals
    }

    /// Adds an entry.
    pub fn add(&mut self, entry: &Entry) {
        let series = Series::of(entry);
        let id = series.id();
        self.series.entry(id).or_insert(series);
        let amounts = amounts(entry);
        for (sums, length) in [(&mut self.hours, HOUR), (&mut self.days, DAY)] {
            let key = (begin(entry.time, length), id);
            let sums = sums.entry(key).or_insert([0; SUMS.len()]);
            for (sum, amount) in sums.iter_mut().zip(amounts) {
                *sum = sum.saturating_add(amount);
            }
        }
    }
}

/// The second at which the hour or day of `micros` begins.
pub fn begin(micros: i64, length: i64) -> i64 {
    let seconds = micros.div_euclid(1_000_000);
    seconds - seconds.rem_euclid(length)
}

/// What one entry adds.
pub fn amounts(entry: &Entry) -> Sums {
    let [input, cache_read, cache_write, long, output, reasoning] = entry.tokens;
    let of_quality = |quality: Quality| {
        let both = [input, output].into_iter();
        let such = both.filter(|(_, one)| *one == i64::from(quality as u8));
        such.map(|(count, _)| count).sum()
    };
    let used = input.0 > 0 || output.0 > 0;
    let unknown = used && entry.cost.is_none() && !entry.own_key;
    [
        1,
        i64::from(entry.error.is_some()),
        entry.attempts,
        input.0,
        cache_read.0,
        cache_write.0,
        long.0,
        output.0,
        reasoning.0,
        entry.web_searches,
        of_quality(Quality::Estimated),
        of_quality(Quality::Partial),
        entry.cost.unwrap_or(0),
        i64::from(unknown),
        entry.latency,
        i64::from(entry.first_token.is_some()),
        entry.first_token.unwrap_or(0),
        entry.bytes_in,
        entry.bytes_out,
    ]
}
