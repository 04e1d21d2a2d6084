//! Requests of the Messages format.

mod betas;
mod blocks;
mod decode;
mod encode;
mod offer;
mod tools;
mod write;

#[cfg(test)]
mod tests;

pub(super) use betas::betas;
pub(super) use decode::decode;
pub(super) use encode::encode;
