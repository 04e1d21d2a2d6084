//! CPU time of processes, as exactly as the kernel knows it.

use std::fs;

/// Seconds on a CPU of all threads of these processes. Those of threads that have ended are gone: take
/// the difference over a time in which none ends.
pub(super) fn seconds(processes: &[u32]) -> f64 {
    let nanos: u64 = processes
        .iter()
        .filter_map(|process| fs::read_dir(format!("/proc/{process}/task")).ok())
        .flat_map(|threads| threads.flatten())
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|line| on_cpu(&line))
        .sum();
    nanos as f64 / 1e9
}

/// The first number of a `schedstat` line: nanoseconds on a CPU.
fn on_cpu(line: &str) -> Option<u64> {
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_counts() {
        assert_eq!(on_cpu("5250000 13000 7\n"), Some(5_250_000));
        assert_eq!(on_cpu(""), None);
    }

    #[test]
    fn a_process_that_is_gone_takes_no_time() {
        assert_eq!(seconds(&[u32::MAX]), 0.0);
    }
}
