//! Checks accounts beside the requests, where their entries ask for it.
//!
//! A check asks for the provider's list of models (or another path of the operator's) with the account's key,
//! over the account's proxy. An answer that refuses the key, an error of the server and no answer rest the
//! key as a request's failure would; a good answer ends such a rest early. Limits, missing paths and
//! permissions say nothing about the key and change nothing.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::{HeaderName, HeaderValue, Method, header};
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::ALPN;
use pingora_core::server::configuration::ServerConf;
use pingora_core::{Error, ErrorType, OrErr, Result};
use pingora_http::RequestHeader;
use tokio::time::{Instant, sleep_until, timeout};

use crate::account::health::Bounds;
use crate::account::oauth::Token;
use crate::account::{Account, AccountId, Check, HeaderSource};
use crate::chat::FaultKind;
use crate::live::{Current, Live};
use crate::metrics::Checked;
use crate::upstream::peer::{Load, Peers};
use crate::upstream::presets::KeyHeader;
use crate::wire::{Format, codec};

/// How often a reload is noticed that brings checks.
const LOOK: Duration = Duration::from_secs(1);
/// Longest wait before the first check of an account: not all of them at once after a start.
const FIRST: Duration = Duration::from_secs(10);
/// Longest check.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most of an error answer that is read.
const ANSWER: usize = 64 * 1024;

/// Checks accounts.
pub(super) struct HealthChecks {
    current: Arc<Current>,
    peers: Peers,
    connector: Connector,
}

impl HealthChecks {
    /// Those of the accounts in `current`. Reads the roots that `conf` names.
    pub(super) fn new(current: Arc<Current>, peers: Peers, conf: &ServerConf) -> Self {
        Self {
            current,
            peers,
            connector: Connector::new(Some(ConnectorOptions::from_server_conf(conf))),
        }
    }

    /// Checks as long as the process runs.
    pub(super) async fn run(&self) {
        let mut due: HashMap<AccountId, Instant> = HashMap::new();
        // One that hangs delays no other account's.
        let mut running = FuturesUnordered::new();
        let mut busy: HashSet<AccountId> = HashSet::new();
        loop {
            let live = self.current.load();
            let now = Instant::now();
            let mut next = now + LOOK;
            let checked = live.config.accounts.iter().filter_map(|account| {
                let check = account.check.as_ref()?;
                Some((account, check))
            });
            let mut known = HashMap::new();
            for (account, check) in checked {
                let mut at = due
                    .get(&account.id)
                    .copied()
                    .unwrap_or_else(|| now + check.every.min(FIRST).mul_f64(rand::random::<f64>()));
                if at <= now {
                    if busy.insert(account.id) {
                        let (live, account) = (Arc::clone(&live), Arc::clone(account));
                        let check = check.clone();
                        running.push(async move {
                            self.check(&live, &account, &check).await;
                            account.id
                        });
                    }
                    at = now + check.every.mul_f64(rand::random_range(0.9..1.1));
                }
                next = next.min(at);
                known.insert(account.id, at);
            }
            due = known;
            drop(live);
            let mut wake = pin!(sleep_until(next));
            loop {
                tokio::select! {
                    Some(id) = running.next() => {
                        busy.remove(&id);
                    }
                    () = &mut wake => break,
                }
            }
        }
    }

    async fn check(&self, live: &Live, account: &Account, check: &Check) {
        let health = self.current.health(account);
        let seen = health.before_check();
        let cell = live.token(account);
        let token = cell.and_then(|cell| cell.ready(Instant::now()));
        if cell.is_some() && token.is_none() {
            // Who renews it says what is wrong.
            return;
        }
        let limit = account.timeouts.connect + account.timeouts.first_byte;
        let asked = timeout(
            limit.min(PATIENCE),
            self.ask(account, check, token.as_deref()),
        )
        .await;
        if let (Some(cell), Some(token), Ok(Ok(Answer { status: 401, .. }))) =
            (cell, &token, &asked)
        {
            cell.refuse(token.serial);
            return;
        }
        let (result, why) = match asked {
            Ok(Ok(answer)) => judged(account, &answer),
            Ok(Err(error)) => (Checked::Failed, error.etype().as_str().to_owned()),
            Err(_) => (Checked::Failed, "no answer in time".to_owned()),
        };
        let retry = &live.config.retry;
        let bounds = Bounds {
            min: retry.cooldown_min,
            max: retry.cooldown_max,
        };
        let now = Instant::now();
        let before = self.current.metrics().checked(account, result);
        match result {
            Checked::Ok => {
                if health.check_passed(seen) {
                    log::info!("health check: account {} is well again", account.name);
                }
            }
            Checked::Refused | Checked::Failed => {
                let refused = result == Checked::Refused;
                let rest = health.check_failed(refused, bounds, now);
                if before != Some(result) {
                    log::warn!(
                        "health check: account {} rests {rest:?}: {why}",
                        account.name
                    );
                }
            }
            Checked::Unclear => {
                if before != Some(result) {
                    log::warn!("health check: account {} says nothing: {why}", account.name);
                }
            }
        }
    }

