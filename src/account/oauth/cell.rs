//! The token that an account's requests send, and how it is with the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use parking_lot::Mutex;
use tokio::sync::{self, MutexGuard, Notify, watch};
use tokio::time::Instant;

use super::kept::Kept;

/// How long before its end a token is replaced.
const LEAD: Duration = Duration::from_secs(300);
/// How long before its end it is not sent any more: it has a way to go.
const MARGIN: Duration = Duration::from_secs(5);
/// The first wait after a refresh that failed; it doubles.
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The first wait after a dead refresh token.
const DEAD: Duration = Duration::from_secs(60);
/// The longest.
const DEAD_MAX: Duration = Duration::from_secs(300);

/// An access token.
#[derive(Debug)]
pub struct Token {
    /// `Bearer …`, marked sensitive.
    pub header: HeaderValue,
    /// Counts the tokens of this process's account.
    pub serial: u64,
    /// When it is not sent any more; `None`: nobody knows.
    until: Option<Instant>,
    /// When the next one is got.
    renew: Option<Instant>,
    /// When it ends.
    pub expires: Option<SystemTime>,
}

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoToken {
    /// The refresh token is dead.
    Dead,
    /// It could not be got.
    Failed,
    /// It did not come in time.
    Slow,
}

/// What has become of a token that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// It is sent.
    InForce,
    /// It was over already. What came with it is remembered.
    Over,
    /// It comes from a refresh token that is no longer configured, and is forgotten.
    Outdated,
}

/// How it is with an account's token, for people.
#[derive(Debug, Clone, Default)]
pub struct TokenReport {
    /// Whether there is one that may be sent.
    pub usable: bool,
    /// When it ends.
    pub expires: Option<SystemTime>,
    /// When it was got.
    pub refreshed: Option<SystemTime>,
    /// What the last refresh has failed for, if it has; and when.
    pub error: Option<(String, SystemTime)>,
    /// The refresh token is dead.
    pub dead: bool,
    /// A rotated refresh token is in memory only.
    pub unsaved: bool,
}

/// How the last refreshes went.
#[derive(Debug, Clone, Copy, Default)]
struct Course {
    /// How many have failed, ever.
    failed: u64,
    /// How many in a row.
    row: u32,
    /// None begins before.
    not_before: Option<Instant>,
    /// How many tokens in a row were to be replaced as soon as they came.
    short: u32,
    dead: bool,
}

/// The token of one account. Shared by all configs that have the account.
#[derive(Debug)]
pub struct Cell {
    token: ArcSwapOption<Token>,
    /// The serial of the last token that the provider has refused.
    refused: AtomicU64,
    /// Somebody needs a token.
    wanted: Notify,
    course: watch::Sender<Course>,
    memory: Mutex<Memory>,
    /// Held by the one that asks for a token or stores one.
    turn: sync::Mutex<()>,
}

/// What is known besides the token.
#[derive(Debug, Default)]
struct Memory {
    kept: Option<Arc<Kept>>,
    /// The operator's refresh token in force; `None`: not told yet.
    origin: Option<Box<str>>,
    /// What is kept is in memory only, and comes after this version of the store.
    unsaved: Option<i64>,
    /// The newest version of the store that was seen.
    version: i64,
    refreshed: Option<SystemTime>,
    error: Option<(String, SystemTime)>,
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            token: ArcSwapOption::empty(),
            refused: AtomicU64::new(0),
            wanted: Notify::new(),
            course: watch::Sender::new(Course::default()),
            memory: Mutex::default(),
            turn: sync::Mutex::default(),
        }
    }
}

impl Cell {
    /// The token, if it may be sent at `now`.
    pub fn ready(&self, now: Instant) -> Option<Arc<Token>> {
        let token = self.token.load_full()?;
        let is_good = token.until.is_none_or(|until| now < until)
            && token.serial > self.refused.load(Ordering::Acquire);
        is_good.then_some(token)
    }

