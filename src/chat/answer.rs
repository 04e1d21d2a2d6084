//! Whole answers, and the way between them and events.

use std::borrow::Cow;

use super::owned::append;
use super::{
    Citation, Content, Event, Fault, FaultKind, Opaque, Opening, Part, ReasonText, Reasoned, Start,
    Stop, StopReason, Text, ToolCall, Usage,
};

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    /// How it began.
    pub start: Start<'a>,
    /// Its alternatives; one unless the client asked for more.
    pub candidates: Vec<Candidate<'a>>,
    /// What it cost; `None`: nobody said.
    pub usage: Option<Usage>,
}

/// One of an answer's alternatives.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate<'a> {
    /// What it says.
    pub parts: Vec<Part<'a>>,
    /// Why it ended.
    pub stop: Stop<'a>,
}

impl<'a> Answer<'a> {
    /// Gives the answer as events.
    pub fn into_events(self, emit: &mut dyn FnMut(Event<'_>)) {
        emit(Event::Start(self.start));
        let mut block = 0;
        for (candidate, content) in (0..).zip(self.candidates) {
            for part in content.parts {
                part.into_events(candidate, &mut block, emit);
            }
            let stop = content.stop;
            emit(Event::Stop { candidate, stop });
        }
        if let Some(usage) = self.usage {
            emit(Event::Usage(usage));
        }
        emit(Event::End);
    }
}

impl Part<'_> {
    /// Gives the part as events. `next` is the number of the next block and goes up if it makes one.
    pub fn into_events(self, candidate: u32, next: &mut u32, emit: &mut dyn FnMut(Event<'_>)) {
        let part = self;
        let block = *next;
        let mut open = |opening| {
            emit(Event::Open {
                block,
                candidate,
                opening,
            });
            *next += 1;
        };
        match part.content {
            Content::Text(text) => {
                open(Opening::Text);
                if !text.text.is_empty() {
                    let (text, logprobs) = (text.text.into_cow(), text.logprobs);
                    emit(Event::Text {
                        block,
                        text,
                        logprobs,
                    });
                }
                for citation in text.citations {
                    emit(Event::Cite { block, citation });
                }
            }
            Content::Refusal(text) => {
                open(Opening::Refusal);
                if !text.is_empty() {
                    emit(Event::Refusal { block, text });
                }
            }
            Content::Reasoning(reasoned) => {
                open(Opening::Reasoning);
                for (index, part) in (0..).zip(reasoned.texts) {
                    let (kind, text) = (part.kind, part.text);
                    if !text.is_empty() {
                        emit(Event::Reason {
                            block,
                            kind,
                            index,
                            text,
                        });
                    }
                }
                for opaque in reasoned.opaque {
                    emit(Event::Signature { block, opaque });
                }
            }
            Content::ToolCall(call) => {
                open(Opening::ToolCall {
                    id: call.id,
                    name: call.name,
                    kind: call.kind,
                    namespace: call.namespace,
                });
                if let Some(opaque) = part.signature {
                    emit(Event::Signature { block, opaque });
                }
                if !call.arguments.is_empty() {
                    let text = call.arguments;
                    emit(Event::Arguments { block, text });
                }
                emit(Event::Close { block });
                return;
            }
            content => {
                let part = Part { content, ..part };
                emit(Event::Part { candidate, part });
                return;
            }
        }
        if let Some(opaque) = part.signature {
            emit(Event::Signature { block, opaque });
        }
        emit(Event::Close { block });
    }
}

/// Makes a whole answer of events.
#[derive(Debug, Default)]
pub struct Fold {
    start: Start<'static>,
    blocks: Vec<Block>,
    stops: Vec<(u32, Stop<'static>)>,
    usage: Option<Usage>,
    ended: bool,
}

#[derive(Debug)]
struct Block {
    /// `None`: it came all at once.
    number: Option<u32>,
    candidate: u32,
    part: Part<'static>,
}

impl Fold {
    /// Takes the next event. A fault is for the caller to handle.
    pub fn push(&mut self, event: Event<'_>) {
        match event {
            Event::Start(start) => self.start = start.into_owned(),
            Event::Open {
                block,
                candidate,
                opening,
            } => self.blocks.push(Block {
                number: Some(block),
                candidate,
                part: Part::new(opened(opening)),
            }),
            Event::Text {
                block,
                text,
                logprobs,
            } => {
                if let Some(Content::Text(so_far)) = self.content(block) {
                    match so_far.text.is_empty() {
                        true => so_far.text = text.into_owned().into(),
                        false => so_far.text.push_str(&text),
                    }
                    if let Some(more) = logprobs {
                        so_far.logprobs = Some(match so_far.logprobs.take() {
                            None => more.into_owned(),
                            Some(before) => joined(&before, &more),
                        });
                    }
                }
            }
            Event::Refusal { block, text } => {
                if let Some(Content::Refusal(so_far)) = self.content(block) {
                    append(so_far, text);
                }
            }
            Event::Reason {
                block,
                kind,
                index,
                text,
            } => {
                if let Some(Content::Reasoning(so_far)) = self.content(block) {
                    let index = usize::try_from(index).unwrap_or(usize::MAX);
                    // A part of a summary that nothing was said in leaves no gap.
                    let index = index.min(so_far.texts.len());
                    match so_far.texts.get_mut(index) {
                        Some(part) => append(&mut part.text, text),
                        None => so_far.texts.push(ReasonText {
                            kind,
                            text: Cow::Owned(text.into_owned()),
                        }),
                    }
                }
            }
            Event::Arguments { block, text } => {
                if let Some(Content::ToolCall(so_far)) = self.content(block) {
                    append(&mut so_far.arguments, text);
                }
            }
            Event::Signature { block, opaque } => self.sign(block, opaque.into_owned()),
            Event::Cite { block, citation } => {
                if let Some(Content::Text(text)) = self.content(block) {
                    text.citations.push(citation.into_owned());
                }
            }
            Event::Close { .. } => {}
            Event::Part { candidate, part } => self.blocks.push(Block {
                number: None,
                candidate,
                part: part.into_owned(),
            }),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Stop { candidate, stop } => self.stops.push((candidate, stop.into_owned())),
            Event::End => self.ended = true,
            Event::Fault(_) => {}
        }
    }

