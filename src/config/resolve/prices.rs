//! Prices of models.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Resolver, glob};
use crate::config::error::{KeyPath, did_you_mean};
use crate::config::file::{Amount, PriceItem};
use crate::price::{Given, Price, Row, Table};
use crate::upstream::presets;

/// The table of `items` and what is shipped. `names` are those under which the entries of the file are
/// found.
pub(super) fn prices(
    items: &[PriceItem],
    names: &BTreeSet<Box<str>>,
    resolver: &mut Resolver<'_>,
) -> Arc<Table> {
    let rows = items.iter().enumerate().filter_map(|(n, item)| {
        let path = KeyPath::from("prices").item(n);
        row(item, &path, names, resolver)
    });
    let rows = rows.collect();
    Arc::new(Table::new(rows))
}

fn row(
    item: &PriceItem,
    path: &KeyPath,
    names: &BTreeSet<Box<str>>,
    resolver: &mut Resolver<'_>,
) -> Option<Row> {
    let provider = provider(&item.provider, &path.key("provider"), names, resolver);
    let base = item.given();
    if base == Given::default() && item.request == Amount::default() {
        // Nothing must cost nothing by oversight.
        resolver.error(
            path,
            "needs a price: input, output or request, each may be 0",
        );
    }
    let mut tiers: Vec<(u64, Given)> = Vec::new();
    for (n, tier) in item.tiers.iter().enumerate() {
        let path = path.key("tiers").item(n);
        let above = u64::from(tier.above);
        if above == 0 {
            resolver.error(path.key("above"), "must be at least 1");
        } else if tiers.iter().any(|(known, _)| *known == above) {
            resolver.error(path.key("above"), "is there twice");
        }
        tiers.push((above, tier.given()));
    }
    let model = glob(&item.model, &path.key("model"), resolver)?;
    let price = Price::new(base, &tiers, item.request.0, item.web_search.0).configured();
    Some(Row {
        provider,
        model,
        price: Arc::new(price),
    })
}

fn provider(
    name: &str,
    path: &KeyPath,
    names: &BTreeSet<Box<str>>,
    resolver: &mut Resolver<'_>,
) -> Option<Box<str>> {
    if name.is_empty() {
        return None;
    }
    if names.contains(name) {
        return Some(name.into());
    }
    if let Some(preset) = presets::preset(name) {
        return Some(preset.name.into());
    }
    let known = names.iter().map(|name| &**name);
    let known = known.chain(presets::PRESETS.iter().map(|preset| preset.name));
    let hint = did_you_mean(name, known);
    resolver.error(
        path,
        format_args!("no provider or entry has this name{hint}"),
    );
    None
}
