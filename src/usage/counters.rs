//! What was used in the current minute, hour and day, at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::Entry;

/// Whose use is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whose {
    /// Everybody's.
    All,
    /// An account's, by its name.
    Account(Arc<str>),
    /// A client's, by the name of its key.
    Client(Arc<str>),
}

/// What was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests.
    pub requests: i64,
    /// Of them, those that failed.
    pub errors: i64,
    /// All input.
    pub input_tokens: i64,
    /// All output.
    pub output_tokens: i64,
    /// Billionths of a dollar.
    pub nano_dollars: i64,
}

/// The lengths of what is counted, in seconds: minute, hour, day, each beginning in UTC.
pub const WINDOWS: [i64; 3] = [60, 3_600, 86_400];

/// Counts in the windows that hold one moment, in the order of [`WINDOWS`].
pub type Counts = [Count; WINDOWS.len()];

/// Counters, in this process or shared by several.
#[async_trait]
pub trait Counters: Send + Sync {
    /// Adds what was used in the minute that begins at `minute`, in seconds since 1970. Called some times
    /// a second before these records are written: it waits for nobody.
    async fn add(&self, minute: i64, used: &[(Whose, Count)]);

    /// What was used until `now`. With a short deadline, and what this process knows after it.
    async fn read(&self, now: SystemTime) -> Vec<(Whose, Counts)>;
}

/// Most accounts and clients that are counted; the rest is in [`Whose::All`] only.
const MOST: usize = 10_000;

/// Counters of this process.
#[derive(Debug, Default)]
pub struct Local(Mutex<HashMap<Whose, [(i64, Count); WINDOWS.len()]>>);

#[async_trait]
impl Counters for Local {
    async fn add(&self, minute: i64, used: &[(Whose, Count)]) {
        let mut all = self.0.lock();
        for (whose, count) in used {
            if all.len() >= MOST && !all.contains_key(whose) {
                continue;
            }
            let windows = all.entry(whose.clone()).or_default();
            for (window, length) in windows.iter_mut().zip(WINDOWS) {
                let begin = minute - minute.rem_euclid(length);
                if window.0 < begin {
                    *window = (begin, Count::default());
                }
                // What comes late belongs to a window that is over.
                if window.0 == begin {
                    window.1.add(count);
                }
            }
        }
    }

    async fn read(&self, now: SystemTime) -> Vec<(Whose, Counts)> {
        let now = seconds(now);
        let all = self.0.lock();
        let mut read: Vec<(Whose, Counts)> = all
            .iter()
            .map(|(whose, windows)| {
                let mut counts = Counts::default();
                for (place, length) in WINDOWS.into_iter().enumerate() {
                    let (begin, count) = windows[place];
                    if begin == now - now.rem_euclid(length) {
                        counts[place] = count;
                    }
                }
                (whose.clone(), counts)
            })
            .collect();
        read.sort_by(|(one, _), (other, _)| one.cmp(other));
        read
    }
}

impl Count {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.nano_dollars = self.nano_dollars.saturating_add(other.nano_dollars);
    }

    fn of(entry: &Entry) -> Self {
        Self {
            requests: 1,
            errors: i64::from(entry.error.is_some()),
            input_tokens: entry.tokens[0].0,
            output_tokens: entry.tokens[4].0,
            nano_dollars: entry.cost.unwrap_or(0),
        }
    }
}

/// `entries` by minute and by whose they are.
pub(super) fn by_minute(entries: &[Entry]) -> HashMap<i64, Vec<(Whose, Count)>> {
    let mut minutes: HashMap<i64, HashMap<Whose, Count>> = HashMap::new();
    for entry in entries {
        let seconds = entry.time.div_euclid(1_000_000);
        let minute = minutes
            .entry(seconds - seconds.rem_euclid(WINDOWS[0]))
            .or_default();
        let whose = [
            Some(Whose::All),
            entry.account.clone().map(Whose::Account),
            entry.client.clone().map(Whose::Client),
        ];
        for whose in whose.into_iter().flatten() {
            minute.entry(whose).or_default().add(&Count::of(entry));
        }
    }
    minutes
        .into_iter()
        .map(|(minute, used)| (minute, used.into_iter().collect()))
        .collect()
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
