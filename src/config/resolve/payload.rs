//! Payload rules: paths, patterns and values that are checked once and cannot fail later.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::HeaderName;

use super::{Resolver, glob};
use crate::chat::{Format, Glob};
use crate::config::error::{KeyPath, did_you_mean};
use crate::config::file::{Payload, PayloadFilter, PayloadRule, PayloadTarget, Values};
use crate::rewrite::{Change, Condition, Path, Rule, Rules, Target};
use crate::wire::json::Node;

/// The names of formats in rules.
const PROTOCOLS: [(&str, Format); 11] = [
    ("openai", Format::OpenAiChat),
    ("chat", Format::OpenAiChat),
    ("openai-chat", Format::OpenAiChat),
    ("responses", Format::OpenAiResponses),
    ("openai-responses", Format::OpenAiResponses),
    ("openai-response", Format::OpenAiResponses),
    ("codex", Format::OpenAiResponses),
    ("claude", Format::Claude),
    ("anthropic", Format::Claude),
    ("gemini", Format::Gemini),
    ("antigravity", Format::Gemini),
];
/// How deep a value may nest.
const DEPTH: usize = 64;

/// A place of the file, with what of it is wrong going to the resolver.
type Place<'a, 'r, 'e> = (&'a KeyPath, &'r mut Resolver<'e>);

/// The rules of `file` in the order in which they run; `None`: there are none.
pub(super) fn rules(file: &Payload, resolver: &mut Resolver<'_>) -> Option<Arc<Rules>> {
    let mut rules = Vec::new();
    for (key, items, is_raw, change) in setters(file) {
        for (n, item) in items.iter().enumerate() {
            let path = KeyPath::from("payload").key(key).item(n);
            let appends = key.starts_with("override");
            let values = values(
                &item.params,
                is_raw,
                appends,
                (&path.key("params"), resolver),
            );
            rules.push(Rule {
                targets: targets(&item.models, (&path.key("models"), resolver)),
                change: change(values),
            });
        }
    }
    for (n, item) in file.filter.iter().enumerate() {
        let path = KeyPath::from("payload").key("filter").item(n);
        rules.push(filter(item, (&path, resolver)));
    }
    (!rules.is_empty()).then(|| Arc::new(Rules(rules)))
}

/// What a list of rules does with paths and values.
type Setting = fn(Vec<(Path, Box<str>)>) -> Change;

