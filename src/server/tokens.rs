//! Keeps the tokens of OAuth accounts fresh.
//!
//! One task per account, all in the housekeeping service: requests never ask a token endpoint themselves,
//! they wait here for one who does. A task follows its account over reloads and ends when no config has it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::account::Account;
use crate::account::health::{Bounds, Cause, Failure, Rest, Scope};
use crate::account::oauth::{Cell, Ended, OAuth, Refresher, Source, TokenId};
use crate::live::{Current, Live};
use crate::metrics::Renewal;
use crate::secret::Sealer;

/// How often tokens are stored that could not be.
const SAVE: Duration = Duration::from_secs(5);

/// Tokens, and who renews them.
pub(super) struct Tokens {
    current: Arc<Current>,
    refresher: Refresher,
    busy: watch::Sender<Busy>,
}

/// What is under way.
#[derive(Default)]
struct Busy {
    /// How many refreshes.
    running: usize,
    /// None begins any more.
    ends: bool,
}

/// An account whose token is kept fresh.
struct Kept {
    cell: Arc<Cell>,
    /// The account and its config, as they are now.
    now: ArcSwap<(Arc<Account>, Arc<Live>)>,
    /// They have changed.
    changed: Notify,
    /// No config has the account any more.
    gone: AtomicBool,
    /// The sealer that what is stored was last seen with.
    sealer: Mutex<Option<Arc<Sealer>>>,
}

impl Tokens {
    pub(super) fn new(current: Arc<Current>, refresher: Refresher) -> Self {
        Self {
            current,
            refresher,
            busy: watch::Sender::default(),
        }
    }

    /// No refresh begins any more; waits for those that are under way, which have limits of their own: what
    /// they bring may be the only valid refresh token.
    pub(super) async fn settle(&self, patience: Duration) {
        self.busy.send_modify(|busy| busy.ends = true);
        let mut busy = self.busy.subscribe();
        // When it takes too long nothing more can be done.
        let _ = tokio::time::timeout(patience, busy.wait_for(|busy| busy.running == 0)).await;
    }

    /// Whether another refresh may begin; if so, it counts as begun.
    fn begin(&self) -> bool {
        self.busy.send_if_modified(|busy| {
            busy.running += usize::from(!busy.ends);
            !busy.ends
        })
    }

    async fn tend(&self, kept: &Kept) {
        let mut save = Instant::now();
        while !kept.gone.load(Ordering::Acquire) {
            let whole = kept.now.load_full();
            let (account, live) = &*whole;
            let Some(oauth) = &account.oauth else {
                return;
            };
            let sealer = live.config.sealer.as_ref();
            Box::pin(self.seal_again(kept, account, oauth, sealer)).await;
            let now = Instant::now();
            if let Some(sealer) = sealer.filter(|_| kept.cell.is_unsaved() && save <= now) {
                let turn = kept.cell.turn().await;
                self.refresher
                    .save(account, oauth, &kept.cell, sealer)
                    .await;
                drop(turn);
                save = Instant::now() + SAVE;
            }
            let due = kept.cell.due(now);
            if due.is_some_and(|due| due <= now) {
                // Another one may be at it, who tends what this account was before it went and came back.
                let turn = kept.cell.turn().await;
                let is_due = kept.cell.due(Instant::now());
                let is_due = is_due.is_some_and(|due| due <= Instant::now());
                let is_same = Arc::ptr_eq(&whole, &kept.now.load());
                if is_due && is_same && !kept.gone.load(Ordering::Acquire) {
                    if !self.begin() {
                        return;
                    }
                    let sealer = sealer.map(|sealer| &**sealer);
                    Box::pin(self.renew(kept, account, oauth, sealer)).await;
                    self.busy.send_modify(|busy| busy.running -= 1);
                }
                drop(turn);
                continue;
            }
            let save = kept.cell.is_unsaved().then_some(save);
            tokio::select! {
                () = until(due) => {}
                () = until(save) => {}
                () = kept.cell.wanted() => {}
                () = kept.changed.notified() => {}
            }
        }
    }

