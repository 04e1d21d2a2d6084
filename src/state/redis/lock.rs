//! A lock that all instances see.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::{Script, cmd};

use super::{NotDone, Redis};

/// Deletes the key if it still holds the token.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
    )
});

/// Lengthens the key's life if it still holds the token.
static EXTEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0",
    )
});

/// A lock that is held. Dropped without [`release`](Self::release), and when its holder dies, it ends by
/// itself.
#[derive(Debug)]
pub struct Lock {
    redis: Arc<Redis>,
    key: String,
    token: String,
}

impl Redis {
    /// Takes the lock `name` for `life`; `None`: somebody has it.
    pub async fn lock(
        self: &Arc<Self>,
        name: &str,
        life: Duration,
        deadline: Duration,
    ) -> Result<Option<Lock>, NotDone> {
        let key = self.key(format_args!("lock:{name}"));
        let token = format!("{:032x}", rand::random::<u128>());
        let mut set = cmd("SET");
        set.arg(&key)
            .arg(&token)
            .arg("NX")
            .arg("PX")
            .arg(millis(life));
        let taken: Option<String> = self.ask(&set, deadline).await?;
        Ok(taken.map(|_| Lock {
            redis: Arc::clone(self),
            key,
            token,
        }))
    }
}

impl Lock {
    /// Gives it back; `false`: it was no longer ours.
    pub async fn release(self, deadline: Duration) -> Result<bool, NotDone> {
        let mut call = RELEASE.key(&self.key);
        call.arg(&self.token);
        self.redis.run_script(&call, deadline).await
    }

    /// Keeps it for `life` from now on; `false`: it was no longer ours.
    pub async fn extend(&self, life: Duration, deadline: Duration) -> Result<bool, NotDone> {
        let mut call = EXTEND.key(&self.key);
        call.arg(&self.token).arg(millis(life));
        self.redis.run_script(&call, deadline).await
    }
}

/// As Redis takes lives: whole milliseconds, at least one.
pub(crate) fn millis(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1)
}
