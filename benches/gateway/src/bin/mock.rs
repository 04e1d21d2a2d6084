//! The benchmark's upstream: `mock [PORT]`. Prints the port that it listens on.

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = match std::env::args().nth(1) {
        Some(port) => port.parse()?,
        None => 0,
    };
    ai_proxy_bench::limits::raise();
    ai_proxy_bench::mock::run(port, |port| {
        println!("{port}");
        // Nobody reads it any more: the benchmark is gone, and will end this process.
        let _ = std::io::stdout().flush();
    })?;
    Ok(())
}
