//! Tokens times prices.

use super::{Dollars, Price, Rates};

/// What a request used. `input` and `output` are all there is; the others are parts of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All input.
    pub input: u64,
    /// Of it, read from a cache.
    pub cache_read: u64,
    /// Of it, written to a cache.
    pub cache_write: u64,
    /// Of that, for an hour or longer.
    pub cache_write_long: u64,
    /// Of the input, sound.
    pub audio_input: u64,
    /// Of the input, pictures.
    pub image_input: u64,
    /// All output.
    pub output: u64,
    /// Of it, reasoning.
    pub reasoning: u64,
    /// Of the output, sound.
    pub audio_output: u64,
    /// Of the output, pictures.
    pub image_output: u64,
    /// Searches of the web.
    pub web_searches: u64,
}

/// What each part costs, in 10⁻¹⁵ dollars: nothing is rounded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// Input that is nothing of what follows.
    pub input: u128,
    /// Read from caches.
    pub cache_read: u128,
    /// Written to caches for minutes.
    pub cache_write: u128,
    /// Written to caches for longer.
    pub cache_write_long: u128,
    /// Sound in the input.
    pub audio_input: u128,
    /// Pictures in the input.
    pub image_input: u128,
    /// Output that is nothing of what follows.
    pub output: u128,
    /// Reasoning.
    pub reasoning: u128,
    /// Sound in the output.
    pub audio_output: u128,
    /// Pictures in the output.
    pub image_output: u128,
    /// The request itself.
    pub request: u128,
    /// Searches of the web.
    pub web_search: u128,
}

/// 10⁻¹⁵ dollars in a billionth.
const UNIT: u128 = 1_000_000;

impl Price {
    /// The prices of a request with so much input.
    pub fn rates_for(&self, input: u64) -> &Rates {
        let tier = self.tiers.iter().rev().find(|tier| input > tier.above);
        tier.map_or(&self.rates, |tier| &tier.rates)
    }

    /// What `counts` cost, part by part. A part that is larger than what it is a part of is cut to it.
    pub fn parts(&self, counts: &Counts) -> Parts {
        let rates = self.rates_for(counts.input);
        let mut input = counts.input;
        let cache_read = take(&mut input, counts.cache_read);
        let mut cache_write = take(&mut input, counts.cache_write);
        let cache_write_long = take(&mut cache_write, counts.cache_write_long);
        let audio_input = take(&mut input, counts.audio_input);
        let image_input = take(&mut input, counts.image_input);
        let mut output = counts.output;
        let reasoning = take(&mut output, counts.reasoning);
        let audio_output = take(&mut output, counts.audio_output);
        let image_output = take(&mut output, counts.image_output);
        Parts {
            input: times(input, rates.input),
            cache_read: times(cache_read, rates.cache_read),
            cache_write: times(cache_write, rates.cache_write),
            cache_write_long: times(cache_write_long, rates.cache_write_long),
            audio_input: times(audio_input, rates.audio_input),
            image_input: times(image_input, rates.image_input),
            output: times(output, rates.output),
            reasoning: times(reasoning, rates.reasoning),
            audio_output: times(audio_output, rates.audio_output),
            image_output: times(image_output, rates.image_output),
            request: u128::from(self.request.nano()) * UNIT,
            web_search: times(counts.web_searches, self.web_search).saturating_mul(UNIT),
        }
    }

    /// What `counts` cost, in billionths of a dollar.
    pub fn cost(&self, counts: &Counts) -> i64 {
        self.parts(counts).total()
    }
}

impl Parts {
    /// In the order of the fields.
    pub fn all(&self) -> [u128; 12] {
        [
            self.input,
            self.cache_read,
            self.cache_write,
            self.cache_write_long,
            self.audio_input,
            self.image_input,
            self.output,
            self.reasoning,
            self.audio_output,
            self.image_output,
            self.request,
            self.web_search,
        ]
    }

    /// The sum in billionths of a dollar: rounded here and nowhere else, half a one up.
    pub fn total(&self) -> i64 {
        let sum = self.all().into_iter().fold(0, u128::saturating_add);
        let rounded = sum.saturating_add(UNIT / 2) / UNIT;
        i64::try_from(rounded).unwrap_or(i64::MAX)
    }
}

/// Takes `part` out of `whole`, or as much as there is.
fn take(whole: &mut u64, part: u64) -> u64 {
    let part = part.min(*whole);
    *whole -= part;
    part
}

/// Both fit in 64 bits: the product fits in 128.
fn times(count: u64, price: Dollars) -> u128 {
    u128::from(count) * u128::from(price.nano())
}
