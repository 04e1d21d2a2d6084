//! The admin API as its clients call it.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::client::{Client, Response};
use crate::support::gateway::Gateway;
use crate::support::keys::{ADMIN_KEY, CLIENT_KEY, assert_no_secret};

/// Keys that accounts are sealed with.
pub(super) const SECRET_A: &str =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
pub(super) const SECRET_B: &str =
    "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// A configuration whose accounts are in the database at `url`.
pub(super) fn yaml(url: &str, secrets: &[&str], more: &str) -> String {
    let secrets: Vec<String> = secrets.iter().map(|key| format!("'{key}'")).collect();
    let secrets = secrets.join(", ");
    format!(
        "admin: {{port: 0, key: {ADMIN_KEY}, allow-private-base-urls: true}}\n\
         api-keys: [{CLIENT_KEY}]\ndatabase-url: '{url}'\nsecret-keys: [{secrets}]\n{more}"
    )
}

/// An account of an OpenAI-format provider.
pub(super) fn entry(name: &str, url: &str, key: &str) -> Value {
    json!({"list": "openai-api-key", "name": name, "api-key": key, "base-url": url})
}

/// The code of a refusal.
pub(super) fn code(response: &Response) -> String {
    let code = response.json()["error"]["code"].clone();
    code.as_str().unwrap_or_default().to_owned()
}

/// One instance's.
pub(super) struct Api(pub(super) SocketAddr);

impl Api {
    pub(super) async fn of(gateway: &Gateway) -> Self {
        Self(gateway.admin().await)
    }

    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Response {
        let mut client = Client::connect(self.0).await;
        let mut request = client.request(method, path).key(ADMIN_KEY);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await;
        assert_no_secret("an answer of the admin API", response.text().as_bytes());
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("access-control-allow-origin"), None);
        response
    }

    pub(super) async fn get(&self, name: &str) -> Response {
        self.call("GET", &format!("/admin/accounts/{name}"), &[], None)
            .await
    }

    pub(super) async fn post(&self, document: &Value) -> Response {
        self.call("POST", "/admin/accounts", &[], Some(document))
            .await
    }

    pub(super) async fn put(
        &self,
        name: &str,
        headers: &[(&str, &str)],
        document: &Value,
    ) -> Response {
        let path = format!("/admin/accounts/{name}");
        self.call("PUT", &path, headers, Some(document)).await
    }

    pub(super) async fn patch(&self, name: &str, tag: &str, change: &Value) -> Response {
        let path = format!("/admin/accounts/{name}");
        self.call("PATCH", &path, &[("if-match", tag)], Some(change))
            .await
    }
}
