//! Writes an answer as one document.

use std::sync::Arc;

use super::super::server;
use super::blocks::{AllAtOnce, Links, Ready, keep};
use super::stop::{self, Held};
use super::stream::{self, head};
use super::usage;
use crate::chat::{
    Answer, Content, Event, Fold, Losses, Part, Reasoned, Stop, StopReason, Text, Tier,
};
use crate::wire::carrier;
use crate::wire::json::{ArrayWriter, object};
use crate::wire::{Encode, Reply};

/// Writes a document.
pub(in crate::wire::claude) struct WholeEncoder {
    reply: Arc<Reply>,
    fold: Fold,
    over: bool,
}

impl WholeEncoder {
    pub(in crate::wire::claude) fn new(reply: &Arc<Reply>) -> Self {
        Self {
            reply: Arc::clone(reply),
            fold: Fold::default(),
            over: false,
        }
    }
}

impl Encode for WholeEncoder {
    fn event(&mut self, event: Event<'_>, losses: &mut Losses, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        self.over = matches!(event, Event::End | Event::Fault(_));
        let is_end = event == Event::End;
        self.fold.push(event);
        if is_end && let Ok(answer) = std::mem::take(&mut self.fold).finish() {
            document(answer, &self.reply, losses, out);
        }
    }
}

fn document(answer: Answer<'_>, reply: &Reply, losses: &mut Losses, out: &mut Vec<u8>) {
    // This format has one alternative.
    let first = answer.candidates.into_iter().next();
    let (parts, stop) = first.map_or_else(
        || (Vec::new(), Stop::new(StopReason::Stop)),
        |candidate| (candidate.parts, candidate.stop),
    );
    object(out, |o| {
        head(reply, &answer.start, o);
        let mut content = Blocks {
            reply,
            losses,
            at_once: AllAtOnce::default(),
            links: Links::default(),
            held: Held::default(),
        };
        o.array("content", |a| content.write(&parts, a));
        stop::write(&stop, content.held, o);
        o.object("usage", |o| {
            usage::write(&answer.usage.unwrap_or_default(), o);
            let tier = answer.start.tier.unwrap_or(Tier::Standard);
            o.str("service_tier", stream::tier(tier));
        });
    });
}

/// The blocks of a document while they are written.
struct Blocks<'w> {
    reply: &'w Reply,
    losses: &'w mut Losses,
    at_once: AllAtOnce,
    links: Links,
    held: Held,
}

impl Blocks<'_> {
    fn write(&mut self, parts: &[Part<'_>], a: &mut ArrayWriter<'_>) {
        for part in parts {
            self.part(part, a);
        }
        let missing = self.at_once.missing_result();
        ready(missing, a);
        if self.reply.profile.claude.append_citations {
            ready(self.links.block(), a);
        }
        self.held.compaction = self.at_once.compaction;
    }

    fn part(&mut self, part: &Part<'_>, a: &mut ArrayWriter<'_>) {
        let family = &self.reply.profile.family;
        let state = part.signature.as_ref();
        let state = state.map(|opaque| Ready::redacted(&carrier::wrap(opaque, family)));
        let is_piecewise = matches!(
            part.content,
            Content::Text(_) | Content::Refusal(_) | Content::Reasoning(_) | Content::ToolCall(_)
        );
        if is_piecewise {
            ready(self.at_once.missing_result(), a);
        }
        self.held.call |= matches!(part.content, Content::ToolCall(_));
        match &part.content {
            Content::Text(text) => {
                self.text(text, a);
                ready(state, a);
            }
            Content::Refusal(words) => {
                self.held.refusal = true;
                if !words.trim().is_empty() {
                    ready(Some(Ready::text(words)), a);
                }
            }
            Content::Reasoning(reasoned) => self.reasoning(reasoned, a),
            Content::ToolCall(call) => {
                ready(state, a);
                a.object(|o| {
                    o.str("type", "tool_use");
                    o.str("id", &call.id);
                    o.str("name", &call.name);
                    o.raw("input", &server::input(&call.arguments));
                });
            }
            _ => {
                for block in self.at_once.blocks(part, self.losses) {
                    ready(Some(block), a);
                }
            }
        }
    }

    fn text(&mut self, text: &Text<'_>, a: &mut ArrayWriter<'_>) {
        let citations = || text.citations.iter().filter_map(server::native_citation);
        for citation in &text.citations {
            if server::native_citation(citation).is_none() {
                self.links.push(citation, self.losses);
            }
        }
        // The client sends it back, and blank text would be refused.
        if text.text.trim().is_empty() {
            return;
        }
        a.object(|o| {
            o.str("type", "text");
            o.str("text", &text.text);
            if citations().next().is_some() {
                o.array("citations", |a| citations().for_each(|one| a.raw(one)));
            }
        });
    }

    fn reasoning(&self, reasoned: &Reasoned<'_>, a: &mut ArrayWriter<'_>) {
        let text = if self.reply.expose_reasoning {
            reasoned.text()
        } else {
            "".into()
        };
        let shown = !text.is_empty();
        let kept = keep(&reasoned.opaque, shown, &self.reply.profile.family);
        if shown || kept.signature.is_some() {
            a.object(|o| {
                o.str("type", "thinking");
                o.str("thinking", &text);
                o.str("signature", kept.signature.as_deref().unwrap_or_default());
            });
        }
        for data in &kept.redacted {
            ready(Some(Ready::redacted(data)), a);
        }
    }
}

fn ready(block: Option<Ready>, a: &mut ArrayWriter<'_>) {
    if let Some(block) = block {
        a.raw(&block.whole);
    }
}
