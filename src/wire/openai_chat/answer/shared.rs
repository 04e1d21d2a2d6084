//! What the alternatives of one answer have in common.

use std::collections::HashSet;
use std::sync::Arc;

use crate::wire::Reply;

/// The numbers and ids that were given out.
pub(super) struct Shared {
    pub(super) reply: Arc<Reply>,
    blocks: u32,
    call_ids: HashSet<String>,
}

impl Shared {
    pub(super) fn new(reply: Arc<Reply>) -> Self {
        Self {
            reply,
            blocks: 0,
            call_ids: HashSet::new(),
        }
    }

    pub(super) const fn next_block(&mut self) -> u32 {
        let block = self.blocks;
        self.blocks = self.blocks.saturating_add(1);
        block
    }

    /// The id of a call: the server's own, unless it gave none or gave it before.
    pub(super) fn call_id(&mut self, own: &str, block: u32) -> String {
        let mut id = own.to_owned();
        if id.is_empty() || self.call_ids.contains(&id) {
            let number = usize::try_from(block).unwrap_or_default();
            id = self.reply.id("call_", number);
        }
        self.call_ids.insert(id.clone());
        id
    }
}