    /// The token, as soon as there is one; not longer than `patience`.
    pub async fn wait(&self, patience: Duration) -> Result<Arc<Token>, NoToken> {
        let found = tokio::time::timeout(patience, self.come()).await;
        found.unwrap_or(Err(NoToken::Slow))
    }

    async fn come(&self) -> Result<Arc<Token>, NoToken> {
        let mut course = self.course.subscribe();
        let before = *course.borrow_and_update();
        if let Some(token) = self.ready(Instant::now()) {
            return Ok(token);
        }
        let rests = before
            .not_before
            .is_some_and(|moment| Instant::now() < moment);
        if rests {
            return Err(before.why());
        }
        self.wanted.notify_one();
        loop {
            // The sender is a part of this.
            if course.changed().await.is_err() {
                return Err(NoToken::Failed);
            }
            let now = *course.borrow_and_update();
            if let Some(token) = self.ready(Instant::now()) {
                return Ok(token);
            }
            if now.failed > before.failed {
                return Err(now.why());
            }
        }
    }

    /// The provider has refused the token with this serial: another one is got, once, however many requests
    /// say so.
    pub fn refuse(&self, serial: u64) {
        if self.refused.fetch_max(serial, Ordering::AcqRel) < serial {
            self.wanted.notify_one();
        }
    }

    /// Resolves when somebody needs a token.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// When the next token has to be got; `None`: only when somebody needs one.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let course = *self.course.borrow();
        let due = match self.ready(now) {
            Some(_) if self.is_replaced() => now,
            Some(token) => token.renew?,
            None => now,
        };
        Some(course.not_before.map_or(due, |not| due.max(not)))
    }

    /// How long the token may still be sent at `now`; `None`: for nobody knows how long.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        match self.ready(now) {
            None => Some(Duration::ZERO),
            Some(token) => token
                .until
                .map(|until| until.saturating_duration_since(now)),
        }
    }

    /// Waits until nobody else asks for a token or stores one: a refresh token is good for one use.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Puts the token of `kept` in force.
    pub(super) fn publish(&self, kept: Arc<Kept>) -> Came {
        let now = Instant::now();
        let mut memory = self.memory.lock();
        if !memory.wants(&kept) {
            return Came::Outdated;
        }
        let left = kept.left(SystemTime::now());
        let lead = kept.life().map_or(LEAD, |life| LEAD.min(life / 4));
        // A little earlier each time, so that instances and accounts do not all come at once.
        let lead = lead.mul_f64(1.0 + rand::random::<f64>() / 5.0);
        let serial = self.token.load().as_ref().map_or(0, |token| token.serial) + 1;
        let margin = MARGIN.min(lead / 5);
        let lives = left.map(|left| left.saturating_sub(margin));
        let header = kept
            .header()
            .filter(|_| lives.is_none_or(|lives| !lives.is_zero()));
        let Some(header) = header else {
            memory.kept = Some(kept);
            return Came::Over;
        };
        let renew = left.map(|left| left.saturating_sub(lead));
        self.token.store(Some(Arc::new(Token {
            header,
            serial,
            until: lives.map(|lives| now + lives),
            renew: renew.map(|renew| now + renew),
            expires: kept.expires(),
        })));
        memory.refreshed = Some(kept.issued());
        memory.kept = Some(kept);
        memory.error = None;
        drop(memory);
        let is_short = renew.is_some_and(|renew| renew < BACKOFF);
        self.course.send_modify(|course| {
            let short = match is_short {
                true => course.short.saturating_add(1),
                false => 0,
            };
            *course = Course {
                failed: course.failed,
                short,
                // An endpoint whose tokens end at once is asked less and less often.
                not_before: is_short.then(|| now + doubled(BACKOFF, short - 1, BACKOFF_MAX)),
                ..Course::default()
            };
        });
        Came::InForce
    }

    /// A refresh has failed.
    pub(super) fn fail(&self, why: String, dead: bool) {
        self.memory.lock().error = Some((why, SystemTime::now()));
        let left = self.left(Instant::now()).filter(|left| !left.is_zero());
        self.course.send_modify(|course| {
            if dead != course.dead {
                course.row = 0;
            }
            let (first, most) = match dead {
                true => (DEAD, DEAD_MAX),
                false => (BACKOFF, BACKOFF_MAX),
            };
            let wait = doubled(first, course.row, most);
            // The closer the end of the token that there is, the more often.
            let wait = left.map_or(wait, |left| wait.min(left / 2).max(BACKOFF));
            // Between half of it and all.
            let wait = wait.mul_f64(0.5 + rand::random::<f64>() / 2.0);
            course.not_before = Some(Instant::now() + wait);
            course.row = course.row.saturating_add(1);
            course.failed += 1;
            course.dead = dead;
        });
    }

    /// The config has changed how tokens are got: what failed may go well now, and what comes from another
    /// refresh token than `origin` is replaced at once.
    pub fn replace_grant(&self, origin: &str) {
        self.memory.lock().origin = Some(origin.into());
        self.course.send_modify(|course| course.not_before = None);
    }

    /// Whether the token in force comes from a refresh token that is no longer configured.
    fn is_replaced(&self) -> bool {
        let memory = self.memory.lock();
        memory.kept.as_ref().is_some_and(|kept| !memory.wants(kept))
    }

    /// Whether `origin` is the operator's refresh token, or may be.
    pub(super) fn is_for(&self, origin: &str) -> bool {
        let memory = self.memory.lock();
        memory.origin.as_deref().is_none_or(|own| own == origin)
    }

    /// What was kept last.
    pub(super) fn kept(&self) -> Option<Arc<Kept>> {
        self.memory.lock().kept.clone()
    }

    /// What is kept could not be stored after `version`.
    pub(super) fn set_unsaved(&self, version: i64) {
        self.memory.lock().unsaved = Some(version);
    }

    /// The store has `version`, and nothing of this account is in memory only.
    pub(super) fn set_saved(&self, version: i64) {
        let mut memory = self.memory.lock();
        memory.unsaved = None;
        memory.version = version;
    }

    /// The version of the store after which what is in memory only comes.
    pub(super) fn unsaved(&self) -> Option<i64> {
        self.memory.lock().unsaved
    }

    /// The newest version of the store that was seen.
    pub(super) fn version(&self) -> i64 {
        self.memory.lock().version
    }

    /// Whether a rotated refresh token is in memory only.
    pub fn is_unsaved(&self) -> bool {
        self.unsaved().is_some()
    }

    /// How it is.
    pub fn report(&self) -> TokenReport {
        let token = self.ready(Instant::now());
        let memory = self.memory.lock();
        TokenReport {
            usable: token.is_some(),
            expires: token.and_then(|token| token.expires),
            refreshed: memory.refreshed,
            error: memory.error.clone(),
            dead: self.course.borrow().dead,
            unsaved: memory.unsaved.is_some(),
        }
    }
}

