//! Tool calls in pieces. Servers disagree about indices, ids and names, so a call is opened for the
//! client only when it is known what it is.

use std::borrow::Cow;

use super::shared::Shared;
use crate::chat::{CallKind, Event, Format, Opaque, OpaqueKind, Opening};
use crate::wire::json::Node;
use crate::wire::openai_chat::state;

/// The calls of one candidate, in the order of their first appearance.
#[derive(Debug)]
pub(super) struct Calls {
    candidate: u32,
    /// Every entry is a call of its own.
    is_whole: bool,
    all: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    key: Option<u64>,
    id: String,
    name: String,
    kind: CallKind,
    signature: Option<String>,
    has_arguments: bool,
    /// `None`: not opened yet.
    block: Option<u32>,
}

/// What an entry of `tool_calls` says.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// Its index among the calls.
    pub(super) key: Option<u64>,
    /// Its id; empty: not said.
    pub(super) id: Cow<'a, str>,
    /// The tool; empty: not said.
    pub(super) name: Cow<'a, str>,
    /// How it is run.
    pub(super) kind: CallKind,
    /// More of its arguments.
    pub(super) arguments: Cow<'a, str>,
    /// Google's signature for it.
    pub(super) signature: Option<Cow<'a, str>>,
}

impl<'a> Entry<'a> {
    pub(super) fn read(node: Node<'a>) -> Self {
        let custom = node.get("custom");
        let inner = custom.or_else(|| node.get("function"));
        let (kind, member) = match custom {
            Some(_) => (CallKind::Custom, "input"),
            None => (CallKind::Function, "arguments"),
        };
        let name = inner.and_then(|inner| inner.get_str("name"));
        let arguments = inner.and_then(|inner| inner.get(member));
        Self {
            key: node.get("index").and_then(Node::u64),
            id: node.get_str("id").unwrap_or_default(),
            name: name.unwrap_or_default(),
            kind,
            arguments: arguments.map(state::arguments).unwrap_or_default(),
            signature: node.get("extra_content").and_then(state::google_data),
        }
    }
}

impl Calls {
    pub(super) const fn new(candidate: u32, is_whole: bool) -> Self {
        Self {
            candidate,
            is_whole,
            all: Vec::new(),
        }
    }

    /// Whether there are any.
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes one entry of `tool_calls`.
    pub(super) fn entry(
        &mut self,
        entry: Entry<'_>,
        shared: &mut Shared,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let Entry {
            key,
            id,
            name,
            kind,
            arguments,
            signature,
        } = entry;
        let at = self.find(key, &id, &name).unwrap_or_else(|| {
            self.all.push(Call {
                key,
                id: String::new(),
                name: String::new(),
                kind,
                signature: None,
                has_arguments: false,
                block: None,
            });
            self.all.len() - 1
        });
        let Some(call) = self.all.get_mut(at) else {
            return;
        };
        if call.block.is_none() {
            if call.id.is_empty() {
                call.id = id.into_owned();
            }
            // A name may come in pieces, or again and again.
            if call.name != name {
                call.name.push_str(&name);
            }
        }
        if let Some(signature) = signature {
            match call.block {
                None => call.signature = Some(signature.into_owned()),
                Some(block) => emit(sign(block, signature)),
            }
        }
        if arguments.is_empty() {
            return;
        }
        call.has_arguments = true;
        if call.block.is_none() && !call.name.is_empty() {
            self.open_until(at, shared, emit);
        }
        let Some(call) = self.all.get_mut(at) else {
            return;
        };
        match call.block {
            Some(block) => emit(Event::Arguments {
                block,
                text: arguments,
            }),
            None => {
                // Arguments before a name: there is nothing to wait for any more.
                call.name = name.into_owned();
                self.open_until(at, shared, emit);
                if let Some(block) = self.all.get(at).and_then(|call| call.block) {
                    emit(Event::Arguments {
                        block,
                        text: arguments,
                    });
                }
            }
        }
    }

    /// The call that an entry goes on with; `None`: it is a new one.
    fn find(&self, key: Option<u64>, id: &str, name: &str) -> Option<usize> {
        if self.is_whole {
            return None;
        }
        let last = self.all.len().checked_sub(1)?;
        let Some(key) = key else {
            if id.is_empty() {
                // Servers that count nothing send every call at once.
                let is_done = self.all.get(last).is_some_and(|call| call.has_arguments);
                return (name.is_empty() || !is_done).then_some(last);
            }
            return self.all.iter().rposition(|call| call.id == id);
        };
        let at = self.all.iter().rposition(|call| call.key == Some(key))?;
        let known = self.all.get(at)?;
        // Some servers give all calls the same index.
        let is_other = !id.is_empty() && !known.id.is_empty() && known.id != id;
        (!is_other).then_some(at)
    }

    /// Opens what is known well enough, because something else comes.
    pub(super) fn open_known(&mut self, shared: &mut Shared, emit: &mut dyn FnMut(Event<'_>)) {
        if self.all.iter().any(|call| call.block.is_none()) {
            for call in &mut self.all {
                if !call.name.is_empty() {
                    call.open(self.candidate, shared, emit);
                }
            }
        }
    }

    fn open_until(&mut self, at: usize, shared: &mut Shared, emit: &mut dyn FnMut(Event<'_>)) {
        for (index, call) in self.all.iter_mut().enumerate().take(at + 1) {
            if index == at || !call.name.is_empty() {
                call.open(self.candidate, shared, emit);
            }
        }
    }

    /// Closes all.
    pub(super) fn finish(&mut self, shared: &mut Shared, emit: &mut dyn FnMut(Event<'_>)) {
        self.all
            .retain(|call| call.block.is_some() || !call.name.is_empty());
        self.open_known(shared, emit);
        for block in self.all.iter().filter_map(|call| call.block) {
            emit(Event::Close { block });
        }
    }
}

impl Call {
    fn open(&mut self, candidate: u32, shared: &mut Shared, emit: &mut dyn FnMut(Event<'_>)) {
        if self.block.is_some() {
            return;
        }
        let block = shared.next_block();
        self.block = Some(block);
        let id = shared.call_id(&self.id, block);
        emit(Event::Open {
            block,
            candidate,
            opening: Opening::ToolCall {
                id: Cow::Borrowed(&id),
                name: Cow::Borrowed(&self.name),
                kind: self.kind,
                namespace: None,
            },
        });
        if let Some(signature) = self.signature.take() {
            emit(sign(block, Cow::Owned(signature)));
        }
    }
}

/// A thought signature that this server wants back in the same place.
pub(super) const fn sign(block: u32, data: Cow<'_, str>) -> Event<'_> {
    Event::Signature {
        block,
        opaque: Opaque {
            origin: Format::OpenAiChat,
            kind: OpaqueKind::Thought,
            family: Cow::Borrowed(""),
            data,
        },
    }
}