/// The lists of rules that set values, in the order in which they run, and whether their values are
/// JSON text.
fn setters(file: &Payload) -> [(&'static str, &[PayloadRule], bool, Setting); 4] {
    [
        ("default", &file.default, false, Change::Default),
        ("default-raw", &file.default_raw, true, Change::Default),
        ("override", &file.r#override, false, Change::Override),
        ("override-raw", &file.override_raw, true, Change::Override),
    ]
}

fn filter(item: &PayloadFilter, (path, resolver): Place<'_, '_, '_>) -> Rule {
    let params = path.key("params");
    if item.params.is_empty() {
        resolver.error(&params, "must name a path");
    }
    let paths = item.params.iter().enumerate();
    let paths = paths.filter_map(|(n, text)| changed(text, false, (&params.item(n), resolver)));
    Rule {
        change: Change::Filter(paths.collect()),
        targets: targets(&item.models, (&path.key("models"), resolver)),
    }
}

fn values(
    params: &Values,
    is_raw: bool,
    appends: bool,
    (path, resolver): Place<'_, '_, '_>,
) -> Vec<(Path, Box<str>)> {
    if params.0.is_empty() {
        resolver.error(path, "must name a path and its value");
    }
    let mut values = Vec::new();
    for (text, value) in &params.0 {
        let path = path.key(text);
        let value = match (is_raw, value.as_str()) {
            (false, _) => Some(value.to_string()),
            (true, Some(json)) if Node::parse_any(json, DEPTH).is_some() => {
                Some(json.trim().to_owned())
            }
            (true, Some(_)) => {
                resolver.error(&path, "is not JSON");
                None
            }
            (true, None) => {
                resolver.error(&path, "must be text that is JSON; put it in quotes");
                None
            }
        };
        if let (Some(at), Some(value)) = (changed(text, appends, (&path, resolver)), value) {
            values.push((at, value.into()));
        }
    }
    values
}

/// The path of something that is changed.
fn changed(text: &str, appends: bool, (path, resolver): Place<'_, '_, '_>) -> Option<Path> {
    let at = read(text, appends, (path, resolver))?;
    if at.is_protected() {
        let message = "must not be changed: the gateway sets the model and the stream flag itself";
        resolver.error(path, message);
        return None;
    }
    Some(at)
}

fn read(text: &str, appends: bool, (path, resolver): Place<'_, '_, '_>) -> Option<Path> {
    match Path::try_new(text) {
        Ok(at) if at.appends() && !appends => {
            resolver.error(path, "appends with -1, which only an override can");
            None
        }
        Ok(at) => Some(at),
        Err(error) => {
            resolver.error(path, error);
            None
        }
    }
}

fn targets(items: &[PayloadTarget], (path, resolver): Place<'_, '_, '_>) -> Vec<Target> {
    let items = items.iter().enumerate();
    let target = |(n, item)| target(item, (&path.item(n), resolver));
    items.map(target).collect()
}

fn target(item: &PayloadTarget, (path, resolver): Place<'_, '_, '_>) -> Target {
    let mut conditions = Vec::new();
    compared(
        &item.r#match,
        Condition::Equal,
        &mut conditions,
        (&path.key("match"), resolver),
    );
    compared(
        &item.not_match,
        Condition::NotEqual,
        &mut conditions,
        (&path.key("not-match"), resolver),
    );
    looked_for(
        &item.exist,
        Condition::Exists,
        &mut conditions,
        (&path.key("exist"), resolver),
    );
    looked_for(
        &item.not_exist,
        Condition::Missing,
        &mut conditions,
        (&path.key("not-exist"), resolver),
    );
    Target {
        model: match item.name.as_str() {
            "" => None,
            pattern => glob(pattern, &path.key("name"), resolver),
        },
        to: protocol(&item.protocol, (&path.key("protocol"), resolver)),
        from: protocol(&item.from_protocol, (&path.key("from-protocol"), resolver)),
        headers: headers(&item.headers, (&path.key("headers"), resolver)),
        conditions,
    }
}

fn compared(
    values: &Values,
    condition: fn(Path, Box<str>) -> Condition,
    conditions: &mut Vec<Condition>,
    (path, resolver): Place<'_, '_, '_>,
) {
    for (text, value) in &values.0 {
        let at = read(text, false, (&path.key(text), resolver));
        conditions.extend(at.map(|at| condition(at, value.to_string().into())));
    }
}

fn looked_for(
    paths: &[String],
    condition: fn(Path) -> Condition,
    conditions: &mut Vec<Condition>,
    (path, resolver): Place<'_, '_, '_>,
) {
    for (n, text) in paths.iter().enumerate() {
        let at = read(text, false, (&path.item(n), resolver));
        conditions.extend(at.map(condition));
    }
}

fn protocol(name: &str, (path, resolver): Place<'_, '_, '_>) -> Option<Format> {
    if name.is_empty() {
        return None;
    }
    let known = PROTOCOLS.iter().find(|(known, _)| *known == name);
    if known.is_none() {
        let hint = did_you_mean(name, PROTOCOLS.iter().map(|(known, _)| *known));
        let message = "must be openai, responses, claude or gemini";
        resolver.error(path, format_args!("{message}{hint}"));
    }
    known.map(|(_, format)| *format)
}

fn headers(
    items: &BTreeMap<String, String>,
    (path, resolver): Place<'_, '_, '_>,
) -> Vec<(HeaderName, Glob)> {
    let mut headers = Vec::new();
    for (name, pattern) in items {
        let path = path.key(name);
        let pattern = glob(pattern, &path, resolver);
        match (HeaderName::try_from(name), pattern) {
            (Ok(name), Some(pattern)) => headers.push((name, pattern)),
            (Err(_), _) => resolver.error(path, "is not a header name"),
            (_, None) => {}
        }
    }
    headers
}
