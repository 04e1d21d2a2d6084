//! What a provider charges and what the gateway writes down are the same, whatever happens on the way.
//!
//! The upstream keeps its own account: what it charges for each request id. The ledger is read from the
//! gateway's database after it has exited.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::dialect::{Dialect, Mode, account};
use crate::support::client::Client;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::ledger::{Row, ledger};
use crate::support::reply::{Reply, Step};
use crate::support::upstream::Upstream;
use crate::support::within;

const NONE: i64 = 0;
const REPORTED: i64 = 1;
const PARTIAL: i64 = 2;
const ESTIMATED: i64 = 3;
const CLAMPED: i64 = 4;

/// Two tokens.
const WORDS: &str = " hello world";
/// What a stream said last before something happens to it; a token.
const LAST: &str = " END";

/// What an upstream charges, cached and reasoning tokens included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Charge {
    input: i64,
    cache_read: i64,
    cache_write: i64,
    output: i64,
    reasoning: i64,
}

impl Charge {
    fn new(upstream: Dialect, n: usize) -> Self {
        let n = i64::try_from(n).unwrap();
        Self {
            input: 1000 + n,
            cache_read: 300 + n % 7,
            cache_write: if upstream == Dialect::Gemini {
                0
            } else {
                200 + n % 5
            },
            output: 60 + n,
            reasoning: 40,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            input: self.input + other.input,
            cache_read: self.cache_read + other.cache_read,
            cache_write: self.cache_write + other.cache_write,
            output: self.output + other.output,
            reasoning: self.reasoning + other.reasoning,
        }
    }

    /// It as the upstream says it.
    fn told(self, upstream: Dialect) -> Value {
        let Self {
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
        } = self;
        match upstream {
            Dialect::Chat => json!({
                "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
                "prompt_tokens_details":
                    {"cached_tokens": cache_read, "cache_write_tokens": cache_write},
                "completion_tokens_details": {"reasoning_tokens": reasoning},
            }),
            Dialect::Responses => json!({
                "input_tokens": input, "output_tokens": output, "total_tokens": input + output,
                "input_tokens_details":
                    {"cached_tokens": cache_read, "cache_write_tokens": cache_write},
                "output_tokens_details": {"reasoning_tokens": reasoning},
            }),
            Dialect::Claude => json!({
                "input_tokens": input - cache_read - cache_write,
                "cache_read_input_tokens": cache_read, "cache_creation_input_tokens": cache_write,
                "output_tokens": output, "output_tokens_details": {"thinking_tokens": reasoning},
            }),
            Dialect::Gemini => json!({
                "promptTokenCount": input, "cachedContentTokenCount": cache_read,
                "candidatesTokenCount": output - reasoning, "thoughtsTokenCount": reasoning,
                "totalTokenCount": input + output,
            }),
        }
    }
}

/// What the upstream says at the beginning of a stream, if it says anything then.
fn opening(upstream: Dialect, charge: Charge) -> Charge {
    match upstream {
        Dialect::Chat | Dialect::Responses => Charge::default(),
        Dialect::Claude | Dialect::Gemini => Charge {
            output: 1,
            reasoning: 0,
            ..charge
        },
    }
}

fn data(value: &Value) -> String {
    match value["type"].as_str() {
        Some(name) => format!("event: {name}\ndata: {value}\n\n"),
        None => format!("data: {value}\n\n"),
    }
}

