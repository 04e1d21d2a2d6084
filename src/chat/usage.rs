//! What an answer cost in tokens.

/// Tokens. `input` includes what came from and went to caches and what server tools put in; `output`
/// includes reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All input.
    pub input: u64,
    /// Of it, read from a cache.
    pub cache_read: u64,
    /// Of it, written to a cache.
    pub cache_write: u64,
    /// Of that, by how long it lives, where the provider says.
    pub cache_writes: Option<CacheWrites>,
    /// All output.
    pub output: u64,
    /// Of it, reasoning.
    pub reasoning: u64,
    /// Of the input, sound.
    pub audio_input: u64,
    /// Of the output, sound.
    pub audio_output: u64,
    /// Of the input, pictures.
    pub image_input: u64,
    /// Of the sound, read from a cache.
    pub cached_audio: u64,
    /// Of the pictures, read from a cache.
    pub cached_image: u64,
    /// Of the output, pictures.
    pub image_output: u64,
    /// Of the input, put in by server tools.
    pub tool_input: u64,
    /// Predicted tokens that were used.
    pub prediction_accepted: u64,
    /// Predicted tokens that were not.
    pub prediction_rejected: u64,
    /// Searches of the web.
    pub web_searches: u64,
    /// Pages fetched.
    pub web_fetches: u64,
    /// Whether the provider said so; `false`: nobody did, or it is an estimate.
    pub exact: bool,
    /// Which of them the provider gave as something that no number of tokens is.
    pub odd: Odd,
}

/// Numbers that were negative or not whole, and were cut to what can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Odd(u8);

impl Odd {
    /// All input.
    pub const INPUT: Self = Self(1);
    /// Read from a cache.
    pub const CACHE_READ: Self = Self(1 << 1);
    /// Written to a cache.
    pub const CACHE_WRITE: Self = Self(1 << 2);
    /// All output.
    pub const OUTPUT: Self = Self(1 << 3);
    /// Reasoning.
    pub const REASONING: Self = Self(1 << 4);

    /// Adds those of `other`.
    pub const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether one of `other` is among them.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Usage {
    /// What both cost together.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_writes: match (self.cache_writes, other.cache_writes) {
                (Some(one), Some(two)) => Some(one.plus(two)),
                (one, None) => one,
                (None, two) => two,
            },
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            audio_input: self.audio_input.saturating_add(other.audio_input),
            audio_output: self.audio_output.saturating_add(other.audio_output),
            image_input: self.image_input.saturating_add(other.image_input),
            cached_audio: self.cached_audio.saturating_add(other.cached_audio),
            cached_image: self.cached_image.saturating_add(other.cached_image),
            image_output: self.image_output.saturating_add(other.image_output),
            tool_input: self.tool_input.saturating_add(other.tool_input),
            prediction_accepted: self
                .prediction_accepted
                .saturating_add(other.prediction_accepted),
            prediction_rejected: self
                .prediction_rejected
                .saturating_add(other.prediction_rejected),
            web_searches: self.web_searches.saturating_add(other.web_searches),
            web_fetches: self.web_fetches.saturating_add(other.web_fetches),
            exact: self.exact && other.exact,
            odd: self.odd.and(other.odd),
        }
    }
}

impl CacheWrites {
    const fn plus(self, other: Self) -> Self {
        Self {
            minutes5: self.minutes5.saturating_add(other.minutes5),
            minutes30: self.minutes30.saturating_add(other.minutes30),
            hour1: self.hour1.saturating_add(other.hour1),
            hours12: self.hours12.saturating_add(other.hours12),
        }
    }

    /// Those that live for an hour or longer.
    pub const fn long(self) -> u64 {
        self.hour1.saturating_add(self.hours12)
    }
}

/// Tokens written to caches, by how long they live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheWrites {
    /// For 5 minutes.
    pub minutes5: u64,
    /// For 30 minutes.
    pub minutes30: u64,
    /// For an hour.
    pub hour1: u64,
    /// For 12 hours.
    pub hours12: u64,
}
