//! Amounts of money, read from decimal text.

use std::fmt;

/// A price in billionths of a US dollar: of a million tokens, or of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Dollars(u64);

/// An amount in billionths of a US dollar, shown in dollars: `0.00324`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nano(pub i64);

/// Why a text is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be dollars from 0 to 1000000 with at most 9 decimals, as 0.075")]
pub struct InvalidDollars;

const BILLION: u64 = 1_000_000_000;
/// In dollars. What costs more is a mistake.
const MOST: u64 = 1_000_000;
const DECIMALS: u32 = 9;

impl Dollars {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads `0.075`.
    pub fn parse(text: &str) -> Result<Self, InvalidDollars> {
        Self::read(text.trim()).ok_or(InvalidDollars)
    }

    /// As billionths of a dollar.
    pub const fn nano(self) -> u64 {
        self.0
    }

    /// Reads digits, and a point with digits behind it; `None`: it is something else, or too much.
    pub(super) const fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (mut nano, mut at, mut decimals) = (0_u64, 0, None);
        while at < bytes.len() {
            match (bytes[at], decimals) {
                (digit @ b'0'..=b'9', None) => {
                    nano = nano * 10 + (digit - b'0') as u64 * BILLION;
                    if nano > MOST * BILLION {
                        return None;
                    }
                }
                (digit @ b'0'..=b'9', Some(count)) => {
                    if count == DECIMALS {
                        // Zeros say nothing.
                        if digit != b'0' {
                            return None;
                        }
                    } else {
                        nano += (digit - b'0') as u64 * 10_u64.pow(DECIMALS - count - 1);
                        decimals = Some(count + 1);
                    }
                }
                (b'.', None) if at > 0 && at + 1 < bytes.len() => decimals = Some(0),
                _ => return None,
            }
            at += 1;
        }
        if at == 0 || nano > MOST * BILLION {
            return None;
        }
        Some(Self(nano))
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, f)
    }
}

impl fmt::Display for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        show(self.0.unsigned_abs(), f)
    }
}

/// Writes billionths of a dollar as dollars, without zeros at the end.
fn show(nano: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (whole, rest) = (nano / BILLION, nano % BILLION);
    if rest == 0 {
        return write!(f, "{whole}");
    }
    let decimals = format!("{rest:09}");
    write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_to_the_last_digit() {
        for (text, nano) in [
            ("0", 0),
            ("3", 3 * BILLION),
            ("0.075", 75_000_000),
            ("0.000000001", 1),
            ("1.2500000000000", 1_250_000_000),
            (" 15.00 ", 15 * BILLION),
            ("1000000", MOST * BILLION),
        ] {
            assert_eq!(Dollars::parse(text), Ok(Dollars(nano)), "{text}");
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "$1",
            "0x1",
            "1.2.3",
            "NaN",
            "inf",
            "0.0000000001",
            "1000000.000000001",
            "1000001",
            "99999999999999999999999999",
        ] {
            assert_eq!(Dollars::parse(text), Err(InvalidDollars), "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for text in ["0", "3", "0.075", "0.000000001", "22.5", "1000000"] {
            let dollars = Dollars::parse(text).unwrap();
            assert_eq!(dollars.to_string(), text);
        }
        assert_eq!(Nano(3_240_000).to_string(), "0.00324");
        assert_eq!(Nano(-1).to_string(), "-0.000000001");
        assert_eq!(Nano(i64::MAX).to_string(), "9223372036.854775807");
    }
}
