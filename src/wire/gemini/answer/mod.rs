//! Answers, whole or streamed: every event is an answer with what is new in it.

mod args;
mod blocks;
mod candidate;
mod decoder;
mod encoder;
mod frame;
mod grounding;
mod logprobs;
mod more;
mod outcome;
mod sources;
mod stop;
pub(super) mod usage;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;

#[cfg(test)]
mod decoder_tests;
#[cfg(test)]
mod encoder_tests;
