//! What the system knows about this process, read from `/proc` when somebody looks. Elsewhere than on
//! Linux there is nothing to read, and the families have no values.
//!
//! Why not the library's own collector? It counts processor time in whole seconds, remembers the process
//! that was there before the daemon forked, and brings four more crates.

use std::fs;
use std::path::Path;

/// Ticks a second in `/proc`, the same on every Linux.
const TICKS: f64 = 100.0;

/// What the system knows.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Process {
    /// Seconds of processor time.
    pub(super) cpu: Option<f64>,
    /// Bytes in RAM.
    pub(super) resident: Option<f64>,
    /// Bytes of address space.
    pub(super) virtual_size: Option<f64>,
    pub(super) threads: Option<f64>,
    pub(super) open_fds: Option<f64>,
    pub(super) max_fds: Option<f64>,
    /// When it began, in unix time.
    pub(super) started: Option<f64>,
}

impl Process {
    /// As it is now.
    pub(super) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let fds = fs::read_dir(Path::new("/proc/self/fd")).ok();
        Self {
            // One of them is the directory that is being read.
            open_fds: fds.map(|fds| fds.count().saturating_sub(1) as f64),
            ..Self::of(
                &text("/proc/self/stat"),
                &text("/proc/self/status"),
                &text("/proc/self/limits"),
                &text("/proc/stat"),
            )
        }
    }

    fn of(stat: &str, status: &str, limits: &str, system: &str) -> Self {
        // The second field is the program's name, which may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(") ").map_or_else(Vec::new, |(_, rest)| {
            rest.split_ascii_whitespace().collect()
        });
        let ticks = |field: usize| number(fields.get(field - 3).copied()?).map(|n| n / TICKS);
        let kib = |key| Some(number(after(status, key)?)? * 1024.0);
        let booted = after(system, "btime ").and_then(number);
        Self {
            cpu: ticks(14).zip(ticks(15)).map(|(user, system)| user + system),
            resident: kib("VmRSS:"),
            virtual_size: kib("VmSize:"),
            threads: after(status, "Threads:").and_then(number),
            open_fds: None,
            max_fds: after(limits, "Max open files").and_then(number),
            started: booted.zip(ticks(22)).map(|(booted, after)| booted + after),
        }
    }
}

/// What stands after `key` at the beginning of a line.
fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key))
}

/// The first word, which has to be a number.
fn number(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_system_are_understood() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 4 0 1200 99 5 18446744073709551615";
        let status = "Name:\tx\nVmSize:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t4\n";
        let limits = "Limit   Soft  Hard  Units\nMax open files            1024                 4096                 files\n";
        let read = Process::of(stat, status, limits, "cpu 1\nbtime 1000\n");
        let want = Process {
            cpu: Some(3.0),
            resident: Some(1_048_576.0),
            virtual_size: Some(2_097_152.0),
            threads: Some(4.0),
            open_fds: None,
            max_fds: Some(1024.0),
            started: Some(1012.0),
        };
        assert_eq!(read, want);
        assert_eq!(Process::of("", "", "", ""), Process::default());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_known() {
        let read = Process::read();
        assert!(read.resident.is_some_and(|bytes| bytes > 0.0), "{read:?}");
        assert!(read.open_fds.is_some() && read.started.is_some() && read.cpu.is_some());
    }
}
