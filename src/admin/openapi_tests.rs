//! `docs/openapi.json` describes the routes that there are, and no others.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;

use super::{OPENAPI, ROUTES};
use crate::proxy::is_served;

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// Method, path and tag of every operation.
fn operations(document: &Value) -> Vec<(Method, String, String)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for tag in operation["tags"].as_array().unwrap() {
                let method = method.to_uppercase().parse().unwrap();
                all.push((method, path.clone(), tag.as_str().unwrap().to_owned()));
            }
        }
    }
    all
}

#[test]
fn the_operators_routes_are_described() {
    let routes: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| (route.method.to_string(), route.path.to_owned()))
        .collect();
    let described: BTreeSet<_> = operations(&document())
        .into_iter()
        .filter(|(_, _, tag)| tag == "operators")
        .map(|(method, path, _)| (method.to_string(), path))
        .collect();
    assert_eq!(described, routes);
}

/// The path with something in the place of each parameter.
fn filled(path: &str) -> String {
    path.replace("{model}:{action}", "m:generateContent")
        .replace("{model}", "m")
        .replace("{id}", "resp_1")
        .replace("{path}", "files")
}

#[test]
fn the_clients_routes_are_served() {
    for (method, path, tag) in operations(&document()) {
        if tag == "clients" {
            assert!(is_served(&method, &filled(&path)), "{method} {path}");
        }
    }
}

/// The paths that stand in the router, as text, each with what is under the versions.
fn in_the_router() -> BTreeSet<String> {
    let root = env!("CARGO_MANIFEST_DIR");
    let source = std::fs::read_to_string(format!("{root}/src/proxy/paths.rs")).unwrap();
    let (_, rest) = source.split_once("pub(super) fn endpoint").unwrap();
    let (router, _) = rest.split_once("\n}\n").unwrap();
    let words = router.split('"').skip(1).step_by(2);
    words
        .filter(|word| word.starts_with('/'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn what_clients_can_ask_is_described() {
    let document = document();
    let described = |method: &Method, path: &str| {
        let method = method.as_str().to_lowercase();
        document["paths"][path].get(method).is_some()
    };
    let fixed = in_the_router();
    assert!(fixed.len() >= 10, "{fixed:?}");
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    for path in &fixed {
        for method in &methods {
            let served = is_served(method, path);
            assert_eq!(served, described(method, path), "{method} {path}");
        }
    }
    for version in ["v1", "v1beta", "v1alpha"] {
        for (method, rest) in [(Method::GET, "{model}"), (Method::POST, "{model}:{action}")] {
            let path = format!("/{version}/models/{rest}");
            assert!(described(&method, &path), "{method} {path}");
        }
    }
}

#[test]
fn references_lead_somewhere_and_names_are_unique() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let mut names = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{name} twice");
        }
    }
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}
