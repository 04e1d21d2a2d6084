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
