//! Log lines on standard error: text or JSON, never written on a request's time.
//!
//! `env_logger` chooses and formats; a `Sink` takes its lines. Once the process serves requests a
//! task writes them in batches, and a reload may change level and format.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use env_logger::{Builder, Logger, Target};
use log::{LevelFilter, Log, Metadata, Record};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::config::LogFormat;
use crate::proxy::ACCESS_TARGET;

/// Lines that wait to be written. One more is written on the spot, so that none is lost.
const QUEUE: usize = 65_536;
/// Most bytes of one write.
const BATCH: usize = 256 * 1024;

static LOGGER: OnceLock<Switch> = OnceLock::new();
static LINES: OnceLock<mpsc::Sender<Vec<u8>>> = OnceLock::new();
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Starts logging, or changes how it is done. `RUST_LOG` goes before `level`.
pub fn configure(level: LevelFilter, format: LogFormat) {
    let logger = build(level, format);
    let most = logger.filter();
    match LOGGER.get() {
        Some(switch) => switch.0.store(std::sync::Arc::new(logger)),
        None => {
            let switch = LOGGER.get_or_init(|| Switch(ArcSwap::from_pointee(logger)));
            // Fails when something else logs already, as in tests: then that stays.
            let _ = log::set_logger(switch);
        }
    }
    log::set_max_level(most);
}

struct Switch(ArcSwap<Logger>);

impl Log for Switch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.load().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.0.load().log(record);
    }

    fn flush(&self) {}
}

fn build(level: LevelFilter, format: LogFormat) -> Logger {
    let mut builder = Builder::new();
    builder.filter_level(level);
    if level < LevelFilter::Debug {
        // Pingora reports what the access line says already, and every client that hangs up.
        for module in [
            "pingora",
            "pingora_core",
            "pingora_proxy",
            "hickory_resolver",
            "hickory_net",
        ] {
            builder.filter_module(module, LevelFilter::Error.min(level));
        }
    }
    builder.parse_default_env();
    builder.target(Target::Pipe(Box::new(Sink)));
    match format {
        LogFormat::Text => builder.format(|out, record| {
            let now = humantime::format_rfc3339_millis(std::time::SystemTime::now());
            writeln!(
                out,
                "{now} {:5} {} {}",
                record.level(),
                record.target(),
                record.args()
            )
        }),
        LogFormat::Json => builder.format(|out, record| {
            let now = humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string();
            let message = record.args().to_string();
            let line = match message
                .strip_prefix('{')
                .filter(|_| record.target() == ACCESS_TARGET)
            {
                Some(members) => format!(
                    "{{\"time\":\"{now}\",\"level\":\"INFO\",\"target\":\"access\",{members}"
                ),
                None => json(&now, record, &message),
            };
            writeln!(out, "{line}")
        }),
    };
    builder.build()
}

fn json(now: &str, record: &Record<'_>, message: &str) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        time: &'a str,
        level: &'a str,
        target: &'a str,
        message: &'a str,
    }
    let line = Line {
        time: now,
        level: record.level().as_str(),
        target: record.target(),
        message,
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// Where `env_logger` writes.
struct Sink;

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let queued = LINES.get().is_some_and(|lines| {
            WAITING.fetch_add(1, Ordering::AcqRel);
            let queued = lines.try_send(line.to_vec()).is_ok();
            if !queued {
                WAITING.fetch_sub(1, Ordering::AcqRel);
            }
            queued
        });
        if !queued {
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes lines from now on, until the runtime that calls this ends. Call it after the fork.
pub async fn serve() {
    let (sender, mut lines) = mpsc::channel(QUEUE);
    if LINES.set(sender).is_err() {
        return;
    }
    let mut waiting = Vec::new();
    while lines.recv_many(&mut waiting, 1_024).await > 0 {
        let count = waiting.len();
        let batch: Vec<Vec<u8>> = std::mem::take(&mut waiting);
        // A full pipe must not stall whatever else runs here.
        let written = tokio::task::spawn_blocking(move || write(&batch)).await;
        WAITING.fetch_sub(count, Ordering::AcqRel);
        if written.is_err() {
            return;
        }
    }
}

fn write(lines: &[Vec<u8>]) {
    let mut batch = Vec::with_capacity(BATCH.min(lines.iter().map(Vec::len).sum()));
    let mut stderr = io::stderr().lock();
    for line in lines {
        if batch.len() + line.len() > BATCH {
            // Nobody is left to tell when standard error is closed.
            let _ = stderr.write_all(&batch);
            batch.clear();
        }
        batch.extend_from_slice(line);
    }
    let _ = stderr.write_all(&batch);
}

/// Waits, briefly, until every line has been written. For just before the process ends.
pub fn flush() {
    let deadline = Instant::now() + Duration::from_secs(1);
    while WAITING.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}
