//! An answer that is one document: held until it is whole, or too long to wait for.

use bytes::{Bytes, BytesMut};

use super::Ending;
use super::heard::Heard;
use crate::wire::json::{self, JsonError, Splicer};

/// How deep a document is looked into to tell whether it is whole.
const NESTING: usize = 512;

/// A document on its way through.
pub(super) struct Whole {
    held: BytesMut,
    open: bool,
    /// Only the end of the connection tells its end.
    unframed: bool,
    splicer: Option<Box<Splicer>>,
}

impl Whole {
    /// Nothing has come yet. A `splicer` renames the model.
    pub(super) fn new(unframed: bool, splicer: Option<Splicer>) -> Self {
        Self {
            held: BytesMut::new(),
            open: false,
            unframed,
            splicer: splicer.map(Box::new),
        }
    }

    pub(super) fn body(
        &mut self,
        data: &mut Option<Bytes>,
        end: bool,
        hold_back: usize,
        heard: &mut Heard,
    ) -> Result<(), Ending> {
        let piece = data.take().unwrap_or_default();
        if self.open {
            heard.passing(&piece);
        }
        if self.open && self.splicer.is_none() {
            *data = Some(piece);
            return Ok(());
        }
        match &mut self.splicer {
            None if end && self.held.is_empty() => {
                if is_cut(&piece, self.unframed) {
                    return Err(Ending::CutShort);
                }
                heard.document(&piece);
                *data = Some(piece);
                return Ok(());
            }
            None => self.held.extend_from_slice(&piece),
            Some(splicer) => {
                let mut out = Vec::with_capacity(piece.len() + 64);
                splicer.push(&piece, &mut out);
                if end {
                    splicer.end(&mut out);
                }
                self.held.extend_from_slice(&out);
            }
        }
        if end && !self.open && is_cut(&self.held, self.unframed) {
            return Err(Ending::CutShort);
        }
        if !self.open {
            if end {
                heard.document(&self.held);
            } else if self.held.len() > hold_back {
                heard.passing(&self.held);
            }
        }
        self.open |= end || self.held.len() > hold_back;
        *data = self.open.then(|| self.held.split().freeze());
        Ok(())
    }
}

/// Whether a document that has come to its end is none: it is empty, or its JSON breaks off.
fn is_cut(document: &[u8], unframed: bool) -> bool {
    let breaks_off = || {
        document.trim_ascii_start().starts_with(b"{")
            && matches!(
                json::shallow(document, NESTING, |_| {}),
                Err(JsonError::NotJson { .. })
            )
    };
    document.is_empty() || (unframed && breaks_off())
}
