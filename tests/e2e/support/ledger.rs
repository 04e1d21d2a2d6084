//! What a gateway has written down of its requests.

use std::collections::BTreeMap;

use ai_proxy::state::sql::{Database, DatabaseUrl};
use nix::sys::signal::Signal;

use super::gateway::Gateway;

/// A row of `request_logs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Tries upstream.
    pub attempts: i64,
    pub status: i64,
    pub error: Option<String>,
    /// Input, cache read, cache write, output, reasoning: how many, and where that comes from.
    pub numbers: [(i64, i64); 5],
    pub client: Option<String>,
    pub account: Option<String>,
    pub tags: String,
    pub bytes: (i64, i64),
    pub formats: (Option<String>, Option<String>),
    pub own_key: bool,
}

/// The rows of a gateway that has exited, by request id; each came once.
pub async fn ledger(gateway: &Gateway) -> BTreeMap<String, Row> {
    gateway.signal(Signal::SIGTERM);
    gateway.wait_exit().await;
    let path = gateway.directory().join("data/ai-proxy.db");
    let database = Database::new(DatabaseUrl::file(path));
    let rows = database
        .rows(
            "SELECT request_id, attempts, status, error, input_tokens, input_quality, \
             cache_read_tokens, cache_read_quality, cache_write_tokens, cache_write_quality, \
             output_tokens, output_quality, reasoning_tokens, reasoning_quality, client, account, \
             tags, bytes_in, bytes_out, client_format, provider_format, own_key FROM request_logs",
            Vec::new(),
        )
        .await
        .unwrap();
    let mut found = BTreeMap::new();
    for row in rows {
        let number = |column: usize| (row.int(column).unwrap(), row.int(column + 1).unwrap());
        let id = row.text(0).unwrap();
        let read = Row {
            attempts: row.int(1).unwrap(),
            status: row.int(2).unwrap(),
            error: row.maybe_text(3).unwrap(),
            numbers: [4, 6, 8, 10, 12].map(number),
            client: row.maybe_text(14).unwrap(),
            account: row.maybe_text(15).unwrap(),
            tags: row.text(16).unwrap(),
            bytes: number(17),
            formats: (row.maybe_text(19).unwrap(), row.maybe_text(20).unwrap()),
            own_key: row.int(21).unwrap() == 1,
        };
        assert_eq!(found.insert(id.clone(), read), None, "{id} came twice");
    }
    found
}
