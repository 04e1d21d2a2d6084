//! Log lines on standard error: text or JSON, never written on a request's time.
//!
//! `env_logger` chooses and formats; a `Sink` takes its lines. Once the process serves requests a
//! line is a copy into a buffer, which a thread of its own empties up to fifty times a second:
//! waking a writer for every line would cost more than all the rest of a small request. A reload may
//! change level and format.
//!
//! Why a thread and not a task? Whoever ends the process waits in `flush`, perhaps on the only
//! worker of its runtime; a task could not run meanwhile, and the last lines would be lost.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use env_logger::{Builder, Logger, Target};
use log::{LevelFilter, Log, Metadata, Record};
use parking_lot::{Condvar, Mutex};
use serde::Serialize;

use crate::config::LogFormat;
use crate::proxy::ACCESS_TARGET;

/// Most bytes that wait to be written. What comes on top is written on the spot, so that no line is
/// lost.
const QUEUE: usize = 16 * 1024 * 1024;
/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(20);
/// How often in a row nothing may have come until the writer waits to be woken. While lines keep coming it
/// comes by itself, and no request pays for waking it.
const PATIENCE: u32 = 50;
/// How long the end of the process waits for standard error to take the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

static LOGGER: OnceLock<Switch> = OnceLock::new();
static LINES: Lines = Lines {
    waiting: Mutex::new(Waiting {
        bytes: Vec::new(),
        writer: Writer::None,
        asleep: false,
    }),
    added: Condvar::new(),
    written: Condvar::new(),
};

/// Lines on their way out.
struct Lines {
    waiting: Mutex<Waiting>,
    added: Condvar,
    written: Condvar,
}

struct Waiting {
    bytes: Vec<u8>,
    writer: Writer,
    /// The writer sleeps until it is told of a line.
    asleep: bool,
}

#[derive(PartialEq, Eq)]
enum Writer {
    /// Not started: everyone writes for himself.
    None,
    Idle,
    Busy,
}

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
        let mut waiting = LINES.waiting.lock();
        if waiting.writer == Writer::None || waiting.bytes.len() + line.len() > QUEUE {
            drop(waiting);
            io::stderr().write_all(line)?;
        } else {
            waiting.bytes.extend_from_slice(line);
            if std::mem::take(&mut waiting.asleep) {
                LINES.added.notify_one();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes lines from now on until the process ends. Blocks: for a thread of its own, after the fork.
pub fn write_lines() {
    let mut batch = Vec::new();
    let mut waiting = LINES.waiting.lock();
    if waiting.writer != Writer::None {
        return;
    }
    let mut quiet = 0;
    loop {
        waiting.writer = Writer::Idle;
        LINES.written.notify_all();
        if quiet == PATIENCE {
            waiting.asleep = true;
            while waiting.asleep {
                LINES.added.wait(&mut waiting);
            }
            quiet = 0;
        }
        drop(waiting);
        std::thread::sleep(GATHER);
        waiting = LINES.waiting.lock();
        if waiting.bytes.is_empty() {
            quiet += 1;
            continue;
        }
        quiet = 0;
        std::mem::swap(&mut waiting.bytes, &mut batch);
        waiting.writer = Writer::Busy;
        drop(waiting);
        // Nobody is left to tell when standard error is closed.
        let _ = io::stderr().write_all(&batch);
        batch.clear();
        waiting = LINES.waiting.lock();
    }
}

/// How many bytes wait to be written.
pub fn waiting() -> usize {
    LINES.waiting.lock().bytes.len()
}

/// Waits, briefly, until every line has been written. For just before the process ends.
pub fn flush() {
    let deadline = Instant::now() + LAST_LINES;
    let mut waiting = LINES.waiting.lock();
    while waiting.writer == Writer::Busy || !waiting.bytes.is_empty() {
        if LINES.written.wait_until(&mut waiting, deadline).timed_out() {
            return;
        }
    }
}
