//! Checks of accounts beside the requests.

use std::time::Duration;

use super::Resolver;
use crate::account::Check;
use crate::config::error::KeyPath;
use crate::config::file::Entry;
use crate::upstream::presets::Preset;
use crate::wire::Format;

/// The shortest time between two checks: more often is an attack.
const SHORTEST: Duration = Duration::from_millis(10);

/// The checks of `entry`; `None`: there are none.
pub(super) fn check(
    entry: &Entry,
    preset: Option<&Preset>,
    path: &KeyPath,
    resolver: &mut Resolver<'_>,
) -> Option<Check> {
    let (every, asked) = (entry.health_check.interval.0, &entry.health_check.path);
    let path = path.key("health-check");
    if every.is_zero() {
        if !asked.is_empty() {
            resolver.error(path.key("path"), "needs an interval");
        }
        return None;
    }
    if every < SHORTEST {
        resolver.error(path.key("interval"), "must be at least 0.01, or 0 for none");
    }
    if entry.allow_client_keys && entry.api_key.is_empty() {
        resolver.error(&path, "needs an api-key to check");
    }
    let preset = preset?;
    if asked.is_empty() {
        if preset.envelope {
            let message = "is required, because this API has no list of models";
            resolver.error(path.key("path"), message);
        }
        let listed = match preset.formats.first() {
            Some(Format::Claude) => "/v1/models?limit=1",
            Some(Format::Gemini) => "/v1beta/models?pageSize=1",
            _ => "/v1/models",
        };
        return Some(Check {
            every,
            path: listed.into(),
        });
    }
    let is_path = asked.starts_with('/')
        && asked.bytes().all(|byte| byte.is_ascii_graphic())
        && asked.parse::<http::uri::PathAndQuery>().is_ok();
    if !is_path {
        resolver.error(path.key("path"), "must be a path like /v1/models");
    }
    Some(Check {
        every,
        path: asked.as_str().into(),
    })
}
