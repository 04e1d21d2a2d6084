//! Where tokens are kept over the end of a process and between instances: sealed, in the database and in
//! Redis.
//!
//! A row has a lock with an end of its own, so that one who dies with it delays the others and no more; and
//! a version, which a writer has to know, so that one who has slept over the end of its lock writes nothing
//! over what came after it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::TokenId;
use super::kept::{Kept, millis};
use super::shared::Shared;
use crate::secret::{About, Sealer, TooLong, Unopened};
use crate::state::redis::{Lock, Redis};
use crate::state::sql::{Column, Database, Dialect, SqlError};

/// What the sealed text of a row is.
const WHAT: &str = "oauth.tokens";
/// How long a store may take.
const PATIENCE: Duration = Duration::from_millis(1500);
/// A lock that ends later than this was taken by a clock that is wrong.
const LONGEST: Duration = Duration::from_secs(600);

/// What the stores have.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) version: i64,
    /// The version in the database, which may be behind that in Redis.
    row: i64,
    pub(super) kept: Arc<Kept>,
    /// It is sealed with an older key.
    pub(super) old: bool,
}

/// Why a vault did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Shut {
    /// The database.
    #[error("the database: {0}")]
    Database(#[from] SqlError),
    /// It is too slow.
    #[error("the database did not answer in time")]
    Slow,
    /// The Redis, where instances do not share a database.
    #[error("redis is away")]
    Redis,
    /// The row does not open.
    #[error("what is stored does not open: {0}")]
    Sealed(#[from] Unopened),
    /// There is something else in it.
    #[error("what is stored is no token")]
    Form,
    /// The token is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// Whose turn it is to ask.
pub(super) enum Turn {
    /// This instance's, for the time that it asked for.
    Ours(Held),
    /// Another one's.
    Theirs,
}

/// A lock that is held.
#[derive(Default)]
pub(super) struct Held {
    shared: Option<Lock>,
    /// Tells who has it from everybody else, in this process too.
    holder: String,
}

/// What a writer has to know of the stores: the versions that are there. Those of nothing are 0.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) version: i64,
    row: i64,
}

impl Stored {
    pub(super) const fn place(&self) -> Place {
        Place {
            version: self.version,
            row: self.row,
        }
    }
}

/// The stores of tokens: the database and, where several instances share one, Redis.
pub struct Vault {
    database: Arc<Database>,
    shared: Shared,
}

impl Vault {
    /// One in `database`, and in `redis`.
    pub fn new(database: Arc<Database>, redis: Option<Arc<Redis>>) -> Self {
        Self {
            database,
            shared: Shared(redis),
        }
    }

    /// Whether this process is the only one that uses what is kept.
    pub(super) fn is_alone(&self) -> bool {
        self.is_file() && self.shared.0.is_none()
    }

    fn is_file(&self) -> bool {
        self.database.dialect() == Dialect::Sqlite
    }

    /// The newest that is kept under `id`. An error when nobody can say what that is.
    pub(super) async fn load(&self, id: TokenId, sealer: &Sealer) -> Result<Option<Stored>, Shut> {
        let (row, shared) = tokio::join!(self.row(id), self.shared.load(id));
        let shared = shared.flatten();
        let (row, own) = match (row, &shared) {
            (Ok(row), _) => row,
            // Redis alone knows less than the database, but what it has is true.
            (Err(_), Some(_)) => (0, None),
            (Err(shut), None) => return Err(shut),
        };
        let own = own.map(|sealed| (row, sealed));
        let newest = match (own, shared) {
            (Some(own), Some(shared)) if shared.0 > own.0 => Some(shared),
            (Some(own), _) => Some(own),
            (None, shared) => shared,
        };
        let Some((version, sealed)) = newest else {
            return Ok(None);
        };
        let opened = sealer.open(about(&id.to_string()), &sealed)?;
        let kept = serde_json::from_str(opened.secret.expose()).map_err(|_| Shut::Form)?;
        Ok(Some(Stored {
            version,
            row,
            kept: Arc::new(kept),
            old: opened.old,
        }))
    }

    /// The version of the row and what is in it; 0 without one.
    async fn row(&self, id: TokenId) -> Result<(i64, Option<String>), Shut> {
        const SELECT: &str = "SELECT version, sealed FROM oauth_tokens WHERE id = ?";
        let rows = within(Box::pin(
            self.database.rows(SELECT, vec![id.to_string().into()]),
        ))
        .await?;
        match rows.first() {
            None => Ok((0, None)),
            Some(row) => Ok((row.int(0)?, row.maybe_text(1)?)),
        }
    }

    /// Tries to take the lock of `id` for `life`, in every store that is there. The store that all instances
    /// share decides, and an error is that it cannot: two that take each other's way out would both ask.
    pub(super) async fn lock(
        &self,
        id: TokenId,
        account: &str,
        life: Duration,
    ) -> Result<Turn, Shut> {
        let lock = match self.shared.lock(id, life).await {
            Some(None) => return Ok(Turn::Theirs),
            Some(lock) => lock,
            None if self.is_file() && self.shared.0.is_some() => return Err(Shut::Redis),
            None => None,
        };
        let holder = format!("{:032x}", rand::random::<u128>());
        let locked = self.lock_row(id, account, &holder, life).await;
        let held = Held {
            shared: lock,
            holder,
        };
        match locked {
            Ok(true) => Ok(Turn::Ours(held)),
            Ok(false) => {
                self.release(held).await;
                Ok(Turn::Theirs)
            }
            Err(_) if held.shared.is_some() && self.is_file() => Ok(Turn::Ours(held)),
            Err(shut) => {
                self.release(held).await;
                Err(shut)
            }
        }
    }

    async fn lock_row(
        &self,
        id: TokenId,
        account: &str,
        holder: &str,
        life: Duration,
    ) -> Result<bool, Shut> {
        const TAKE: &str = "UPDATE oauth_tokens SET locked_by = ?, locked_until = ? \
             WHERE id = ? AND (locked_until < ? OR locked_until > ?)";
        self.make(id, account).await?;
        let now = SystemTime::now();
        let values = vec![
            holder.into(),
            millis(now + life).into(),
            id.to_string().into(),
            millis(now).into(),
            millis(now + LONGEST).into(),
        ];
        Ok(within(Box::pin(self.database.execute(TAKE, values))).await? > 0)
    }

    /// Gives the lock back after a version was written, or was not because the database is away.
    pub(super) async fn release(&self, held: Held) {
        self.shared.unlock(held.shared).await;
    }

    /// Gives the lock back. What fails here ends by itself.
    pub(super) async fn unlock(&self, id: TokenId, held: Held) {
        const GIVE: &str = "UPDATE oauth_tokens SET locked_by = '', locked_until = 0 \
             WHERE id = ? AND locked_by = ?";
        let values = vec![id.to_string().into(), held.holder.as_str().into()];
        let _ = within(Box::pin(self.database.execute(GIVE, values))).await;
        self.release(held).await;
    }

    /// Keeps `kept` after what is in `place`. False: another one has written meanwhile. An error: the
    /// database has it not, although Redis may.
    pub(super) async fn save(
        &self,
        id: TokenId,
        account: &str,
        place: Place,
        kept: &Kept,
        sealer: &Sealer,
    ) -> Result<bool, Shut> {
        let sealed = seal(&id.to_string(), kept, sealer)?;
        let version = place.version + 1;
        let versions = (place.row, version);
        let saved = self.write(id, account, versions, &sealed).await;
        if !matches!(saved, Ok(false)) {
            self.shared.save(id, version, &sealed).await;
        }
        saved
    }

    /// Brings the database up to what Redis has. False: another one has written meanwhile.
    pub(super) async fn copy(
        &self,
        id: TokenId,
        account: &str,
        stored: &Stored,
        sealer: &Sealer,
    ) -> Result<bool, Shut> {
        if stored.row >= stored.version {
            return Ok(true);
        }
        let sealed = seal(&id.to_string(), &stored.kept, sealer)?;
        let versions = (stored.row, stored.version);
        self.write(id, account, versions, &sealed).await
    }

    /// Forgets what is kept under `id`.
    pub async fn forget(&self, id: TokenId) {
        const DELETE: &str = "DELETE FROM oauth_tokens WHERE id = ?";
        let values = vec![id.to_string().into()];
        if let Err(shut) = within(Box::pin(self.database.execute(DELETE, values))).await {
            log::warn!("tokens of an account that is gone stay stored: {shut}");
        }
        self.shared.forget(id).await;
    }

    /// Replaces a version of the row by another and gives its lock back; false: there is yet another.
    async fn write(
        &self,
        id: TokenId,
        account: &str,
        (old, new): (i64, i64),
        sealed: &str,
    ) -> Result<bool, Shut> {
        const WRITE: &str = "UPDATE oauth_tokens SET sealed = ?, version = ?, locked_by = '', locked_until = 0 \
             WHERE id = ? AND version = ?";
        self.make(id, account).await?;
        let values = vec![sealed.into(), new.into(), id.to_string().into(), old.into()];
        Ok(within(Box::pin(self.database.execute(WRITE, values))).await? > 0)
    }

    /// Seals what is stored with the newest key.
    pub(super) async fn seal_again(
        &self,
        id: TokenId,
        stored: &Stored,
        sealer: &Sealer,
    ) -> Result<(), Shut> {
        const SEAL: &str = "UPDATE oauth_tokens SET sealed = ? WHERE id = ? AND version = ?";
        let sealed = seal(&id.to_string(), &stored.kept, sealer)?;
        self.shared.seal_again(id, stored.version, &sealed).await;
        let values = vec![sealed.into(), id.to_string().into(), stored.row.into()];
        within(Box::pin(self.database.execute(SEAL, values))).await?;
        Ok(())
    }

    /// Makes the row where it is missing.
    async fn make(&self, id: TokenId, account: &str) -> Result<(), Shut> {
        let columns = [
            Column::Key("id"),
            Column::Keep("account"),
            Column::Keep("version"),
            Column::Keep("locked_by"),
            Column::Keep("locked_until"),
        ];
        let insert = self.database.dialect().upsert("oauth_tokens", &columns);
        // It is for people who look into the table.
        let account: String = account.chars().take(100).collect();
        let values = vec![
            id.to_string().into(),
            account.into(),
            0_i64.into(),
            "".into(),
            0_i64.into(),
        ];
        within(Box::pin(self.database.execute(&insert, values))).await?;
        Ok(())
    }
}

fn about(id: &str) -> About<'_> {
    About {
        what: WHAT,
        whose: id,
    }
}