    async fn ask(&self, account: &Account, check: &Check, token: Option<&Token>) -> Result<Answer> {
        let (base, proxy, reach) = (&account.base, account.proxy.as_ref(), account.reach);
        let peer = self
            .peers
            .peer(base, proxy, reach, account.timeouts.connect, Load::Request);
        let mut peer = peer
            .await
            .map_err(|error| Error::explain(ErrorType::ConnectError, error.to_string()))?;
        // Without the pools of the requests: a check finds out whether a connection can be made.
        peer.options.alpn = ALPN::H1;
        peer.options.idle_timeout = Some(Duration::ZERO);
        let (mut session, _) = self.connector.get_http_session(&*peer).await?;
        let mut request = request(account, check)?;
        if let Some(token) = token {
            request.insert_header(header::AUTHORIZATION, token.header.clone())?;
        }
        session.write_request_header(Box::new(request)).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        while session
            .response_header()
            .is_some_and(|header| header.status.is_informational())
        {
            session.read_response_header().await?;
        }
        let Some(header) = session.response_header() else {
            return Err(Error::new(ErrorType::ReadError));
        };
        let status = header.status.as_u16();
        let mut body = Vec::new();
        while status >= 400 && body.len() < ANSWER {
            match session.read_response_body().await? {
                Some(piece) => body.extend_from_slice(&piece),
                None => break,
            }
        }
        session.shutdown().await;
        Ok(Answer {
            status,
            body: body.into(),
        })
    }
}

/// What the provider said.
struct Answer {
    status: u16,
    /// Of an error.
    body: Bytes,
}

/// What an answer says about the account, and in words that quote nobody.
fn judged(account: &Account, answer: &Answer) -> (Checked, String) {
    let status = answer.status;
    let why = format!("status {status}");
    if (200..300).contains(&status) {
        return (Checked::Ok, why);
    }
    let format = account.formats.first().copied();
    let format = format.unwrap_or(Format::OpenAiChat);
    let kind = match status {
        400..=599 => codec(format).decode_fault(status, &answer.body).kind,
        _ => FaultKind::BadUpstream,
    };
    let result = match kind {
        FaultKind::Auth => Checked::Refused,
        _ if status >= 500 => Checked::Failed,
        _ => Checked::Unclear,
    };
    (result, format!("{why}, {kind:?}"))
}

/// The question: the account's key, what its format wants, and the operator's own headers.
fn request(account: &Account, check: &Check) -> Result<RequestHeader> {
    let target = account.base.target(&check.path);
    let mut request = RequestHeader::build(Method::GET, target.as_bytes(), Some(8))?;
    request.insert_header(header::HOST, &*account.base.authority)?;
    request.insert_header(header::ACCEPT, "application/json")?;
    request.insert_header(header::CONNECTION, "close")?;
    let agent = concat!("ai-proxy/", env!("CARGO_PKG_VERSION"));
    request.insert_header(header::USER_AGENT, agent)?;
    if account.formats.contains(&Format::Claude) {
        request.insert_header("anthropic-version", "2023-06-01")?;
    }
    let (name, value) = match account.key_header {
        KeyHeader::Bearer => (
            header::AUTHORIZATION,
            ["Bearer ", account.key.expose()].concat(),
        ),
        KeyHeader::XApiKey => (
            HeaderName::from_static("x-api-key"),
            account.key.expose().to_owned(),
        ),
        KeyHeader::XGoogApiKey => (
            HeaderName::from_static("x-goog-api-key"),
            account.key.expose().to_owned(),
        ),
    };
    if !account.key.is_empty() {
        let mut value =
            HeaderValue::from_str(&value).or_err(ErrorType::InvalidHTTPHeader, "a key")?;
        value.set_sensitive(true);
        request.insert_header(name, value)?;
    }
    for (name, source) in &account.headers {
        if let HeaderSource::Fixed(value) = source {
            request.insert_header(name, value.clone())?;
        }
    }
    Ok(request)
}
