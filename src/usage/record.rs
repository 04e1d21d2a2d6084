//! One request as it is counted and billed.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Uncounted;
use crate::chat::Format;

/// Identifies a record: writing it twice counts it once. Ids that are made later sort later, to the
/// millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub [u8; 16]);

impl RecordId {
    /// A new one: 48 bits of milliseconds since 1970, 80 random bits.
    pub fn new(time: SystemTime) -> Self {
        let millis = time
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let random = rand::random::<u128>() >> 48;
        Self(((millis << 80) | random).to_be_bytes())
    }
}

/// Where a number of tokens comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Quality {
    /// There is none: nothing was used, or nobody can know.
    #[default]
    None = 0,
    /// The provider said so at the end.
    Reported = 1,
    /// The last that the provider said before the answer was cut.
    Partial = 2,
    /// Counted here, because the provider said nothing.
    Estimated = 3,
    /// The provider said something that cannot be: the number was cut to what can.
    Clamped = 4,
}

/// A number of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// How many.
    pub count: u64,
    /// Where that comes from.
    pub quality: Quality,
}

/// Tokens of sound and pictures, as the provider says; a price is computed with them, and they are not
/// written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Media {
    /// Of the input, sound.
    pub audio_input: u64,
    /// Of the input, pictures.
    pub image_input: u64,
    /// Of the output, sound.
    pub audio_output: u64,
    /// Of the output, pictures.
    pub image_output: u64,
}

/// What a request cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Billionths of a US dollar.
    pub nano_dollars: i64,
    /// The version of the price that it was computed with.
    pub price_version: Arc<str>,
}

/// One request as it is counted and billed. Holds nothing of what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its own id; that of the request may come twice, since clients choose it.
    pub id: RecordId,
    /// When it ended.
    pub time: SystemTime,
    /// The request's id.
    pub request_id: Arc<str>,
    /// The name of the client's key; `None`: it had none.
    pub client: Option<Arc<str>>,
    /// The account of the last try, if there was one.
    pub account: Option<Arc<str>>,
    /// Its provider.
    pub provider: Option<Arc<str>>,
    /// The model as the client named it; empty: it named none.
    pub model_asked: Arc<str>,
    /// The model as the provider was asked for it.
    pub model_used: Option<Arc<str>>,
    /// The client's format; `None`: nobody looked into it.
    pub client_format: Option<Format>,
    /// The format that the provider was asked in.
    pub provider_format: Option<Format>,
    /// Whether the answer was streamed.
    pub streamed: bool,
    /// Whether it went with the client's own key for the provider: someone else pays.
    pub own_key: bool,
    /// The status that the client got; 499: it left before the end of its answer; 101: a WebSocket.
    pub status: u16,
    /// Why it failed, in a word of the metrics, be it after its status had left; `None`: it did not.
    pub error: Option<&'static str>,
    /// Tries upstream.
    pub attempts: u32,
    /// All input, caches included.
    pub input: Tokens,
    /// Of it, read from a cache.
    pub cache_read: Tokens,
    /// Of it, written to a cache.
    pub cache_write: Tokens,
    /// Of that, for an hour or longer; the rest lives for minutes.
    pub cache_write_long: Tokens,
    /// All output, reasoning included.
    pub output: Tokens,
    /// Of it, reasoning.
    pub reasoning: Tokens,
    /// How much of it was sound and pictures, which may have prices of their own.
    pub media: Media,
    /// Searches of the web that the provider made for it.
    pub web_searches: u64,
    /// What those of these numbers are counted from that no provider said; see [`Record::count`].
    pub uncounted: Option<Arc<Uncounted>>,
    /// What it cost; `None`: no price is known, or someone else pays.
    pub cost: Option<Cost>,
    /// From its first byte to the end of its answer, in microseconds.
    pub latency_micros: u64,
    /// Until the first content of a streamed answer.
    pub first_token_micros: Option<u64>,
    /// Bytes of its body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Labels of the client's key and of the account, as a JSON object of texts with sorted keys; empty:
    /// none. A key that both have is the client's.
    pub tags: Arc<str>,
}

impl Record {
    /// Counts what no provider said, if there is anything. Whoever writes records calls this before
    /// anything is made of their numbers, off the threads that serve: a long text takes long.
    pub fn count(&mut self) {
        let Some(uncounted) = self.uncounted.take() else {
            return;
        };
        if let Some(count) = uncounted.input() {
            self.input = Tokens::estimated(count);
        }
        if let Some(count) = uncounted.output() {
            // What the provider said of an answer that was cut may be more than what came of it.
            if self.output.quality == Quality::None || count > self.output.count {
                self.output = Tokens::estimated(count);
            }
        }
    }
}

impl Tokens {
    /// A number that was counted here.
    pub const fn estimated(count: u64) -> Self {
        Self {
            count,
            quality: Quality::Estimated,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn later_ids_sort_later() {
        let early = UNIX_EPOCH + Duration::from_millis(1_700_000_000_000);
        let ids = [early, early + Duration::from_millis(1)].map(RecordId::new);
        assert!(ids[0] < ids[1]);
        assert_ne!(RecordId::new(early), RecordId::new(early));
        assert!(RecordId::new(UNIX_EPOCH - Duration::from_secs(1)).0[..6] == [0; 6]);
    }
}
