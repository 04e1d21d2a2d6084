//! The way of spans to the collector: a bounded queue that requests never wait for, and one future that
//! sends what is in it, batch by batch. A collector that is away costs spans, nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::rustls::ClientConfig;

use super::CannotTrace;

/// Spans that wait; of those that come on top nothing is kept but their number.
const QUEUE: usize = 8_192;
/// Spans that are sent at once.
const BATCH: usize = 512;
/// How long spans wait for others to be sent with.
const DELAY: Duration = Duration::from_secs(1);
/// How long the collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the process waits for the collector at its end.
const FAREWELL: Duration = Duration::from_secs(3);

/// An exporter to the collector at `endpoint`, with or without the path of its traces.
pub(super) fn exporter(
    endpoint: &str,
    tls: &ClientConfig,
    resource: &Resource,
) -> Result<opentelemetry_otlp::SpanExporter, CannotTrace> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(|error| CannotTrace(error.to_string()))?;
    let endpoint = endpoint.trim_end_matches('/');
    let endpoint = match endpoint.ends_with("/v1/traces") {
        true => endpoint.to_owned(),
        false => format!("{endpoint}/v1/traces"),
    };
    let mut exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .with_timeout(PATIENCE)
        .build()
        .map_err(|error| CannotTrace(error.to_string()))?;
    exporter.set_resource(resource);
    Ok(exporter)
}

/// Takes spans that have ended.
#[derive(Debug)]
pub(super) struct Queue {
    sender: mpsc::Sender<Item>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Item {
    Span(Box<SpanData>),
    /// Everything before it is to be sent now.
    Flush(oneshot::Sender<()>),
}

/// Sends spans.
#[derive(Debug)]
pub struct Exporting {
    exporter: opentelemetry_otlp::SpanExporter,
    queue: Mutex<Option<mpsc::Receiver<Item>>>,
    sender: mpsc::Sender<Item>,
    lost: Arc<AtomicU64>,
}

impl Queue {
    pub(super) fn new(exporter: opentelemetry_otlp::SpanExporter) -> (Self, Exporting) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let lost = Arc::<AtomicU64>::default();
        let exporting = Exporting {
            exporter,
            queue: Mutex::new(Some(queue)),
            sender: sender.clone(),
            lost: Arc::clone(&lost),
        };
        (Self { sender, lost }, exporting)
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.sender.try_send(Item::Span(Box::new(span))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Exporting {
    /// Sends spans as they come. Ends with the process; does nothing when it runs already.
    pub async fn run(&self) {
        let taken = self.queue.lock().take();
        let Some(mut queue) = taken else {
            return;
        };
        loop {
            let mut batch = Vec::new();
            let mut waiting = Vec::new();
            let mut until = None;
            while batch.len() < BATCH && waiting.is_empty() {
                let item = tokio::select! {
                    item = queue.recv() => item,
                    () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => break,
                };
                match item {
                    Some(Item::Span(span)) => batch.push(*span),
                    Some(Item::Flush(done)) => waiting.push(done),
                    None => return,
                }
                until.get_or_insert_with(|| Instant::now() + DELAY);
            }
            self.send(batch).await;
            for done in waiting {
                // Whoever waited may have given up.
                let _ = done.send(());
            }
        }
    }

    async fn send(&self, batch: Vec<SpanData>) {
        let spans = batch.len() as u64;
        if spans > 0 {
            let sent = timeout(PATIENCE, self.exporter.export(batch)).await;
            if !matches!(sent, Ok(Ok(()))) {
                self.lost.fetch_add(spans, Ordering::Relaxed);
            }
        }
        match self.lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => log::warn!("traces: {lost} spans are lost: the collector does not take them"),
        }
    }

    /// Sends what waits, as far as the collector takes it in a few seconds.
    pub async fn flush(&self) {
        let (done, sent) = oneshot::channel();
        let flushed = async {
            if self.sender.send(Item::Flush(done)).await.is_ok() {
                let _ = sent.await;
            }
        };
        if timeout(FAREWELL, flushed).await.is_err() {
            log::warn!("traces: the collector did not take the last spans in time");
        }
    }
}
