//! Open client connections, so that the process does not end before the last bytes of an answer have
//! left it.
//!
//! A request has ended when its answer has been given to the connection. On HTTP/1.1 the bytes are
//! the kernel's then, and leave even after the process. An HTTP/2 connection may still hold a part of
//! them, for a client that reads slowly; it closes when it has written everything.
//!
//! With TLS, shaking hands is the beginning of a connection, and what ALPN has agreed on is what is
//! spoken.
//!
//! Pingora hands every connection over as one of a protocol of our own, because only a proxy that was
//! built for such protocols may have [`Plaintext`] connect to providers. Here it turns out which of
//! the two that Pingora serves it is.
//!
//! A connection that never sends a whole header is closed here: Pingora limits the time of each read
//! only, and none for the bytes in which it looks for HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use pingora::apps::{HttpServerApp, HttpServerOptions, ServerApp};
use pingora::connectors::ConnectorOptions;
use pingora::protocols::http::ServerSession;
use pingora::protocols::{ALPN, Stream};
use pingora::proxy::{HttpProxy, ProxyServiceBuilder};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use pingora::services::listening::Service as Listening;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::http2::KnownHttp2;
use super::tls::Tls;
use crate::lifecycle::FirstRequest;
use crate::proxy::Gateway;
use crate::upstream::plaintext::{Plaintext, Pool};

/// A connection that was opened as the listener closed is about to send its first request; one that
/// has sent nothing for so long is kept in reserve by its client.
const SILENCE: Duration = Duration::from_millis(500);
/// How long a connection may take until its first header is there.
const HEADER: Duration = Duration::from_secs(60);
/// How long a connection is kept for its client's next request, in seconds.
const KEEP_ALIVE: u64 = 60;
/// What HTTP/2 begins with, and no request of HTTP/1.
const HTTP2: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What clients may speak.
#[derive(Clone)]
pub(super) struct Spoken {
    /// HTTP/2 as well as HTTP/1.1.
    pub(super) http2: bool,
    /// Both inside TLS.
    pub(super) tls: Option<Arc<Tls>>,
}

/// The service that clients connect to.
pub(super) fn service(
    conf: &Arc<ServerConf>,
    gateway: Gateway,
    pool: Arc<Pool>,
    spoken: &Spoken,
) -> Listening<HttpProxy<Gateway, Plaintext>> {
    let lifecycle = Arc::clone(&gateway.lifecycle);
    let spoken = spoken.clone();
    let plaintext = Plaintext::new(ConnectorOptions::from_server_conf(conf), pool);
    let mut options = HttpServerOptions::default();
    options.force_custom = true;
    ProxyServiceBuilder::new(conf, gateway)
        .name("gateway")
        .server_options(options)
        .custom(
            plaintext,
            Arc::new(move |app, stream, shutdown| {
                let (lifecycle, shutdown) = (Arc::clone(&lifecycle), shutdown.clone());
                let spoken = spoken.clone();
                Box::pin(async move {
                    let _open = lifecycle.connect();
                    let served = async {
                        serve(&app, stream, &shutdown, &spoken).await;
                    };
                    lifecycle.until_cut(served).await;
                    // Nothing is left of it.
                    None
                })
            }),
        )
        .build()
}

/// Serves one connection to its end.
async fn serve<A>(
    app: &Arc<A>,
    stream: Stream,
    shutdown: &ShutdownWatch,
    spoken: &Spoken,
) -> Option<()>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let deadline = Instant::now() + HEADER;
    let mut stop = shutdown.clone();
    let silent = async {
        // An error means that the sender is gone, which is an end too.
        let _ = stop.wait_for(|stop| *stop).await;
        tokio::time::sleep(SILENCE).await;
    };
    // Pingora waits for the first bytes whatever happens.
    let (mut stream, first) = tokio::select! {
        biased;
        begun = begin(stream, spoken) => begun?,
        () = silent => return None,
        () = sleep_until(deadline) => return None,
    };
    let agreed = match spoken.tls {
        Some(_) => stream.selected_alpn_proto() == Some(ALPN::H2),
        None => spoken.http2 && HTTP2.starts_with(&first),
    };
    if agreed {
        // Its requests come in tasks of their own.
        let mut preface = [0; HTTP2.len()];
        let peeked = timeout_at(deadline, stream.try_peek(&mut preface)).await;
        peeked.ok()?.ok()?;
        if preface == *HTTP2 {
            app.process_new(Box::new(KnownHttp2::new(stream)), shutdown)
                .await;
            return Some(());
        }
        if spoken.tls.is_some() {
            return None;
        }
    }
    let first = FirstRequest::default();
    let served = first.watch(serve_http1(app, stream, shutdown));
    tokio::pin!(served);
    tokio::select! {
        biased;
        () = &mut served => return Some(()),
        () = sleep_until(deadline) => {}
    }
    if first.has_come() {
        served.await;
    }
    Some(())
}

