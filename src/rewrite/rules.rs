//! Payload rules: which of them a request meets, and what they make of its body.

use http::HeaderMap;
use http::header::HeaderName;

use super::condition::Condition;
use super::edit::Document;
use super::path::Path;
use crate::chat::{Format, Glob};

/// The rules of a config, in the order in which they run.
#[derive(Debug, Clone, Default)]
pub struct Rules(pub Vec<Rule>);

/// What is changed, and for which requests.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Requests that it is for, any of them; none: all.
    pub targets: Vec<Target>,
    /// What it does.
    pub change: Change,
}

/// What a rule does. Values are JSON.
#[derive(Debug, Clone)]
pub enum Change {
    /// Sets what is not there.
    Default(Vec<(Path, Box<str>)>),
    /// Sets whatever is there.
    Override(Vec<(Path, Box<str>)>),
    /// Takes out.
    Filter(Vec<Path>),
}

/// Requests that a rule is for: all of this has to be true of them.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// The provider's name for the model.
    pub model: Option<Glob>,
    /// The provider's format.
    pub to: Option<Format>,
    /// The client's format.
    pub from: Option<Format>,
    /// Header fields of the client.
    pub headers: Vec<(HeaderName, Glob)>,
    /// What holds of the body as the rule finds it.
    pub conditions: Vec<Condition>,
}

/// The rules that a request for one model between two formats may meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    steps: Box<[Step]>,
    either_case: bool,
}

/// One rule of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    rule: usize,
    /// The targets to look at for each request; none: the rule is for all of them.
    targets: Box<[usize]>,
}

impl Rules {
    /// What may be done to requests for `model` that come as `from` and leave as `to`; `None`: nothing.
    pub fn plan(&self, model: &str, to: Format, from: Format) -> Option<Plan> {
        let mut steps = Vec::new();
        for (n, rule) in self.0.iter().enumerate() {
            let fitting = rule.targets.iter().enumerate();
            let fitting = fitting.filter(|(_, target)| target.is_for(model, to, from));
            let fitting: Vec<(usize, &Target)> = fitting.collect();
            if fitting.is_empty() && !rule.targets.is_empty() {
                continue;
            }
            let always = fitting.iter().any(|(_, target)| target.is_unconditional());
            steps.push(Step {
                rule: n,
                targets: match always {
                    true => Box::default(),
                    false => fitting.into_iter().map(|(at, _)| at).collect(),
                },
            });
        }
        (!steps.is_empty()).then(|| Plan {
            steps: steps.into(),
            either_case: to == Format::Gemini,
        })
    }

    /// What the rules of `plan` make of `body`, a JSON object; `None`: nothing, it stays as it is.
    pub fn apply(&self, plan: &Plan, body: &[u8], headers: &HeaderMap) -> Option<Vec<u8>> {
        let before = std::str::from_utf8(body).ok()?;
        let mut after: Option<String> = None;
        for step in &plan.steps {
            let Some(rule) = self.0.get(step.rule) else {
                continue;
            };
            let document = Document::new(after.as_deref().unwrap_or(before), plan.either_case);
            let mut targets = step.targets.iter().filter_map(|at| rule.targets.get(*at));
            if step.targets.is_empty() || targets.any(|target| target.holds(headers, document)) {
                rule.change.make(before, &mut after, plan.either_case);
            }
        }
        after.map(String::into_bytes)
    }
}

impl Target {
    fn is_for(&self, model: &str, to: Format, from: Format) -> bool {
        self.to.is_none_or(|format| format == to)
            && self.from.is_none_or(|format| format == from)
            && self.model.as_ref().is_none_or(|glob| glob.matches(model))
    }

    const fn is_unconditional(&self) -> bool {
        self.headers.is_empty() && self.conditions.is_empty()
    }

    fn holds(&self, headers: &HeaderMap, document: Document<'_>) -> bool {
        let has = |(name, glob): &(HeaderName, Glob)| {
            let mut values = headers.get_all(name).iter();
            values.any(|value| value.to_str().is_ok_and(|value| glob.matches(value)))
        };
        self.headers.iter().all(has) && self.conditions.iter().all(|one| one.holds(document))
    }
}

impl Change {
    /// Changes `after`, which is `before` where nothing has been changed yet.
    fn make(&self, before: &str, after: &mut Option<String>, either_case: bool) {
        let mut edit = |change: &dyn Fn(Document<'_>) -> Option<String>| {
            let text = after.as_deref().unwrap_or(before);
            if let Some(changed) = change(Document::new(text, either_case)) {
                *after = Some(changed);
            }
        };
        match self {
            Self::Default(values) => {
                for (path, value) in values {
                    edit(&|document| document.default(path, value));
                }
            }
            Self::Override(values) => {
                for (path, value) in values {
                    edit(&|document| document.set(path, value));
                }
            }
            Self::Filter(paths) => {
                for path in paths {
                    edit(&|document| document.remove(path));
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
