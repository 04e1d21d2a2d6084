//! Requests that stay in their format but hold what another provider made: reasoning state in
//! [carriers](super::carrier), which only we can read, and results of searches that never were.
//!
//! A client that talked to one provider through the gateway sends back what it got, and its next
//! request may go to another provider that would refuse it. Everything else of the request stays: its
//! order, its numbers, its text.

mod claude;
mod extensions;
mod google;
mod openai;

pub use extensions::without_extensions;

use super::fit::SENTINEL;
use super::json::{Node, Tree};
use super::{Format, Marks, carrier};
use crate::chat::{Fault, Opaque};

/// How deep a request may nest at most; the gateway's own limit is usually lower.
const DEPTH: usize = 512;

/// Whether a request that bears `marks` may hold state that its provider did not make: never false when
/// it does, and cheap for most.
pub fn holds_foreign_state(format: Format, body: &[u8], marks: Marks) -> bool {
    match format {
        Format::OpenAiChat | Format::OpenAiResponses => marks.has(Marks::CARRIER),
        Format::Claude => marks.has(Marks::CARRIER) || claude::may_be_foreign(body, marks),
        Format::Gemini => marks.has(Marks::CARRIER_IN_BASE64),
    }
}

/// The request without foreign state: what another provider or another family of models made is
/// gone, and what this one made is as it made it. `None`: there is nothing to do, or it cannot be read.
pub fn cleanse(format: Format, body: &[u8], family: &str) -> Option<Vec<u8>> {
    edit(body, |request| match format {
        Format::OpenAiChat => openai::cleanse_chat(request, family),
        Format::OpenAiResponses => openai::cleanse_responses(request, family),
        Format::Claude => claude::cleanse(request, family),
        Format::Gemini => google::cleanse(request, family),
    })
}

/// The request without any reasoning state, for one more try after its provider has refused the
/// state. `None`: there is none, or it cannot be read.
pub fn without_state(format: Format, body: &[u8]) -> Option<Vec<u8>> {
    edit(body, |request| match format {
        Format::OpenAiChat => false,
        Format::OpenAiResponses => openai::without_state(request),
        Format::Claude => claude::without_state(request),
        Format::Gemini => google::without_state(request),
    })
}

/// Whether a provider refuses a request for the reasoning state in it.
pub fn is_state_fault(format: Format, status: u16, fault: &Fault) -> bool {
    if status != 400 {
        return false;
    }
    let message = fault.message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match format {
        Format::OpenAiChat => false,
        Format::OpenAiResponses => {
            fault.code.as_deref() == Some("invalid_encrypted_content")
                || says(&[
                    "invalid_encrypted_content",
                    "could not be decrypted",
                    "could not be verified",
                    "required following item",
                    "without its required 'reasoning' item",
                ])
        }
        Format::Claude => says(&[
            "invalid `signature`",
            "invalid signature",
            "invalid `data` in `redacted_thinking`",
            "signature: field required",
            "expected `thinking` or `redacted_thinking`",
            "blocks in the latest assistant message cannot be modified",
        ]),
        Format::Gemini => says(&["thought_signature", "thoughtsignature", "thought signature"]),
    }
}

/// Lets `change` edit the document. `None` if it says that it has not.
fn edit(body: &[u8], change: impl FnOnce(&mut Tree<'_>) -> bool) -> Option<Vec<u8>> {
    let node = Node::parse(body, DEPTH).ok()?;
    // Each value takes a byte at least.
    let mut nodes = body.len();
    let mut request = Tree::build(node, DEPTH, &mut nodes)?;
    if !change(&mut request) {
        return None;
    }
    let mut out = Vec::with_capacity(body.len());
    request.write(&mut out);
    Some(out)
}

/// What becomes of a piece of state.
enum State {
    /// No carrier: it is the provider's own.
    Native,
    /// The provider's own in a carrier.
    Ours(Opaque<'static>),
    /// Another provider's, another family's, or broken.
    Foreign,
}

fn state(text: &str, format: Format, family: &str) -> State {
    if !text.starts_with(carrier::PREFIX) {
        return State::Native;
    }
    match carrier::unwrap(text) {
        Some(opaque) if opaque.origin == format && opaque.family == family => State::Ours(opaque),
        _ => State::Foreign,
    }
}

fn items_mut<'t, 'a>(tree: &'t mut Tree<'a>, key: &str) -> Option<&'t mut Vec<Tree<'a>>> {
    match tree.get_mut(key)? {
        Tree::Array(items) => Some(items),
        _ => None,
    }
}

fn text_of<'t>(tree: &'t Tree<'_>, key: &str) -> Option<&'t str> {
    tree.get(key)?.as_str()
}

fn is_type(tree: &Tree<'_>, kind: &str) -> bool {
    text_of(tree, "type") == Some(kind)
}

#[cfg(test)]
mod tests;
