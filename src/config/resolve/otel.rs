//! Where traces go.

use super::Resolver;
use crate::config::file::Otel;
use crate::upstream::BaseUrl;

/// The collector's address, if traces are wanted.
pub(super) fn endpoint(otel: &Otel, resolver: &mut Resolver<'_>) -> Option<Box<str>> {
    const PATH: &str = "otel.endpoint";
    let endpoint = resolver.dereference(&otel.endpoint, &PATH.into())?;
    if endpoint.is_empty() {
        return None;
    }
    if !cfg!(feature = "otel") {
        resolver.error(
            PATH,
            "this build has no traces: build it with `cargo build --release --features otel`",
        );
        return None;
    }
    if BaseUrl::try_new(&endpoint).is_err() {
        resolver.error(PATH, "is not a URL like http://localhost:4318");
        return None;
    }
    Some(endpoint.into())
}
