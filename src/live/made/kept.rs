//! Responses kept beyond one process: in a database, and in Redis.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use redis::{cmd, pipe};

use super::{Maker, Response};
use crate::account::AccountId;
use crate::state::redis::{NotDone, Redis, Trouble};
use crate::state::sql::{Column, Database, SqlError, Value};

/// How long providers keep a response, and so do we.
const LIFE: Duration = Duration::from_hours(30 * 24);
/// Most responses in a database; the oldest are forgotten first.
const MOST: i64 = 2_000_000;
/// How long Redis may take for a batch.
const WRITE: Duration = Duration::from_secs(1);
/// How long Redis may take for a lookup.
const READ: Duration = Duration::from_millis(100);

/// Why responses are not kept or not found.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// The database did not.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// Redis did not.
    #[error(transparent)]
    Redis(#[from] NotDone),
}

/// A store of who made which response.
#[async_trait]
pub trait Kept: Send + Sync {
    /// Keeps them; one that is there already becomes this one.
    async fn put(&self, responses: &[Response]) -> Result<(), NotKept>;

    /// Who made the response `id`.
    async fn find(&self, id: &str) -> Result<Option<Maker>, NotKept>;

    /// Forgets what is too old and what is too much.
    async fn tidy(&self) -> Result<(), NotKept>;
}

/// Responses in a database.
pub struct InDatabase(pub Arc<Database>);

#[async_trait]
impl Kept for InDatabase {
    async fn put(&self, responses: &[Response]) -> Result<(), NotKept> {
        let columns = [
            Column::Key("id"),
            Column::Set("account"),
            Column::Set("client"),
            Column::Set("made"),
        ];
        let upsert = self.0.dialect().upsert("responses", &columns);
        let now = now();
        let mut open = self.0.begin().await?;
        for (id, maker) in responses {
            let values = vec![
                (&**id).into(),
                format!("{:016x}", maker.account.0).into(),
                Value::Text(maker.client.map(|client| format!("{client:016x}"))),
                now.into(),
            ];
            open.execute(&upsert, values).await?;
        }
        Ok(open.commit().await?)
    }

    async fn find(&self, id: &str) -> Result<Option<Maker>, NotKept> {
        let select = "SELECT account, client FROM responses WHERE id = ? AND made > ?";
        let rows = self
            .0
            .rows(select, vec![id.into(), (now() - life()).into()]);
        let rows = rows.await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let client = row.maybe_text(1)?;
        Ok(read(&row.text(0)?, client.as_deref()))
    }

    async fn tidy(&self) -> Result<(), NotKept> {
        let mut before = now() - life();
        let newest = format!("SELECT made FROM responses ORDER BY made DESC LIMIT 1 OFFSET {MOST}");
        if let Some(row) = self.0.rows(&newest, vec![]).await?.first() {
            before = before.max(row.int(0)?);
        }
        let delete = "DELETE FROM responses WHERE made <= ?";
        self.0.execute(delete, vec![before.into()]).await?;
        Ok(())
    }
}

/// Responses in Redis, which forgets them itself.
pub struct InRedis(pub Arc<Redis>);

impl InRedis {
    fn key(&self, id: &str) -> String {
        self.0.key(format_args!("response:{id}"))
    }
}

#[async_trait]
impl Kept for InRedis {
    async fn put(&self, responses: &[Response]) -> Result<(), NotKept> {
        let mut commands = pipe();
        for (id, maker) in responses {
            let mut value = format!("{:016x}", maker.account.0);
            if let Some(client) = maker.client {
                value.push_str(&format!(" {client:016x}"));
            }
            let set = commands.cmd("SET").arg(self.key(id)).arg(value);
            set.arg("EX").arg(LIFE.as_secs()).ignore();
        }
        let put = self.0.ask_all::<()>(&commands, WRITE).await;
        Ok(put.inspect_err(|error| self.0.complain("responses are not shared", error))?)
    }

    async fn find(&self, id: &str) -> Result<Option<Maker>, NotKept> {
        let asked = self.0.ask(cmd("GET").arg(self.key(id)), READ).await;
        let value: Option<String> =
            asked.inspect_err(|error| self.0.complain("responses cannot be read", error))?;
        let Some(value) = value else {
            return Ok(None);
        };
        let (account, client) = match value.split_once(' ') {
            Some((account, client)) => (account, Some(client)),
            None => (&*value, None),
        };
        let maker = read(account, client);
        if maker.is_none() {
            let what = "a response that no instance has put there";
            return Err(self.0.found(Trouble::Strange, what).into());
        }
        Ok(maker)
    }

    async fn tidy(&self) -> Result<(), NotKept> {
        Ok(())
    }
}

/// Both as 16 hexadecimal digits.
fn read(account: &str, client: Option<&str>) -> Option<Maker> {
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    Some(Maker {
        account: AccountId(number(account)?),
        client: match client {
            None => None,
            Some(client) => Some(number(client)?),
        },
    })
}

fn life() -> i64 {
    i64::try_from(LIFE.as_secs()).unwrap_or(i64::MAX)
}

/// Seconds since 1970.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(0)
}
