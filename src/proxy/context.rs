//! What is known about one request, stage by stage.
//!
//! Pingora owns the context and hands it to every phase. A stage that was not reached yet is an
//! internal error for whoever asks for it, never a panic.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use pingora_core::{Error, ErrorType, Result};
use tokio::time::Instant;

use super::cors::Grant;
use super::gate::Gate;
use super::meter::Timing;
use super::own_key::OwnKey;
use super::relay::Relay;
use super::spans::Traced;
use super::verdict::Outcome;
use crate::account::Account;
use crate::account::health::Lease;
use crate::account::homes::Homes;
use crate::account::oauth::Token;
use crate::account::pool::{Route, Seat, Tried};
use crate::chat::{Fault, Losses, OnLoss, Usage};
use crate::config::ClientKey;
use crate::lifecycle::Running;
use crate::live::Live;
use crate::upstream::BaseUrl;
use crate::upstream::media::Fetched;
use crate::wire::json::Note;
use crate::wire::{Format, Marks, Shape};

/// One request.
pub struct Context {
    /// When it came.
    pub started: Instant,
    /// The config it runs on.
    pub live: Arc<Live>,
    /// Its id: the client's, or one of ours.
    pub request_id: Arc<str>,
    /// The format in which its errors are written.
    pub dialect: Format,
    /// Which pages may read its answer; `None`: no page may, and no answer says anything about it.
    pub(super) cors: Option<Grant>,
    /// Whose key it came with.
    pub client: Option<Arc<ClientKey>>,
    /// The client's own key for a provider, if it brought one.
    pub own_key: Option<OwnKey>,
    /// Counts it in.
    pub running: Option<Running>,
    /// What it wants, once that is known.
    pub call: Option<Box<Call>>,
    /// The try that is under way, or the last one.
    pub attempt: Option<Box<Attempt>>,
    /// The error that it ends with, if the gateway makes one.
    pub fault: Option<Fault>,
    /// An answer that needs no provider after all.
    pub local: Option<Vec<u8>>,
    /// The status that the client got.
    pub status: Option<u16>,
    /// What is counted of it.
    pub timing: Timing,
    /// Its traces, where they are made.
    pub trace: Option<Box<Traced>>,
}

/// What a client wants from a provider.
pub struct Call {
    /// Its format; `None`: nobody looks into it.
    pub format: Option<Format>,
    /// What of its format it asks for.
    pub ask: Ask,
    /// What is done about what cannot be translated.
    pub on_loss: OnLoss,
    /// How the answer is framed.
    pub shape: Shape,
    /// Method of the upstream request.
    pub method: Method,
    /// The client's header fields.
    pub headers: HeaderMap,
    /// Where the upstream request goes.
    pub target: CallTarget,
    /// Its body.
    pub body: Payload,
    /// What of its body a provider might refuse.
    pub marks: Marks,
    /// Where the long values of its body stand, if it may have to be translated.
    pub note: Option<Note>,
    /// The model as the client names it; empty when it names none.
    pub model: Arc<str>,
    /// Who may serve it.
    pub route: Route,
    /// Where the search for an account begins, if its conversation is with none.
    pub seat: Seat,
    /// The conversation that it is part of, where conversations stay with an account.
    pub conversation: Option<u64>,
    /// Who was tried.
    pub tried: Tried,
    /// Tries so far.
    pub tries: u32,
    /// Rounds over the candidates that were begun after the first.
    pub rounds: u32,
    /// The round that was begun last may still wait for an account that rests.
    pub may_wait: bool,
    /// How long it has waited for other requests' probes.
    pub waited: Duration,
    /// Something of a streamed body has left: it cannot be sent again.
    pub upload_begun: bool,
    /// Tries left after a provider had answered 200.
    pub bootstrap: u32,
    /// Tries on the same account after a pooled connection turned out to be closed.
    pub stale: u32,
    /// How the last try ended.
    pub last: Option<Outcome>,
    /// What tries have used that were not the last, by their providers' words.
    pub spent: Vec<Spent>,
    /// A provider's own answer to a model that it does not know, for when nobody else knows it.
    pub unknown_model: Option<Fault>,
    /// Whether its history holds reasoning state that this gateway has wrapped, once that was looked
    /// for.
    pub carries_state: Option<bool>,
    /// A provider has refused its reasoning state: it goes without.
    pub without_state: bool,
    /// Media that was fetched for it.
    pub fetched: Fetched,
    /// The client wants to know what it costs.
    pub tells_cost: bool,
    /// Shared with the wrapped session.
    pub gate: Arc<Gate>,
}

/// What of its format a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// An answer of the model.
    Generate,
    /// The number of tokens.
    Count,
    /// Something that only providers of its own format have.
    Other,
}

/// Where the upstream request goes.
pub enum CallTarget {
    /// An API path with its query.
    Path(String),
    /// `/{version}/models/{the account's name for the model}:{action}?{query}`.
    Gemini {
        /// `v1beta`, …
        version: String,
        /// `generateContent`, …
        action: String,
        /// Without the client's key; may be empty.
        query: String,
    },
}

