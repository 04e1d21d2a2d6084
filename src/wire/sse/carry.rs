//! Joins what is left of earlier chunks to the next one, copying only what spans a border.

use bytes::{Bytes, BytesMut};

/// An event is longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {limit} bytes")]
pub struct TooLong {
    /// The limit.
    pub limit: usize,
}

/// The bytes after the last whole unit (an event block, an array element).
#[derive(Debug)]
pub(super) struct Carry {
    held: BytesMut,
    limit: usize,
}

impl Carry {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            held: BytesMut::new(),
            limit,
        }
    }

    /// Takes the next chunk. Places in the joined bytes are counted from the start of the carry.
    pub(super) fn join(&mut self, chunk: Bytes) -> Joined<'_> {
        Joined {
            base: self.held.len(),
            copied: 0,
            done: None,
            carry: self,
            chunk,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn take(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

/// The carry with one chunk behind it.
pub(super) struct Joined<'a> {
    carry: &'a mut Carry,
    chunk: Bytes,
    /// Where the chunk begins in the joined bytes.
    base: usize,
    /// How much of the chunk was copied to the carry.
    copied: usize,
    /// How much of the chunk belongs to whole units, once there is one.
    done: Option<usize>,
}

impl Joined<'_> {
    /// Where the chunk begins in the joined bytes.
    pub(super) const fn base(&self) -> usize {
        self.base
    }

    /// The whole unit from a place in the joined bytes to a place in the chunk.
    pub(super) fn unit(&mut self, start: usize, end: usize) -> &[u8] {
        self.done = Some(end);
        if start >= self.base {
            return &self.chunk[start - self.base..end];
        }
        self.carry
            .held
            .extend_from_slice(&self.chunk[self.copied..end]);
        self.copied = end;
        &self.carry.held[start..]
    }

    /// Says that the chunk can be passed on up to here, though no unit ends here.
    pub(super) const fn pass(&mut self, end: usize) {
        self.done = Some(end);
    }

    /// What can be passed on; the rest is carried.
    pub(super) fn finish(self) -> Result<Bytes, TooLong> {
        let Self {
            carry,
            chunk,
            base,
            copied,
            done,
        } = self;
        let rest = chunk.len() - done.unwrap_or(0);
        let carried = if done.is_some() { 0 } else { base };
        if carried + rest > carry.limit {
            return Err(TooLong { limit: carry.limit });
        }
        let Some(done) = done else {
            carry.held.extend_from_slice(&chunk);
            return Ok(Bytes::new());
        };
        let passed = if base == 0 {
            chunk.slice(..done)
        } else {
            carry.held.extend_from_slice(&chunk[copied..done]);
            carry.take()
        };
        carry.held.extend_from_slice(&chunk[done..]);
        Ok(passed)
    }
}
