//! Storing what was granted, over nothing that is newer.

use super::super::OAuth;
use super::super::cell::Cell;
use super::super::kept::Kept;
use super::super::vault::{Place, Shut, Stored};
use super::Refresher;
use crate::account::Account;
use crate::secret::Sealer;

impl Refresher {
    /// Stores what has come after `stored`.
    pub(super) async fn store(
        &self,
        account: &Account,
        oauth: &OAuth,
        cell: &Cell,
        sealer: &Sealer,
        stored: Result<Option<Stored>, Shut>,
        kept: &Kept,
    ) {
        let place = stored.map(|stored| stored.map_or_else(Place::default, |there| there.place()));
        let after = place
            .as_ref()
            .map_or_else(|_| cell.version(), |place| place.version);
        let saved = match place {
            Ok(place) => {
                let saved = self
                    .vault
                    .save(oauth.id, &account.name, place, kept, sealer);
                saved.await.map(|saved| saved.then_some(place.version + 1))
            }
            Err(_) => Ok(None),
        };
        let saved = match saved {
            Ok(None) => self.keep(account, oauth, sealer, kept, after).await,
            saved => saved,
        };
        match saved {
            Ok(Some(version)) => cell.set_saved(version),
            Ok(None) => {
                log::warn!("account {}: newer tokens are stored already", account.name);
                cell.set_saved(after);
            }
            Err(why) => {
                log::error!(
                    "account {}: its tokens cannot be stored, and are in memory only: {why}",
                    account.name
                );
                cell.set_unsaved(after);
            }
        }
    }

    /// Stores what has come after version `after`, unless the store is past that; the version that it is then.
    async fn keep(
        &self,
        account: &Account,
        oauth: &OAuth,
        sealer: &Sealer,
        kept: &Kept,
        after: i64,
    ) -> Result<Option<i64>, Shut> {
        let stored = self.vault.load(oauth.id, sealer).await?;
        let place = match &stored {
            // It was stored although nobody heard so, or in Redis only.
            Some(stored) if *stored.kept == *kept => {
                let vault = &self.vault;
                let copied = vault.copy(oauth.id, &account.name, stored, sealer).await?;
                return Ok(copied.then_some(stored.version));
            }
            Some(stored) if stored.version > after => return Ok(None),
            Some(stored) => stored.place(),
            None => Place::default(),
        };
        let vault = &self.vault;
        let saved = vault.save(oauth.id, &account.name, place, kept, sealer);
        Ok(saved.await?.then_some(place.version + 1))
    }

    /// Tries once more to store what is in memory only. True: nothing is, any more.
    pub async fn save(
        &self,
        account: &Account,
        oauth: &OAuth,
        cell: &Cell,
        sealer: &Sealer,
    ) -> bool {
        let (Some(kept), Some(after)) = (cell.kept(), cell.unsaved()) else {
            return true;
        };
        match self.keep(account, oauth, sealer, &kept, after).await {
            Ok(Some(version)) => {
                cell.set_saved(version);
                log::info!("account {}: its tokens are stored again", account.name);
            }
            Ok(None) => {
                cell.set_saved(after);
                log::warn!("account {}: newer tokens are stored already", account.name);
            }
            Err(_) => {}
        }
        !cell.is_unsaved()
    }

    /// Seals what is stored with the newest key, if an older one has sealed it.
    pub async fn seal_again(&self, account: &Account, oauth: &OAuth, sealer: &Sealer) {
        let sealed = match self.vault.load(oauth.id, sealer).await {
            Ok(Some(stored)) if stored.old => {
                self.vault.seal_again(oauth.id, &stored, sealer).await
            }
            Ok(_) => return,
            Err(shut) => Err(shut),
        };
        match sealed {
            Ok(()) => log::info!(
                "account {}: its tokens are sealed with the newest of secret-keys",
                account.name
            ),
            Err(shut) => log::warn!("account {}: its tokens: {shut}", account.name),
        }
    }
}