    /// The part of an open block as it is so far.
    pub fn part(&self, block: u32) -> Option<&Part<'static>> {
        let found = self
            .blocks
            .iter()
            .rev()
            .find(|one| one.number == Some(block));
        found.map(|block| &block.part)
    }

    /// The answer. Without an end there is none.
    pub fn finish(self) -> Result<Answer<'static>, Fault> {
        if !self.ended {
            return Err(Fault::new(
                FaultKind::BadUpstream,
                "stream_interrupted",
                "the provider's answer was cut off before its end",
            ));
        }
        let count = self.stops.iter().map(|(candidate, _)| *candidate).max();
        let mut candidates: Vec<Candidate<'static>> = (0..=count.unwrap_or(0))
            .map(|_| Candidate {
                parts: Vec::new(),
                stop: Stop::new(StopReason::Stop),
            })
            .collect();
        for block in self.blocks {
            let at = usize::try_from(block.candidate).unwrap_or(usize::MAX);
            if let Some(candidate) = candidates.get_mut(at) {
                candidate.parts.push(block.part);
            }
        }
        for (candidate, stop) in self.stops {
            let at = usize::try_from(candidate).unwrap_or(usize::MAX);
            if let Some(candidate) = candidates.get_mut(at) {
                candidate.stop = stop;
            }
        }
        let usage = self.usage.or(self.start.usage);
        Ok(Answer {
            start: self.start,
            candidates,
            usage,
        })
    }

    fn block(&mut self, block: u32) -> Option<&mut Part<'static>> {
        // The block that is being written is among the last ones.
        let mut all = self.blocks.iter_mut().rev();
        let found = all.find(|one| one.number == Some(block));
        found.map(|block| &mut block.part)
    }

    fn content(&mut self, block: u32) -> Option<&mut Content<'static>> {
        Some(&mut self.block(block)?.content)
    }

    fn sign(&mut self, block: u32, opaque: Opaque<'static>) {
        let Some(part) = self.block(block) else {
            return;
        };
        match &mut part.content {
            Content::Reasoning(reasoned) => {
                reasoned.opaque.retain(|other| other.kind != opaque.kind);
                reasoned.opaque.push(opaque);
            }
            _ => part.signature = Some(opaque),
        }
    }
}

fn opened(opening: Opening<'_>) -> Content<'static> {
    match opening {
        Opening::Text => Content::Text(Text::new("")),
        Opening::Refusal => Content::Refusal(Cow::Borrowed("")),
        Opening::Reasoning => Content::Reasoning(Reasoned::default()),
        Opening::ToolCall {
            id,
            name,
            kind,
            namespace,
        } => Content::ToolCall(ToolCall {
            id: Cow::Owned(id.into_owned()),
            name: Cow::Owned(name.into_owned()),
            arguments: Cow::Borrowed(""),
            kind,
            namespace: namespace.map(|text| Cow::Owned(text.into_owned())),
            item_id: None,
        }),
    }
}

/// Two JSON arrays as one.
fn joined(first: &super::Json<'_>, second: &super::Json<'_>) -> super::Json<'static> {
    let inner = |text: &str| {
        let text = text.trim();
        let text = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        text.unwrap_or_default().trim().to_owned()
    };
    let (first, second) = (inner(first.as_str()), inner(second.as_str()));
    let comma = if first.is_empty() || second.is_empty() {
        ""
    } else {
        ","
    };
    super::Json::trusted(format!("[{first}{comma}{second}]"))
}

