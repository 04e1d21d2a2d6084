//! Stop sequences that the target does not know: the text is looked through while it passes.

use std::borrow::Cow;

use crate::chat::{Event, Json};

/// The texts that end an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Stops(Vec<String>);

impl Stops {
    pub(super) fn new<'s>(stops: impl Iterator<Item = &'s str>) -> Self {
        Self(
            stops
                .filter(|stop| !stop.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one that is complete first: where it begins, and which.
    fn find(&self, text: &str) -> Option<(usize, &str)> {
        let found = self.0.iter().filter_map(|stop| {
            let at = text.find(stop.as_str())?;
            Some((at + stop.len(), at, stop.as_str()))
        });
        found.min().map(|(_, at, stop)| (at, stop))
    }

    /// Where the longest end of `text` begins that one of them may begin with.
    fn begun(&self, text: &str) -> usize {
        let longest = self.0.iter().map(String::len).max().unwrap_or(0);
        let from = text.len().saturating_sub(longest.saturating_sub(1));
        (from..text.len())
            .filter(|at| text.is_char_boundary(*at))
            .find(|at| {
                let end = text.get(*at..).unwrap_or_default();
                self.0.iter().any(|stop| stop.starts_with(end))
            })
            .unwrap_or(text.len())
    }
}

/// The end of a block's text that may be the beginning of a stop sequence.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    text: String,
    /// Log probabilities of what was not emitted.
    logprobs: Vec<Json<'static>>,
}

impl Held {
    /// Takes more text and emits what is no part of a stop sequence. Gives the one that was met; the
    /// answer ends there.
    pub(super) fn push(
        &mut self,
        block: u32,
        text: &str,
        logprobs: Option<Json<'_>>,
        stops: &Stops,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Option<String> {
        self.logprobs.extend(logprobs.map(Json::into_owned));
        self.text.push_str(text);
        let found = stops.find(&self.text);
        let (end, stop) = match found {
            Some((at, stop)) => (at, Some(stop.to_owned())),
            None => (stops.begun(&self.text), None),
        };
        let rest = self.text.split_off(end);
        let passed = std::mem::replace(&mut self.text, rest);
        self.emit(block, &passed, emit);
        if stop.is_some() {
            self.text.clear();
        }
        stop
    }

    /// The block ends: what was kept back is text after all.
    pub(super) fn end(mut self, block: u32, emit: &mut dyn FnMut(Event<'_>)) {
        let text = std::mem::take(&mut self.text);
        self.emit(block, &text, emit);
    }

    fn emit(&mut self, block: u32, text: &str, emit: &mut dyn FnMut(Event<'_>)) {
        if !text.is_empty() {
            emit(Event::Text {
                block,
                text: Cow::Borrowed(text),
                logprobs: joined(std::mem::take(&mut self.logprobs)),
            });
        }
    }
}

/// Arrays as one.
fn joined(mut arrays: Vec<Json<'static>>) -> Option<Json<'static>> {
    if arrays.len() < 2 {
        return arrays.pop();
    }
    let inner: Vec<&str> = arrays
        .iter()
        .filter_map(|array| {
            let text = array.as_str().trim();
            let inner = text.strip_prefix('[')?.strip_suffix(']')?.trim();
            (!inner.is_empty()).then_some(inner)
        })
        .collect();
    Some(Json::trusted(format!("[{}]", inner.join(","))))
}
