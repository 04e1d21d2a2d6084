//! Answers of the Messages format.

mod blocks;
mod complete;
mod decode;
mod emit;
mod frame;
mod more;
mod partial;
mod queue;
mod stop;
mod stream;
mod usage;
mod whole;
mod writer;

#[cfg(test)]
mod decode_tests;
#[cfg(test)]
mod encode_tests;
#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod testing;

pub(super) use decode::Decoder;
pub(super) use stream::StreamEncoder;
pub(super) use usage::Counted;
pub(super) use whole::WholeEncoder;
