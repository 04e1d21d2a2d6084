//! Pingora's custom-session trait for [`Downstream`]: most of its forty methods only pass the call on.
//!
//! The trait is `#[doc(hidden)]` in Pingora, hence the exact version in `Cargo.toml`.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use http::HeaderMap;
use pingora_core::Result;
use pingora_core::protocols::Digest;
use pingora_core::protocols::http::custom::CustomMessageWrite;
use pingora_core::protocols::http::custom::server::Session as Custom;
use pingora_core::protocols::http::{HttpTask, ServerSession};
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_http::{RequestHeader, ResponseHeader};

use super::{Downstream, Upload};

#[async_trait]
impl Custom for Downstream {
    fn req_header(&self) -> &RequestHeader {
        match (&self.real, &self.write) {
            (Some(session), _) => session.req_header(),
            (None, Some(write)) => &write.request,
            (None, None) => unreachable!("the session is here or in a write"),
        }
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        match (&mut self.real, &mut self.write) {
            (Some(session), _) => session.req_header_mut(),
            (None, Some(write)) => &mut write.request,
            (None, None) => unreachable!("the session is here or in a write"),
        }
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        match self.upload {
            Upload::Replayed(_) => Ok(None),
            Upload::Streamed | Upload::WebSocket => self.settled().await?.read_request_body().await,
        }
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        match self.upload {
            Upload::Replayed(_) => Ok(()),
            Upload::Streamed | Upload::WebSocket => {
                self.settled().await?.drain_request_body().await
            }
        }
    }

    async fn write_response_header(
        &mut self,
        header: Box<ResponseHeader>,
        _end: bool,
    ) -> Result<()> {
        self.gate.commit();
        let session = self.settled().await?;
        // Only an error comes this way, and Pingora drops the connection after it: say so.
        session.set_keepalive(None);
        session.write_response_header(header).await
    }

    async fn write_response_header_ref(
        &mut self,
        header: &ResponseHeader,
        end: bool,
    ) -> Result<()> {
        self.write_response_header(Box::new(header.clone()), end)
            .await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.settled().await?.write_response_body(data, end).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.settled()
            .await?
            .write_response_trailers(trailers)
            .await
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        self.relay(tasks).await
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        if let Some(session) = self.real.as_deref_mut() {
            session.set_read_timeout(timeout);
        }
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.real
            .as_deref()
            .and_then(ServerSession::get_read_timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        if let Some(session) = self.real.as_deref_mut() {
            session.set_write_timeout(timeout);
        }
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.real
            .as_deref()
            .and_then(ServerSession::get_write_timeout)
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        if let Some(session) = self.real.as_deref_mut() {
            session.set_total_drain_timeout(timeout);
        }
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.real
            .as_deref()
            .and_then(ServerSession::get_total_drain_timeout)
    }

    fn request_summary(&self) -> String {
        let request = self.req_header();
        format!("{} {}", request.method, request.uri.path())
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.real
            .as_deref()
            .and_then(ServerSession::response_written)
    }

    async fn shutdown(&mut self, _code: u32, _context: &str) {
        if let Ok(session) = self.settled().await {
            session.shutdown().await;
        }
    }

    fn is_body_done(&mut self) -> bool {
        match self.upload {
            Upload::Replayed(_) => true,
            Upload::Streamed | Upload::WebSocket => self
                .real
                .as_deref_mut()
                .is_none_or(ServerSession::is_body_done),
        }
    }

    async fn finish(&mut self) -> Result<()> {
        self.settled().await?.finish_body().await
    }

    fn is_body_empty(&mut self) -> bool {
        match self.upload {
            Upload::Replayed(present) => !present,
            // Asked once for the framing, and once more whether to say that the body has ended. Said
            // after the provider's 101, that would end the WebSocket.
            Upload::WebSocket => self.asked_in != self.gate.attempt(),
            Upload::Streamed => self
                .real
                .as_deref_mut()
                .is_none_or(ServerSession::is_body_empty),
        }
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        self.watch(no_body_expected).await
    }

    fn body_bytes_sent(&self) -> usize {
        self.real
            .as_deref()
            .map_or(0, ServerSession::body_bytes_sent)
    }

    fn body_bytes_read(&self) -> usize {
        self.real
            .as_deref()
            .map_or(0, ServerSession::body_bytes_read)
    }

    fn digest(&self) -> Option<&Digest> {
        self.real.as_deref().and_then(ServerSession::digest)
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.real.as_deref_mut().and_then(ServerSession::digest_mut)
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.real.as_deref().and_then(ServerSession::client_addr)
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.real.as_deref().and_then(ServerSession::server_addr)
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        self.real
            .as_deref()
            .map_or_else(Bytes::new, ServerSession::to_h1_raw)
    }

    fn enable_retry_buffering(&mut self) {
        match (self.upload, self.real.as_deref_mut()) {
            (Upload::Streamed, Some(session)) => session.enable_retry_buffering(),
            // The first call behind the upstream request's header.
            (Upload::WebSocket, _) => self.asked_in = self.gate.attempt(),
            _ => {}
        }
    }

    fn retry_buffer_truncated(&self) -> bool {
        match self.upload {
            Upload::Replayed(_) | Upload::WebSocket => false,
            Upload::Streamed => self
                .real
                .as_deref()
                .is_some_and(ServerSession::retry_buffer_truncated),
        }
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        match self.upload {
            // Any non-empty value makes Pingora ask `request_body_filter` for the body.
            Upload::Replayed(true) => Some(Bytes::from_static(b" ")),
            Upload::Replayed(false) | Upload::WebSocket => None,
            Upload::Streamed => self
                .real
                .as_deref()
                .and_then(ServerSession::get_retry_buffer),
        }
    }

    fn is_upgrade_req(&self) -> bool {
        self.upload == Upload::WebSocket
    }

    fn was_upgraded(&self) -> bool {
        self.upload == Upload::WebSocket
            && self
                .real
                .as_deref()
                .is_some_and(ServerSession::was_upgraded)
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _reader: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(
        &mut self,
        _writer: Box<dyn CustomMessageWrite>,
    ) -> Result<()> {
        Ok(())
    }
}
