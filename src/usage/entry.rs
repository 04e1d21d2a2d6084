//! A record as it is stored: whatever clients, providers and clocks have done, every database takes it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Quality, Record, RecordId, Tokens};
use crate::state::sql::{Row, SqlError, Value};

/// Longest name, in characters: what every database can index.
const NAME: usize = 191;
/// Longest JSON object of tags, in bytes.
const TAGS: usize = 16 * 1024;
/// Most tokens of one request. Billions of such rows can still be added up.
const MOST_TOKENS: u64 = 1_000_000_000;
/// Most bytes or microseconds: a terabyte, eleven days. Millions of such rows can still be added up.
const MOST: u64 = 1_000_000_000_000;
/// Most that one request can cost: a thousand dollars. Millions of such rows can still be added up.
const DEAREST: i64 = 1_000_000_000_000;
/// 2020-01-01: no clock that is right shows an earlier time.
const EARLIEST: Duration = Duration::from_secs(1_577_836_800);
/// How far the clock that made a record may be ahead of the one that writes it.
const AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// The columns of `request_logs`, in the order of an [`Entry`]'s values.
pub const COLUMNS: [&str; 36] = [
    "id",
    "time",
    "time_moved",
    "request_id",
    "client",
    "account",
    "provider",
    "model_asked",
    "model_used",
    "client_format",
    "provider_format",
    "streamed",
    "own_key",
    "status",
    "error",
    "attempts",
    "input_tokens",
    "input_quality",
    "cache_read_tokens",
    "cache_read_quality",
    "cache_write_tokens",
    "cache_write_quality",
    "cache_write_long_tokens",
    "cache_write_long_quality",
    "output_tokens",
    "output_quality",
    "reasoning_tokens",
    "reasoning_quality",
    "web_searches",
    "cost_nano_dollars",
    "price_version",
    "latency_micros",
    "first_token_micros",
    "bytes_in",
    "bytes_out",
    "tags",
];

/// A row of `request_logs`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Its key.
    pub id: RecordId,
    /// Microseconds since 1970.
    pub time: i64,
    /// Whether the record's own time could not be, and `time` is when it came to be written.
    pub time_moved: bool,
    /// As in [`Record`], as the following are: cut to what can be stored.
    pub request_id: Arc<str>,
    /// The client's name.
    pub client: Option<Arc<str>>,
    /// The account's name.
    pub account: Option<Arc<str>>,
    /// The provider's name.
    pub provider: Option<Arc<str>>,
    /// The model as the client named it.
    pub model_asked: Arc<str>,
    /// The model as the provider was asked for it.
    pub model_used: Option<Arc<str>>,
    /// The name of the client's format.
    pub client_format: Option<Arc<str>>,
    /// The name of the provider's format.
    pub provider_format: Option<Arc<str>>,
    /// Whether the answer was streamed.
    pub streamed: bool,
    /// Whether it went with the client's own key.
    pub own_key: bool,
    /// The status that the client got.
    pub status: i64,
    /// Why it failed.
    pub error: Option<Arc<str>>,
    /// Tries upstream.
    pub attempts: i64,
    /// Input, cache reads, cache writes, long cache writes, output, reasoning; each with its [`Quality`].
    pub tokens: [(i64, i64); 6],
    /// Searches of the web.
    pub web_searches: i64,
    /// Billionths of a dollar.
    pub cost: Option<i64>,
    /// The version of its price.
    pub price_version: Option<Arc<str>>,
    /// Microseconds.
    pub latency: i64,
    /// Microseconds until the first content.
    pub first_token: Option<i64>,
    /// Bytes of the request's body.
    pub bytes_in: i64,
    /// Bytes of the answer's body.
    pub bytes_out: i64,
    /// A JSON object; empty: none.
    pub tags: Arc<str>,
}

impl Entry {
    /// What is stored of `record`, which is taken at `now`.
    pub fn new(record: Record, now: SystemTime) -> Self {
        let (time, time_moved) = plausible(record.time, now);
        let format = |format: Option<crate::chat::Format>| format.map(|one| one.name().into());
        let (cost, price_version) = match record.cost {
            Some(cost) => (
                Some(dollars(cost.nano_dollars, &record.request_id)),
                Some(name(&cost.price_version)),
            ),
            None => (None, None),
        };
        Self {
            id: record.id,
            time,
            time_moved,
            request_id: name(&record.request_id),
            client: record.client.as_ref().map(name),
            account: record.account.as_ref().map(name),
            provider: record.provider.as_ref().map(name),
            model_asked: name(&record.model_asked),
            model_used: record.model_used.as_ref().map(name),
            client_format: format(record.client_format),
            provider_format: format(record.provider_format),
            streamed: record.streamed,
            own_key: record.own_key,
            status: i64::from(record.status),
            error: record.error.map(Arc::from),
            attempts: i64::from(record.attempts),
            tokens: [
                record.input,
                record.cache_read,
                record.cache_write,
                record.cache_write_long,
                record.output,
                record.reasoning,
            ]
            .map(tokens),
            web_searches: number(record.web_searches.min(MOST_TOKENS)),
            cost,
            price_version,
            latency: number(record.latency_micros),
            first_token: record.first_token_micros.map(number),
            bytes_in: number(record.bytes_in),
            bytes_out: number(record.bytes_out),
            tags: match record.tags.len() <= TAGS && !record.tags.contains('\0') {
                true => record.tags,
                false => "".into(),
            },
        }
    }

