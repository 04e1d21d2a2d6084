//! The build without traces: nobody can make any of these, and none does anything.

use http::HeaderMap;
use tokio_rustls::rustls::ClientConfig;

use super::{CannotTrace, Ended, Tried};

/// Makes traces.
#[derive(Debug)]
pub struct Traces(());

/// The spans of one request.
#[derive(Debug)]
pub struct RequestTrace(());

/// Sends spans.
#[derive(Debug)]
pub struct Exporting(());

/// The config lets nobody come here.
pub fn start(_endpoint: &str, _tls: &ClientConfig) -> Result<(Traces, Exporting), CannotTrace> {
    Err(CannotTrace("this build has none".to_owned()))
}

impl Traces {
    /// A request begins.
    pub fn begin(&self, _method: &str, _route: &str, _headers: &HeaderMap) -> RequestTrace {
        RequestTrace(())
    }
}

impl RequestTrace {
    /// What it asks for is known.
    pub fn asks(&self, _operation: Option<&'static str>, _model: &str, _id: &str) {}

    /// A try begins.
    pub fn tries(&mut self, _traces: &Traces, _tried: Tried<'_>) {}

    /// Writes who asks into the header of the try.
    pub fn inject(&self, _traces: &Traces, _headers: &mut HeaderMap) {}

    /// The try has ended.
    pub fn tried(&mut self, _ended: Ended<'_>) {}

    /// The request has ended.
    pub fn finish(self, _ended: Ended<'_>) {}
}

impl Exporting {
    /// Sends spans as they come.
    pub async fn run(&self) {}

    /// Sends what waits.
    pub async fn flush(&self) {}
}
