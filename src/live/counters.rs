//! What was used in the current minute, hour and day, by all instances that share a Redis.
//!
//! Each instance adds what it has used to hashes that end by themselves, beside the writing of records. What
//! could not be added because Redis was away is added later; what may have been added is not added twice.
//! What this instance has used is known here in any case.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use parking_lot::Mutex;
use redis::pipe;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::state::redis::Redis;
use crate::usage::counters::{Count, Counters, Counts, Local, WINDOWS, Whose};

/// How long Redis may take to add.
const ADD: Duration = Duration::from_millis(500);
/// How long Redis may take when an operator asks.
const READ: Duration = Duration::from_millis(250);
/// How often what waits is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// Sums that wait while Redis is away; more are in this instance's numbers only.
const WAITING: usize = 20_000;

/// Counters that all instances add to.
pub struct SharedCounters {
    redis: Arc<Redis>,
    own: Local,
    /// What is not in Redis yet, by minute.
    waiting: Mutex<HashMap<(i64, Whose), Count>>,
    bell: Notify,
    /// Held while sums are under way.
    adding: tokio::sync::Mutex<()>,
}

impl SharedCounters {
    /// Those in `redis`.
    pub fn new(redis: Arc<Redis>) -> Self {
        Self {
            redis,
            own: Local::default(),
            waiting: Mutex::default(),
            bell: Notify::new(),
            adding: tokio::sync::Mutex::default(),
        }
    }

    /// Adds what waits. Never ends.
    pub async fn share(&self) {
        loop {
            let _ = timeout(AGAIN, self.bell.notified()).await;
            self.flush().await;
        }
    }

    /// Adds what waits now.
    pub async fn flush(&self) {
        let _turn = self.adding.lock().await;
        if !self.redis.is_up() {
            return;
        }
        let waiting = std::mem::take(&mut *self.waiting.lock());
        if waiting.is_empty() {
            return;
        }
        let mut commands = pipe();
        let mut keys = Vec::new();
        for ((minute, whose), count) in &waiting {
            for window in WINDOWS {
                let key = self.key(window, minute - minute.rem_euclid(window));
                for (letter, number) in numbers(count) {
                    if number != 0 {
                        let field = field(whose, letter);
                        commands.hincr(&key, field, number).ignore();
                    }
                }
                if !keys.contains(&key) {
                    commands.cmd("EXPIRE").arg(&key).arg(2 * window).ignore();
                    keys.push(key);
                }
            }
        }
        if let Err(error) = self.redis.ask_all::<()>(&commands, ADD).await {
            self.redis.complain("counters are not shared", &error);
            if !error.was_sent {
                let waiting = waiting.iter();
                self.wait(waiting.map(|((minute, whose), count)| (*minute, whose, count)));
            }
        }
    }

    fn key(&self, window: i64, begin: i64) -> String {
        self.redis.key(format_args!("used:{window}:{begin}"))
    }

    fn wait<'a>(&self, used: impl IntoIterator<Item = (i64, &'a Whose, &'a Count)>) {
        let mut waiting = self.waiting.lock();
        for (minute, whose, count) in used {
            let key = (minute, whose.clone());
            if waiting.len() < WAITING || waiting.contains_key(&key) {
                waiting.entry(key).or_default().add(count);
            }
        }
    }
}

#[async_trait]
impl Counters for SharedCounters {
    async fn add(&self, minute: i64, used: &[(Whose, Count)]) {
        self.own.add(minute, used).await;
        self.wait(used.iter().map(|(whose, count)| (minute, whose, count)));
        self.bell.notify_one();
    }

    async fn read(&self, now: SystemTime) -> Vec<(Whose, Counts)> {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let mut commands = pipe();
        for window in WINDOWS {
            commands.hgetall(self.key(window, seconds - seconds.rem_euclid(window)));
        }
        let read = self
            .redis
            .ask_all::<Vec<Vec<(String, i64)>>>(&commands, READ);
        match read.await {
            Ok(windows) => {
                let mut all: HashMap<Whose, Counts> = HashMap::new();
                for (place, fields) in windows.into_iter().take(WINDOWS.len()).enumerate() {
                    for (field, number) in fields {
                        if let Some((whose, letter)) = read_field(&field) {
                            set(&mut all.entry(whose).or_default()[place], letter, number);
                        }
                    }
                }
                let mut all: Vec<_> = all.into_iter().collect();
                all.sort_by(|(one, _), (other, _)| one.cmp(other));
                all
            }
            Err(error) => {
                self.redis.complain("counters cannot be read", &error);
                self.own.read(now).await
            }
        }
    }
}

fn numbers(count: &Count) -> [(char, i64); 5] {
    [
        ('r', count.requests),
        ('e', count.errors),
        ('i', count.input_tokens),
        ('o', count.output_tokens),
        ('n', count.nano_dollars),
    ]
}

fn set(count: &mut Count, letter: char, number: i64) {
    match letter {
        'r' => count.requests = number,
        'e' => count.errors = number,
        'i' => count.input_tokens = number,
        'o' => count.output_tokens = number,
        'n' => count.nano_dollars = number,
        _ => {}
    }
}

/// What is counted, whose kind, and the name.
fn field(whose: &Whose, letter: char) -> String {
    match whose {
        Whose::All => format!("{letter}*"),
        Whose::Account(name) => format!("{letter}a{name}"),
        Whose::Client(name) => format!("{letter}c{name}"),
    }
}

fn read_field(field: &str) -> Option<(Whose, char)> {
    let mut parts = field.chars();
    let letter = parts.next()?;
    let kind = parts.next()?;
    let name = parts.as_str();
    let whose = match kind {
        '*' => Whose::All,
        'a' => Whose::Account(name.into()),
        'c' => Whose::Client(name.into()),
        _ => return None,
    };
    Some((whose, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_were_written() {
        for whose in [
            Whose::All,
            Whose::Account("a: 1".into()),
            Whose::Client("é".into()),
        ] {
            let count = Count {
                requests: 1,
                errors: 2,
                input_tokens: 3,
                output_tokens: 4,
                nano_dollars: -5,
            };
            let mut read = Count::default();
            for (letter, number) in numbers(&count) {
                let (found, letter) = read_field(&field(&whose, letter)).unwrap();
                assert_eq!(found, whose);
                set(&mut read, letter, number);
            }
            assert_eq!(read, count);
        }
        assert!(read_field("x").is_none() && read_field("rx").is_none());
    }
}
