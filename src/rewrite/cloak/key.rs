//! What hashes are made with that nobody outside may make.

use std::fmt;
use std::fmt::Write;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

/// The key of this process.
static PROCESS: OnceLock<[u8; 32]> = OnceLock::new();

/// A key for hashes.
#[derive(Clone, Copy)]
pub struct Key([u8; 32]);

impl Key {
    /// The key that is made of `secret`.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// The key that this process has made when it first needed one.
    pub fn of_process() -> Self {
        Self(*PROCESS.get_or_init(rand::random))
    }

    /// The first `digits` hexadecimal digits of the hash of `parts`.
    pub(super) fn hash(&self, parts: &[&[u8]], digits: usize) -> String {
        let mut inner = Sha256::new();
        inner.update(self.0);
        for part in parts {
            inner.update((part.len() as u64).to_be_bytes());
            inner.update(part);
        }
        // Once more around it, so that nobody goes on from a hash without the key.
        let hash = Sha256::new()
            .chain_update(self.0)
            .chain_update(inner.finalize());
        hex(&hash.finalize(), digits)
    }
}

/// The first `digits` hexadecimal digits of `bytes`.
pub(super) fn hex(bytes: &[u8], digits: usize) -> String {
    let mut text = String::with_capacity(digits + 1);
    for byte in bytes.iter().take(digits.div_ceil(2)) {
        let _ = write!(text, "{byte:02x}");
    }
    text.truncate(digits);
    text
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}
