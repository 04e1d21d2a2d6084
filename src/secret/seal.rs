//! Secrets at rest: sealed with a key from the config, opened with any of them.
//!
//! XChaCha20-Poly1305, whose nonces are long enough to be drawn at random. What a value is and whose
//! ([`About`]) is authenticated with it, so that a sealed text which somebody moves to another row does not
//! open there. A sealed text is `v1.KEY.BASE64`: the id of its key, then nonce and ciphertext.

use std::fmt;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use super::Secret;

/// The form of a sealed text.
const VERSION: &str = "v1";
/// Bytes of a nonce.
const NONCE: usize = 24;
/// Longest secret, in bytes.
const LONGEST: usize = 1 << 20;

/// A key that secrets are sealed with.
#[derive(Clone)]
pub struct SealingKey {
    id: KeyId,
    cipher: XChaCha20Poly1305,
}

/// Tells keys apart and tells nothing about them: a part of a hash.
type KeyId = [u8; 4];

/// Why a text is no key. Quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSealingKey {
    /// Something else.
    #[error(
        "must be 32 random bytes as base64 or hexadecimal digits; make them with: openssl rand -base64 32"
    )]
    Form,
    /// The same byte over and over.
    #[error("is not random; make a key with: openssl rand -base64 32")]
    Weak,
}

impl SealingKey {
    /// Reads 32 bytes: 64 hexadecimal digits, or base64 of either alphabet with or without its padding.
    pub fn try_new(text: &str) -> Result<Self, InvalidSealingKey> {
        let bytes: [u8; 32] = bytes(text)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(InvalidSealingKey::Form)?;
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(InvalidSealingKey::Weak);
        }
        let mut hash = Sha256::new();
        hash.update(b"ai-proxy: id of a secret key\0");
        hash.update(bytes);
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, ..] = digest;
        Ok(Self {
            id: [a, b, c, d],
            cipher: XChaCha20Poly1305::new(&bytes.into()),
        })
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let pairs = (0..64).step_by(2).map(|at| text.get(at..at + 2));
        return pairs
            .map(|pair| u8::from_str_radix(pair?, 16).ok())
            .collect();
    }
    let bare = text.trim_end_matches('=');
    BASE64_STANDARD_NO_PAD
        .decode(bare)
        .or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(bare))
        .ok()
}

/// Equal when they are one key.
impl PartialEq for SealingKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for SealingKey {}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(***)")
    }
}

/// What a secret is and whose. It has to be the same when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About<'a> {
    /// What: a word per column, `token.refresh`.
    pub what: &'static str,
    /// Whose: what identifies the row.
    pub whose: &'a str,
}

impl About<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 + self.what.len() + self.whose.len());
        for part in [VERSION, self.what, self.whose] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// A secret that was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The secret.
    pub secret: Secret,
    /// It was sealed with an older key: seal it again when there is occasion.
    pub old: bool,
}

/// The secret is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret is longer than 1 MiB")]
pub struct TooLong;

/// Why a text was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// It is no sealed text.
    #[error("it is not a sealed value")]
    Form,
    /// No key of the config has sealed it.
    #[error("none of the secret-keys has sealed it")]
    Key,
    /// It was changed, or belongs elsewhere.
    #[error("it was changed, or belongs to another row")]
    Forged,
}

/// Seals with the newest key and opens with any.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealer {
    newest: SealingKey,
    older: Vec<SealingKey>,
}

impl Sealer {
    /// With `keys`, the newest first; `None` without any.
    pub fn new(keys: impl IntoIterator<Item = SealingKey>) -> Option<Self> {
        let mut keys = keys.into_iter();
        Some(Self {
            newest: keys.next()?,
            older: keys.collect(),
        })
    }

    /// `secret` as a text that may be stored.
    pub fn seal(&self, about: About<'_>, secret: &str) -> Result<String, TooLong> {
        if secret.len() > LONGEST {
            return Err(TooLong);
        }
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload {
            msg: secret.as_bytes(),
            aad: &about.bytes(),
        };
        let sealed = self.newest.cipher.encrypt(&XNonce::from(nonce), payload);
        let mut bytes = nonce.to_vec();
        bytes.extend(sealed.map_err(|_| TooLong)?);
        let key = u32::from_be_bytes(self.newest.id);
        Ok(format!(
            "{VERSION}.{key:08x}.{}",
            BASE64_STANDARD.encode(bytes)
        ))
    }

