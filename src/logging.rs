//! Log lines on standard error: text or JSON, never written on a request's time.
//!
//! `env_logger` chooses and formats; a `Sink` takes its lines. Once the process serves requests a
//! line is a copy into a buffer, which one thread writes out a few dozen times a second: waking a
//! writer for every line would cost more than all the rest of a small request.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use env_logger::{Builder, Logger, Target};
use log::{LevelFilter, Log, Metadata, Record};
use parking_lot::{Condvar, Mutex};
use serde::Serialize;

use crate::config::LogFormat;
use crate::proxy::ACCESS_TARGET;

/// Bytes that wait to be written. A line over it is written on the spot, so that none is lost.
const WAITING: usize = 8 * 1024 * 1024;
/// How long lines are gathered.
const GATHER: Duration = Duration::from_millis(20);

static LOGGER: OnceLock<Switch> = OnceLock::new();
static OUT: Out = Out {
    is_served: AtomicBool::new(false),
    lines: Mutex::new(Lines {
        waiting: Vec::new(),
        is_writing: false,
    }),
    changed: Condvar::new(),
};

/// Lines on their way out.
struct Out {
    /// Whether a thread writes.
    is_served: AtomicBool,
    lines: Mutex<Lines>,
    changed: Condvar,
}

struct Lines {
    waiting: Vec<u8>,
    is_writing: bool,
}

/// Starts logging, or changes how it is done. `RUST_LOG` goes before `level`.
pub fn configure(level: LevelFilter, format: LogFormat) {
    let logger = build(level, format);
    let most = logger.filter();
    match LOGGER.get() {
        Some(switch) => switch.0.store(Arc::new(logger)),
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
        is_ours_to_tell(metadata) && self.0.load().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if is_ours_to_tell(record.metadata()) {
            self.0.load().log(record);
        }
    }

    fn flush(&self) {}
}

/// Whether a record may be written at all, whatever is asked for. Below info, Pingora prints whole
/// headers, keys included; `notify` reports every write next to the config, that of the log as well.
fn is_ours_to_tell(metadata: &Metadata<'_>) -> bool {
    metadata.level() <= log::Level::Info
        || !["pingora", "notify"]
            .iter()
            .any(|library| metadata.target().starts_with(library))
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
        if OUT.is_served.load(Ordering::Acquire) {
            let mut lines = OUT.lines.lock();
            if lines.waiting.len() + line.len() <= WAITING {
                if lines.waiting.is_empty() {
                    OUT.changed.notify_all();
                }
                lines.waiting.extend_from_slice(line);
                return Ok(line.len());
            }
        }
        io::stderr().write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes lines until the process ends. Takes a thread: call it in a blocking task, after the fork.
pub fn serve() {
    OUT.is_served.store(true, Ordering::Release);
    let mut batch = Vec::new();
    loop {
        let mut lines = OUT.lines.lock();
        while lines.waiting.is_empty() {
            OUT.changed.wait(&mut lines);
        }
        drop(lines);
        std::thread::sleep(GATHER);
        let mut lines = OUT.lines.lock();
        std::mem::swap(&mut batch, &mut lines.waiting);
        lines.is_writing = true;
        drop(lines);
        // Nobody is left to tell when standard error is closed.
        let _ = io::stderr().write_all(&batch);
        batch.clear();
        OUT.lines.lock().is_writing = false;
        OUT.changed.notify_all();
    }
}

/// Waits, briefly, until every line has been written. For just before the process ends.
pub fn flush() {
    let mut lines = OUT.lines.lock();
    let is_served = OUT.is_served.load(Ordering::Acquire);
    while is_served && (!lines.waiting.is_empty() || lines.is_writing) {
        if OUT
            .changed
            .wait_for(&mut lines, Duration::from_secs(1))
            .timed_out()
        {
            return;
        }
    }
}