    /// Its values, in the order of [`COLUMNS`].
    pub(super) fn values(&self) -> impl Iterator<Item = Value> {
        let mut values = Vec::with_capacity(COLUMNS.len());
        values.push(Value::from(self.id.0.to_vec()));
        values.push(self.time.into());
        values.push(self.time_moved.into());
        values.push((&*self.request_id).into());
        for text in [&self.client, &self.account, &self.provider] {
            values.push(text.as_deref().into());
        }
        values.push((&*self.model_asked).into());
        for text in [&self.model_used, &self.client_format, &self.provider_format] {
            values.push(text.as_deref().into());
        }
        values.push(self.streamed.into());
        values.push(self.own_key.into());
        values.push(self.status.into());
        values.push(self.error.as_deref().into());
        values.push(self.attempts.into());
        for (count, quality) in self.tokens {
            values.push(count.into());
            values.push(quality.into());
        }
        values.push(self.web_searches.into());
        values.push(self.cost.into());
        values.push(self.price_version.as_deref().into());
        values.push(self.latency.into());
        values.push(self.first_token.into());
        values.push(self.bytes_in.into());
        values.push(self.bytes_out.into());
        values.push((&*self.tags).into());
        values.into_iter()
    }

    /// The one in `row`, whose columns are [`COLUMNS`].
    pub fn read(row: &Row) -> Result<Self, SqlError> {
        let text = |column| row.text(column).map(Arc::from);
        let maybe = |column| Ok::<_, SqlError>(row.maybe_text(column)?.map(Arc::from));
        let mut id = [0; 16];
        for (byte, found) in id.iter_mut().zip(row.bytes(0)?) {
            *byte = found;
        }
        let mut tokens = [(0, 0); 6];
        for (column, place) in (16..).step_by(2).zip(&mut tokens) {
            *place = (row.int(column)?, row.int(column + 1)?);
        }
        Ok(Self {
            id: RecordId(id),
            time: row.int(1)?,
            time_moved: row.int(2)? != 0,
            request_id: text(3)?,
            client: maybe(4)?,
            account: maybe(5)?,
            provider: maybe(6)?,
            model_asked: text(7)?,
            model_used: maybe(8)?,
            client_format: maybe(9)?,
            provider_format: maybe(10)?,
            streamed: row.int(11)? != 0,
            own_key: row.int(12)? != 0,
            status: row.int(13)?,
            error: maybe(14)?,
            attempts: row.int(15)?,
            tokens,
            web_searches: row.int(28)?,
            cost: row.maybe_int(29)?,
            price_version: maybe(30)?,
            latency: row.int(31)?,
            first_token: row.maybe_int(32)?,
            bytes_in: row.int(33)?,
            bytes_out: row.int(34)?,
            tags: text(35)?,
        })
    }
}

/// `time` in microseconds, or, when it cannot be, the time `now`; whether that was so.
fn plausible(time: SystemTime, now: SystemTime) -> (i64, bool) {
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (time, now) = (since(time), since(now).max(EARLIEST));
    let moved = time < EARLIEST || time > now + AHEAD;
    let time = if moved { now } else { time };
    (i64::try_from(time.as_micros()).unwrap_or(i64::MAX), moved)
}

/// A name of at most [`NAME`] characters. PostgreSQL takes no NUL.
fn name(text: &Arc<str>) -> Arc<str> {
    let fits = text.len() <= NAME || text.chars().nth(NAME).is_none();
    if fits && !text.contains('\0') {
        return Arc::clone(text);
    }
    let clean = |one| if one == '\0' { '\u{fffd}' } else { one };
    text.chars()
        .take(NAME)
        .map(clean)
        .collect::<String>()
        .into()
}

fn number(value: u64) -> i64 {
    // MOST fits.
    i64::try_from(value.min(MOST)).unwrap_or(i64::MAX)
}

/// A cost that can be; one that is cut is said in the log.
fn dollars(nano: i64, request: &str) -> i64 {
    let cut = nano.clamp(0, DEAREST);
    if cut != nano {
        log::warn!(
            "usage: request {request:?} would cost {nano} billionths of a dollar; {cut} are counted"
        );
    }
    cut
}

fn tokens(tokens: Tokens) -> (i64, i64) {
    let quality = match tokens.count > MOST_TOKENS {
        true => Quality::Clamped,
        false => tokens.quality,
    };
    let count = number(tokens.count.min(MOST_TOKENS));
    (count, i64::from(quality as u8))
}
