//! The messages of a streamed response.

use super::super::super::json::{Fields, Node};
use super::super::content::citation;
use super::held::{Emit, Held, Said};
use super::item;
use super::stream::{Stream, number};
use crate::chat::{Event, Json, Opening, ReasonKind};

impl Stream {
    /// The part of a message that an event is about, made if it was not announced.
    fn said(&mut self, event: &Fields<'_>, is_refusal: bool, emit: Emit<'_>) -> Option<&mut Said> {
        let item = self.place(event);
        self.said_at(item, number(event, "content_index"), is_refusal, emit)
    }

    fn said_at(
        &mut self,
        item: u64,
        place: u64,
        is_refusal: bool,
        emit: Emit<'_>,
    ) -> Option<&mut Said> {
        self.add(item, Node::trusted(r#"{"type":"message"}"#), emit);
        let held = self.item(item)?;
        if held.is_done {
            return None;
        }
        let is_there = match &held.content {
            Held::Message(parts) => parts.iter().rev().any(|part| part.place == place),
            _ => return None,
        };
        if !is_there {
            let block = self.open(
                if is_refusal {
                    Opening::Refusal
                } else {
                    Opening::Text
                },
                emit,
            );
            if let Held::Message(parts) = &mut self.item(item)?.content {
                parts.push(Said::new(place, block, is_refusal));
            }
        }
        match &mut self.item(item)?.content {
            Held::Message(parts) => parts
                .iter_mut()
                .find(|part| part.place == place && !part.is_done),
            _ => None,
        }
    }

    pub(super) fn say(&mut self, event: &Fields<'_>, is_refusal: bool, emit: Emit<'_>) {
        let Some(delta) = event.get_str("delta").filter(|delta| !delta.is_empty()) else {
            return;
        };
        let at = (self.place(event), number(event, "content_index"));
        self.say_at(at, is_refusal, &delta, item::logprobs(event.node()), emit);
    }

    /// More text, not empty, of a part of an item.
    pub(super) fn say_at(
        &mut self,
        (item, place): (u64, u64),
        is_refusal: bool,
        text: &str,
        logprobs: Option<Json<'_>>,
        emit: Emit<'_>,
    ) {
        match is_refusal {
            true => self.saw.refusal = true,
            false => self.saw.text = true,
        }
        if let Some(said) = self.said_at(item, place, is_refusal, emit) {
            said.more(text, logprobs, emit);
        }
    }

    /// A part of a message is complete: `part` says what it came to.
    pub(super) fn finish_said(&mut self, item: u64, place: u64, part: Node<'_>, emit: Emit<'_>) {
        let (is_refusal, key) = match part.get_str("type").as_deref() {
            Some("output_text" | "text") => (false, "text"),
            Some("refusal") => (true, "refusal"),
            _ => return,
        };
        let text = part.get_str(key).unwrap_or_default();
        if !text.is_empty() {
            match is_refusal {
                true => self.saw.refusal = true,
                false => self.saw.text = true,
            }
        }
        if let Some(said) = self.said_at(item, place, is_refusal, emit) {
            said.finish(&text, part, emit);
        }
    }

    /// A text is complete; what else belongs to its part may still come.
    pub(super) fn fill(&mut self, event: &Fields<'_>, is_refusal: bool, emit: Emit<'_>) {
        let key = if is_refusal { "refusal" } else { "text" };
        let text = event.get_str(key).unwrap_or_default();
        if let Some(said) = self.said(event, is_refusal, emit) {
            said.fill(&text, event.node(), emit);
        }
    }

    pub(super) fn cite(&mut self, event: &Fields<'_>, emit: Emit<'_>) {
        let Some(annotation) = event.get("annotation") else {
            return;
        };
        if let Some(said) = self.said(event, false, emit) {
            said.citations += 1;
            let (block, citation) = (said.block, citation(annotation));
            emit(Event::Cite { block, citation });
        }
    }

    pub(super) fn part_added(&mut self, event: &Fields<'_>, emit: Emit<'_>) {
        let part = event.get("part");
        match part.and_then(|part| part.get_str("type")).as_deref() {
            Some("output_text") => drop(self.said(event, false, emit).is_some()),
            Some("refusal") => drop(self.said(event, true, emit).is_some()),
            _ => {}
        }
    }

    pub(super) fn part_done(&mut self, event: &Fields<'_>, part: Node<'_>, emit: Emit<'_>) {
        let at = number(event, "content_index");
        match part.get_str("type").as_deref() {
            Some("output_text" | "refusal") => {
                self.finish_said(self.place(event), at, part, emit);
            }
            Some("reasoning_text") => {
                let text = part.get_str("text").unwrap_or_default();
                self.think(event, ReasonKind::Raw, &text, true, emit);
            }
            _ => {}
        }
    }
}
