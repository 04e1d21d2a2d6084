//! A token endpoint of OAuth 2.0 that remembers which tokens it has given, as strict as a real one: a
//! refresh token that was rotated away is never taken again.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::gate::Gate;
use super::keys::SECRET_MARKER;
use super::reply::{Reply, Step};
use super::upstream::{Request, Upstream};

/// The client's id.
pub const CLIENT_ID: &str = "client-1";
/// The client's secret.
pub const CLIENT_SECRET: &str = "client/canary-secret+&=";
/// The refresh token that the operator begins with.
pub const REFRESH: &str = "rt-canary-secret-operator";
/// Another one that the operator has.
pub const REFRESH_B: &str = "rt-canary-secret-operator-b";

/// What the endpoint does with the next requests.
#[derive(Clone, Default)]
pub enum Mood {
    /// Grants.
    #[default]
    Well,
    /// Answers with this, whatever it is asked.
    Says(u16, String),
    /// Grants when the gate opens; what it grants is in force at once.
    Slow(Gate),
    /// Never answers.
    Silent,
}

struct State {
    mood: Mood,
    /// `expires_in` of what it grants.
    life: Option<Value>,
    /// Whether a refresh token is replaced when it is used.
    rotates: bool,
    granted: usize,
    refresh: HashSet<String>,
    access: HashSet<String>,
}

/// A token endpoint.
pub struct OAuth {
    upstream: Upstream,
    state: Arc<Mutex<State>>,
}

impl OAuth {
    /// One that knows the client and its two refresh tokens; tokens live for `life` seconds.
    pub async fn start(life: u32) -> Self {
        Self::new(life, false).await
    }

    /// The same inside TLS, by an authority of its own.
    pub async fn tls(life: u32) -> Self {
        Self::new(life, true).await
    }

    async fn new(life: u32, tls: bool) -> Self {
        let state = Arc::new(Mutex::new(State {
            mood: Mood::Well,
            life: Some(life.into()),
            rotates: true,
            granted: 0,
            refresh: HashSet::from([REFRESH.to_owned(), REFRESH_B.to_owned()]),
            access: HashSet::new(),
        }));
        let own = Arc::clone(&state);
        let upstream = Upstream::handler(move |request| answer(&own, request));
        let upstream = match tls {
            true => upstream.tls().await,
            false => upstream.await,
        };
        Self { upstream, state }
    }

    /// Where tokens are asked for.
    pub fn url(&self) -> String {
        format!("{}/token?tenant=t", self.upstream.url())
    }

    /// The root certificate's file, for `upstream-ca`.
    pub fn ca_pem(&self) -> std::path::PathBuf {
        self.upstream.ca_pem()
    }

    /// What it does from now on.
    pub fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// How long tokens live that it grants from now on.
    pub fn life(&self, life: Option<Value>) {
        self.state.lock().unwrap().life = life;
    }

    /// Refresh tokens stay as they are.
    pub fn keeps_refresh_tokens(&self) {
        self.state.lock().unwrap().rotates = false;
    }

    /// No refresh token is good any more.
    pub fn kill(&self) {
        self.state.lock().unwrap().refresh.clear();
    }

    /// No access token that was granted so far is good any more.
    pub fn revoke(&self) {
        self.state.lock().unwrap().access.clear();
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.upstream.requests().len()
    }

    /// How many tokens it has granted.
    pub fn granted(&self) -> usize {
        self.state.lock().unwrap().granted
    }

    /// The `n`th request, as soon as it is there.
    pub async fn request(&self, n: usize) -> Request {
        self.upstream.request(n).await
    }

    /// The form of a request.
    pub fn form(request: &Request) -> BTreeMap<String, String> {
        form(request)
    }

    /// A provider that takes only access tokens which are good, and answers everything else with 401.
    pub async fn provider(&self, answer: Reply) -> Upstream {
        let state = Arc::clone(&self.state);
        Upstream::handler(move |request| {
            let token = request.header("authorization").unwrap_or_default();
            let token = token.strip_prefix("Bearer ").unwrap_or_default();
            match state.lock().unwrap().access.contains(token) {
                true => answer.clone(),
                false => Reply::json(
                    401,
                    json!({"error": {"message": "token", "type": "authentication_error"}}),
                ),
            }
        })
        .await
    }

    /// The number of the access token in a request to a provider.
    pub fn number(request: &Request) -> usize {
        let token = request.header("authorization").expect("a token");
        let (_, number) = token.rsplit_once('-').expect("one of ours");
        number.parse().expect("a number")
    }
}

fn form(request: &Request) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(&request.body).into_owned();
    let decode = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    text.split('&')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// The client's id and secret, wherever they are.
fn client(request: &Request, form: &BTreeMap<String, String>) -> Option<(String, String)> {
    let Some(header) = request.header("authorization") else {
        return Some((
            form.get("client_id")?.clone(),
            form.get("client_secret")?.clone(),
        ));
    };
    let pair = BASE64_STANDARD
        .decode(header.strip_prefix("Basic ")?)
        .ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let decode = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    Some((decode(id), decode(secret)))
}

fn answer(state: &Mutex<State>, request: &Request) -> Reply {
    let mut state = state.lock().unwrap();
    let gate = match &state.mood {
        Mood::Well => None,
        Mood::Slow(gate) => Some(gate.clone()),
        Mood::Says(status, body) => {
            let reply = Reply::content_length_body(body.clone()).with_status(*status);
            return reply.header("location", "/elsewhere");
        }
        Mood::Silent => return Reply::silence(),
    };
    let fields = form(request);
    let is_client = |(id, secret): (String, String)| id == CLIENT_ID && secret == CLIENT_SECRET;
    let refused = |code: &str| {
        let about = format!("about {SECRET_MARKER}");
        Reply::json(400, json!({"error": code, "error_description": about}))
    };
    if request.method != "POST" || request.target != "/token?tenant=t" {
        return refused("invalid_request");
    }
    if !client(request, &fields).is_some_and(is_client) {
        return refused("invalid_client");
    }
    let mut granted = json!({"token_type": "Bearer"});
    match fields.get("grant_type").map(String::as_str) {
        Some("client_credentials") => {}
        Some("refresh_token") => {
            let token = fields.get("refresh_token").cloned().unwrap_or_default();
            if !state.refresh.contains(&token) {
                return refused("invalid_grant");
            }
            if state.rotates {
                state.refresh.remove(&token);
                let next = format!("rt-{SECRET_MARKER}-{}", state.granted + 1);
                state.refresh.insert(next.clone());
                granted["refresh_token"] = next.into();
            }
        }
        _ => return refused("unsupported_grant_type"),
    }
    state.granted += 1;
    let access = format!("at-{SECRET_MARKER}-{}", state.granted);
    state.access.insert(access.clone());
    granted["access_token"] = access.into();
    if let Some(life) = &state.life {
        granted["expires_in"] = life.clone();
    }
    let reply = Reply::json(200, granted);
    match gate {
        None => reply,
        Some(gate) => reply.first(Step::Wait(gate)),
    }
}
