//! The words that records repeat, prepared when a config comes into force.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::account::{Account, AccountId};
use crate::config::ClientKey;
use crate::secret::KeyHash;

/// Names of providers, and tags as JSON.
#[derive(Debug, Default)]
pub struct Labels {
    accounts: HashMap<AccountId, OfAccount>,
    clients: HashMap<KeyHash, Tags>,
    /// Tags of clients together with those of accounts, where both have some: made when they first meet.
    both: RwLock<HashMap<(KeyHash, AccountId), Arc<str>>>,
    none: Arc<str>,
}

#[derive(Debug)]
struct OfAccount {
    provider: Option<Arc<str>>,
    tags: Tags,
}

#[derive(Debug)]
struct Tags {
    map: BTreeMap<String, String>,
    json: Arc<str>,
}

impl Labels {
    /// Those of the clients and the accounts of a config.
    pub fn new(clients: &[ClientKey], accounts: &[Arc<Account>]) -> Self {
        let of_account = |account: &Account| OfAccount {
            provider: account.providers.first().map(|name| (**name).into()),
            tags: Tags::of(&account.tags),
        };
        Self {
            accounts: accounts
                .iter()
                .map(|account| (account.id, of_account(account)))
                .collect(),
            clients: clients
                .iter()
                .map(|client| (client.hash, Tags::of(&client.tags)))
                .collect(),
            both: RwLock::default(),
            none: Arc::default(),
        }
    }

    /// The name of an account's provider.
    pub fn provider(&self, account: AccountId) -> Option<Arc<str>> {
        self.accounts.get(&account)?.provider.clone()
    }

    /// The tags of a client and an account, as JSON; empty: none. A key that both have is the client's.
    pub fn tags(&self, client: Option<&ClientKey>, account: Option<AccountId>) -> Arc<str> {
        let client = client.and_then(|client| {
            let tags = self.clients.get(&client.hash)?;
            (!tags.map.is_empty()).then_some((client.hash, tags))
        });
        let account = account.and_then(|id| {
            let tags = &self.accounts.get(&id)?.tags;
            (!tags.map.is_empty()).then_some((id, tags))
        });
        match (client, account) {
            (None, None) => Arc::clone(&self.none),
            (Some((_, tags)), None) | (None, Some((_, tags))) => Arc::clone(&tags.json),
            (Some((hash, client)), Some((id, account))) => {
                if let Some(known) = self.both.read().get(&(hash, id)) {
                    return Arc::clone(known);
                }
                let mut all = account.map.clone();
                all.extend(client.map.clone());
                let made = json(&all);
                self.both.write().insert((hash, id), Arc::clone(&made));
                made
            }
        }
    }
}

impl Tags {
    fn of(map: &BTreeMap<String, String>) -> Self {
        Self {
            json: json(map),
            map: map.clone(),
        }
    }
}

fn json(tags: &BTreeMap<String, String>) -> Arc<str> {
    match tags.is_empty() {
        true => "".into(),
        // Texts can always be written.
        false => serde_json::to_string(&tags.iter().map(plain).collect::<BTreeMap<_, _>>())
            .unwrap_or_default()
            .into(),
    }
}

/// A tag without control characters: PostgreSQL reads no JSON with a NUL in it.
fn plain((name, value): (&String, &String)) -> (String, String) {
    let plain = |text: &str| text.replace(char::is_control, "");
    (plain(name), plain(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::testing::at;

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn client(name: &str, pairs: &[(&str, &str)]) -> ClientKey {
        ClientKey {
            hash: KeyHash::of(name.as_bytes()),
            name: name.into(),
            models: Vec::new(),
            tags: tags(pairs),
        }
    }

    #[test]
    fn tags_of_both_are_put_together_and_the_clients_win() {
        let clients = [
            client("a", &[("team", "search"), ("q\"", "x")]),
            client("plain", &[("\0\n", "\u{7f}"), ("a\0", "b\0")]),
        ];
        let mut accounts = [at("one", "openai"), at("two", "openai")];
        accounts[0].tags = tags(&[("team", "core"), ("env", "prod")]);
        let accounts = accounts.map(Arc::new);
        let labels = Labels::new(&clients, &accounts);
        let client = |n: usize| clients.get(n);
        let account = |n: usize| accounts.get(n).map(|account| account.id);
        for (one, other, want) in [
            (
                client(0),
                account(0),
                r#"{"env":"prod","q\"":"x","team":"search"}"#,
            ),
            (client(0), account(1), r#"{"q\"":"x","team":"search"}"#),
            (
                client(1),
                account(0),
                r#"{"":"","a":"b","env":"prod","team":"core"}"#,
            ),
            (client(1), account(1), r#"{"":"","a":"b"}"#),
            (None, account(0), r#"{"env":"prod","team":"core"}"#),
            (None, account(1), ""),
            (None, None, ""),
            (None, Some(AccountId(1)), ""),
        ] {
            assert_eq!(&*labels.tags(one, other), want);
            assert_eq!(&*labels.tags(one, other), want, "again");
        }
        let provider = account(0).and_then(|id| labels.provider(id));
        assert_eq!(provider.as_deref(), Some("openai"));
    }
}
