//! What the admin API writes about an account, and what it shows of it.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::config::error::{ConfigError, Errors};
use crate::config::tree::Node;
use crate::secret::Secret;

/// An account as somebody wrote it: the keys of an entry, and in `list` the provider list that it belongs
/// to. Cannot be printed: it holds secrets.
#[derive(Clone, PartialEq)]
pub struct Document(Vec<(String, Node)>);

/// A [`Document`] for people: secrets as `sk-…ab12`.
pub struct Masked<'a>(&'a Document);

/// Keys whose values are shown as they are. What is new is not shown before somebody has thought about
/// whether it is a secret.
const SHOWN: &[&str] = &[
    "list",
    "name",
    "preset",
    "base-url",
    "fallback-base-urls",
    "prefix",
    "models",
    "excluded-models",
    "project",
    "wire-api",
    "tags",
    "weight",
    "priority",
    "timeouts",
    "disabled",
    "allow-client-keys",
    "health-check",
];
/// The same inside of `cloak`.
const SHOWN_OF_CLOAK: &[&str] = &[
    "mode",
    "user-id",
    "strict-mode",
    "cache-user-id",
    "skip-user-agents",
];
/// Keys that say where secrets go, `auth.token-url` apart.
const DESTINATIONS: &[&str] = &["base-url", "fallback-base-urls", "proxy-url"];
/// The same inside of `auth`.
const SHOWN_OF_AUTH: &[&str] = &[
    "type",
    "grant",
    "token-url",
    "client-id",
    "client-auth",
    "scopes",
];

impl Document {
    /// Reads a JSON object. The error repeats nothing of it.
    pub fn parse(json: &[u8]) -> Result<Self, Errors> {
        match serde_json::from_slice(json) {
            Ok(Node::Map(entries)) => Ok(Self(entries)),
            Ok(_) => Err(Errors::one("", "must be a JSON object")),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                let message = format!("is not valid JSON at line {line}, column {column}");
                Err(Errors::one("", message))
            }
        }
    }

    /// The JSON of it, secrets and all.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// What may be shown of it.
    pub fn masked(&self) -> Masked<'_> {
        Masked(self)
    }

    /// The text of `key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it says anything about `key`.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Writes a text.
    pub fn set_text(&mut self, key: &str, text: &str) {
        self.set(key, Node::Text(text.to_owned()));
    }

    /// Takes it out of service or back into it.
    pub fn set_disabled(&mut self, disabled: bool) {
        self.set("disabled", Node::Bool(disabled));
    }

    /// The document after `patch`: its values in the place of the ones here, maps merged, and what is
    /// `null` taken out (RFC 7396).
    pub fn patched(&self, patch: &Self) -> Self {
        let mut entries = self.0.clone();
        merge(&mut entries, &patch.0);
        Self(entries)
    }

    /// What `patch` has to say again, because with it, as `after`, secrets of this document would go somewhere
    /// else: who may change an account could read them there.
    pub fn withheld(&self, patch: &Self, after: &Self) -> Errors {
        let is_other = |key: &&str| self.get(key) != after.get(key);
        let url = |document: &Self| document.inner("auth", "token-url").cloned();
        let changed = match DESTINATIONS.iter().copied().find(is_other) {
            None if url(self) != url(after) => Some("auth.token-url"),
            changed => changed,
        };
        let mut errors = Errors::default();
        let Some(changed) = changed else {
            return errors;
        };
        for (key, name) in after.secrets() {
            let given = match name {
                None => patch.get(key),
                Some(name) => patch.inner(key, name),
            };
            if given.is_none() {
                let name = name.map_or_else(String::new, |name| [".", name].concat());
                errors.0.push(ConfigError {
                    path: [key, &name].concat(),
                    message: format!("must be given again, because {changed} changes"),
                });
            }
        }
        errors
    }

    /// Where there are secrets that are sent.
    fn secrets(&self) -> Vec<(&str, Option<&str>)> {
        let mut found = Vec::new();
        for (key, value) in &self.0 {
            let key = key.as_str();
            let is_secret = |value: &Node| match value {
                Node::Text(text) => {
                    !text.is_empty() && (key != "headers" || !text.starts_with('$'))
                }
                other => *other != Node::Null,
            };
            match value {
                _ if SHOWN.contains(&key) || matches!(key, "proxy-url" | "cloak") => {}
                Node::Map(entries) if matches!(key, "auth" | "headers") => {
                    let plain = if key == "auth" { SHOWN_OF_AUTH } else { &[] };
                    let entries = entries.iter().filter(|(name, value)| {
                        !plain.contains(&name.as_str()) && is_secret(value)
                    });
                    found.extend(entries.map(|(name, _)| (key, Some(name.as_str()))));
                }
                value if is_secret(value) => found.push((key, None)),
                _ => {}
            }
        }
        found
    }

    /// The keys that have another value in `other`, in order.
    pub fn changed_keys(&self, other: &Self) -> Vec<String> {
        let all = self.0.iter().chain(&other.0).map(|(key, _)| key.clone());
        let mut keys: Vec<String> = all.collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| self.get(key) != other.get(key));
        keys
    }

    /// Its keys.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.0.iter().map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// All of it but the list.
    pub(in crate::config) fn entry(&self) -> Node {
        let entries = self.0.iter().filter(|(key, _)| key != "list");
        Node::Map(entries.cloned().collect())
    }

    fn get(&self, key: &str) -> Option<&Node> {
        let mut entries = self.0.iter();
        let found = entries.find(|(name, _)| name == key);
        found.map(|(_, value)| value)
    }

    fn inner(&self, key: &str, name: &str) -> Option<&Node> {
        let Node::Map(entries) = self.get(key)? else {
            return None;
        };
        let found = entries.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value)
    }

    fn set(&mut self, key: &str, value: Node) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }
}

