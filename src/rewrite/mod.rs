//! What the operator wants changed in requests before they leave for a provider.
//!
//! [`Rules`] set and take out fields of the body (`payload` in the config). A [`Cloak`] shapes what goes
//! to one account: the system prompt, the user's id, words that are masked on the way out; an
//! [`Unmasker`] puts these back into the answer. All changes are edits of the
//! text: what is not their business keeps its order, its numbers and its spacing, and with them the
//! provider's prompt cache.

mod cloak;
mod condition;
mod edit;
mod path;
mod rules;
mod unmask;

pub use cloak::{Client, Cloak, InvalidWord, Key, Shaped, System, UserId, Words};
pub use condition::Condition;
pub use path::{InvalidPath, Path};
pub use rules::{Change, Plan, Rule, Rules, Target};
pub use unmask::{Masks, Unmasker};
