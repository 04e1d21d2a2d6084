//! Where conversations are, told to the instances that share a Redis. Only hashes are told.

use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, cmd, pipe};

use crate::account::AccountId;
use crate::account::homes::{Homes, Mirror};
use crate::state::Outbox;
use crate::state::redis::{Heard, NotDone, Redis};

/// The channel on which is said that a conversation has moved.
const MOVES: &str = "homes";
/// How long a conversation that does not move is known to others: providers' caches live shorter.
const LIFE: Duration = Duration::from_hours(24);
/// How long a request waits for Redis when its conversation is not known here.
const LOOKUP: Duration = Duration::from_millis(20);
/// How long Redis may take for a batch.
const WRITE: Duration = Duration::from_millis(500);
/// Told again after a failure.
const AGAIN: Duration = Duration::from_millis(200);
/// Moves that wait to be told.
const ROOM: usize = 16_384;
/// Moves that are told together.
const BATCH: usize = 500;

/// Tells the other instances where conversations are, and asks them.
pub struct Neighbours {
    redis: Arc<Redis>,
    moves: Arc<Outbox<Move>>,
}

/// A conversation that is with an account now, and whether it was with another one.
type Move = (u64, AccountId, bool);

struct Told(Arc<Outbox<Move>>);

impl Mirror for Told {
    fn moved(&self, conversation: u64, account: AccountId, before: bool) {
        // Without room, the others choose themselves.
        let _ = self.0.put((conversation, account, before));
    }
}

impl Neighbours {
    /// Tells of the moves in `homes`, through `redis`.
    pub fn of(homes: &Homes, redis: Arc<Redis>) -> Self {
        let moves = Arc::new(Outbox::new(ROOM));
        homes.mirror_to(Box::new(Told(Arc::clone(&moves))));
        Self { redis, moves }
    }

    /// Asks where `conversation` is when `homes` do not know. Does not wait long.
    pub async fn ask(&self, homes: &Homes, conversation: u64) {
        if !self.redis.is_up() || homes.of(conversation).is_some() {
            return;
        }
        let mut get = cmd("GET");
        get.arg(self.key(conversation));
        let found: Result<Option<String>, _> = self.redis.ask(&get, LOOKUP).await;
        match found {
            Ok(None) => {}
            Ok(Some(account)) => {
                if let Ok(account) = u64::from_str_radix(&account, 16) {
                    homes.learn(conversation, AccountId(account));
                }
            }
            Err(error) => self.redis.complain("conversations are not shared", &error),
        }
    }

    /// Tells of moves. Never ends.
    pub async fn tell(&self) {
        loop {
            let moves = self.moves.take(BATCH).await;
            if let Err(error) = self.put(&moves).await {
                self.redis.complain("conversations are not shared", &error);
                self.moves.put_back(moves);
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Takes what other instances tell of conversations that are known in `homes`. Never ends.
    pub async fn hear(&self, homes: &Homes) {
        let mut listener = self.redis.listen(MOVES);
        loop {
            if let Heard::Message(message) = listener.next().await
                && let Some((from, conversation, account)) = read(&message)
                && from != self.redis.instance()
            {
                homes.follow(conversation, account);
            }
        }
    }

    async fn put(&self, moves: &[Move]) -> Result<(), NotDone> {
        let mut commands = pipe();
        for (conversation, account, before) in moves {
            let account = account.0;
            let set = commands.cmd("SET").arg(self.key(*conversation));
            let set = set.arg(format!("{account:016x}"));
            set.arg("EX").arg(LIFE.as_secs()).ignore();
            if *before {
                self.say(&mut commands, *conversation, account);
            }
        }
        self.redis.ask_all(&commands, WRITE).await
    }

    fn say(&self, commands: &mut Pipeline, conversation: u64, account: u64) {
        let from = self.redis.instance();
        let publish = commands.cmd("PUBLISH").arg(self.redis.key(MOVES));
        publish
            .arg(format!("{from:016x} {conversation:016x} {account:016x}"))
            .ignore();
    }

    fn key(&self, conversation: u64) -> String {
        self.redis.key(format_args!("home:{conversation:016x}"))
    }
}

impl std::fmt::Debug for Neighbours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Neighbours")
    }
}

/// Who says it, which conversation, and which account.
fn read(message: &[u8]) -> Option<(u64, u64, AccountId)> {
    let mut parts = std::str::from_utf8(message).ok()?.split(' ');
    let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
    Some((number()?, number()?, AccountId(number()?)))
}
