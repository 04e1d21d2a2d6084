//! Sockets that are bound before their service starts, so that a port that is taken is an error message
//! and an exit code, not a panic in a thread, and port 0 is known when it is bound.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::listeners::ListenerConfig;
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora::services::listening::Service as Listening;
use tokio::sync::Barrier;

use super::StartError;
use crate::logging;

/// None: a header is read into a buffer of Pingora's own and a body into another; a third one between
/// them and the socket only adds a copy, and 64 KiB to every connection.
const READ_BUFFER: usize = 0;
/// Most answers that are not streamed leave in one write with their header.
const WRITE_BUFFER: usize = 8 * 1024;

/// A socket on `address`, not yet accepting.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let failed = |error| StartError::Bind(address, error);
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// A listening service on such a socket. One that a predecessor handed over goes first.
pub(super) struct Bound<A> {
    service: Listening<A>,
    address: SocketAddr,
    listener: Option<TcpListener>,
    role: Role,
    ready: Arc<Barrier>,
}

/// What a service is there for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role {
    /// What the log says before its address.
    pub(super) word: &'static str,
    /// What its socket is called, before the address, when it is handed over. Two services may ask for the
    /// same address: a free port of the same host. Pingora parts the names by spaces.
    pub(super) key: &'static str,
    /// Whether the process goes on without it.
    pub(super) optional: bool,
}

impl Role {
    fn key(self, address: SocketAddr) -> String {
        format!("{}{address}", self.key)
    }
}

impl<A> Bound<A> {
    /// Adds `address` to `service`; says the word of its `role` and the address once all that wait for `ready` are.
    pub(super) fn new(
        mut service: Listening<A>,
        address: SocketAddr,
        listener: Option<TcpListener>,
        role: Role,
        ready: Arc<Barrier>,
    ) -> Self {
        let config = ListenerConfig::tcp(role.key(address));
        service.add_listener(config.l4_buffer(L4BufferSettings::new(READ_BUFFER, WRITE_BUFFER)));
        Self {
            service,
            address,
            listener,
            role,
            ready,
        }
    }
}

#[async_trait]
impl<A> Service for Bound<A>
where
    Listening<A>: Service,
    A: Send + Sync,
{
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        let key = self.role.key(self.address);
        let mut shown = self.address;
        if let Some(fds) = &fds
            && fds.lock().get(&key).is_none()
        {
            // A predecessor that listened elsewhere has no socket for us.
            let listener = match self.listener.take().map_or_else(|| bind(self.address), Ok) {
                Ok(listener) => listener,
                Err(error) if self.role.optional => {
                    self.ready.wait().await;
                    log::warn!("{error}: this process goes on without it");
                    return;
                }
                Err(error) => {
                    log::error!("{error}");
                    logging::flush();
                    std::process::exit(1);
                }
            };
            shown = listener.local_addr().unwrap_or(shown);
            fds.lock().add(key, listener.into_raw_fd());
        }
        self.ready.wait().await;
        log::info!("{} http://{shown}", self.role.word);
        Service::start_service(&mut self.service, fds, shutdown, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        Service::name(&self.service)
    }

    fn threads(&self) -> Option<usize> {
        Service::threads(&self.service)
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        Service::listen_addresses(&self.service)
    }
}
