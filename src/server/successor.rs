//! The one process that waits to take over the sockets of another.
//!
//! Pingora's successor removes the socket that it finds at its path and waits at a new one. A second one
//! would take the first one's away and, when nobody comes to it, panic over what is left.

use std::fs::{File, TryLockError};

use pingora::server::Server;

/// Another process waits already.
#[derive(Debug, thiserror::Error)]
#[error("another process waits at {0} to take over already")]
pub struct Second(String);

/// Bootstraps `server`; a successor waits for its sockets in this.
pub(super) fn bootstrap(server: &mut Server, upgrade: bool) -> Result<(), Second> {
    let place = match upgrade {
        true => take(&server.configuration.upgrade_sock)?,
        false => None,
    };
    server.bootstrap();
    drop(place);
    Ok(())
}

/// The place at `upgrade_sock`, held until it is dropped.
fn take(upgrade_sock: &str) -> Result<Option<File>, Second> {
    // Where no file can be made there will be no socket either; Pingora says so.
    let lock = File::create(format!("{upgrade_sock}.lock")).ok();
    match lock.as_ref().map(File::try_lock) {
        Some(Err(TryLockError::WouldBlock)) => Err(Second(upgrade_sock.to_owned())),
        _ => Ok(lock),
    }
}