fn merge(into: &mut Vec<(String, Node)>, patch: &[(String, Node)]) {
    for (key, value) in patch {
        let place = into.iter().position(|(name, _)| name == key);
        match (place, value) {
            (Some(place), Node::Null) => {
                into.remove(place);
            }
            (None, Node::Null) => {}
            (Some(place), Node::Map(inner)) if matches!(into[place].1, Node::Map(_)) => {
                if let Node::Map(old) = &mut into[place].1 {
                    merge(old, inner);
                }
            }
            (Some(place), value) => into[place].1 = value.clone(),
            (None, value) => into.push((key.clone(), value.clone())),
        }
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl Serialize for Masked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.0.len()))?;
        for (key, value) in &self.0.0 {
            map.serialize_entry(key, &shown(key, value))?;
        }
        map.end()
    }
}

fn shown(key: &str, value: &Node) -> Node {
    match (key, value) {
        _ if SHOWN.contains(&key) => value.clone(),
        ("cloak", Node::Map(entries)) => some(entries, SHOWN_OF_CLOAK),
        ("auth", Node::Map(entries)) => some(entries, SHOWN_OF_AUTH),
        ("headers", Node::Map(entries)) => {
            let header = |(name, value): &(String, Node)| {
                let value = match value {
                    // The name of a client's header.
                    Node::Text(text) if text.starts_with('$') => value.clone(),
                    other => masked(other),
                };
                (name.clone(), value)
            };
            Node::Map(entries.iter().map(header).collect())
        }
        ("proxy-url", Node::Text(url)) => Node::Text(without_credentials(url)),
        _ => masked(value),
    }
}

fn some(entries: &[(String, Node)], plain: &[&str]) -> Node {
    let entry = |(key, value): &(String, Node)| {
        let value = match (plain.contains(&key.as_str()), value) {
            (true, Node::Text(url)) if key == "token-url" => {
                let shown = url.split_once('?').map_or(&**url, |(url, _)| url);
                Node::Text(shown.to_owned())
            }
            (true, value) => value.clone(),
            (false, value) => masked(value),
        };
        (key.clone(), value)
    };
    Node::Map(entries.iter().map(entry).collect())
}

fn masked(value: &Node) -> Node {
    match value {
        Node::Text(text) if text.is_empty() => Node::Text(String::new()),
        Node::Text(text) => Node::Text(Secret::new(text.as_str()).to_string()),
        Node::List(items) => Node::List(items.iter().map(masked).collect()),
        Node::Map(entries) => some(entries, &[]),
        Node::Hole | Node::Null => Node::Null,
        Node::Bool(bool) => Node::Bool(*bool),
        // A number may be a password too.
        Node::Signed(_) | Node::Unsigned(_) | Node::Float(_) => Node::Text("***".to_owned()),
    }
}

