//! Tokens in Redis, where instances find each other's at once, and the lock that they see first.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::{Script, cmd};

use super::TokenId;
use crate::state::redis::{Lock, NotDone, Redis};

/// How long Redis may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long Redis keeps what nobody writes again; the database has it for ever.
const LIFE: Duration = Duration::from_secs(30 * 86_400);

/// Writes a version, if it is newer than what is there.
static WRITE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if tonumber(redis.call('HGET', KEYS[1], 'version') or '-1') < tonumber(ARGV[1]) then \
           redis.call('HSET', KEYS[1], 'version', ARGV[1], 'sealed', ARGV[2]) \
           redis.call('PEXPIRE', KEYS[1], ARGV[3]) \
           return 1 \
         end \
         return 0",
    )
});

/// Seals a version again, if it is still the one that is there.
static SEAL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('HGET', KEYS[1], 'version') == ARGV[1] then \
           redis.call('HSET', KEYS[1], 'sealed', ARGV[2]) \
           return 1 \
         end \
         return 0",
    )
});

/// What is shared in a Redis; nothing without one.
pub(super) struct Shared(pub(super) Option<Arc<Redis>>);

/// What a Redis said; `None`: there is none, or it is away.
type Said<T> = Option<T>;

impl Shared {
    /// The version and the sealed text that are kept under `id`.
    pub(super) async fn load(&self, id: TokenId) -> Said<Option<(i64, String)>> {
        let redis = self.0.as_ref()?;
        let mut get = cmd("HMGET");
        get.arg(key(redis, id)).arg("version").arg("sealed");
        let got = redis.ask(&get, PATIENCE).await;
        let (version, sealed): (Option<i64>, Option<String>) = self.said(got)?;
        Some(version.zip(sealed))
    }

    /// Keeps a version, if it is the newest.
    pub(super) async fn save(&self, id: TokenId, version: i64, sealed: &str) {
        let Some(redis) = &self.0 else {
            return;
        };
        let life = u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX);
        let mut write = WRITE.key(key(redis, id));
        write.arg(version).arg(sealed).arg(life);
        let written: Result<i64, _> = redis.run_script(&write, PATIENCE).await;
        self.said(written);
    }

    /// Keeps `version` sealed with another key, unless there is another one meanwhile.
    pub(super) async fn seal_again(&self, id: TokenId, version: i64, sealed: &str) {
        let Some(redis) = &self.0 else {
            return;
        };
        let mut seal = SEAL.key(key(redis, id));
        seal.arg(version).arg(sealed);
        let done: Result<i64, _> = redis.run_script(&seal, PATIENCE).await;
        self.said(done);
    }

    /// Forgets what is kept under `id`.
    pub(super) async fn forget(&self, id: TokenId) {
        let Some(redis) = &self.0 else {
            return;
        };
        let mut delete = cmd("DEL");
        delete.arg(key(redis, id));
        self.said(redis.ask::<i64>(&delete, PATIENCE).await);
    }

    /// Takes the lock of `id` for `life`; within: `None` when another has it.
    pub(super) async fn lock(&self, id: TokenId, life: Duration) -> Said<Option<Lock>> {
        let redis = self.0.as_ref()?;
        let taken = redis.lock(&format!("oauth:{id}"), life, PATIENCE).await;
        self.said(taken)
    }

    /// Gives a lock back. What fails here ends by itself.
    pub(super) async fn unlock(&self, lock: Option<Lock>) {
        if let Some(lock) = lock {
            self.said(lock.release(PATIENCE).await);
        }
    }

    fn said<T>(&self, result: Result<T, NotDone>) -> Said<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if let Some(redis) = &self.0 {
                    redis.complain("share tokens", &error);
                }
                None
            }
        }
    }
}

fn key(redis: &Redis, id: TokenId) -> String {
    redis.key(format_args!("oauth:{id}"))
}
