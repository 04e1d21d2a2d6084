//! Translation between formats, and what is known about models.

use std::collections::{BTreeMap, BTreeSet};

use super::{Resolver, glob};
use crate::chat::OnLoss;
use crate::config::error::{KeyPath, did_you_mean};
use crate::config::file::{self, Known, ProfileItem};
use crate::config::{ProfileRule, RateLimitHeaders, Translation};
use crate::upstream::presets;
use crate::wire::{Profile, Setting};

/// The keys beside those of profiles.
const SWITCHES: &[&str] = &[
    "on-loss",
    "loss-comments",
    "repair-retry",
    "media-fetch",
    "n-fanout",
    "rate-limit-headers",
];

/// What the file says about it. `names` are those under which the entries of the file are found.
pub(super) fn translation(
    file: &file::Translation,
    profiles: &[ProfileItem],
    names: &BTreeSet<Box<str>>,
    resolver: &mut Resolver<'_>,
) -> Translation {
    let for_all = ProfileRule {
        provider: None,
        model: None,
        settings: settings(&file.keys, SWITCHES, &"translation".into(), resolver),
    };
    let rules = profiles.iter().enumerate().filter_map(|(n, item)| {
        let path = KeyPath::from("profiles").item(n);
        rule(item, &path, names, resolver)
    });
    let rules: Vec<ProfileRule> = rules.collect();
    Translation {
        on_loss: match file.on_loss {
            file::OnLoss::Warn => OnLoss::Warn,
            file::OnLoss::Reject => OnLoss::Reject,
            file::OnLoss::Quiet => OnLoss::Quiet,
        },
        loss_comments: file.loss_comments,
        repair_retry: file.repair_retry,
        rate_limit_headers: match file.rate_limit_headers {
            file::RateLimitHeaders::Auto => RateLimitHeaders::Auto,
            file::RateLimitHeaders::On => RateLimitHeaders::On,
            file::RateLimitHeaders::Off => RateLimitHeaders::Off,
        },
        profiles: std::iter::once(for_all).chain(rules).collect(),
    }
}

fn rule(
    item: &ProfileItem,
    path: &KeyPath,
    names: &BTreeSet<Box<str>>,
    resolver: &mut Resolver<'_>,
) -> Option<ProfileRule> {
    let provider = match item.provider.as_str() {
        "" => None,
        name if names.contains(name) => Some(name.into()),
        name => match presets::preset(name) {
            Some(preset) => Some(preset.name.into()),
            None => {
                let known = names.iter().map(|name| &**name);
                let known = known.chain(presets::PRESETS.iter().map(|preset| preset.name));
                let hint = did_you_mean(name, known);
                let message = format!("no provider or entry has this name{hint}");
                resolver.error(path.key("provider"), message);
                None
            }
        },
    };
    let settings = settings(&item.keys, &["provider", "model"], path, resolver);
    let model = match item.model.as_str() {
        "" => None,
        pattern => Some(glob(pattern, &path.key("model"), resolver)?),
    };
    Some(ProfileRule {
        provider,
        model,
        settings,
    })
}

/// The keys that a profile knows, with values that it takes.
fn settings(
    keys: &BTreeMap<String, Known>,
    others: &[&'static str],
    path: &KeyPath,
    resolver: &mut Resolver<'_>,
) -> Vec<(Box<str>, Setting)> {
    let mut trial = Profile::default();
    let mut settings = Vec::new();
    for (key, value) in keys {
        let path = path.key(key);
        if Profile::keys().iter().all(|(known, _)| known != key) {
            let known = Profile::keys().iter().map(|(known, _)| *known);
            let hint = did_you_mean(key, known.chain(others.iter().copied()));
            resolver.error(path, format_args!("unknown key{hint}"));
            continue;
        }
        let setting = match value {
            Known::Bool(yes) => Setting::Bool(*yes),
            Known::Number(number) => Setting::Number(*number),
            Known::Text(text) => Setting::Text(text.clone()),
            Known::List(words) => Setting::List(words.clone()),
            Known::Other(_) => {
                let message = "must be true, false, a number, a word or a list of words";
                resolver.error(path, message);
                continue;
            }
        };
        match trial.set(key, &setting) {
            Ok(()) => settings.push((key.as_str().into(), setting)),
            Err(message) => resolver.error(path, message),
        }
    }
    settings
}
