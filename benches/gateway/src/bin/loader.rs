//! The benchmark's client: `loader PLAN`, a plan as JSON text; see `ai_proxy_bench::loader::Plan`.
//! Prints the report as one line of JSON.

use ai_proxy_bench::loader::{Plan, run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plan = std::env::args().nth(1).ok_or("usage: loader PLAN")?;
    let plan: Plan = serde_json::from_str(&plan)?;
    ai_proxy_bench::limits::raise();
    println!("{}", serde_json::to_string(&run(&plan)?)?);
    Ok(())
}