/// `socks5://***@host:1080`
fn without_credentials(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        (None, Some((_, host))) => format!("***@{host}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(json: &str) -> Document {
        Document::parse(json.as_bytes()).unwrap()
    }

    fn masked(json: &str) -> String {
        serde_json::to_string(&document(json).masked()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let json = r#"{"list":"openai-api-key","api-key":"sk-1","weight":2,"priority":-1,"timeouts":{"idle":1.5},"models":["a",{"id":"b"}],"disabled":true,"prefix":null}"#;
        assert_eq!(document(json).to_json().unwrap(), json);
    }

    #[test]
    fn what_is_no_object_is_refused_without_quoting() {
        for json in [
            "[]",
            "\"sk-secret\"",
            "",
            "{\"a\":sk-secret}",
            "{\"a\":1}}",
            "{'a':1}",
        ] {
            let errors = Document::parse(json.as_bytes()).err().unwrap();
            assert!(!errors.to_string().contains("secret"), "{errors}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
        assert!(Document::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let before =
            document(r#"{"api-key":"k","headers":{"a":"1","b":"2"},"models":["x"],"weight":3}"#);
        let patch =
            document(r#"{"headers":{"a":null,"c":"3"},"models":["y"],"weight":null,"name":null}"#);
        let after = before.patched(&patch);
        let want = document(r#"{"api-key":"k","headers":{"b":"2","c":"3"},"models":["y"]}"#);
        assert!(after == want, "{}", after.to_json().unwrap());
        assert_eq!(before.changed_keys(&after), ["headers", "models", "weight"]);
        assert!(before.changed_keys(&before).is_empty());
    }

    #[test]
    fn secrets_go_elsewhere_only_with_who_knows_them() {
        let before = document(
            r#"{"api-key":"k","base-url":"https://a","headers":{"x":"s","y":"$user-agent"},"auth":{"token-url":"https://a","client-id":"i","refresh-token":"t"}}"#,
        );
        for (patch, wanted) in [
            (r#"{"weight":2}"#, &[][..]),
            (r#"{"base-url":"https://a"}"#, &[]),
            (
                r#"{"base-url":"https://b"}"#,
                &["api-key", "headers.x", "auth.refresh-token"],
            ),
            (
                r#"{"proxy-url":"http://b","api-key":"k"}"#,
                &["headers.x", "auth.refresh-token"],
            ),
            (
                r#"{"auth":{"token-url":"https://b","refresh-token":"t"},"headers":{"x":null}}"#,
                &["api-key"],
            ),
            (
                r#"{"fallback-base-urls":["https://b"],"api-key":"k","headers":{"x":"s"},"auth":{"refresh-token":"t"}}"#,
                &[],
            ),
        ] {
            let patch = document(patch);
            let errors = before.withheld(&patch, &before.patched(&patch));
            let paths: Vec<_> = errors.0.iter().map(|error| error.path.as_str()).collect();
            assert_eq!(paths, wanted);
        }
    }

    #[test]
    fn secrets_are_hinted_at() {
        for (json, wanted) in [
            (
                r#"{"api-key":"sk-live-0123456789ab12"}"#,
                r#"{"api-key":"sk-…ab12"}"#,
            ),
            (r#"{"api-key":"short"}"#, r#"{"api-key":"***"}"#),
            (r#"{"api-key":123456}"#, r#"{"api-key":"***"}"#),
            (
                r#"{"headers":{"x-a":"hunter2hunter2hunter2","x-b":"$user-agent"}}"#,
                r#"{"headers":{"x-a":"hun…ter2","x-b":"$user-agent"}}"#,
            ),
            (
                r#"{"proxy-url":"socks5://u:hunter2@h:1"}"#,
                r#"{"proxy-url":"socks5://***@h:1"}"#,
            ),
            (
                r#"{"proxy-url":"http://h:1"}"#,
                r#"{"proxy-url":"http://h:1"}"#,
            ),
            (
                r#"{"cloak":{"mode":"always","hash-key":"hunter2"}}"#,
                r#"{"cloak":{"mode":"always","hash-key":"***"}}"#,
            ),
            (
                r#"{"auth":{"type":"oauth2","refresh-token":"hunter2"}}"#,
                r#"{"auth":{"type":"oauth2","refresh-token":"***"}}"#,
            ),
            (
                r#"{"auth":{"token-url":"https://a/t?key=hunter2"}}"#,
                r#"{"auth":{"token-url":"https://a/t"}}"#,
            ),
            (r#"{"unheard-of":["hunter2"]}"#, r#"{"unheard-of":["***"]}"#),
            (
                r#"{"weight":2,"tags":{"team":"a"}}"#,
                r#"{"weight":2,"tags":{"team":"a"}}"#,
            ),
        ] {
            assert_eq!(masked(json), wanted);
        }
    }
}
