//! Keys and tokens, in a type that cannot be printed by accident.
//!
//! A [`Secret`] shows itself only through [`Secret::expose`]; `Debug` and `Display` give the hint an
//! operator needs to tell two keys apart (`sk-…ab12`) and nothing more. A [`KeyHash`] is what client
//! keys are kept and compared as. A [`Sealer`] makes of a secret what may be stored.

mod seal;

use std::fmt;

pub use seal::{About, InvalidSealingKey, Opened, Sealer, SealingKey, TooLong, Unopened};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A key, token or password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<Box<str>>) -> Self {
        Self(value.into())
    }

    /// The clear text. Call it only where the value leaves for its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is anything in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `sk-…ab12`: the first three and the last four characters of a value long enough that these give
/// nothing away (16 characters), else `***`.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.chars().count();
        if count < 16 {
            return f.write_str("***");
        }
        let head: String = self.0.chars().take(3).collect();
        let tail: String = self.0.chars().skip(count - 4).collect();
        write!(f, "{head}…{tail}")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

/// The SHA-256 of a client key. Comparing hashes in constant time tells an attacker nothing about
/// how much of a guess was right.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a key in clear.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Reads 64 hexadecimal digits, the form that `sha256:` entries in the config have.
    pub fn from_hex(hex: &str) -> Option<Self> {
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// The hash, to make others of it.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Equality in time that does not depend on the values.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_a_hint_only() {
        let secret = Secret::new("sk-live-0123456789ab12");
        assert_eq!(secret.to_string(), "sk-…ab12");
        assert_eq!(format!("{secret:?}"), "Secret(sk-…ab12)");
        assert_eq!(Secret::new("short").to_string(), "***");
    }

    #[test]
    fn a_hash_reads_its_hexadecimal_form_and_matches_only_its_key() {
        let hash = KeyHash::of(b"abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(KeyHash::from_hex(hex), Some(hash));
        assert!(hash.matches(&KeyHash::of(b"abc")));
        assert!(!hash.matches(&KeyHash::of(b"abd")));
        assert_eq!(KeyHash::from_hex("ba78"), None);
        assert_eq!(KeyHash::from_hex(&"zz".repeat(32)), None);
    }
}