impl Start<'_> {
    /// The same with a life of its own.
    pub fn into_owned(self) -> Start<'static> {
        Start {
            id: owned(self.id),
            model: owned(self.model),
            created: self.created,
            usage: self.usage,
            tier: self.tier,
            fingerprint: owned(self.fingerprint),
        }
    }
}

impl Stop<'_> {
    /// The same with a life of its own.
    pub fn into_owned(self) -> Stop<'static> {
        Stop {
            reason: self.reason,
            sequence: owned(self.sequence),
            detail: owned(self.detail),
            native: self.native.map(super::Native::into_owned),
        }
    }
}

impl Citation<'_> {
    /// The same with a life of its own.
    pub fn into_owned(self) -> Citation<'static> {
        Citation {
            kind: self.kind,
            url: owned(self.url),
            title: owned(self.title),
            cited: owned(self.cited),
            span: self.span,
            file_id: owned(self.file_id),
            filename: owned(self.filename),
            native: self.native.map(super::Native::into_owned),
        }
    }
}

impl Opaque<'_> {
    /// The same with a life of its own.
    pub fn into_owned(self) -> Opaque<'static> {
        Opaque {
            origin: self.origin,
            kind: self.kind,
            family: Cow::Owned(self.family.into_owned()),
            data: Cow::Owned(self.data.into_owned()),
        }
    }
}

pub(super) fn owned(text: Option<Cow<'_, str>>) -> Option<Cow<'static, str>> {
    text.map(|text| Cow::Owned(text.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{CallKind, Json, ReasonKind, ToolCall};

    fn fold(answer: Answer<'_>) -> Answer<'static> {
        let mut fold = Fold::default();
        answer.into_events(&mut |event| fold.push(event));
        fold.finish().unwrap()
    }

    #[test]
    fn an_answer_survives_the_way_through_events() {
        let mut text = Text::new("hello");
        text.logprobs = Some(Json::trusted("[1]"));
        let answer = Answer {
            start: Start::default(),
            candidates: vec![
                Candidate {
                    parts: vec![
                        Part::new(Content::Reasoning(Reasoned {
                            texts: vec![ReasonText {
                                kind: ReasonKind::Summary,
                                text: "why".into(),
                            }],
                            ..Reasoned::default()
                        })),
                        Part::new(Content::Text(text)),
                        Part::new(Content::ToolCall(ToolCall {
                            id: "c".into(),
                            name: "f".into(),
                            arguments: "{}".into(),
                            kind: CallKind::Function,
                            namespace: None,
                            item_id: None,
                        })),
                    ],
                    stop: Stop::new(StopReason::ToolUse),
                },
                Candidate {
                    parts: vec![Part::new(Content::Refusal("no".into()))],
                    stop: Stop::new(StopReason::Refusal),
                },
            ],
            usage: Some(Usage::default()),
        };
        assert_eq!(fold(answer.clone()), answer);
    }

    #[test]
    fn pieces_are_joined_and_interleaved_blocks_kept_apart() {
        let mut fold = Fold::default();
        let open = |block| Event::Open {
            block,
            candidate: 0,
            opening: Opening::Text,
        };
        fold.push(open(0));
        fold.push(open(1));
        for (block, text, logprobs) in [(0, "a", "[1]"), (1, "b", "[]"), (0, "c", "[2]")] {
            fold.push(Event::Text {
                block,
                text: text.into(),
                logprobs: Some(Json::trusted(logprobs)),
            });
        }
        fold.push(Event::End);
        let answer = fold.finish().unwrap();
        let texts: Vec<_> = answer.candidates[0]
            .parts
            .iter()
            .map(Part::as_text)
            .collect();
        assert_eq!(texts, [Some("ac"), Some("b")]);
        let Content::Text(text) = &answer.candidates[0].parts[0].content else {
            panic!("text");
        };
        assert_eq!(text.logprobs, Some(Json::trusted("[1,2]")));
    }

    #[test]
    fn without_an_end_there_is_no_answer() {
        let mut fold = Fold::default();
        fold.push(Event::Start(Start::default()));
        assert_eq!(fold.finish().unwrap_err().kind, FaultKind::BadUpstream);
    }
}
