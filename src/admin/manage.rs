//! Making, changing and deleting accounts, and who did so.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use tokio::time::timeout;

use super::accounts::Accounts;
use super::conditions::{Conditions, Malformed};
use super::proxies::Proxies;
use super::routes::{Topic, variable};
use super::{Admin, Answer, Wrong, audit, explain, json, refusal};
use crate::config::{Document, Errors};
use crate::proxy::desk::Asked;
use crate::roster::{Done, Refused, Wanted, Who};

/// How long the database may take for a change.
const PATIENCE: Duration = Duration::from_secs(10);

impl Admin {
    /// Answers what is about accounts and is no list of them. `pattern` is the path of the route.
    pub(super) async fn manage(
        &self,
        topic: Topic,
        pattern: &str,
        asked: &Asked<'_>,
        body: &Bytes,
    ) -> Answer {
        let work = async {
            match topic {
                Topic::Audit => self.audit(asked).await,
                Topic::Proxies => json(200, &Proxies::of(&self.current.load().config)),
                Topic::ProxyDead | Topic::ProxyAlive => {
                    let id = variable(pattern, asked.path).unwrap_or_default();
                    self.mark(&id, topic == Topic::ProxyDead, asked).await
                }
                Topic::CreateAccount => self.create(asked, body).await,
                _ => match variable(pattern, asked.path) {
                    Some(name) => self.account(topic, &name, asked, body).await,
                    None => refusal(404, "unknown_account", "the name is not UTF-8"),
                },
            }
        };
        let message = "the database does not answer; look whether the change was made";
        timeout(PATIENCE, work)
            .await
            .unwrap_or_else(|_| refusal(503, "database_unavailable", message))
    }

    async fn account(&self, topic: Topic, name: &str, asked: &Asked<'_>, body: &Bytes) -> Answer {
        if topic == Topic::Account {
            return self.show(StatusCode::OK, name);
        }
        let conditions = match Conditions::of(asked.headers) {
            Ok(conditions) => conditions,
            Err(Malformed(header)) => return malformed(header),
        };
        let who = self.who(asked);
        let roster = &self.roster;
        let done = match topic {
            Topic::DisableAccount | Topic::EnableAccount => {
                // Whoever takes an account out of service may be in a hurry.
                let wanted = conditions.wanted.unwrap_or(Wanted::Any);
                let disabled = topic == Topic::DisableAccount;
                roster.switch(name, disabled, &wanted, &who).await
            }
            Topic::DeleteAccount => match &conditions.wanted {
                Some(wanted) => roster.delete(name, wanted, &who).await,
                None => return unconditional(),
            },
            _ => {
                let document = match document(asked.headers, body) {
                    Ok(document) => document,
                    Err(answer) => return answer,
                };
                match (topic, &conditions.wanted) {
                    (Topic::ReplaceAccount, _) if conditions.absent => {
                        return self.create_as(name, document, &who).await;
                    }
                    (_, None) => return unconditional(),
                    (Topic::ReplaceAccount, Some(wanted)) => {
                        roster.replace(name, document, wanted, &who).await
                    }
                    (_, Some(wanted)) => roster.patch(name, &document, wanted, &who).await,
                }
            }
        };
        match done {
            Ok(done) if topic == Topic::DeleteAccount => deleted(&done),
            Ok(done) => self.show_done(StatusCode::OK, &done),
            Err(error) => refused(&error),
        }
    }

    async fn create(&self, asked: &Asked<'_>, body: &Bytes) -> Answer {
        if let Err(Malformed(header)) = Conditions::of(asked.headers) {
            return malformed(header);
        }
        match document(asked.headers, body) {
            Ok(document) => self.created(document, &self.who(asked)).await,
            Err(answer) => answer,
        }
    }

    async fn create_as(&self, name: &str, mut document: Document, who: &Who) -> Answer {
        if document.has("name") && document.text("name") != Some(name) {
            return refused(&Refused::Invalid(Errors::about(
                "name",
                "is not the one in the path",
            )));
        }
        document.set_text("name", name);
        match self.created(document, who).await {
            // The client has said so: only if there is none.
            answer if answer.status == 409 => Answer {
                status: 412,
                ..answer
            },
            answer => answer,
        }
    }

    async fn created(&self, document: Document, who: &Who) -> Answer {
        match self.roster.create(document, who).await {
            Ok(done) => {
                let mut answer = self.show_done(StatusCode::CREATED, &done);
                let place = format!("/admin/accounts/{}", done.name);
                answer.headers.push((header::LOCATION, place));
                answer
            }
            Err(error) => refused(&error),
        }
    }

    /// An account that was changed. It is in force here by now, unless the database has gone away between the
    /// change and the look at it: then it will be.
    fn show_done(&self, status: StatusCode, done: &Done) -> Answer {
        let live = self.current.load();
        let seen = live.config.stored(&done.name);
        if seen.is_some_and(|seen| seen.account.version >= done.version) {
            return self.show(status, &done.name);
        }
        let mut answer = accepted(done);
        let version = format!("\"{}\"", done.version);
        answer.headers.push((header::ETAG, version));
        answer
    }

