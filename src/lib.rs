//! ai-proxy: one daemon in front of every LLM provider.
//!
//! # The trip of one request
//!
//! 1. `proxy/mod.rs`: Pingora has read a request's header. A `Context` (`proxy/context.rs`) starts its
//!    clock and takes the [config in force](live::Live), which stays its own until it ends.
//!    `proxy/paths.rs` reads off the path which format the client speaks (`/v1/messages` is Claude's);
//!    from here on every error is written in that format.
//! 2. `proxy/intake.rs` takes it in, step by step: `proxy/admission.rs` checks limits and the client's
//!    key. `/health` and `/v1/models` are answered in `proxy/local.rs`, and the trip ends.
//! 3. `proxy/body.rs` reads the body to its limit and decompresses it; `proxy/asked.rs` and
//!    `wire/json/head.rs` look one level deep for the model and the stream flag. Nothing else is parsed.
//! 4. `routing.rs` turns the model's name into a route: the accounts that may serve it, in order, with
//!    the provider's name for it.
//! 5. `proxy/downstream.rs` wraps the client's session: from now on the body can be sent any number of
//!    times, and nothing reaches the client before there is something worth sending.
//! 6. `proxy/attempt.rs` begins a try and `proxy/search.rs` looks for an account: `account/pool.rs` picks
//!    the next that was not tried and does not rest (`account/health.rs`) and leases it. When all of them
//!    rest or were tried, the request waits for the next round, as long as the config allows, while
//!    keep-alives go to the client.
//! 7. `upstream/peer.rs` finds the address (`upstream/resolve.rs`), goes through the account's outbound
//!    proxy if it has one (`upstream/tunnel.rs`), and Pingora connects or takes a pooled connection; those
//!    without TLS are wrapped and pooled in `upstream/plaintext`.
//!    Where the account's provider speaks another format than the client, `proxy/foreign.rs` has the
//!    request translated ([`wire::translate`]), after `proxy/media.rs` has fetched what the provider does not
//!    read at an address (`upstream/media`): decoded into the neutral [`chat::Request`], fitted to what
//!    the model accepts ([`wire::fit`]), encoded for the provider.
//! 8. `proxy/attempt.rs` writes the upstream request: path, the headers that may cross
//!    (`proxy/headers.rs`), the account's key, and the body as it came but for an aliased model's name and
//!    what the operator wants changed in it (`proxy/reshape.rs`, [`rewrite`]).
//! 9. `proxy/answer.rs` hands what comes to `proxy/relay.rs`, which reads it. An error status is kept until `wire/fault` has understood its
//!    body. A translated answer goes through the neutral [`chat::Event`]s (`proxy/relay/translated.rs`). A
//!    stream of the client's own format passes event by event, untouched, once the first one has content; the codec of the
//!    format ([`wire::Codec`]) weighs each.
//! 10. `proxy/verdict.rs` judges how the try ended and `proxy/outcome.rs` performs it: the account rests
//!     or not, and the request goes back to 6, ends with the provider's own answer, or with a
//!     [`Fault`](chat::Fault) that `proxy/tell.rs` writes in the client's format, inside the stream if
//!     that has begun.
//! 11. `proxy/mod.rs` settles the account, writes the access line (`proxy/access.rs`) and hands the real
//!     session back to Pingora for the client's next request. [`lifecycle`] counts the request out.
//!
//! # Layers
//!
//! A module uses what stands below it, and in its own row only what `tests/layers.rs` names. That test
//! holds the same table.
//!
//! | Layer | Modules | What they do |
//! |---|---|---|
//! | L6 | `main`, `cli`, `server`, `logging`, `demo`, `translate_command`, `health_command`, `migrate_command` | put the parts together |
//! | L5 | `proxy`, `admin` | talk to clients and providers |
//! | L4 | `live`, `lifecycle`, `traces`, `usage`, `metrics`, `roster` | hold what requests share |
//! | L3 | `config` | turn YAML into values that cannot fail later |
//! | L2 | `routing`, `rewrite`, `account`, `upstream` | decide: who, in which order, where |
//! | L1 | `wire`, `state`, `price` | know what bytes mean, and what tokens cost |
//! | L0 | `chat`, `secret` | name things |
//!
//! Only `server`, `demo`, `admin`, `proxy` and `upstream` know Pingora; `chat` and `wire` do no I/O; below `config`
//! nobody knows YAML.

pub mod account;
pub mod admin;
pub mod chat;
pub mod cli;
pub mod config;
pub mod demo;
pub mod health_command;
pub mod lifecycle;
pub mod live;
pub mod logging;
pub mod metrics;
pub mod migrate_command;
pub mod price;
pub mod proxy;
pub mod rewrite;
pub mod roster;
pub mod routing;
pub mod secret;
pub mod server;
pub mod state;
pub mod traces;
pub mod translate_command;
pub mod upstream;
pub mod usage;
pub mod wire;
