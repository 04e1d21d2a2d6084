//! What tokens cost: prices of models, and the arithmetic.
//!
//! Everything is a whole number. Prices are billionths of a dollar per million tokens ([`Dollars`]), so that a
//! price with up to nine decimals is exact; a sum is kept in 10⁻¹⁵ dollars and rounded once, at the end of
//! a request, to the nearest billionth, half a one up. Numbers that cannot be end at the largest that can.

mod arithmetic;
mod dollars;
mod shipped;
mod table;

#[cfg(test)]
mod page_tests;
#[cfg(test)]
mod tests;

pub use arithmetic::{Counts, Parts};
pub use dollars::{Dollars, InvalidDollars, Nano};
pub use shipped::{DATE, shipped};
pub use table::{Given, Price, Rates, Row, Table, Tier};