    async fn seal_again(
        &self,
        kept: &Kept,
        account: &Account,
        oauth: &OAuth,
        sealer: Option<&Arc<Sealer>>,
    ) {
        let same = kept.sealer.lock().as_ref() == sealer;
        if let Some(sealer) = sealer.filter(|_| !same) {
            if sealer.keys() > 1 {
                self.refresher.seal_again(account, oauth, sealer).await;
            }
            *kept.sealer.lock() = Some(Arc::clone(sealer));
        }
    }

    async fn renew(&self, kept: &Kept, account: &Account, oauth: &OAuth, sealer: Option<&Sealer>) {
        let before = kept.cell.report();
        let ended = self
            .refresher
            .refresh(account, oauth, &kept.cell, sealer)
            .await;
        let metrics = self.current.metrics();
        let health = self.current.health(account);
        match ended {
            Ended::Fresh(source) => {
                metrics.renewed(&account.name, Renewal::of(source == Source::Provider));
                let report = kept.cell.report();
                log::info!(
                    "account {}: a token from {}{}",
                    account.name,
                    match source {
                        Source::Provider => "its token endpoint",
                        Source::Store => "the store",
                    },
                    report.expires.map_or_else(String::new, |at| {
                        format!(", until {}", humantime::format_rfc3339_seconds(at))
                    })
                );
                if before.error.is_some() {
                    health.renew_key();
                }
            }
            Ended::Dead => {
                metrics.renewed(&account.name, Renewal::Dead);
                let retry = &self.current.load().config.retry;
                let failure = Failure {
                    scope: Scope::Key,
                    cause: Cause::Trouble,
                    rest: Rest::Refused,
                };
                let bounds = Bounds {
                    min: retry.cooldown_min,
                    max: retry.cooldown_max,
                };
                let rest = health.fail_key(failure, bounds, Instant::now());
                log::error!(
                    "account {}: its refresh token is not valid any more and has to be replaced in the config; \
                     it rests {rest:?}",
                    account.name
                );
            }
            Ended::Outdated => log::info!(
                "account {}: its refresh token was replaced during a renewal",
                account.name
            ),
            Ended::Failed(why) => {
                metrics.renewed(&account.name, Renewal::Failed);
                log::warn!("account {}: no new token: {why}", account.name);
            }
        }
    }
}

/// Never without a moment.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Keeps the tokens of all accounts fresh that have any. Never ends.
pub(super) async fn keep_fresh(tokens: &Tokens) {
    let mut changes = tokens.current.changes();
    let mut tended: HashMap<TokenId, Arc<Kept>> = HashMap::new();
    let mut running = FuturesUnordered::new();
    loop {
        changes.mark_unchanged();
        let live = tokens.current.load();
        let mut known = std::mem::take(&mut tended);
        for account in &live.config.accounts {
            let (Some(oauth), Some(cell)) = (&account.oauth, live.token(account)) else {
                continue;
            };
            let now = Arc::new((Arc::clone(account), Arc::clone(&live)));
            let kept = match known.remove(&oauth.id) {
                Some(kept) => {
                    let old = kept.now.swap(now);
                    if old.0.oauth != account.oauth {
                        kept.cell.replace_grant(&oauth.origin());
                    }
                    kept.changed.notify_one();
                    kept
                }
                None => {
                    cell.replace_grant(&oauth.origin());
                    let kept = Arc::new(Kept {
                        cell: Arc::clone(cell),
                        now: ArcSwap::new(now),
                        changed: Notify::new(),
                        gone: AtomicBool::new(false),
                        sealer: Mutex::default(),
                    });
                    let tending = Arc::clone(&kept);
                    running.push(Box::pin(async move { tokens.tend(&tending).await }));
                    kept
                }
            };
            tended.insert(oauth.id, kept);
        }
        for gone in known.values() {
            gone.gone.store(true, Ordering::Release);
            gone.changed.notify_one();
        }
        drop(known);
        drop(live);
        loop {
            tokio::select! {
                changed = changes.changed() => match changed {
                    Ok(()) => break,
                    // Its sender lives as long as the process.
                    Err(_) => sleep(Duration::MAX).await,
                },
                Some(()) = running.next() => {}
            }
        }
    }
}
