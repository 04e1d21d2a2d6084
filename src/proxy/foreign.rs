//! A try at a provider that speaks another format than the client: the request is translated, and the
//! answer's way back is prepared.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::RngExt;
use rand::distr::Alphanumeric;

use super::context::{Ask, Call};
use super::paths;
use crate::account::Account;
use crate::chat::{Change, Fault, Loss, Losses, OnLoss};
use crate::wire::fit::Restore;
use crate::wire::media::{Media, Wanted};
use crate::wire::translate::{self, Question, Source, Target};
use crate::wire::{Format, Profile, Reply, Shape};

/// Longest `x-aiproxy-loss`.
const HEADER: usize = 2_000;

/// A translated request, ready to be sent.
pub(super) struct Prepared {
    /// The document.
    pub(super) body: Vec<u8>,
    /// The path and query under the account's base URL.
    pub(super) target: String,
    /// Headers that the format wants.
    pub(super) headers: Vec<(&'static str, String)>,
    /// What could not be carried.
    pub(super) losses: Losses,
    /// The answer's way back.
    pub(super) back: Back,
}

/// What a try at a foreign provider comes to before anything is sent.
pub(super) enum Step {
    /// Send this.
    Send(Box<Prepared>),
    /// Nobody has to be asked: the answer.
    Local(Vec<u8>),
}

/// The answer's way back to the client's format.
pub(super) struct Back {
    /// The provider's format.
    pub(super) from: Format,
    /// What comes back.
    pub(super) kind: BackKind,
}

/// What comes back.
pub(super) enum BackKind {
    /// An answer of the model.
    Answer {
        /// Undoes what fitting the request did.
        restore: Box<Restore>,
        /// What the codecs must know.
        reply: Arc<Reply>,
    },
    /// A number of tokens.
    Count,
}

/// What the config says about the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    /// What is done about losses.
    pub(super) on_loss: OnLoss,
    /// The answer names the model that the client asked for.
    pub(super) rewrite_model: bool,
    /// The gateway's id of the request.
    pub(super) request_id: &'a str,
}

/// The format of `call`, if what it asks for has to be translated for `account`.
pub(super) fn format(call: &Call, account: &Account) -> Option<Format> {
    call.format
        .filter(|format| account.preset.envelope || !account.formats.contains(format))
        .filter(|_| call.ask != Ask::Other)
}

/// What of `body` has to be fetched before it can be made ready for `account`.
pub(super) fn wanted(
    call: &Call,
    (format, body): (Format, &[u8]),
    account: &Account,
    model: &str,
    profile: &Arc<Profile>,
) -> Vec<Wanted> {
    let to = account.formats.first().copied().unwrap_or(format);
    if call.ask == Ask::Count && to == Format::OpenAiChat {
        // It is the gateway that counts.
        return Vec::new();
    }
    let source = Source {
        note: None,
        format,
        body,
        stream: false,
        media: Media::none(),
    };
    let target = Target {
        format: to,
        model,
        profile,
    };
    translate::wanted_media(source, target)
}

/// Makes `body`, in the format of `call`, ready for `account`. `edit` is given the document in the
/// provider's format, and what it makes of it is sent.
pub(super) fn prepare(
    call: &Call,
    (format, body): (Format, &[u8]),
    account: &Account,
    model: &str,
    profile: &Arc<Profile>,
    terms: Terms<'_>,
    edit: impl FnOnce(Format, Vec<u8>) -> Vec<u8>,
) -> Result<Step, Fault> {
    let to = account.formats.first().copied().unwrap_or(format);
    let streamed = call.shape != Shape::Whole;
    let source = Source {
        format,
        body,
        note: call.note.as_ref(),
        stream: streamed,
        media: call.fetched.media(),
    };
    let target = Target {
        format: to,
        model,
        profile,
    };
    let envelope = account.preset.envelope.then_some(Envelope {
        model,
        project: account.project.as_deref(),
        request_id: terms.request_id,
    });
    let path = match envelope {
        Some(_) => Some(envelope_path(call.ask, streamed).to_owned()),
        None => path(to, call.ask, model, streamed),
    };
    let path = path.ok_or_else(unnameable)?;
    if call.ask == Ask::Count {
        return Ok(match translate::count(source, target)? {
            Question::Estimate(tokens) => Step::Local(crate::wire::count::write(format, tokens)),
            Question::Ask {
                body,
                headers,
                losses,
            } => Step::Send(Box::new(Prepared {
                body: match (envelope, edit(to, body)) {
                    (Some(_), body) => crate::wire::envelope::count_envelope(&body),
                    (None, body) => body,
                },
                target: path,
                headers,
                losses,
                back: Back {
                    from: to,
                    kind: BackKind::Count,
                },
            })),
        });
    }
    let translated = translate::request(source, target, terms.on_loss)?;
    let shown = if terms.rewrite_model {
        &*call.model
    } else {
        ""
    };
    let reply = Reply {
        model: shown.to_owned(),
        request_id: terms.request_id.to_owned(),
        seed: seed(),
        now: now(),
        ..translated.reply
    };
    Ok(Step::Send(Box::new(Prepared {
        body: match (envelope, edit(to, translated.body)) {
            (Some(envelope), body) => envelope.around(&body),
            (None, body) => body,
        },
        target: path,
        headers: translated.headers,
        losses: translated.losses,
        back: Back {
            from: to,
            kind: BackKind::Answer {
                restore: Box::new(translated.restore),
                reply: Arc::new(reply),
            },
        },
    })))
}

