//! What was used, for operators: sums and single records, as JSON or CSV, written while they are read.

mod question;
mod table;

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::{Answer, Asked as Request, JSON, document, refusal};
use crate::live::Current;
use crate::proxy::desk::{Broken, Pieces};
use crate::state::sql::{Database, Row, SqlError, Trouble, Value};
use crate::usage::counters::{Count, Whose};
use crate::usage::entry::COLUMNS;
use crate::usage::query::Question;
use crate::usage::sums::SUMS;
use question::{Asked, Form};
use table::{Cell, Table, dollars, string};

/// The media type of CSV.
const CSV: &str = "text/csv; charset=utf-8";
/// How much is sent at once.
const PIECE: usize = 32 * 1024;
/// How long an answer may be on its way, however slowly it is read: it holds a connection.
const DEADLINE: Duration = Duration::from_secs(120);
/// The last second that can be written as a date, since 1970.
const LAST: Duration = Duration::from_secs(253_402_300_799);
/// How long the database may take until its first row.
const PATIENCE: Duration = Duration::from_secs(30);

/// The sums that a request asks for.
pub(super) async fn sums(current: &Current, request: &Request<'_>) -> Answer {
    let asked = match question::sums(request.query, request.headers, SystemTime::now()) {
        Ok(asked) => asked,
        Err(message) => return refusal(400, "invalid_question", &message),
    };
    let question = &asked.question;
    let groups: Vec<String> = question.by.iter().map(|group| group.name()).collect();
    let shown: Vec<String> = groups.iter().map(|name| string(name)).collect();
    let about = format!("{},\"group_by\":[{}]", range(question), shown.join(","));
    let sums = SUMS.map(|name| shown_as(name).to_owned());
    let columns = groups.into_iter().chain(sums).collect();
    let limit = question.limit;
    // One more than asked for tells whether there are more.
    let beyond = Question {
        limit: limit.map(|limit| limit + 1),
        ..question.clone()
    };
    let (statement, values) = beyond.statement(current.database().dialect());
    let times: Vec<bool> = question.by.iter().map(|group| group.is_time()).collect();
    let read = move |row: &Row| sums_of(row, &times);
    let table = Table::new(asked.form, columns, &about);
    answer(current, &asked, table, (statement, values), read).await
}

fn sums_of(row: &Row, times: &[bool]) -> Result<Vec<Cell>, SqlError> {
    let mut cells = Vec::with_capacity(times.len() + SUMS.len());
    for (column, is_time) in times.iter().enumerate() {
        cells.push(match is_time {
            true => Cell::Text(time(row.int(column)?)),
            false => text(Some(row.text(column)?)),
        });
    }
    for (place, name) in SUMS.iter().enumerate() {
        cells.push(number(name, Some(row.int(times.len() + place)?)));
    }
    Ok(cells)
}

/// The records that a request asks for.
pub(super) async fn records(current: &Current, request: &Request<'_>) -> Answer {
    let asked = match question::records(request.query, request.headers, SystemTime::now()) {
        Ok(asked) => asked,
        Err(message) => return refusal(400, "invalid_question", &message),
    };
    let question = &asked.question;
    let columns = COLUMNS.map(|name| shown_as(name).to_owned()).to_vec();
    let table = Table::new(asked.form, columns, &range(question));
    let mut values: Vec<Value> = [question.from, question.until]
        .map(|second| (second * 1_000_000).into())
        .to_vec();
    let mut statement = format!(
        "SELECT {} FROM request_logs WHERE time >= ? AND time < ?",
        COLUMNS.join(", ")
    );
    for (group, wanted) in &question.only {
        let column = match group.name() {
            name if name == "model" => "model_used".to_owned(),
            name => name,
        };
        let places = vec!["?"; wanted.len()].join(", ");
        let _ = write!(statement, " AND COALESCE({column}, '') IN ({places})");
        values.extend(wanted.iter().map(|one| one.as_str().into()));
    }
    let limit = question.limit.unwrap_or(1).saturating_add(1);
    let _ = write!(statement, " ORDER BY time DESC, id DESC LIMIT {limit}");
    answer(current, &asked, table, (statement, values), record_of).await
}

fn record_of(row: &Row) -> Result<Vec<Cell>, SqlError> {
    let mut cells = Vec::with_capacity(COLUMNS.len());
    for (column, name) in COLUMNS.iter().enumerate() {
        cells.push(match *name {
            "id" => {
                let mut id = String::new();
                for byte in row.bytes(column)? {
                    let _ = write!(id, "{byte:02x}");
                }
                Cell::Text(id)
            }
            "time" => Cell::Text(time_of_micros(row.int(column)?)),
            "request_id" | "client" | "account" | "provider" | "model_asked" | "model_used"
            | "client_format" | "provider_format" | "error" | "price_version" | "tags" => {
                text(row.maybe_text(column)?)
            }
            name => number(name, row.maybe_int(column)?),
        });
    }
    Ok(cells)
}

