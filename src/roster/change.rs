//! Making, changing and deleting accounts.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Roster, open, seal};
use crate::account::AccountId;
use crate::account::oauth::{TokenId, Vault};
use crate::config::{Document, Errors, Standing};
use crate::state::accounts::{self, Entry, NotWritten, Sealed, Step};
use crate::state::sql::SqlError;

/// How often a change that fits any version is tried again because somebody else was first.
const TRIES: u32 = 5;

/// Who makes a change.
#[derive(Debug, Clone)]
pub struct Who {
    /// Tells keys apart and gives nothing of them away.
    pub key: String,
    /// Where they are.
    pub address: String,
}

/// What a change is made to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// To one of these versions.
    Versions(Vec<i64>),
    /// To whatever is there.
    Any,
}

impl Wanted {
    fn fits(&self, version: i64) -> bool {
        match self {
            Self::Versions(versions) => versions.contains(&version),
            Self::Any => true,
        }
    }
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The account.
    pub name: String,
    /// Its version now, or the one in which it went.
    pub version: i64,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Nothing can be stored.
    #[error(
        "accounts cannot be stored without secret-keys to seal them with: set secret-keys in the config file"
    )]
    NoKeys,
    /// There is none of this name.
    #[error("there is no account of this name")]
    Unknown,
    /// It is the file's.
    #[error("this account stands in the config file and changes only there")]
    InFile,
    /// There is one of this name.
    #[error("there is an account of this name already")]
    Taken,
    /// It is another version by now.
    #[error("the account has changed meanwhile; read it again")]
    Stale,
    /// The new one is wrong.
    #[error("the account is not valid")]
    Invalid(Errors),
    /// The old one cannot be read, so it can only be replaced or deleted.
    #[error("what is stored cannot be read: {0}")]
    Sealed(String),
    /// The database did not do it.
    #[error("the database does not do it: {0}")]
    Sql(#[from] SqlError),
}

impl From<NotWritten> for Refused {
    fn from(error: NotWritten) -> Self {
        match error {
            NotWritten::Taken => Self::Taken,
            NotWritten::Stale => Self::Stale,
            NotWritten::Sql(error) => Self::Sql(error),
        }
    }
}

impl Roster {
    /// Makes an account.
    pub async fn create(&self, mut document: Document, who: &Who) -> Result<Done, Refused> {
        let Some(name) = document.text("name").map(str::to_owned) else {
            return Err(invalid("name", "is required, as text"));
        };
        document.set_text("name", &name);
        let live = self.current.load();
        if live.config.ground.names.contains(&*name) || live.config.stored(&name).is_some() {
            return Err(Refused::Taken);
        }
        let (sealed, _) = self.check_and_seal(&name, &document).await?;
        let entry = entry(who, "create", &name, &document.keys());
        let version = accounts::write(self.database(), Step::Create(&sealed), &entry).await?;
        self.changed("create").await;
        Ok(Done { name, version })
    }

    /// Puts `document` in the place of the account.
    pub async fn replace(
        &self,
        name: &str,
        mut document: Document,
        wanted: &Wanted,
        who: &Who,
    ) -> Result<Done, Refused> {
        same_name(name, &document)?;
        document.set_text("name", name);
        self.change(name, wanted, who, "replace", |_| Ok(document.clone()))
            .await
    }

    /// Changes what `patch` names.
    pub async fn patch(
        &self,
        name: &str,
        patch: &Document,
        wanted: &Wanted,
        who: &Who,
    ) -> Result<Done, Refused> {
        same_name(name, patch)?;
        self.change(name, wanted, who, "change", |old| {
            let old = old?;
            let mut document = old.patched(patch);
            let withheld = old.withheld(patch, &document);
            if !withheld.0.is_empty() {
                return Err(Refused::Invalid(withheld));
            }
            document.set_text("name", name);
            Ok(document)
        })
        .await
    }

    /// Takes the account out of service, or back into it.
    pub async fn switch(
        &self,
        name: &str,
        disabled: bool,
        wanted: &Wanted,
        who: &Who,
    ) -> Result<Done, Refused> {
        let what = if disabled { "disable" } else { "enable" };
        self.change(name, wanted, who, what, |old| {
            let mut document = old?.clone();
            document.set_disabled(disabled);
            Ok(document)
        })
        .await
    }

    /// Deletes the account.
    pub async fn delete(&self, name: &str, wanted: &Wanted, who: &Who) -> Result<Done, Refused> {
        let mut tries = 0;
        loop {
            tries += 1;
            let row = accounts::one(self.database(), name).await?;
            let row = row.ok_or_else(|| self.missing(name))?;
            if !wanted.fits(row.version) {
                return Err(Refused::Stale);
            }
            let entry = entry(who, "delete", name, &[]);
            let tokens = self.tokens(&row);
            let step = Step::Delete(row.version);
            match accounts::write(self.database(), step, &entry).await {
                Err(NotWritten::Stale) if *wanted == Wanted::Any && tries < TRIES => {}
                Err(error) => return Err(error.into()),
                Ok(_) => {
                    if let Some(was) = self.identity(name) {
                        self.release_proxy(was).await;
                    }
                    self.changed("delete").await;
                    if let Some(tokens) = tokens {
                        self.forget(tokens).await;
                    }
                    return Ok(Done {
                        name: name.to_owned(),
                        version: row.version,
                    });
                }
            }
        }
    }

