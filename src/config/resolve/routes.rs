//! Model rules.

use std::collections::BTreeSet;

use super::{Resolver, glob};
use crate::account::Glob;
use crate::config::RouteRule;
use crate::config::error::{KeyPath, did_you_mean};
use crate::config::file::RouteItem;
use crate::upstream::presets;

/// The rules of `items`. `names` are those under which the entries of the file are found.
pub(super) fn routes(
    items: &[RouteItem],
    names: &BTreeSet<Box<str>>,
    resolver: &mut Resolver<'_>,
) -> Vec<RouteRule> {
    items
        .iter()
        .enumerate()
        .filter_map(|(n, item)| {
            let path = KeyPath::from("routes").item(n);
            let model: Option<Glob> = glob(&item.model, &path.key("model"), resolver);
            let providers = providers(&item.providers, &path.key("providers"), names, resolver);
            for (n, model) in item.models.iter().enumerate() {
                if model.trim().is_empty() {
                    resolver.error(path.key("models").item(n), "is empty");
                }
            }
            Some(RouteRule {
                model: model?,
                providers,
                models: item.models.clone(),
            })
        })
        .collect()
}

fn providers(
    wanted: &[String],
    path: &KeyPath,
    names: &BTreeSet<Box<str>>,
    resolver: &mut Resolver<'_>,
) -> Vec<String> {
    let mut providers = Vec::new();
    for (n, name) in wanted.iter().enumerate() {
        if names.contains(name.as_str()) {
            providers.push(name.clone());
        } else if let Some(preset) = presets::preset(name) {
            providers.push(preset.name.to_owned());
        } else {
            let known = names.iter().map(|name| &**name);
            let known = known.chain(presets::PRESETS.iter().map(|preset| preset.name));
            let hint = did_you_mean(name, known);
            resolver.error(
                path.item(n),
                format_args!("no provider or entry has this name{hint}"),
            );
        }
    }
    providers
}
