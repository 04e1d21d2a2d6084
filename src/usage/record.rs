//! One request as it is counted and billed.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Uncounted;
use crate::chat::Format;

/// Identifies a record: writing it twice counts it once. Ids that are made later sort later, to the
/// millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
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

/// How much was used. Parts are in what they are parts of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amounts {
    /// All input.
    pub input: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written to a cache.
    pub cache_write: u64,
    /// Of that, for an hour or longer.
    pub cache_write_long: u64,
    /// All output.
    pub output: u64,
    /// Reasoning.
    pub reasoning: u64,
    /// Sound and pictures.
    pub media: Media,
    /// Searches of the web.
    pub web_searches: u64,
}

/// A try that was not the last, and that has used something all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its account.
    pub account: Arc<str>,
    /// The account's provider.
    pub provider: Option<Arc<str>>,
    /// The model as the provider was asked for it.
    pub model: Arc<str>,
    /// What it has used by its provider's words.
    pub used: Amounts,
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
    /// What tries that were not the last have of all these numbers: each has a price of its own.
    pub earlier: Vec<Earlier>,
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
        self.take_counts(uncounted.input(), uncounted.output());
    }

    /// Guesses what no provider said by its length: there is no time to count.
    pub(super) fn guess(&mut self) {
        if let Some(uncounted) = self.uncounted.take() {
            let (input, output) = uncounted.guess();
            self.take_counts(input, output);
        }
    }

    /// What was counted of the last try, to which comes what the earlier ones have used.
    fn take_counts(&mut self, input: Option<u64>, output: Option<u64>) {
        let before = self.before();
        if let Some(count) = input {
            self.input = Tokens::estimated(count.saturating_add(before.input));
        }
        if let Some(count) = output {
            let count = count.saturating_add(before.output);
            // What the provider said of an answer that was cut may be more than what came of it.
            if self.output.quality == Quality::None || count > self.output.count {
                self.output = Tokens::estimated(count);
            }
        }
    }

    /// What the earlier tries have used.
    fn before(&self) -> Amounts {
        let used = self.earlier.iter().map(|earlier| earlier.used);
        used.fold(Amounts::default(), |sum, one| {
            sum.with(one, u64::saturating_add)
        })
    }

    /// What the last try has used.
    pub fn last(&self) -> Amounts {
        let all = Amounts {
            input: self.input.count,
            cache_read: self.cache_read.count,
            cache_write: self.cache_write.count,
            cache_write_long: self.cache_write_long.count,
            output: self.output.count,
            reasoning: self.reasoning.count,
            media: self.media,
            web_searches: self.web_searches,
        };
        all.with(self.before(), u64::saturating_sub)
    }
}

impl Amounts {
    /// Each number with that of `other`.
    fn with(self, other: Self, of: fn(u64, u64) -> u64) -> Self {
        Self {
            input: of(self.input, other.input),
            cache_read: of(self.cache_read, other.cache_read),
            cache_write: of(self.cache_write, other.cache_write),
            cache_write_long: of(self.cache_write_long, other.cache_write_long),
            output: of(self.output, other.output),
            reasoning: of(self.reasoning, other.reasoning),
            media: Media {
                audio_input: of(self.media.audio_input, other.media.audio_input),
                image_input: of(self.media.image_input, other.media.image_input),
                audio_output: of(self.media.audio_output, other.media.audio_output),
                image_output: of(self.media.image_output, other.media.image_output),
            },
            web_searches: of(self.web_searches, other.web_searches),
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
    fn what_is_counted_is_added_to_what_earlier_tries_have_used() {
        let mut record = crate::usage::store_tests::record(0);
        record.input = Tokens {
            count: 1_000,
            quality: Quality::Partial,
        };
        record.cache_read = record.input;
        record.output = Tokens {
            count: 5,
            quality: Quality::Partial,
        };
        record.earlier = vec![Earlier {
            account: "a".into(),
            provider: None,
            model: "m".into(),
            used: Amounts {
                input: 1_000,
                cache_read: 1_000,
                output: 5,
                ..Amounts::default()
            },
        }];
        record.take_counts(Some(7), Some(3));
        assert_eq!(record.input, Tokens::estimated(1_007));
        assert_eq!(record.output, Tokens::estimated(8));
        let last = record.last();
        assert_eq!((last.input, last.cache_read, last.output), (7, 0, 3));
    }

    #[test]
    fn later_ids_sort_later() {
        let early = UNIX_EPOCH + Duration::from_millis(1_700_000_000_000);
        let ids = [early, early + Duration::from_millis(1)].map(RecordId::new);
        assert!(ids[0] < ids[1]);
        assert_ne!(RecordId::new(early), RecordId::new(early));
        assert!(RecordId::new(UNIX_EPOCH - Duration::from_secs(1)).0[..6] == [0; 6]);
    }
}