    /// One account.
    fn show(&self, status: StatusCode, name: &str) -> Answer {
        let Some(shown) = Accounts::one(&self.current, name) else {
            return refused(&Refused::Unknown);
        };
        let mut answer = json(status.as_u16(), &shown);
        if let Some(version) = shown.version() {
            answer
                .headers
                .push((header::ETAG, format!("\"{version}\"")));
        }
        answer
    }

    async fn mark(&self, id: &str, dead: bool, asked: &Asked<'_>) -> Answer {
        match self.roster.mark_proxy(id, dead, &self.who(asked)).await {
            Ok(true) => json(200, &Proxies::of(&self.current.load().config)),
            Ok(false) => refusal(404, "unknown_proxy", "no proxy of the pool has this id"),
            Err(error) => refused(&error),
        }
    }

    async fn audit(&self, asked: &Asked<'_>) -> Answer {
        let question = match audit::Question::of(asked.query) {
            Ok(question) => question,
            Err(message) => return refusal(400, "invalid_question", &message),
        };
        let audit::Question {
            from,
            to,
            limit,
            account,
        } = &question;
        let found = self.roster.audit(*from, *to, account.as_deref(), *limit);
        match found.await {
            Ok(entries) => json(200, &audit::Shown::of(&entries)),
            Err(error) => refused(&Refused::Sql(error)),
        }
    }

    /// Who asks: a part of the hash of the admin key, and an address.
    fn who(&self, asked: &Asked<'_>) -> Who {
        let live = self.current.load();
        let key = live.config.admin.key.map_or_else(String::new, |key| {
            let [a, b, c, d, ..] = *key.as_bytes();
            format!("sha256:{:08x}", u32::from_be_bytes([a, b, c, d]))
        });
        Who {
            key,
            address: asked.peer.map_or_else(String::new, |peer| peer.to_string()),
        }
    }
}

/// The JSON document that a request brings.
fn document(headers: &HeaderMap, body: &Bytes) -> Result<Document, Answer> {
    let kind = headers.get(header::CONTENT_TYPE);
    let is_json = kind.is_none_or(|kind| {
        let text = kind.to_str().unwrap_or_default();
        let kind = text.split(';').next().unwrap_or_default().trim();
        let kinds = ["application/json", "application/merge-patch+json"];
        kinds.iter().any(|known| kind.eq_ignore_ascii_case(known))
    });
    if !is_json {
        let message = "send JSON, with content-type: application/json";
        return Err(refusal(415, "unsupported_media_type", message));
    }
    Document::parse(body).map_err(|errors| {
        let message = errors.to_string();
        refusal(400, "invalid_body", &format!("the body {message}"))
    })
}

fn unconditional() -> Answer {
    let message =
        "send the version that you mean in If-Match: the ETag of GET /admin/accounts/{name}, or *";
    refusal(428, "missing_if_match", message)
}

fn malformed(header: &'static str) -> Answer {
    let message = format!("{header} must be an ETag like \"17\", or *");
    refusal(400, "invalid_condition", &message)
}

fn accepted(done: &Done) -> Answer {
    #[derive(Serialize)]
    struct Accepted<'a> {
        name: &'a str,
        version: i64,
    }
    let accepted = Accepted {
        name: &done.name,
        version: done.version,
    };
    json(202, &accepted)
}

fn deleted(done: &Done) -> Answer {
    #[derive(Serialize)]
    struct Deleted<'a> {
        deleted: &'a str,
        version: i64,
    }
    let deleted = Deleted {
        deleted: &done.name,
        version: done.version,
    };
    json(200, &deleted)
}

fn refused(error: &Refused) -> Answer {
    let (status, code) = match error {
        Refused::NoKeys => (409, "no_secret_keys"),
        Refused::Unknown => (404, "unknown_account"),
        Refused::InFile => (409, "account_in_file"),
        Refused::Taken => (409, "account_exists"),
        Refused::Stale => (412, "stale_version"),
        Refused::Sealed(_) => (409, "unreadable_account"),
        Refused::Sql(_) => (503, "database_unavailable"),
        Refused::Invalid(errors) => return invalid(errors),
    };
    refusal(status, code, &error.to_string())
}

/// Everything that is wrong with an account, at once.
fn invalid(errors: &Errors) -> Answer {
    #[derive(Serialize)]
    struct Invalid<'a> {
        error: super::ErrorText<'a>,
        errors: Vec<Wrong>,
    }
    let error = super::ErrorText {
        code: "invalid_account",
        message: "the account is not valid; errors says why",
    };
    let errors = errors.0.iter().cloned().map(Wrong::from).collect();
    json(422, &Invalid { error, errors })
}

/// A parameter of a query, once.
pub(super) fn parameter(query: &str, name: &str) -> Result<Option<String>, String> {
    explain::parameter(query, name).transpose()
}
