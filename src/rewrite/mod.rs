//! What the operator wants changed in requests before they leave for a provider.
//!
//! [`Rules`] set and take out fields of the body (`payload` in the config). All changes are edits of the
//! text: what is not their business keeps its order, its numbers and its spacing, and with them the
//! provider's prompt cache.

mod condition;
mod edit;
mod path;
mod rules;

pub use condition::Condition;
pub use path::{InvalidPath, Path};
pub use rules::{Change, Plan, Rule, Rules, Target};