/// A request's body.
pub enum Payload {
    /// Read; can be sent any number of times.
    Read {
        /// All of it.
        bytes: Bytes,
        /// Where the model's name stands in it, as JSON, quotes included.
        model: Option<std::ops::Range<usize>>,
    },
    /// Passes straight through, once.
    Streamed,
    /// Nothing, until the provider has switched to WebSocket; from then on all that comes.
    WebSocket,
}

/// What a try has used that was not the last.
pub struct Spent {
    /// Its account.
    pub account: Arc<Account>,
    /// The provider's name for the model.
    pub model: Arc<str>,
    /// What its provider said.
    pub said: Usage,
}

/// One try on one account.
pub struct Attempt {
    /// The account.
    pub account: Arc<Account>,
    /// The provider's name for the model.
    pub model: Arc<str>,
    /// To be settled.
    pub lease: Option<Lease>,
    /// Where it goes, if not where the client's call went; with the query.
    pub target: Option<String>,
    /// What another address of the account has refused it with.
    pub refusal: Option<Outcome>,
    /// Which of the account's addresses it goes to, and how many others are left to try.
    pub base: (usize, usize),
    /// What it shows in place of the account's key.
    pub token: Option<Arc<Token>>,
    /// The provider has refused a token: this is the second.
    pub renewed: bool,
    /// Headers that its format wants.
    pub headers: Vec<(&'static str, String)>,
    /// The provider's format and what could not be carried to it, when that is not the client's.
    pub translated: Option<(Format, Losses)>,
    /// Its body.
    pub body: Bytes,
    /// Its answer.
    pub relay: Relay,
    /// The address that is connected to.
    pub address: Option<std::net::SocketAddr>,
    /// Its connection has served a request before, and Pingora does not know.
    pub reused: bool,
    /// The provider's status.
    pub status: Option<u16>,
    /// How it ended, when the answer itself said so.
    pub outcome: Option<Outcome>,
    /// Keep the account and try it again.
    pub again: bool,
}

impl Context {
    /// A request that has just come, under what is in force.
    pub fn new(live: Arc<Live>) -> Self {
        Self {
            started: Instant::now(),
            live,
            request_id: "".into(),
            dialect: Format::OpenAiChat,
            cors: None,
            client: None,
            own_key: None,
            running: None,
            call: None,
            attempt: None,
            fault: None,
            local: None,
            status: None,
            timing: Timing::default(),
            trace: None,
        }
    }

    /// What the client wants.
    pub fn call(&self) -> Result<&Call> {
        self.call.as_deref().ok_or_else(|| too_early("call"))
    }

    /// What the client wants, to change its progress.
    pub fn call_mut(&mut self) -> Result<&mut Call> {
        self.call.as_deref_mut().ok_or_else(|| too_early("call"))
    }

    /// The try that is under way.
    pub fn attempt(&self) -> Result<&Attempt> {
        self.attempt.as_deref().ok_or_else(|| too_early("attempt"))
    }

    /// The try that is under way, to change it.
    pub fn attempt_mut(&mut self) -> Result<&mut Attempt> {
        self.attempt
            .as_deref_mut()
            .ok_or_else(|| too_early("attempt"))
    }
}

impl Call {
    /// Where the search for an account begins.
    pub fn seat(&self, homes: Option<&Homes>) -> Seat {
        let home = homes.zip(self.conversation);
        match home.and_then(|(homes, conversation)| homes.of(conversation)) {
            Some(account) => Seat::With {
                account,
                model: self.seat.model(),
            },
            None => self.seat,
        }
    }

    /// The format that an account must speak itself; `None`: any will do.
    pub fn native_format(&self) -> Option<Format> {
        match self.format {
            // A model without a format is that of a realtime session, which is OpenAI's.
            None if !self.model.is_empty() => Some(Format::OpenAiChat),
            format => format.filter(|_| self.ask == Ask::Other),
        }
    }
}

impl Attempt {
    /// Where it goes.
    pub fn base(&self) -> &BaseUrl {
        let account = &self.account;
        account.base(self.base.0).unwrap_or(&account.base)
    }

    /// It goes to the account's next address; false: there is none left.
    pub fn go_on(&mut self) -> bool {
        let (at, left) = self.base;
        if left == 0 {
            return false;
        }
        self.base = ((at + 1) % (1 + self.account.fallbacks.len()), left - 1);
        true
    }

    /// The account does its work: it is spotless, and may still fail later in this answer.
    pub fn prove(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.prove();
        }
    }

    /// The account did its work.
    pub fn succeed(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.succeeded();
        }
    }
}

fn too_early(what: &'static str) -> Box<Error> {
    Error::explain(
        ErrorType::InternalError,
        format!("a phase asked for the {what} before there was one"),
    )
}
