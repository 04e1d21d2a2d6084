//! How streams look.

use std::time::Duration;

use serde::Serialize;

/// How streams look. Set at run time: `GET /_mock?chunks=200&delay_us=0&chunk_bytes=180&burst=0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Events with text.
    pub chunks: usize,
    /// Pause before each event but the first, in microseconds. Without one, each event is a write of
    /// its own all the same.
    pub delay_us: u64,
    /// Length of an event with text.
    pub chunk_bytes: usize,
    /// Write the whole stream at once.
    pub burst: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            chunks: 200,
            delay_us: 0,
            chunk_bytes: 180,
            burst: false,
        }
    }
}

impl Shape {
    /// Takes over what a request target's query says. Words that it does not know are passed over.
    pub(super) fn set(&mut self, target: &str) {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let Ok(value) = value.parse::<usize>() else {
                continue;
            };
            match name {
                "chunks" => self.chunks = value.max(1),
                "delay_us" => self.delay_us = value as u64,
                "chunk_bytes" => self.chunk_bytes = value,
                "burst" => self.burst = value != 0,
                _ => {}
            }
        }
    }

    /// Pause before each event.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_micros(self.delay_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_changes_what_it_names() {
        let mut shape = Shape::default();
        shape.set("/_mock?chunks=5&burst=1&color=3&delay_us=x");
        let want = Shape {
            chunks: 5,
            burst: true,
            ..Shape::default()
        };
        assert_eq!(shape, want);
        shape.set("/_mock");
        assert_eq!(shape, want);
    }
}
