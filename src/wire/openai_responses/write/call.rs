//! Calls that the client runs.

use std::borrow::Cow;

use super::item::Body;
use super::{Block, Responses};
use crate::chat::{CallKind, Opaque};

/// A call of which nothing is written yet: its state, which comes next, stands before it.
pub(super) struct Held {
    id: String,
    name: String,
    namespace: Option<String>,
    kind: CallKind,
    /// Of a call that is written at once.
    arguments: String,
    pub(super) signature: Option<Opaque<'static>>,
}

impl Held {
    pub(super) fn new(
        id: &str,
        name: &str,
        kind: CallKind,
        namespace: Option<Cow<'_, str>>,
    ) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            namespace: namespace.map(Cow::into_owned),
            kind,
            arguments: String::new(),
            signature: None,
        }
    }
}

impl Responses {
    /// Writes more of a call's arguments.
    pub(super) fn arguments(&mut self, block: u32, text: &str, out: &mut Vec<u8>) {
        if let Some(Block::Held(held)) = self.block(block)
            && let CallKind::Typed(_) = held.kind
        {
            held.arguments.push_str(text);
            return;
        }
        let Some(index) = self.call_item(block, out) else {
            return;
        };
        self.more_arguments(index, text, out);
    }

    fn more_arguments(&mut self, index: usize, text: &str, out: &mut Vec<u8>) {
        let Some(item) = self.items.get_mut(index) else {
            return;
        };
        let Body::Call {
            kind, arguments, ..
        } = &mut item.body
        else {
            return;
        };
        arguments.push_str(text);
        let event = match kind {
            CallKind::Custom => "response.custom_tool_call_input.delta",
            CallKind::Function | CallKind::Typed(_) => "response.function_call_arguments.delta",
        };
        let about = (&*item.id, index);
        self.wire.delta(out, event, about, None, text, "");
    }

    /// The item of a call, begun if it is not.
    fn call_item(&mut self, block: u32, out: &mut Vec<u8>) -> Option<usize> {
        let held = match self.block(block)? {
            Block::Call(index) => return Some(*index),
            Block::Held(held) => held,
            _ => return None,
        };
        let prefix = match held.kind {
            CallKind::Function => "fc_",
            CallKind::Custom => "ctc_",
            CallKind::Typed("computer_call") => "cu_",
            CallKind::Typed("local_shell_call") => "lsh_",
            CallKind::Typed("shell_call") => "sh_",
            CallKind::Typed(_) => "apc_",
        };
        let signature = held.signature.take();
        let body = Body::Call {
            call_id: std::mem::take(&mut held.id),
            name: std::mem::take(&mut held.name),
            namespace: held.namespace.take(),
            kind: held.kind,
            arguments: std::mem::take(&mut held.arguments),
        };
        let body = self.with_call_id(body);
        if let Some(signature) = signature {
            self.write_state(&signature, out);
        }
        let index = self.add(prefix, body, out);
        if let Some(held) = self.block(block) {
            *held = Block::Call(index);
        }
        Some(index)
    }

    /// A call without an id could not be answered.
    fn with_call_id(&self, mut body: Body) -> Body {
        if let Body::Call { call_id, .. } = &mut body
            && call_id.is_empty()
        {
            *call_id = self.reply.id("call_", self.items.len());
        }
        body
    }

    /// A call is over.
    pub(super) fn close_call(&mut self, block: u32, out: &mut Vec<u8>) {
        let Some(index) = self.call_item(block, out) else {
            return;
        };
        let is_bare = match self.items.get(index).map(|item| &item.body) {
            Some(Body::Call {
                kind, arguments, ..
            }) => *kind == CallKind::Function && arguments.is_empty(),
            _ => false,
        };
        // Clients parse what they get: no arguments are an empty object.
        if is_bare {
            self.more_arguments(index, "{}", out);
        }
        self.closing.push(index);
    }
}