/// The connection, inside TLS if that is spoken, and the first bytes that came on it.
async fn begin(stream: Stream, spoken: &Spoken) -> Option<(Stream, [u8; 3])> {
    let mut stream = match &spoken.tls {
        // Of its own: the many connections that shake no hands, or have done so, have no room for it.
        Some(tls) => Box::pin(tls.accept(stream)).await?,
        None => stream,
    };
    let mut first = [0; 3];
    stream.try_peek(&mut first).await.ok()?;
    Some((stream, first))
}

/// Serves one request after the other, as Pingora does.
async fn serve_http1<A>(app: &Arc<A>, stream: Stream, shutdown: &ShutdownWatch)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let mut session = ServerSession::new_http1(stream);
    let stops = *shutdown.borrow();
    session.set_keepalive((!stops).then_some(KEEP_ALIVE));
    let mut kept = app.process_new_http(session, shutdown).await;
    while let Some((stream, settings)) = kept.map(|kept| kept.consume()) {
        let mut session = ServerSession::new_http1(stream);
        if let Some(settings) = settings {
            settings.apply_to_session(&mut session);
        }
        kept = app.process_new_http(session, shutdown).await;
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use pingora::apps::ReusedHttpStream;
    use pingora::protocols::l4::stream::Stream as Tcp;
    use rustls_pki_types::PrivateKeyDer;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;
    use tokio::time::timeout;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring;

    use super::*;
    use crate::lifecycle::request_came;

    const LONG: Duration = Duration::from_secs(1_000);

    /// Serves for a long time, a request or the wait for one.
    struct Slow {
        requests: bool,
    }

    #[async_trait]
    impl HttpServerApp for Slow {
        async fn process_new_http(
            self: &Arc<Self>,
            _session: ServerSession,
            _shutdown: &ShutdownWatch,
        ) -> Option<ReusedHttpStream> {
            if self.requests {
                request_came();
            }
            tokio::time::sleep(LONG).await;
            None
        }
    }

    fn plain() -> Spoken {
        Spoken {
            http2: true,
            tls: None,
        }
    }

    fn inside_tls() -> Spoken {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Spoken {
            http2: true,
            tls: Some(Arc::new(Tls::new(&config, true))),
        }
    }

    /// Thousands of connections are open at once, and each holds all of this as long as it is.
    #[tokio::test]
    async fn a_connection_takes_little_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await;
        let stream: Stream = Box::new(Tcp::from(stream.unwrap()));
        let (_stop, shutdown) = watch::channel(false);
        let app = Arc::new(Slow { requests: false });
        let spoken = Spoken {
            http2: true,
            tls: None,
        };
        let room = size_of_val(&serve(&app, stream, &shutdown, &spoken));
        assert!(room <= 2300, "{room} bytes");
    }

    /// How long a connection that has sent `bytes` is served.
    async fn served(spoken: &Spoken, bytes: &[u8], requests: bool) -> Duration {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        client.write_all(bytes).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let (_keep, shutdown) = watch::channel(false);
        let app = Arc::new(Slow { requests });
        let begun = Instant::now();
        let stream = Box::new(Tcp::from(server));
        // HTTP/2 waits for its client's settings as long as they do not come.
        let _ = timeout(LONG, serve(&app, stream, &shutdown, spoken)).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_never_sends_a_whole_header_is_closed() {
        for bytes in [
            "",
            "P",
            "PRI * HTTP/2.0",
            "POST /v1/messages HTTP/1.1\r\nho",
        ] {
            let time = served(&plain(), bytes.as_bytes(), false).await;
            assert!((HEADER..2 * HEADER).contains(&time), "{bytes:?}: {time:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_is_never_finished_is_given_up() {
        for bytes in ["", "\x16", "\x16\x03\x01\x01\x00\x01"] {
            let time = served(&inside_tls(), bytes.as_bytes(), false).await;
            assert!((HEADER..2 * HEADER).contains(&time), "{bytes:?}: {time:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_a_request_may_last() {
        let request = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
        assert!(served(&plain(), request, true).await >= LONG);
        assert!(served(&plain(), HTTP2, false).await >= LONG);
    }
}
