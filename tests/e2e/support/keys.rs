//! The credentials that the tests use. Each holds [`SECRET_MARKER`], so that one search over logs and
//! answers finds any of them where it must not be.

/// What no log line and no answer may contain.
pub const SECRET_MARKER: &str = "canary-secret";

/// A key that clients may use.
pub const CLIENT_KEY: &str = "sk-client-canary-secret-a";
/// Another one.
pub const CLIENT_KEY_B: &str = "sk-client-canary-secret-b";
/// A key that no configuration lists.
pub const UNKNOWN_KEY: &str = "sk-client-canary-secret-unknown";
/// Key of the first upstream account.
pub const UPSTREAM_KEY_A: &str = "sk-upstream-canary-secret-a";
/// Key of the second.
pub const UPSTREAM_KEY_B: &str = "sk-upstream-canary-secret-b";
/// Key of the third.
pub const UPSTREAM_KEY_C: &str = "sk-upstream-canary-secret-c";
/// A key that a client has at a provider itself.
pub const OWN_KEY: &str = "sk-own-canary-secret";
/// Key of the admin interface.
pub const ADMIN_KEY: &str = "sk-admin-canary-secret";
/// User of an outbound proxy.
pub const PROXY_USER: &str = "proxy-user";
/// Password of an outbound proxy.
pub const PROXY_PASSWORD: &str = "proxy-canary-secret";

/// Panics when `bytes` hold one of the keys above.
pub fn assert_no_secret(place: &str, bytes: &[u8]) {
    assert!(
        memchr::memmem::find(bytes, SECRET_MARKER.as_bytes()).is_none(),
        "a secret leaked into {place}: {}",
        String::from_utf8_lossy(bytes)
    );
}