/// Streams the rows of a statement; what is wrong before the first of them is an error of its own.
async fn answer(
    current: &Current,
    asked: &Asked,
    table: Table,
    (statement, values): (String, Vec<Value>),
    read: impl Fn(&Row) -> Result<Vec<Cell>, SqlError> + Send + Sync + 'static,
) -> Answer {
    let database = Arc::clone(current.database());
    let limit = asked.question.limit.map_or(u64::MAX, u64::from);
    let (began, mut begun) = tokio::sync::oneshot::channel();
    let mut pieces = Pieces::new(move |pieces| async move {
        let writing = Writing {
            pieces: pieces.clone(),
            table,
            limit,
        };
        let run = writing.run(&database, &statement, values, read, began);
        if tokio::time::timeout(DEADLINE, run).await.is_err() {
            log::warn!("usage: an answer was not read to its end in time");
            let _ = pieces.send(Err(Broken)).await;
        }
    });
    // It runs while somebody waits for a piece.
    let first = async {
        tokio::select! {
            biased;
            begun = &mut begun => (begun, None),
            // What it has said before the piece, or before there was none.
            piece = pieces.next() => (begun.await, piece),
        }
    };
    let Ok((Ok(begun), first)) = tokio::time::timeout(PATIENCE, first).await else {
        let message = "the database does not answer in time";
        return refusal(503, "database_unavailable", message);
    };
    if let Err(trouble) = begun {
        return refusal(503, "database_unavailable", trouble);
    }
    Answer {
        kind: match asked.form {
            Form::Json => JSON,
            Form::Csv => CSV,
        },
        pieces: Some(Box::new(pieces.after(first))),
        ..document(200, String::new())
    }
}

/// A table on its way.
struct Writing {
    pieces: mpsc::Sender<Result<Bytes, Broken>>,
    table: Table,
    limit: u64,
}

impl Writing {
    async fn run(
        mut self,
        database: &Database,
        statement: &str,
        values: Vec<Value>,
        read: impl Fn(&Row) -> Result<Vec<Cell>, SqlError>,
        began: tokio::sync::oneshot::Sender<Result<(), &'static str>>,
    ) {
        let mut began = Some(began);
        let written = self
            .write(database, statement, values, read, &mut began)
            .await;
        if let Err(error) = written {
            log::warn!("usage: answering a question: {error}");
            match began {
                Some(began) => drop(began.send(Err(words(error.trouble)))),
                None => drop(self.pieces.send(Err(Broken)).await),
            }
        }
    }

    async fn write(
        &mut self,
        database: &Database,
        statement: &str,
        values: Vec<Value>,
        read: impl Fn(&Row) -> Result<Vec<Cell>, SqlError>,
        began: &mut Option<tokio::sync::oneshot::Sender<Result<(), &'static str>>>,
    ) -> Result<(), SqlError> {
        let mut rows = database.stream(statement, values).await?;
        let mut complete = true;
        loop {
            let row = rows.next().await.transpose()?;
            if let Some(began) = began.take() {
                // Nobody waits when the client has gone.
                let _ = began.send(Ok(()));
            }
            let Some(row) = row else { break };
            if self.table.rows() == self.limit {
                complete = false;
                break;
            }
            self.table.add(&read(&row)?);
            if self.table.len() >= PIECE && !self.send().await {
                return Ok(());
            }
        }
        self.table.end(complete);
        self.send().await;
        Ok(())
    }

    /// Sends what waits; `false`: nobody wants it any more.
    async fn send(&mut self) -> bool {
        let piece = Bytes::from(self.table.take());
        self.pieces.send(Ok(piece)).await.is_ok()
    }
}

/// Why a database gives no answer, without its own words: they may name what is nobody's business.
fn words(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Away => "the database is away",
        Trouble::Old => "the database's tables are older than this program: run `ai-proxy migrate`",
        Trouble::New => "the database's tables are newer than this program",
        Trouble::Conflict | Trouble::Taken | Trouble::Value | Trouble::Refused => {
            "the database refuses; the log says why"
        }
    }
}

/// What is used right now.
pub(super) async fn now(current: &Current) -> Answer {
    let now = SystemTime::now();
    let mut rows = Vec::new();
    for (whose, [minute, hour, day]) in current.counters().read(now).await {
        let (kind, name) = match &whose {
            Whose::All => ("all", "null".to_owned()),
            Whose::Account(name) => ("account", string(name)),
            Whose::Client(name) => ("client", string(name)),
        };
        rows.push(format!(
            "{{\"whose\":\"{kind}\",\"name\":{name},\"minute\":{},\"hour\":{},\"day\":{}}}",
            count(&minute),
            count(&hour),
            count(&day)
        ));
    }
    let at = string(&humantime::format_rfc3339_seconds(now).to_string());
    document(
        200,
        format!("{{\"at\":{at},\"rows\":[{}]}}", rows.join(",\n")),
    )
}

fn count(count: &Count) -> String {
    format!(
        "{{\"requests\":{},\"errors\":{},\"input_tokens\":{},\"output_tokens\":{},\"cost_usd\":\"{}\"}}",
        count.requests,
        count.errors,
        count.input_tokens,
        count.output_tokens,
        dollars(count.nano_dollars)
    )
}

fn range(question: &Question) -> String {
    let (from, until) = (time(question.from), time(question.until));
    format!("\"from\":{},\"to\":{}", string(&from), string(&until))
}

/// The name of a column in answers.
fn shown_as(column: &str) -> &str {
    match column {
        "cost_nano_dollars" => "cost_usd",
        other => other,
    }
}

fn number(column: &str, value: Option<i64>) -> Cell {
    match (column, value) {
        (_, None) => Cell::Nothing,
        ("cost_nano_dollars", Some(nano)) => Cell::Dollars(nano),
        (_, Some(number)) => Cell::Number(number),
    }
}

fn text(text: Option<String>) -> Cell {
    match text {
        Some(text) if !text.is_empty() => Cell::Text(text),
        _ => Cell::Nothing,
    }
}

fn time(second: i64) -> String {
    let since = Duration::from_secs(u64::try_from(second).unwrap_or(0)).min(LAST);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

fn time_of_micros(micros: i64) -> String {
    let since = Duration::from_micros(u64::try_from(micros).unwrap_or(0)).min(LAST);
    humantime::format_rfc3339_micros(UNIX_EPOCH + since).to_string()
}