/// Where `format` is asked; `None`: the model's name is no path segment.
fn path(format: Format, ask: Ask, model: &str, streamed: bool) -> Option<String> {
    let counts = ask == Ask::Count;
    Some(match format {
        Format::OpenAiChat => "/v1/chat/completions".to_owned(),
        Format::OpenAiResponses if counts => "/v1/responses/input_tokens".to_owned(),
        Format::OpenAiResponses => "/v1/responses".to_owned(),
        Format::Claude if counts => "/v1/messages/count_tokens".to_owned(),
        Format::Claude => "/v1/messages".to_owned(),
        Format::Gemini => {
            let (action, query) = match (counts, streamed) {
                (true, _) => ("countTokens", ""),
                (false, true) => ("streamGenerateContent", "?alt=sse"),
                (false, false) => ("generateContent", ""),
            };
            paths::gemini_path("v1beta", model, action)? + query
        }
    })
}

/// Google's Code Assist API: Gemini's bodies with the model beside them.
#[derive(Clone, Copy)]
struct Envelope<'a> {
    model: &'a str,
    project: Option<&'a str>,
    request_id: &'a str,
}

impl Envelope<'_> {
    fn around(self, body: &[u8]) -> Vec<u8> {
        crate::wire::envelope::envelope(body, self.model, self.project, self.request_id)
    }
}

fn envelope_path(ask: Ask, streamed: bool) -> &'static str {
    match (ask, streamed) {
        (Ask::Count, _) => "/v1internal:countTokens",
        (_, true) => "/v1internal:streamGenerateContent?alt=sse",
        (_, false) => "/v1internal:generateContent",
    }
}

fn unnameable() -> Fault {
    Fault::new(
        crate::chat::FaultKind::Internal,
        "internal_error",
        "the provider's name for the model is no path segment",
    )
}

/// What ids are made of that the provider does not give.
fn seed() -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(24)
        .map(char::from)
        .collect()
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The value of `x-aiproxy-loss`; `None`: nothing was lost, or nobody is to be told.
pub(super) fn loss_header(losses: &Losses) -> Option<String> {
    let notes = losses.notes();
    if notes.is_empty() || losses.policy() == OnLoss::Quiet {
        return None;
    }
    let mut out = String::new();
    for (n, note) in notes.iter().enumerate() {
        let entry = entry(note);
        // Room for the count of those that are left out.
        if out.len() + entry.len() + 12 > HEADER {
            let _ = write!(out, ";…+{}", notes.len() - n);
            return Some(out.replace('…', "..."));
        }
        if n > 0 {
            out.push(';');
        }
        out.push_str(&entry);
    }
    Some(out)
}

fn entry(note: &Loss) -> String {
    let is_plain = |char: char| char.is_ascii_graphic() && char != ';';
    let path: String = note
        .path
        .chars()
        .map(|char| if is_plain(char) { char } else { '_' })
        .collect();
    format!("{path} {}", note.change.name())
}

/// The value of `x-aiproxy-loss` for a request of the provider's own format that went without its
/// reasoning state.
pub(super) fn repaired(on_loss: OnLoss) -> Option<String> {
    let mut losses = Losses::new(on_loss);
    note_repair(&mut losses);
    loss_header(&losses)
}

/// Notes that a request went without its reasoning state.
pub(super) fn note_repair(losses: &mut Losses) {
    losses.note_at("reasoning".to_owned(), Change::Dropped);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Place;

    #[test]
    fn the_header_lists_losses_and_says_how_many_do_not_fit() {
        let mut losses = Losses::new(OnLoss::Warn);
        assert_eq!(loss_header(&losses), None);
        losses.note(Place::field("top_k"), Change::Dropped);
        losses.note_at("messages[0].é;x".to_owned(), Change::Clamped);
        assert_eq!(
            loss_header(&losses).as_deref(),
            Some("top_k dropped;messages[0]._x clamped".replace("_x", "__x")).as_deref()
        );
        for n in 0..500 {
            losses.note(Place::field("messages").item(n), Change::Dropped);
        }
        let header = loss_header(&losses).unwrap();
        assert!(
            header.len() <= HEADER && header.is_ascii(),
            "{}",
            header.len()
        );
        let shown = header
            .split(';')
            .filter(|one| !one.starts_with("...+"))
            .count();
        let left: usize = header.rsplit("...+").next().unwrap().parse().unwrap();
        assert_eq!(shown + left, 502);
    }

    #[test]
    fn every_format_has_its_paths() {
        let path = |format, ask, streamed| path(format, ask, "m", streamed).unwrap();
        assert_eq!(
            path(Format::Gemini, Ask::Generate, true),
            "/v1beta/models/m:streamGenerateContent?alt=sse"
        );
        assert_eq!(
            path(Format::Gemini, Ask::Count, false),
            "/v1beta/models/m:countTokens"
        );
        assert_eq!(path(Format::Claude, Ask::Generate, true), "/v1/messages");
        assert_eq!(
            path(Format::OpenAiResponses, Ask::Count, false),
            "/v1/responses/input_tokens"
        );
    }
}
