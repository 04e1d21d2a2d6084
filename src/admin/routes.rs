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
    Explain,
}

const fn get(path: &'static str, topic: Topic) -> Route {
    Route {
        method: Method::GET,
        path,
        topic,
    }
}

const fn post(path: &'static str, topic: Topic) -> Route {
    Route {
        method: Method::POST,
        path,
        topic,
    }
}

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
    post("/admin/reload", Topic::Reload),
    post("/admin/explain", Topic::Explain),
];

/// The place of a question.
pub(super) fn find(method: &Method, path: &str) -> Result<Place, Answer> {
    let Some(place) = ROUTES.iter().position(|route| route.path == path) else {
        return Err(refusal(404, "unknown_path", "nothing is here"));
    };
    let wanted = &ROUTES[place].method;
    match (method, wanted) {
        (method, wanted) if method == wanted => Ok(Place(place)),
        (&Method::HEAD, &Method::GET) => Ok(Place(place)),
        (_, &Method::GET) => Err(wrong_method(method, "GET, HEAD")),
        _ => Err(wrong_method(method, wanted.as_str())),
    }
}