    /// The secret in `sealed`, whatever bytes these are.
    pub fn open(&self, about: About<'_>, sealed: &str) -> Result<Opened, Unopened> {
        let mut parts = sealed.split('.');
        let (Some(VERSION), Some(id), Some(text), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Unopened::Form);
        };
        let id = match id.len() {
            8 => u32::from_str_radix(id, 16).map_err(|_| Unopened::Form)?,
            _ => return Err(Unopened::Form),
        };
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| Unopened::Form)?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE>().ok_or(Unopened::Form)?;
        let about = about.bytes();
        let mut why = Unopened::Key;
        // Two keys may have one id, if only once in four thousand million.
        let keys = std::iter::once(&self.newest).chain(&self.older);
        for key in keys.filter(|key| key.id == id.to_be_bytes()) {
            let payload = Payload {
                msg: ciphertext,
                aad: &about,
            };
            let Ok(clear) = key.cipher.decrypt(&XNonce::from(*nonce), payload) else {
                why = Unopened::Forged;
                continue;
            };
            return Ok(Opened {
                secret: Secret::new(String::from_utf8(clear).map_err(|_| Unopened::Form)?),
                old: key != &self.newest,
            });
        }
        Err(why)
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        1 + self.older.len()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.keys())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWNER: About<'_> = About {
        what: "token.refresh",
        whose: "account-1",
    };

    fn key(n: u8) -> SealingKey {
        let bytes: Vec<u8> = (0..32).map(|at| at ^ n).collect();
        SealingKey::try_new(&BASE64_STANDARD.encode(bytes)).unwrap()
    }

    fn sealer(keys: &[u8]) -> Sealer {
        Sealer::new(keys.iter().map(|n| key(*n))).unwrap()
    }

    #[test]
    fn keys_are_read_as_base64_and_hexadecimal_and_nothing_else() {
        let bytes: Vec<u8> = (0..32).map(|at| 255 - at).collect();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        let base64 = BASE64_STANDARD.encode(&bytes);
        let bare = base64.trim_end_matches('=');
        let url = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
        for text in [&hex, &hex.to_lowercase(), &base64, bare, &url] {
            assert_eq!(
                SealingKey::try_new(text),
                SealingKey::try_new(&hex),
                "{text}"
            );
            assert!(SealingKey::try_new(text).is_ok(), "{text}");
        }
        for text in ["", "correct horse battery staple", &hex[1..], &base64[4..]] {
            assert_eq!(
                SealingKey::try_new(text),
                Err(InvalidSealingKey::Form),
                "{text}"
            );
        }
        let zeros = SealingKey::try_new(&"0".repeat(64));
        assert_eq!(zeros, Err(InvalidSealingKey::Weak));
    }

    #[test]
    fn what_is_sealed_opens_and_looks_different_each_time() {
        let sealer = sealer(&[1]);
        for secret in ["", "rt-secret", "grüße", &"x".repeat(LONGEST)] {
            let one = sealer.seal(OWNER, secret).unwrap();
            assert_ne!(one, sealer.seal(OWNER, secret).unwrap());
            assert!(secret.is_empty() || !one.contains(secret));
            let opened = sealer.open(OWNER, &one).unwrap();
            assert_eq!((opened.secret.expose(), opened.old), (secret, false));
        }
        assert_eq!(sealer.seal(OWNER, &"x".repeat(LONGEST + 1)), Err(TooLong));
    }

    #[test]
    fn a_changed_text_does_not_open_wherever_it_was_changed() {
        let sealer = sealer(&[1]);
        let sealed = sealer.seal(OWNER, "secret").unwrap();
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // Hexadecimal digits have two spellings.
            let same = changed.eq_ignore_ascii_case(&sealed) && at < 11;
            assert!(same || sealer.open(OWNER, &changed).is_err(), "at {at}");
            assert!(sealer.open(OWNER, &sealed[..at]).is_err(), "to {at}");
        }
    }

    #[test]
    fn a_text_that_was_moved_does_not_open() {
        let sealer = sealer(&[1]);
        let sealed = sealer.seal(OWNER, "secret").unwrap();
        let whose = About {
            whose: "account-2",
            ..OWNER
        };
        let what = About {
            what: "token.access",
            ..OWNER
        };
        // The parts together are the same text.
        let shifted = About {
            what: "token.refreshaccount",
            whose: "-1",
        };
        for about in [whose, what, shifted] {
            assert_eq!(sealer.open(about, &sealed), Err(Unopened::Forged));
        }
    }

    #[test]
    fn keys_rotate() {
        let old = sealer(&[1]).seal(OWNER, "secret").unwrap();
        let rotated = sealer(&[2, 1]);
        let opened = rotated.open(OWNER, &old).unwrap();
        assert_eq!((opened.secret.expose(), opened.old), ("secret", true));
        let new = rotated.seal(OWNER, opened.secret.expose()).unwrap();
        assert!(!rotated.open(OWNER, &new).unwrap().old);
        assert!(sealer(&[2]).open(OWNER, &new).is_ok());
        assert_eq!(sealer(&[2]).open(OWNER, &old), Err(Unopened::Key));
        assert_eq!(Sealer::new([]), None);
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        assert_eq!(format!("{:?}", sealer(&[1, 2])), "Sealer(2 keys)");
        assert_eq!(format!("{:?}", key(1)), "SealingKey(***)");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}", tail in "[A-Za-z0-9+/=.]{0,200}") {
            let sealer = sealer(&[1]);
            let sealed = sealer.seal(OWNER, "secret").unwrap();
            prop_assert!(sealer.open(OWNER, &text).is_err());
            let other = format!("{}{tail}", &sealed[..12]);
            prop_assert!(sealer.open(OWNER, &other).is_err());
            let _ = SealingKey::try_new(&text);
        }
    }
}