fn seal(id: &str, kept: &Kept, sealer: &Sealer) -> Result<String, Shut> {
    let text = serde_json::to_string(kept).map_err(|_| Shut::Form)?;
    Ok(sealer.seal(about(id), &text)?)
}

async fn within<T>(work: impl Future<Output = Result<T, SqlError>>) -> Result<T, Shut> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Shut::Slow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{SealingKey, Secret};
    use crate::state::sql::DatabaseUrl;
    use crate::upstream::oauth::TokenUrl;

    fn sealer(keys: &[&str]) -> Sealer {
        let keys = keys.iter().map(|digits| {
            let text = digits.repeat(32);
            SealingKey::try_new(&format!("00{}", &text[2..])).unwrap()
        });
        Sealer::new(keys).unwrap()
    }

    fn id() -> TokenId {
        TokenId::of(&TokenUrl::try_new("https://a/t").unwrap(), "c", "n")
    }

    fn kept(access: &str) -> Kept {
        let refresh = Some(Secret::new(format!("refresh-of-{access}")));
        let life = Some(Duration::from_secs(60));
        Kept::new(
            &Secret::new(access),
            refresh,
            life,
            "s",
            "o",
            SystemTime::now(),
        )
    }

    async fn two() -> (Vault, Vault) {
        let database = Arc::new(Database::new(DatabaseUrl::memory()));
        database.migrate().await.unwrap();
        let other = Vault::new(Arc::clone(&database), None);
        (Vault::new(database, None), other)
    }

    async fn take(vault: &Vault, life: Duration) -> Option<Held> {
        match vault.lock(id(), "n", life).await.unwrap() {
            Turn::Ours(held) => Some(held),
            Turn::Theirs => None,
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_sealed_and_comes_back() {
        let (vault, other) = two().await;
        let sealer = sealer(&["1a"]);
        assert!(vault.load(id(), &sealer).await.unwrap().is_none());
        let kept = kept("access-canary");
        let saved = vault
            .save(id(), "n", Place::default(), &kept, &sealer)
            .await;
        assert!(saved.unwrap());
        let stored = other.load(id(), &sealer).await.unwrap().unwrap();
        assert_eq!(
            (stored.version, &*stored.kept, stored.old),
            (1, &kept, false)
        );
        let rows = vault
            .database
            .rows("SELECT sealed FROM oauth_tokens", vec![]);
        let sealed = rows.await.unwrap()[0].text(0).unwrap();
        assert!(!sealed.contains("canary"));
    }

    #[tokio::test]
    async fn one_has_the_lock_until_it_gives_it_back_or_dies() {
        let (one, other) = two().await;
        let minute = Duration::from_secs(60);
        let held = take(&one, minute).await.unwrap();
        // Not even the same process has it twice.
        assert!(take(&one, minute).await.is_none());
        assert!(take(&other, minute).await.is_none());
        other.unlock(id(), Held::default()).await;
        assert!(take(&other, minute).await.is_none());
        one.unlock(id(), held).await;
        // Its holder dies.
        assert!(take(&other, Duration::from_millis(1)).await.is_some());
        tokio::time::sleep(Duration::from_millis(5)).await;
        let held = take(&one, minute).await.unwrap();
        one.unlock(id(), held).await;
        // A clock that is a day ahead.
        assert!(take(&other, Duration::from_secs(86_400)).await.is_some());
        assert!(take(&one, minute).await.is_some());
    }

    #[tokio::test]
    async fn who_comes_too_late_writes_nothing_over_what_is_newer() {
        let (one, other) = two().await;
        let sealer = sealer(&["1a"]);
        let none = Place::default();
        one.save(id(), "n", none, &kept("a"), &sealer)
            .await
            .unwrap();
        let first = one.load(id(), &sealer).await.unwrap().unwrap().place();
        let (newer, older) = (kept("b"), kept("c"));
        let second = other.save(id(), "n", first, &newer, &sealer);
        assert!(second.await.unwrap());
        let late = one.save(id(), "n", first, &older, &sealer);
        assert!(!late.await.unwrap());
        let stored = one.load(id(), &sealer).await.unwrap().unwrap();
        assert_eq!((stored.version, &*stored.kept.access), (2, "b"));
    }

    #[tokio::test]
    async fn rows_are_sealed_again_when_keys_rotate() {
        let (vault, _) = two().await;
        let old = sealer(&["1a"]);
        let none = Place::default();
        vault.save(id(), "n", none, &kept("a"), &old).await.unwrap();
        let both = sealer(&["2b", "1a"]);
        let stored = vault.load(id(), &both).await.unwrap().unwrap();
        assert!(stored.old);
        vault.seal_again(id(), &stored, &both).await.unwrap();
        let new = sealer(&["2b"]);
        let again = vault.load(id(), &new).await.unwrap().unwrap();
        assert_eq!((again.version, again.old), (1, false));
        let gone = vault.load(id(), &old).await.unwrap_err();
        assert!(matches!(gone, Shut::Sealed(Unopened::Key)), "{gone}");
    }

    #[test]
    fn a_clock_that_jumps_does_not_lengthen_a_life() {
        let kept = kept("a");
        let hour = Duration::from_secs(3600);
        assert_eq!(
            kept.left(kept.issued() - hour),
            Some(Duration::from_secs(60))
        );
        assert_eq!(kept.left(kept.issued() + hour), Some(Duration::ZERO));
        assert_eq!(format!("{kept:?}").matches("a)").count(), 0);
    }
}
