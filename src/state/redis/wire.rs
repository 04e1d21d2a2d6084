//! What is spoken below Redis: TCP, TLS with the gateway's own roots, or a socket in the file system.

use std::io;
use std::sync::Arc;

use redis::AsyncConnectionConfig;
use redis::aio::{AsyncPushSender, MultiplexedConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::Place;
use super::{NotDone, RedisUrl, Trouble};

/// Commands that wait to be sent; more wait with their callers.
const QUEUE: usize = 1_024;

trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// Connects, says who we are, and chooses the database. The second part of what is returned moves the
/// bytes: the connection lives as long as somebody awaits it.
pub(super) async fn connect(
    url: &RedisUrl,
    tls: &Arc<ClientConfig>,
    pushes: impl AsyncPushSender,
) -> Result<(MultiplexedConnection, impl Future<Output = ()>), NotDone> {
    let stream = reach(url.place(), tls)
        .await
        .map_err(|error| NotDone::new(Trouble::Away, error.to_string()))?;
    let config = AsyncConnectionConfig::new()
        .set_push_sender(pushes)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE);
    Ok(MultiplexedConnection::new_with_config(url.settings(), stream, config).await?)
}

async fn reach(place: &Place, tls: &Arc<ClientConfig>) -> io::Result<Box<dyn Bytes>> {
    Ok(match place {
        Place::Tcp(host, port) => Box::new(tcp(host, *port).await?),
        Place::Tls(host, port) => {
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            let stream = tcp(host, *port).await?;
            Box::new(
                TlsConnector::from(Arc::clone(tls))
                    .connect(name, stream)
                    .await?,
            )
        }
        Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