/// A stream's first events, with what they say about the cost.
fn prelude(upstream: Dialect, charge: Charge) -> String {
    let told = opening(upstream, charge).told(upstream);
    match upstream {
        Dialect::Chat | Dialect::Responses => upstream.prelude(),
        Dialect::Claude => upstream
            .prelude()
            .replace(r#"{"input_tokens":1,"output_tokens":1}"#, &told.to_string()),
        Dialect::Gemini => upstream.prelude().replace(
            r#""modelVersion""#,
            &format!(r#""usageMetadata":{told},"modelVersion""#),
        ),
    }
}

/// A stream's last events, with what it has cost; `told`: in the upstream's words.
fn finale(upstream: Dialect, told: &Value) -> String {
    match upstream {
        Dialect::Chat => {
            let cost = data(&json!({
                "id": "c1", "object": "chat.completion.chunk", "model": upstream.model(),
                "choices": [], "usage": told,
            }));
            upstream
                .finale()
                .replace("data: [DONE]", &format!("{cost}data: [DONE]"))
        }
        Dialect::Responses => {
            let mut response = upstream.document("done");
            response["usage"] = told.clone();
            data(&json!({
                "type": "response.completed", "sequence_number": 9, "response": response,
            }))
        }
        Dialect::Claude => upstream
            .finale()
            .replace(r#"{"output_tokens":2}"#, &told.to_string()),
        Dialect::Gemini => upstream.finale().replace(
            r#""modelVersion""#,
            &format!(r#""usageMetadata":{told},"modelVersion""#),
        ),
    }
}

fn document(upstream: Dialect, told: Option<&Value>) -> Value {
    let mut document = upstream.document(WORDS);
    let name = match upstream {
        Dialect::Gemini => "usageMetadata",
        _ => "usage",
    };
    match told {
        Some(told) => document[name] = told.clone(),
        None => {
            document.as_object_mut().unwrap().remove(name);
        }
    }
    document
}

/// A good answer that costs what `told` says.
fn good(upstream: Dialect, mode: Mode, charge: Charge, told: &Value) -> Reply {
    match mode {
        Mode::Whole => Reply::json(200, document(upstream, Some(told))),
        Mode::Stream => Reply::sse([
            prelude(upstream, charge),
            upstream.says(WORDS),
            finale(upstream, told),
        ]),
    }
}

/// A stream that has said something and not ended.
fn begun(upstream: Dialect, charge: Charge, times: usize) -> Vec<Step> {
    let mut steps = vec![Step::from(prelude(upstream, charge))];
    steps.extend((0..times).map(|_| Step::from(upstream.says(WORDS))));
    steps.push(upstream.says(LAST).into());
    steps
}

/// What may happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// It is answered.
    Answered,
    /// The first account has trouble, the second answers.
    Retried,
    /// The first account's stream breaks off before content.
    BrokenOff,
    /// The stream is cut after so many times [`WORDS`], and [`LAST`].
    Cut(usize),
    /// The provider says there that it has failed.
    Failed(usize),
    /// The client leaves there.
    Left(usize),
    /// The client leaves before the provider says anything.
    LeftEarly,
    /// The provider does not say what it costs.
    Untold,
    /// The provider says what cannot be.
    Absurd,
    /// The provider refuses it.
    Refused,
}

impl Story {
    const ALL: [Self; 18] = [
        Self::Answered,
        Self::Retried,
        Self::BrokenOff,
        Self::Cut(0),
        Self::Cut(1),
        Self::Cut(7),
        Self::Cut(600),
        Self::Failed(0),
        Self::Failed(3),
        Self::Failed(50),
        Self::Left(0),
        Self::Left(2),
        Self::Left(9),
        Self::Left(600),
        Self::LeftEarly,
        Self::Untold,
        Self::Absurd,
        Self::Refused,
    ];

    fn is_of_streams(self) -> bool {
        matches!(
            self,
            Self::BrokenOff | Self::Cut(_) | Self::Failed(_) | Self::Left(_)
        )
    }
}

/// What the ledger must say of a number: from, to, and where it comes from.
type Want = (i64, i64, i64);

const fn exactly(count: i64, quality: i64) -> Want {
    (count, count, quality)
}

/// What the ledger must say of a request.
#[derive(Debug)]
struct Wanted {
    attempts: i64,
    status: i64,
    error: Option<&'static str>,
    input: Want,
    cache_read: Want,
    cache_write: Want,
    output: Want,
    reasoning: Want,
}

impl Wanted {
    fn all(charge: Charge, quality: i64) -> Self {
        Self {
            attempts: 1,
            status: 200,
            error: None,
            input: exactly(charge.input, quality),
            cache_read: exactly(charge.cache_read, quality),
            cache_write: exactly(charge.cache_write, quality),
            output: exactly(charge.output, quality),
            reasoning: exactly(charge.reasoning, quality),
        }
    }

    /// Of an answer that broke off after [`begun`].
    fn begun(upstream: Dialect, charge: Charge, times: usize, error: &'static str) -> Self {
        let passed = 2 * i64::try_from(times).unwrap() + 1;
        let said = opening(upstream, charge);
        // Of a long stream the beginning is counted, and the rest is taken to be like it.
        let off = passed / 50;
        let output = match said.output < passed {
            true => (passed - off, passed + off, ESTIMATED),
            false => exactly(said.output, PARTIAL),
        };
        let quality = if said.input > 0 { PARTIAL } else { NONE };
        Self {
            status: if error == "client_left" { 499 } else { 200 },
            error: Some(error),
            input: match said.input {
                0 => (2, 20, ESTIMATED),
                input => exactly(input, PARTIAL),
            },
            output,
            ..Self::all(said, quality)
        }
    }
}

/// What a story asks of its upstream, one answer for each try, and what the ledger must say of it.
fn tell(
    story: Story,
    upstream: Dialect,
    mode: Mode,
    n: usize,
    gate: &Gate,
) -> (Vec<Reply>, Wanted) {
    let charge = Charge::new(upstream, n);
    let told = charge.told(upstream);
    let fine = || good(upstream, mode, charge, &told);
    let trouble = || upstream.refusal(500, "server_error", "trouble");
    let reported = Wanted::all(charge, REPORTED);
    match story {
        Story::Answered => (vec![fine()], reported),
        Story::Retried => (
            vec![trouble(), fine()],
            Wanted {
                attempts: 2,
                ..reported
            },
        ),
        Story::BrokenOff => {
            let broken = prelude(upstream, charge) + &upstream.overloaded_event();
            let said = opening(upstream, charge);
            let quality = if said.input > 0 { PARTIAL } else { REPORTED };
            (
                vec![Reply::sse([broken]), fine()],
                Wanted {
                    attempts: 2,
                    ..Wanted::all(charge.plus(said), quality)
                },
            )
        }
        Story::Cut(times) => {
            let steps = begun(upstream, charge, times).into_iter();
            let cut = Reply::sse(steps.chain([Step::from(gate), Step::Close]));
            (
                vec![cut],
                Wanted::begun(upstream, charge, times, "bad_upstream"),
            )
        }
        Story::Failed(times) => {
            let steps = begun(upstream, charge, times).into_iter();
            let failed = Reply::sse(steps.chain([upstream.overloaded_event().into()]));
            (
                vec![failed],
                Wanted::begun(upstream, charge, times, "overloaded"),
            )
        }
        Story::Left(times) => {
            let steps = begun(upstream, charge, times).into_iter();
            let waits = Reply::sse(steps.chain([Step::from(gate)]));
            (
                vec![waits],
                Wanted::begun(upstream, charge, times, "client_left"),
            )
        }
        Story::LeftEarly => (
            vec![Reply::status(200).first(gate)],
            Wanted {
                status: 499,
                error: Some("client_left"),
                ..Wanted::all(Charge::default(), NONE)
            },
        ),
        Story::Untold => {
            let silent = match mode {
                Mode::Whole => Reply::json(200, document(upstream, None)),
                Mode::Stream => {
                    let silent = upstream.prelude() + &upstream.says(WORDS) + &upstream.finale();
                    Reply::sse([silent
                        .replace(r#","usage":{"input_tokens":1,"output_tokens":1}"#, "")
                        .replace(r#","usage":{"output_tokens":2}"#, "")])
                }
            };
            let nothing = Wanted::all(Charge::default(), NONE);
            (
                vec![silent],
                Wanted {
                    input: (2, 20, ESTIMATED),
                    output: exactly(2, ESTIMATED),
                    ..nothing
                },
            )
        }
        Story::Absurd => {
            let absurd = Charge {
                input: i64::MAX,
                output: -7,
                cache_read: 0,
                cache_write: 0,
                reasoning: 0,
            };
            let told = absurd.told(upstream).to_string();
            // A number that no tokens are, in every format.
            let told = serde_json::from_str(&told.replace("-7", "-7.5")).unwrap();
            let charge = Charge {
                cache_read: 0,
                cache_write: 0,
                ..charge
            };
            let reply = good(upstream, mode, charge, &told);
            let mut wanted = Wanted::all(Charge::default(), REPORTED);
            wanted.input = exactly(1_000_000_000, CLAMPED);
            wanted.output = exactly(0, CLAMPED);
            (vec![reply], wanted)
        }
        Story::Refused => (
            vec![upstream.refusal(400, "invalid_request_error", "no")],
            Wanted {
                status: 400,
                error: Some("invalid_request"),
                ..Wanted::all(Charge::default(), NONE)
            },
        ),
    }
}

fn assert_row(what: &str, row: &Row, wanted: &Wanted) {
    let want = [
        wanted.input,
        wanted.cache_read,
        wanted.cache_write,
        wanted.output,
        wanted.reasoning,
    ];
    for ((count, quality), (from, to, where_from)) in row.numbers.into_iter().zip(want) {
        assert!(
            (from..=to).contains(&count) && quality == where_from,
            "{what}: {row:?}\nwanted {wanted:?}"
        );
    }
    let (status, error) = (row.status, row.error.as_deref());
    assert_eq!(
        (row.attempts, status, error),
        (wanted.attempts, wanted.status, wanted.error),
        "{what}: {row:?}"
    );
}

/// Plays all stories with clients of every format at one upstream, at once.
async fn play(upstream: Dialect) {
    let plans: Arc<Mutex<HashMap<String, VecDeque<Reply>>>> = Arc::default();
    let acts = Arc::clone(&plans);
    let provider = Upstream::handler(move |request| {
        let id = request.header("x-request-id").expect("an id");
        let mut plans = acts.lock().unwrap();
        let plan = plans.get_mut(id).expect("a plan");
        plan.pop_front().expect("one more answer")
    })
    .await;
    let wire = match upstream {
        Dialect::Chat => "wire-api: chat, models: [{id: gpt-5, alias: any}]",
        Dialect::Responses => "wire-api: responses, models: [{id: gpt-5, alias: any}]",
        Dialect::Claude => "models: [{id: claude-sonnet-4-5, alias: any}]",
        Dialect::Gemini => "models: [{id: gemini-2.5-pro, alias: any}]",
    };
    let entries = [
        account("a", UPSTREAM_KEY_A, &provider.url(), wire),
        account("b", UPSTREAM_KEY_B, &provider.url(), wire),
    ];
    let settings = "request-retry: 9\ncooldown: {min: 0.001, max: 0.001}";
    let gateway = Gateway::start(&upstream.config(settings, &entries)).await;
    let mut wanted = BTreeMap::new();
    let mut n = 0;
    for client in Dialect::ALL {
        for mode in [Mode::Whole, Mode::Stream] {
            for story in Story::ALL {
                if mode == Mode::Whole && story.is_of_streams() {
                    continue;
                }
                n += 1;
                let told = format!("{story:?}").replace(['(', ')'], "-");
                let id = format!("{client:?}.{upstream:?}.{mode:?}.{told}");
                let gate = Gate::new();
                let (replies, mut want) = tell(story, upstream, mode, n, &gate);
                if story == Story::Refused && client == upstream {
                    // Passed on as it is.
                    want.error = Some("provider_answer");
                }
                plans.lock().unwrap().insert(id.clone(), replies.into());
                let mut connection = Client::connect(gateway.addr()).await;
                let request = client
                    .request(&mut connection, "any", mode)
                    .header("x-request-id", &id);
                match story {
                    Story::LeftEarly => {
                        let asked = request.try_stream();
                        tokio::select! {
                            _ = asked => panic!("{id}: answered"),
                            () = gate.reached() => {}
                        }
                        drop(connection);
                    }
                    Story::Left(_) => {
                        let mut answer = within(&id, request.stream()).await;
                        answer.until(LAST.trim()).await;
                        within(&id, gate.reached()).await;
                        drop(answer);
                        drop(connection);
                    }
                    Story::Cut(_) => {
                        let mut answer = within(&id, request.stream()).await;
                        answer.until(LAST.trim()).await;
                        gate.open();
                        within(&id, answer.rest()).await;
                    }
                    _ => {
                        let answer = within(&id, request.send()).await;
                        let status = i64::from(answer.status);
                        assert_eq!(status, want.status, "{id}: {answer:?}");
                    }
                }
                wanted.insert(id, want);
            }
        }
    }
    // What nobody charges for is written down without numbers or not at all.
    let rows = ledger(&gateway).await;
    for (id, want) in &wanted {
        let row = rows.get(id).unwrap_or_else(|| panic!("{id} is missing"));
        assert_row(id, row, want);
        assert_eq!(row.client.as_deref(), Some("key-1"), "{id}");
        assert!(matches!(row.account.as_deref(), Some("a" | "b")), "{id}");
        assert!(row.bytes.0 > 0, "{id}: {row:?}");
        assert_eq!(row.bytes.1 == 0, id.ends_with("LeftEarly"), "{id}: {row:?}");
        assert!(row.formats.0.is_some() && row.formats.1.is_some(), "{id}");
    }
    assert_eq!(rows.len(), wanted.len(), "{:?}", rows.keys());
}

#[tokio::test]
async fn the_ledger_says_what_the_provider_charges() {
    join_all(Dialect::ALL.map(play)).await;
}
