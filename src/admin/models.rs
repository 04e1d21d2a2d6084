//! All models that the config knows, and who serves them.

use serde::Serialize;

use crate::account::Account;
use crate::live::Live;

#[derive(Serialize)]
pub(super) struct Models<'a> {
    /// Models that are listed by name, with the accounts that list them.
    models: Vec<Model<'a>>,
    /// Accounts without a list: they serve what fits.
    open: Vec<Open<'a>>,
    /// The rules that go before both; the first that matches wins.
    routes: Vec<Rule<'a>>,
}

#[derive(Serialize)]
struct Model<'a> {
    name: &'a str,
    accounts: Vec<Server<'a>>,
}

#[derive(Serialize)]
struct Server<'a> {
    account: &'a str,
    provider: &'a str,
    /// The provider's name for the model.
    model: &'a str,
    formats: Vec<&'static str>,
    priority: i32,
}

#[derive(Serialize)]
struct Open<'a> {
    account: &'a str,
    provider: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<&'a str>,
    /// Patterns; empty: any model that no other account claims.
    models: &'static [&'static str],
    excluded: Vec<&'a str>,
    formats: Vec<&'static str>,
}

#[derive(Serialize)]
struct Rule<'a> {
    model: &'a str,
    providers: &'a [String],
    models: &'a [String],
}

impl<'a> Models<'a> {
    pub(super) fn of(live: &'a Live) -> Self {
        let config = &live.config;
        let listed = live.router.listed().iter();
        let open = config.accounts.iter().filter(|one| one.models.is_empty());
        Self {
            models: listed
                .map(|listed| Model {
                    name: &listed.name,
                    accounts: config
                        .accounts
                        .iter()
                        .flat_map(|account| servers(account, &listed.name))
                        .collect(),
                })
                .collect(),
            open: open.map(|account| Open::of(account)).collect(),
            routes: config
                .routes
                .iter()
                .map(|rule| Rule {
                    model: rule.model.as_str(),
                    providers: &rule.providers,
                    models: &rule.models,
                })
                .collect(),
        }
    }
}

impl<'a> Open<'a> {
    fn of(account: &'a Account) -> Self {
        Self {
            account: &account.name,
            provider: provider(account),
            prefix: account.prefix.as_deref(),
            models: account.preset.models,
            excluded: account.excluded.iter().map(|glob| glob.as_str()).collect(),
            formats: formats(account),
        }
    }
}

/// The entries of `account` that clients call `name`.
fn servers<'a>(account: &'a Account, name: &str) -> Vec<Server<'a>> {
    let prefix = account.prefix.as_deref().unwrap_or_default();
    let Some(alias) = name.strip_prefix(prefix) else {
        return Vec::new();
    };
    let models = account.models.iter();
    models
        .filter(|model| *model.alias == *alias && !account.excludes(alias))
        .map(|model| Server {
            account: &account.name,
            provider: provider(account),
            model: &model.id,
            formats: formats(account),
            priority: account.priority,
        })
        .collect()
}

fn provider(account: &Account) -> &str {
    account.providers.first().map_or("", |name| name)
}

fn formats(account: &Account) -> Vec<&'static str> {
    account.formats.iter().map(|format| format.name()).collect()
}
