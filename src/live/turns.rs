//! Whose turn it is, beyond one process: turns handed out by Redis to instances that share a count, and an
//! instance's own count kept in the database over a restart.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{Value, pipe};
use tokio::time::Instant;

use super::Current;
use crate::account::book::Book;
use crate::account::pool::{Wish, millis};
use crate::state::redis::{NotDone, Redis, Trouble};
use crate::state::sql::{Column, Database, SqlError};

/// How long Redis may take to hand out turns.
const DEADLINE: Duration = Duration::from_millis(500);
/// A count that nobody has used for so long is forgotten.
const LIFE: Duration = Duration::from_hours(7 * 24);
/// Cells that are handed turns in one go.
const BATCH: usize = 256;
/// What is done when Redis is away: wait so long.
const PAUSE: Duration = Duration::from_millis(100);
/// How often turns that were counted here are saved.
const SAVE: Duration = Duration::from_secs(10);
/// How long reading what was saved may delay the start.
const RESTORE: Duration = Duration::from_millis(1_500);
/// Saved turns that no process has saved again for so long are forgotten, in seconds.
const OLD: i64 = 30 * 24 * 3_600;

/// Hands out turns of the counts in Redis to the cells that wish for some. Never ends.
pub(super) async fn hand_out(book: &Book, redis: &Redis) {
    let Some(others) = book.others() else {
        return;
    };
    let begin = Instant::now();
    loop {
        let wishes = others.wishes.take(BATCH).await;
        if redis.is_up() {
            if let Err(error) = hand(book, redis, &wishes, begin).await {
                redis.complain("turns are counted by this instance alone", &error);
            }
        } else {
            tokio::time::sleep(PAUSE).await;
            refuse(book, &wishes);
        }
    }
}

fn refuse(book: &Book, wishes: &[Wish]) {
    for wish in wishes {
        if let Some(cursor) = book.known_cursor(wish.cursor) {
            cursor.refuse(wish.cell);
        }
    }
}

async fn hand(book: &Book, redis: &Redis, wishes: &[Wish], begin: Instant) -> Result<(), NotDone> {
    let now = millis(begin);
    let known = wishes.iter().filter_map(|wish| {
        let cursor = book.known_cursor(wish.cursor)?;
        let turns = cursor.wanted(wish.cell, now);
        Some((cursor, wish, turns))
    });
    let known: Vec<_> = known.collect();
    let mut commands = pipe();
    for (_, wish, turns) in &known {
        let key = redis.key(format_args!("turn:{:016x}:{}", wish.cursor, wish.cell));
        commands.cmd("INCRBY").arg(&key).arg(*turns);
        commands.cmd("EXPIRE").arg(&key).arg(LIFE.as_secs());
    }
    commands.ignore_errors();
    let answers = redis.ask_all::<Vec<Value>>(&commands, DEADLINE).await;
    let answers = answers.inspect_err(|_| refuse(book, wishes))?;
    let now = millis(begin);
    let mut strange = None;
    for ((cursor, wish, turns), answer) in known.iter().zip(answers.chunks(2)) {
        match answer.first() {
            // What is beyond them: the count was somebody else's number.
            Some(Value::Int(end)) => {
                let first = (*end as u64).wrapping_sub(u64::from(*turns));
                cursor.grant(wish.cell, first, *turns, now);
            }
            other => {
                cursor.refuse(wish.cell);
                strange = Some(format!("no number of turns: {other:?}"));
            }
        }
    }
    match strange {
        None => Ok(()),
        Some(message) => {
            // It asks again with every turn.
            tokio::time::sleep(PAUSE).await;
            Err(redis.found(Trouble::Strange, message))
        }
    }
}

impl Current {
    /// Goes on with the turns where the last process has ended. Instances that share a count have no need.
    pub async fn restore_turns(&self) {
        if self.redis().is_some() {
            return;
        }
        let restored = tokio::time::timeout(RESTORE, load_turns(self.database())).await;
        match restored {
            Ok(Ok(turns)) => self.shared.book.restore(turns),
            Ok(Err(error)) => log::info!("turns begin anew: {error}"),
            Err(_) => log::info!("turns begin anew: the database does not answer"),
        }
    }

    /// Saves the turns that were counted here, now and then. Never ends.
    pub async fn keep_turns(&self) {
        let mut saved = HashMap::new();
        loop {
            tokio::time::sleep(SAVE).await;
            self.save_turns(&mut saved).await;
        }
    }

    /// Saves the turns that were counted here and are not in `saved`.
    pub async fn save_turns(&self, saved: &mut HashMap<(u64, u8), u64>) {
        if self.redis().is_some() {
            return;
        }
        let mut turns = self.shared.book.turns();
        turns.retain(|(key, cell, position)| saved.get(&(*key, *cell)) != Some(position));
        // Where the database is away, those who store records say so.
        if let Ok(()) = store_turns(self.database(), &turns, now()).await {
            saved.extend(turns.into_iter().map(|(key, cell, n)| ((key, cell), n)));
        }
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(0)
}

/// The saved turns: cursor, cell, turns. What cannot be read is left out.
pub async fn load_turns(database: &Database) -> Result<Vec<(u64, u8, u64)>, SqlError> {
    let rows = database.rows("SELECT tier, cell, position FROM turns", vec![]);
    let mut turns = Vec::new();
    for row in rows.await? {
        let key = u64::from_str_radix(&row.text(0)?, 16);
        let cell = u8::try_from(row.int(1)?);
        let position = u64::try_from(row.int(2)?);
        if let (Ok(key), Ok(cell), Ok(position)) = (key, cell, position) {
            turns.push((key, cell, position));
        }
    }
    Ok(turns)
}

/// Saves turns at `now`, in seconds since 1970, and forgets those that nobody saves any more.
pub async fn store_turns(
    database: &Database,
    turns: &[(u64, u8, u64)],
    now: i64,
) -> Result<(), SqlError> {
    if turns.is_empty() {
        return Ok(());
    }
    let columns = [
        Column::Key("tier"),
        Column::Key("cell"),
        Column::Set("position"),
        Column::Set("saved"),
    ];
    let upsert = database.dialect().upsert("turns", &columns);
    let mut open = database.begin().await?;
    for (key, cell, position) in turns {
        let values = vec![
            format!("{key:016x}").into(),
            i64::from(*cell).into(),
            (*position).into(),
            now.into(),
        ];
        open.execute(&upsert, values).await?;
    }
    open.execute(
        "DELETE FROM turns WHERE saved < ?",
        vec![(now - OLD).into()],
    )
    .await?;
    open.commit().await
}