    async fn change(
        &self,
        name: &str,
        wanted: &Wanted,
        who: &Who,
        what: &'static str,
        make: impl Fn(Result<&Document, Refused>) -> Result<Document, Refused> + Send,
    ) -> Result<Done, Refused> {
        let mut tries = 0;
        loop {
            tries += 1;
            let row = accounts::one(self.database(), name).await?;
            let row = row.ok_or_else(|| self.missing(name))?;
            if !wanted.fits(row.version) {
                return Err(Refused::Stale);
            }
            let sealer = self.current.load().config.sealer.clone();
            let old = open(&row, sealer.as_deref()).map(|(document, _)| document);
            let new = make(
                old.as_ref()
                    .map_err(|reason| Refused::Sealed(reason.clone())),
            )?;
            let keys = match &old {
                Ok(old) => old.changed_keys(&new),
                Err(_) => new.keys(),
            };
            let (sealed, id) = self.check_and_seal(name, &new).await?;
            let was = self.identity(name);
            if let Some(was) = was {
                self.inherit_proxy(was, id).await;
            }
            let entry = entry(who, what, name, &keys);
            let step = Step::Change(row.version, &sealed);
            match accounts::write(self.database(), step, &entry).await {
                Err(NotWritten::Stale) if *wanted == Wanted::Any && tries < TRIES => {}
                Err(error) => return Err(error.into()),
                Ok(version) => {
                    if let Some(was) = was.filter(|was| *was != id) {
                        self.release_proxy(was).await;
                    }
                    self.changed(what).await;
                    let name = name.to_owned();
                    return Ok(Done { name, version });
                }
            }
        }
    }

    /// What its tokens are kept under, if it has any.
    fn tokens(&self, row: &Sealed) -> Option<TokenId> {
        let live = self.current.load();
        let (document, _) = open(row, live.config.sealer.as_deref()).ok()?;
        let (account, _) = live.config.stored_account(&row.name, &document).ok()?;
        Some(account.oauth?.id)
    }

    /// Nobody needs these tokens any more, unless the file has the account now.
    async fn forget(&self, id: TokenId) {
        let live = self.current.load();
        let mut oauths = live.config.accounts.iter().flat_map(|one| &one.oauth);
        if !oauths.any(|oauth| oauth.id == id) {
            let database = Arc::clone(self.current.database());
            let vault = Vault::new(database, self.current.redis().cloned());
            vault.forget(id).await;
        }
    }

    /// Who the account is, as it is in force here.
    fn identity(&self, name: &str) -> Option<AccountId> {
        match self.current.load().config.stored(name)?.standing {
            Standing::InService(id) | Standing::Disabled(id) => Some(id),
            Standing::Wrong(_) => None,
        }
    }

    async fn check_and_seal(
        &self,
        name: &str,
        document: &Document,
    ) -> Result<(String, AccountId), Refused> {
        let live = self.current.load();
        let sealer = live.config.sealer.as_ref().ok_or(Refused::NoKeys)?;
        let (account, _) = live
            .config
            .stored_account(name, document)
            .map_err(Refused::Invalid)?;
        self.check_reach(&account, document)
            .await
            .map_err(Refused::Invalid)?;
        let sealed = seal(name, document, sealer);
        let sealed = sealed.ok_or_else(|| invalid("", "is longer than 1 MiB"))?;
        Ok((sealed, account.id))
    }

    /// A change was made: here it is in force before it is answered.
    pub(super) async fn changed(&self, what: &'static str) {
        self.current.metrics().account_changed(what);
        // What fails now is tried again by who follows the database.
        if let Err(error) = self.refresh().await {
            self.looked(Some(&error));
        }
    }

    fn missing(&self, name: &str) -> Refused {
        match self.current.load().config.ground.names.contains(name) {
            true => Refused::InFile,
            false => Refused::Unknown,
        }
    }

    /// The latest changes from `from` until before `to`, in milliseconds of Unix time.
    pub async fn audit(
        &self,
        from: i64,
        to: i64,
        subject: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Entry>, SqlError> {
        accounts::audit(self.database(), from, to, subject, limit).await
    }
}

/// An account keeps its name: it is how logs, metrics and records know it.
fn same_name(name: &str, document: &Document) -> Result<(), Refused> {
    match document.has("name") && document.text("name") != Some(name) {
        true => Err(invalid("name", "cannot change")),
        false => Ok(()),
    }
}

fn invalid(path: &str, message: &str) -> Refused {
    Refused::Invalid(Errors::about(path, message))
}

pub(super) fn entry(who: &Who, what: &str, name: &str, keys: &[String]) -> Entry {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = now.unwrap_or_default().as_millis();
    Entry {
        at: i64::try_from(millis).unwrap_or(i64::MAX),
        actor: who.key.clone(),
        address: who.address.clone(),
        what: what.to_owned(),
        subject: name.to_owned(),
        changed_keys: keys.join(","),
        old_version: None,
        new_version: None,
    }
}
