//! Which payload rules a request may meet, found out once for each model and pair of formats.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use parking_lot::RwLock;

use crate::chat::Format;
use crate::rewrite::{Plan, Rules};

/// Most plans that are remembered; clients choose the names of models.
const PLANS: usize = 4096;

/// A model, the provider's format and the client's.
type Key = (Arc<str>, Format, Format);

/// The rules, and the plans that were made of them.
#[derive(Debug)]
pub struct Plans {
    rules: Arc<Rules>,
    known: RwLock<HashMap<Key, Option<Arc<Plan>>>>,
}

impl Plans {
    /// For `rules`.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            known: RwLock::default(),
        }
    }

    /// What the rules make of `body`, which came as `from` and leaves as `to`; `None`: it stays.
    pub fn edit(
        &self,
        model: &Arc<str>,
        (from, to): (Format, Format),
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<Vec<u8>> {
        let plan = self.of(model, to, from)?;
        self.rules.apply(&plan, body, headers)
    }

    fn of(&self, model: &Arc<str>, to: Format, from: Format) -> Option<Arc<Plan>> {
        let key = (Arc::clone(model), to, from);
        if let Some(plan) = self.known.read().get(&key) {
            return plan.clone();
        }
        let plan = self.rules.plan(model, to, from).map(Arc::new);
        let mut known = self.known.write();
        if known.len() >= PLANS {
            known.clear();
        }
        known.insert(key, plan.clone());
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Glob;
    use crate::rewrite::{Change, Path, Rule, Target};

    #[test]
    fn plans_are_made_once_and_never_too_many() {
        let path = Path::try_new("a").unwrap();
        let rules = Rules(vec![Rule {
            targets: vec![Target {
                model: Some(Glob::try_new("m1*").unwrap()),
                ..Target::default()
            }],
            change: Change::Default(vec![(path, "1".into())]),
        }]);
        let plans = Plans::new(Arc::new(rules));
        let (chat, none) = ((Format::OpenAiChat, Format::OpenAiChat), HeaderMap::new());
        for n in 0..PLANS * 2 {
            let model: Arc<str> = format!("m{n}").into();
            for _ in 0..2 {
                let edited = plans.edit(&model, chat, &none, b"{}");
                let want = model.starts_with("m1").then(|| b"{\"a\":1}".to_vec());
                assert_eq!(edited, want, "{model}");
            }
            assert!(plans.known.read().len() <= PLANS);
        }
    }
}