/// `first`, doubled so many times, and not longer than `most`.
fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(most)
}

impl Memory {
    fn wants(&self, kept: &Kept) -> bool {
        self.origin.as_deref().is_none_or(|own| kept.is_of(own))
    }
}

impl Course {
    fn why(&self) -> NoToken {
        match self.dead {
            true => NoToken::Dead,
            false => NoToken::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn kept(access: &str, life: Option<u64>) -> Arc<Kept> {
        let life = life.map(Duration::from_secs);
        Arc::new(Kept::new(
            &Secret::new(access),
            None,
            life,
            "",
            "client",
            SystemTime::now(),
        ))
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_sent_until_shortly_before_its_end_and_renewed_earlier() {
        let cell = Cell::default();
        let now = Instant::now();
        assert!(cell.ready(now).is_none());
        assert_eq!(cell.due(now), Some(now));
        cell.publish(kept("a", Some(3600)));
        let due = cell.due(now).unwrap() - now;
        let minutes = due.as_secs() / 60;
        assert!((53..=55).contains(&minutes), "{due:?}");
        assert!(cell.ready(now + Duration::from_secs(3590)).is_some());
        assert!(cell.ready(now + Duration::from_secs(3600)).is_none());
        cell.publish(kept("b", Some(8)));
        let due = cell.due(now).unwrap() - now;
        assert!((5..=6).contains(&due.as_secs()), "{due:?}");
        cell.publish(kept("c", None));
        assert_eq!(cell.due(now), None);
        assert_eq!(cell.left(now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_that_end_at_once_are_asked_for_less_and_less_often() {
        let cell = Cell::default();
        let mut last = Duration::ZERO;
        for _ in 0..8 {
            assert_eq!(cell.publish(kept("a", Some(1))), Came::InForce);
            let now = Instant::now();
            let due = cell.due(now).unwrap() - now;
            assert!(due >= BACKOFF && due >= last, "{due:?}");
            last = due;
        }
        assert_eq!(last, BACKOFF_MAX);
        // One that was over before it came is none, and the failures count on.
        cell.fail("over".to_owned(), false);
        assert_eq!(cell.publish(kept("b", Some(0))), Came::Over);
        assert_eq!(cell.kept().unwrap().access, "b");
        assert_eq!(cell.course.borrow().row, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_older_grant_brings_does_not_undo_the_new_one() {
        let cell = Cell::default();
        cell.replace_grant("client");
        cell.publish(kept("a", Some(3600)));
        cell.replace_grant("other");
        let now = Instant::now();
        assert_eq!(cell.due(now), Some(now));
        assert_eq!(cell.publish(kept("b", Some(3600))), Came::Outdated);
        assert_eq!(cell.due(now), Some(now));
        assert!(!cell.is_for("client"));
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_refuse_a_token_one_other_is_wanted() {
        let cell = Cell::default();
        cell.publish(kept("a", Some(3600)));
        let serial = cell.ready(Instant::now()).unwrap().serial;
        for _ in 0..100 {
            cell.refuse(serial);
        }
        assert!(cell.ready(Instant::now()).is_none());
        cell.wanted().await;
        cell.publish(kept("b", Some(3600)));
        // Those who come late speak of a token that is gone.
        cell.refuse(serial);
        let token = cell.ready(Instant::now()).unwrap();
        assert_eq!(token.header, "Bearer b");
        let wanted = tokio::time::timeout(Duration::from_secs(1), cell.wanted()).await;
        assert!(wanted.is_err(), "nobody wants another");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_token_or_hears_that_there_is_none() {
        let cell = Arc::new(Cell::default());
        let slow = cell.wait(Duration::from_secs(1)).await;
        assert_eq!(slow.unwrap_err(), NoToken::Slow);
        let minute = Duration::from_secs(60);
        let (got, ()) = tokio::join!(cell.wait(minute), async {
            cell.wanted().await;
            cell.publish(kept("a", None));
        });
        assert_eq!(got.unwrap().header, "Bearer a");
        cell.refuse(1);
        let (got, ()) = tokio::join!(cell.wait(minute), async {
            tokio::task::yield_now().await;
            cell.fail("no".to_owned(), true);
        });
        assert_eq!(got.unwrap_err(), NoToken::Dead);
        // Until the next try nobody waits.
        let began = Instant::now();
        assert_eq!(cell.wait(minute).await.unwrap_err(), NoToken::Dead);
        assert_eq!(began.elapsed(), Duration::ZERO);
        let standing = cell.report();
        assert!(standing.dead && !standing.usable);
        assert_eq!(standing.error.unwrap().0, "no");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_each_time_and_leave_a_good_token() {
        let cell = Cell::default();
        cell.publish(kept("a", Some(3600)));
        let mut most = Duration::ZERO;
        for n in 0..12 {
            cell.fail("slow".to_owned(), false);
            let now = Instant::now();
            let not_before = cell.course.borrow().not_before.unwrap() - now;
            let want = (BACKOFF * (1 << n)).min(BACKOFF_MAX);
            assert!(
                (want / 2..=want).contains(&not_before),
                "{n}: {not_before:?}"
            );
            most = most.max(not_before);
            assert!(cell.ready(now).is_some());
        }
        assert!(most > BACKOFF_MAX / 2);
    }
}
