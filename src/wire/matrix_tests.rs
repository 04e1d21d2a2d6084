//! The table of `docs/reference/translation.md`: what becomes of each feature, found out by translating a
//! probe for it. `UPDATE_DOCS=1 cargo test --lib matrix_tests` writes it.

use std::fmt::{self, Write};

use serde_json::Value;

use super::Format;
use super::pairs_tests::{answer, ask, model};
use crate::chat::{Change, Loss};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/translation.md");

/// What becomes of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The client's own format: nothing is translated.
    Own,
    Kept,
    Changed(Change),
    /// Left out without a note, as it changes nothing in what is said.
    LeftOut,
    Refused,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "·",
            Self::Kept => "kept",
            Self::Changed(Change::Dropped) => "**dropped**",
            Self::Changed(change) => change.name(),
            Self::LeftOut => "left out",
            Self::Refused => "**refused**",
        })
    }
}

/// A translated document and its losses; `None`: refused.
type Done = Option<(Vec<u8>, Vec<Loss>)>;

fn outcome(with: Done, without: Done) -> Outcome {
    let Some((document, losses)) = with else {
        return Outcome::Refused;
    };
    let (plain, known) = without.unwrap_or_default();
    let mut new = losses.iter().filter(|loss| !known.contains(loss));
    let dropped = new.clone().find(|loss| loss.change == Change::Dropped);
    match dropped.or_else(|| new.next()) {
        Some(loss) => Outcome::Changed(loss.change),
        None if document == plain => Outcome::LeftOut,
        None => Outcome::Kept,
    }
}

/// RFC 7386.
fn merge(into: &mut Value, patch: &Value) {
    let (Value::Object(into), Value::Object(patch)) = (&mut *into, patch) else {
        into.clone_from(patch);
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            into.remove(key);
        } else {
            merge(into.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// A table of probes. `way` translates a document of the first format into the second.
fn table(probes: &str, way: &dyn Fn(Format, Format, &[u8]) -> Done) -> String {
    let probes: Value = serde_json::from_str(probes).unwrap();
    let mut table = "| Feature | in |".to_owned();
    for to in Format::ALL {
        write!(table, " → {} |", to.name()).unwrap();
    }
    table += "\n|---|---|---|---|---|---|\n";
    for probe in probes["features"].as_array().unwrap() {
        let feature = probe["feature"].as_str().unwrap();
        assert!(!probe["with"].as_object().unwrap().is_empty(), "{feature}");
        for from in Format::ALL {
            let Some(patch) = probe["with"].get(from.name()) else {
                continue;
            };
            let base = &probes["base"][from.name()];
            let (mut with, mut without) = (base.clone(), base.clone());
            merge(&mut with, patch);
            if let Some(patch) = probe["without"].get(from.name()) {
                merge(&mut without, patch);
            }
            assert_ne!(with, without, "{feature} in {}", from.name());
            write!(table, "| {feature} | {} |", from.name()).unwrap();
            for to in Format::ALL {
                let done = |document| way(from, to, &serde_json::to_vec(document).unwrap());
                let outcome = if from == to {
                    Outcome::Own
                } else {
                    outcome(done(&with), done(&without))
                };
                write!(table, " {outcome} |").unwrap();
            }
            table.push('\n');
        }
    }
    table
}

/// `page` with `content` between the marks named `name`.
fn replaced(page: &str, name: &str, content: &str) -> String {
    let (begin, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}\n{content}\n{end}{after}")
}

#[test]
fn the_page_shows_what_becomes_of_each_feature() {
    let requests = table(
        include_str!("../../tests/matrix/requests.json"),
        &|from, to, body| {
            let done = ask(from, to, body).ok()?;
            Some((done.body, done.losses.notes().to_vec()))
        },
    );
    let answers = table(include_str!("../../tests/matrix/answers.json"), &answer);
    let models = Format::ALL.map(|format| format!("`{}` ({})", model(format), format.name()));
    let page = std::fs::read_to_string(PAGE).unwrap();
    let wanted = replaced(&page, "models", &format!("{}.\n", models.join(", ")));
    let wanted = replaced(&wanted, "requests", &requests);
    let wanted = replaced(&wanted, "answers", &answers);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &wanted).unwrap();
    }
    let current = std::fs::read_to_string(PAGE).unwrap();
    assert!(
        current == wanted,
        "out of date: run UPDATE_DOCS=1 cargo test --lib matrix_tests"
    );
}

#[test]
fn outcomes_are_told_apart() {
    let loss = |change| Loss {
        path: "a".to_owned(),
        change,
    };
    let done = |text: &str, losses: &[Loss]| Some((text.as_bytes().to_vec(), losses.to_vec()));
    let clamped = loss(Change::Clamped);
    for (with, want) in [
        (None, Outcome::Refused),
        (done("plain", &[]), Outcome::LeftOut),
        (done("more", &[]), Outcome::Kept),
        (
            done("more", std::slice::from_ref(&clamped)),
            Outcome::Changed(Change::Clamped),
        ),
        (
            done("more", &[clamped.clone(), loss(Change::Dropped)]),
            Outcome::Changed(Change::Dropped),
        ),
    ] {
        assert_eq!(outcome(with, done("plain", &[])), want);
    }
    let known = std::slice::from_ref(&clamped);
    assert_eq!(
        outcome(done("more", known), done("plain", known)),
        Outcome::Kept
    );
}

#[test]
fn patches_are_merged() {
    let mut into = serde_json::json!({"a": {"b": 1, "c": 2}, "d": [1]});
    merge(
        &mut into,
        &serde_json::json!({"a": {"b": null, "e": {"f": 3}}, "d": [2]}),
    );
    assert_eq!(
        into,
        serde_json::json!({"a": {"c": 2, "e": {"f": 3}}, "d": [2]})
    );
}
