//! What can be asked. `docs/openapi.json` describes the same routes; a test compares them.

use http::Method;

use super::{Answer, Place, refusal, wrong_method};

/// One question.
#[derive(Debug)]
pub struct Route {
    /// Its method; what answers GET answers HEAD.
    pub method: Method,
    /// Its path.
    pub path: &'static str,
    /// What it is about.
    pub(super) topic: Topic,
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Live,
    Ready,
    Metrics,
    MetricsJson,
    OpenApi,
    Config,
    Models,
    Accounts,
    Reload,
    Usage,
    UsageRecords,
    UsageNow,
    Explain,
    CreateAccount,
    Account,
    ReplaceAccount,
    PatchAccount,
    DeleteAccount,
    DisableAccount,
    EnableAccount,
    Audit,
    Proxies,
    ProxyDead,
    ProxyAlive,
}

const fn get(path: &'static str, topic: Topic) -> Route {
    route(Method::GET, path, topic)
}

const fn post(path: &'static str, topic: Topic) -> Route {
    route(Method::POST, path, topic)
}

const fn route(method: Method, path: &'static str, topic: Topic) -> Route {
    Route {
        method,
        path,
        topic,
    }
}

/// One account.
const ACCOUNT: &str = "/admin/accounts/{name}";

/// All questions. What is under `/admin` takes the key.
pub const ROUTES: &[Route] = &[
    get("/health", Topic::Live),
    get("/health/live", Topic::Live),
    get("/health/ready", Topic::Ready),
    get("/metrics", Topic::Metrics),
    get("/openapi.json", Topic::OpenApi),
    get("/admin/config", Topic::Config),
    get("/admin/metrics", Topic::MetricsJson),
    get("/admin/models", Topic::Models),
    get("/admin/accounts", Topic::Accounts),
    post("/admin/accounts", Topic::CreateAccount),
    get(ACCOUNT, Topic::Account),
    route(Method::PUT, ACCOUNT, Topic::ReplaceAccount),
    route(Method::PATCH, ACCOUNT, Topic::PatchAccount),
    route(Method::DELETE, ACCOUNT, Topic::DeleteAccount),
    post("/admin/accounts/{name}/disable", Topic::DisableAccount),
    post("/admin/accounts/{name}/enable", Topic::EnableAccount),
    get("/admin/audit", Topic::Audit),
    get("/admin/usage", Topic::Usage),
    get("/admin/usage/now", Topic::UsageNow),
    get("/admin/usage/records", Topic::UsageRecords),
    get("/admin/proxies", Topic::Proxies),
    post("/admin/proxies/{id}/dead", Topic::ProxyDead),
    post("/admin/proxies/{id}/alive", Topic::ProxyAlive),
    post("/admin/reload", Topic::Reload),
    post("/admin/explain", Topic::Explain),
];

/// The place of a question.
pub(super) fn find(method: &Method, path: &str) -> Result<Place, Answer> {
    let mut allowed = String::new();
    for (place, route) in ROUTES.iter().enumerate() {
        if !is_at(route.path, path) {
            continue;
        }
        let wanted = &route.method;
        if method == wanted || (method, wanted) == (&Method::HEAD, &Method::GET) {
            return Ok(Place(place));
        }
        if !allowed.is_empty() {
            allowed.push_str(", ");
        }
        allowed.push_str(wanted.as_str());
        if wanted == Method::GET {
            allowed.push_str(", HEAD");
        }
    }
    match allowed.is_empty() {
        true => Err(refusal(404, "unknown_path", "nothing is here")),
        false => Err(wrong_method(method, &allowed)),
    }
}

/// Whether `path` is the one of a route, in which `{…}` stands for any segment.
fn is_at(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let fits = pattern.split('/').all(|wanted| {
        let found = segments.next();
        match wanted.starts_with('{') {
            true => found.is_some_and(|found| !found.is_empty()),
            false => found == Some(wanted),
        }
    });
    fits && segments.next().is_none()
}

/// What stands in a path for the one `{…}` of `pattern`, decoded. `None`: it is not text.
pub(super) fn variable(pattern: &str, path: &str) -> Option<String> {
    let at = pattern
        .split('/')
        .position(|segment| segment.starts_with('{'))?;
    let found = path.split('/').nth(at)?;
    let decoded = percent_encoding::percent_decode_str(found).decode_utf8();
    decoded.ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_one_segment_and_gives_it_back_decoded() {
        let pattern = "/admin/accounts/{name}/disable";
        for (path, name) in [
            ("/admin/accounts/a/disable", Some("a")),
            ("/admin/accounts/a%20b%2Fc/disable", Some("a b/c")),
            ("/admin/accounts/%ff/disable", None),
        ] {
            assert!(is_at(pattern, path));
            assert_eq!(variable(pattern, path).as_deref(), name, "{path}");
        }
        for path in [
            "/admin/accounts//disable",
            "/admin/accounts/a",
            "/admin/accounts/a/b/disable",
            "/admin/accounts/a/disable/",
        ] {
            assert!(!is_at(pattern, path), "{path}");
        }
    }
}
