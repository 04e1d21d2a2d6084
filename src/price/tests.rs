//! The arithmetic against worked examples, and what holds for every price.

use proptest::prelude::*;

use super::*;

fn usd(text: &str) -> Option<Dollars> {
    Some(Dollars::parse(text).unwrap())
}

fn shipped_price(provider: &str, model: &str) -> std::sync::Arc<Price> {
    let table = Table::new(Vec::new());
    let row = table.find(model, |name| name == provider);
    row.unwrap_or_else(|| panic!("no price of {model}"))
        .price
        .clone()
}

/// Billionths of a dollar.
fn cost(provider: &str, model: &str, counts: Counts) -> i64 {
    shipped_price(provider, model).cost(&counts)
}

/// `0.0105` dollars in billionths.
fn nano(dollars: &str) -> i64 {
    i64::try_from(Dollars::parse(dollars).unwrap().nano()).unwrap()
}

fn counts(input: u64, output: u64) -> Counts {
    Counts {
        input,
        output,
        ..Counts::default()
    }
}

#[test]
fn worked_examples_of_each_provider_come_out_to_the_last_digit() {
    let plain = counts(1_000, 500);
    for (provider, model, counts, dollars) in [
        // 1,000 × 3 + 500 × 15 dollars a million.
        ("anthropic", "claude-sonnet-4-5-20250929", plain, "0.0105"),
        // Input 500, cache read 300, cache written 200, output 60, 40 of it reasoning (translation.md §13).
        (
            "anthropic",
            "claude-sonnet-4-5",
            Counts {
                cache_read: 300,
                cache_write: 200,
                reasoning: 40,
                ..counts(1_000, 60)
            },
            // 500 × 3 + 300 × 0.30 + 200 × 3.75 + 60 × 15
            "0.00324",
        ),
        // Half of what is written lives for an hour: 100 × 3.75 + 100 × 6.
        (
            "anthropic",
            "claude-sonnet-4-5",
            Counts {
                cache_read: 300,
                cache_write: 200,
                cache_write_long: 100,
                ..counts(1_000, 60)
            },
            "0.003465",
        ),
        // 1.25, 2 and 0.1 times the input.
        (
            "anthropic",
            "claude-opus-4-5",
            Counts {
                cache_write: 1_000_000,
                ..counts(1_000_000, 0)
            },
            "6.25",
        ),
        (
            "anthropic",
            "claude-haiku-4-5",
            Counts {
                cache_write: 100_000,
                cache_write_long: 100_000,
                ..counts(100_000, 0)
            },
            "0.2",
        ),
        (
            "anthropic",
            "claude-3-5-haiku-20241022",
            Counts {
                cache_read: 1_000_000,
                ..counts(1_000_000, 0)
            },
            "0.08",
        ),
        // 200,000 is not more than 200,000; from there on all of the request is dearer, caches included.
        (
            "anthropic",
            "claude-sonnet-4-20250514",
            counts(200_000, 1_000),
            "0.615",
        ),
        (
            "anthropic",
            "claude-sonnet-4-20250514",
            Counts {
                cache_read: 200_000,
                ..counts(200_001, 1_000)
            },
            // 1 × 6 + 200,000 × 0.60 + 1,000 × 22.50
            "0.142506",
        ),
        (
            "anthropic",
            "claude-sonnet-4-5",
            Counts {
                web_searches: 3,
                ..counts(1_000, 500)
            },
            "0.0405",
        ),
        // OpenAI: what was cached is part of the input; reasoning is output.
        (
            "openai",
            "gpt-5",
            Counts {
                cache_read: 1_024,
                reasoning: 192,
                ..counts(2_006, 300)
            },
            // 982 × 1.25 + 1,024 × 0.125 + 300 × 10
            "0.0043555",
        ),
        (
            "openai",
            "gpt-4o-2024-08-06",
            Counts {
                cache_read: 1_920,
                ..counts(2_006, 300)
            },
            "0.005615",
        ),
        (
            "openai",
            "gpt-4o-2024-05-13",
            Counts {
                cache_read: 1_920,
                ..counts(2_006, 300)
            },
            "0.01453",
        ),
        ("openai", "o4-mini-2025-04-16", counts(1, 1), "0.0000055"),
        // Gemini: thoughts are output; above 200,000 another price for all of it.
        (
            "gemini",
            "gemini-2.5-pro",
            Counts {
                reasoning: 800,
                ..counts(1_000, 1_000)
            },
            "0.01125",
        ),
        (
            "gemini",
            "gemini-2.5-pro",
            Counts {
                cache_read: 100_000,
                ..counts(300_000, 1_000)
            },
            // 200,000 × 2.50 + 100,000 × 0.25 + 1,000 × 15
            "0.54",
        ),
        (
            "gemini",
            "gemini-2.5-flash",
            Counts {
                audio_input: 400,
                ..counts(1_000, 0)
            },
            "0.00058",
        ),
        // DeepSeek: a hit costs a tenth of a miss.
        (
            "deepseek",
            "deepseek-chat",
            Counts {
                cache_read: 900_000,
                ..counts(1_000_000, 100_000)
            },
            "0.0952",
        ),
        (
            "groq",
            "llama-3.1-8b-instant",
            counts(1_000_000, 1_000_000),
            "0.13",
        ),
        ("mistral", "mistral-medium-2508", counts(10, 10), "0.000024"),
        (
            "xai",
            "grok-3-mini",
            Counts {
                cache_read: 10,
                ..counts(20, 0)
            },
            "0.00000375",
        ),
        (
            "moonshot",
            "kimi-k2-0905-preview",
            Counts {
                cache_read: 1_000,
                ..counts(2_000, 100)
            },
            "0.001",
        ),
    ] {
        assert_eq!(
            cost(provider, model, counts),
            nano(dollars),
            "{model} {counts:?}"
        );
    }
}

#[test]
fn a_sum_is_rounded_once_and_half_a_billionth_goes_up() {
    // A token costs 75 of a billionth's thousandths.
    let given = Given {
        input: usd("0.000075"),
        output: usd("0.000425"),
        ..Given::default()
    };
    let price = Price::new(given, &[], Dollars::ZERO, Dollars::ZERO);
    assert_eq!(price.cost(&counts(1, 1)), 1, "0.075 + 0.425 = 0.5");
    assert_eq!(price.cost(&counts(0, 1)), 0, "0.425");
    assert_eq!(price.cost(&counts(1, 0)), 0, "0.075");
    assert_eq!(price.cost(&counts(6, 0)), 0, "0.45");
    assert_eq!(price.cost(&counts(7, 0)), 1, "0.525");
}

#[test]
fn what_is_left_out_follows_from_what_is_given() {
    let base = Given {
        input: usd("2"),
        output: usd("8"),
        cache_read: usd("0.5"),
        ..Given::default()
    };
    let dearer = Given {
        input: usd("4"),
        ..Given::default()
    };
    let price = Price::new(base, &[(100, dearer)], Dollars::ZERO, Dollars::ZERO);
    assert_eq!(Some(price.rates.cache_write), usd("2"));
    assert_eq!(Some(price.rates.cache_write_long), usd("2"));
    assert_eq!(Some(price.rates.reasoning), usd("8"));
    let long = price.rates_for(101);
    assert_eq!(Some(long.input), usd("4"));
    assert_eq!(Some(long.cache_write), usd("4"));
    assert_eq!(
        Some(long.cache_read),
        usd("0.5"),
        "as in the base, where it is given"
    );
    assert_eq!(Some(long.output), usd("8"));
    assert_eq!(price.rates_for(100), &price.rates);
}

#[test]
fn the_first_row_that_fits_holds_and_the_operators_come_first() {
    let row = |provider: Option<&str>, model: &str, input: &str| Row {
        provider: provider.map(Into::into),
        model: crate::chat::Glob::try_new(model).unwrap(),
        price: std::sync::Arc::new(
            Price::new(
                Given {
                    input: usd(input),
                    ..Given::default()
                },
                &[],
                Dollars::ZERO,
                Dollars::ZERO,
            )
            .configured(),
        ),
    };
    let table = Table::new(vec![
        row(Some("team"), "gpt-5", "1"),
        row(None, "local-*", "0"),
        row(Some("openai"), "gpt-5*", "7"),
    ]);
    let found = |names: &[&str], model: &str| {
        let row = table.find(model, |name| names.contains(&name))?;
        Some((
            row.price.rates.input.to_string(),
            row.price.version.to_string(),
        ))
    };
    let input = |names: &[&str], model: &str| found(names, model).map(|(input, _)| input);
    assert_eq!(input(&["openai", "team"], "gpt-5").as_deref(), Some("1"));
    assert_eq!(input(&["openai"], "gpt-5").as_deref(), Some("7"));
    assert_eq!(input(&["openai"], "gpt-4o").as_deref(), Some("2.5"));
    assert_eq!(input(&["vllm"], "local-llama").as_deref(), Some("0"));
    assert_eq!(
        input(&["vllm"], "gpt-4o"),
        None,
        "a shipped price is one provider's"
    );
    assert_eq!(
        found(&["openai"], "gpt-4o").unwrap().1,
        format!("shipped-{DATE}")
    );
    let (_, configured) = found(&["openai"], "gpt-5").unwrap();
    assert!(
        configured.starts_with("config-") && configured.len() == 19,
        "{configured}"
    );
    assert_ne!(configured, found(&["team"], "gpt-5").unwrap().1);
    assert_eq!(
        row(None, "a", "7").price.version,
        row(Some("x"), "b", "7").price.version,
        "the version is that of the price"
    );
}

#[test]
fn shipped_patterns_are_patterns_and_none_hides_another() {
    let rows = shipped();
    for (n, row) in rows.iter().enumerate() {
        let model = row.model.as_str().replace('*', "25-01-01");
        let hit = rows
            .iter()
            .position(|other| other.provider == row.provider && other.model.matches(&model));
        assert_eq!(hit, Some(n), "{}", row.model.as_str());
    }
    for model in [
        "gpt-5-future",
        "gpt-5.9",
        "gpt-4o-audio-preview",
        "o3-deep-research",
        "claude-opus-9",
        "gemini-2.5-flash-image",
    ] {
        let table = Table::new(Vec::new());
        assert!(
            table.find(model, |_| true).is_none(),
            "{model} has no price that is known"
        );
    }
}

#[test]
fn no_float_is_anywhere_near_money() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/price")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for word in ["f32", "f64"] {
            let found = text
                .lines()
                .any(|line| line.contains(word) && !line.contains("for word in"));
            assert!(!found, "{} in {}", word, path.display());
        }
    }
}

fn any_price() -> impl Strategy<Value = Price> {
    let dollars = || {
        proptest::option::of((0..=1_000_000_000_000_000_u64).prop_map(|nano| {
            let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
            Dollars::parse(&text).unwrap()
        }))
    };
    let given = move || {
        proptest::array::uniform10(dollars()).prop_map(|all| {
            let [
                input,
                cache_read,
                cache_write,
                cache_write_long,
                audio_input,
                image_input,
                output,
                reasoning,
                audio_output,
                image_output,
            ] = all;
            Given {
                input,
                cache_read,
                cache_write,
                cache_write_long,
                audio_input,
                image_input,
                output,
                reasoning,
                audio_output,
                image_output,
            }
        })
    };
    (given(), dollars(), dollars()).prop_map(|(base, request, search)| {
        Price::new(
            base,
            &[],
            request.unwrap_or_default(),
            search.unwrap_or_default(),
        )
    })
}

fn any_counts() -> impl Strategy<Value = Counts> {
    let count = || prop_oneof![Just(u64::MAX), any::<u64>(), 0..1_000_000_u64];
    proptest::array::uniform11(count()).prop_map(|all| {
        let [
            input,
            cache_read,
            cache_write,
            cache_write_long,
            audio_input,
            image_input,
            output,
            reasoning,
            audio_output,
            image_output,
            web_searches,
        ] = all;
        Counts {
            input,
            cache_read,
            cache_write,
            cache_write_long,
            audio_input,
            image_input,
            output,
            reasoning,
            audio_output,
            image_output,
            web_searches,
        }
    })
}

proptest! {
    #[test]
    fn the_parts_are_the_whole(price in any_price(), counts in any_counts()) {
        let parts = price.parts(&counts);
        let sum: u128 = parts.all().into_iter().fold(0, u128::saturating_add);
        let total = u128::try_from(parts.total()).unwrap();
        prop_assert!(total == (sum.saturating_add(500_000) / 1_000_000).min(i64::MAX as u128));
    }

    #[test]
    fn every_token_is_counted_once(counts in any_counts()) {
        // One billionth for each: then the sum is the number of tokens.
        let one = Dollars::parse("0.000000001").unwrap();
        let given = Given { input: Some(one), output: Some(one), ..Given::default() };
        let parts = Price::new(given, &[], Dollars::ZERO, Dollars::ZERO).parts(&counts);
        let sum: u128 = parts.all().into_iter().sum();
        prop_assert_eq!(sum, u128::from(counts.input) + u128::from(counts.output));
    }

    #[test]
    fn more_tokens_never_cost_less(price in any_price(), counts in any_counts(), more in any::<u64>()) {
        let cost = price.cost(&counts);
        prop_assert!(cost >= 0);
        let longer = Counts { output: counts.output.saturating_add(more), ..counts };
        // What is more is plain output only when all reasoning was in the shorter one.
        if counts.reasoning <= counts.output
            && counts.audio_output <= counts.output - counts.reasoning
            && counts.image_output <= counts.output - counts.reasoning - counts.audio_output
        {
            prop_assert!(price.cost(&longer) >= cost);
        }
    }
}

#[test]
fn more_input_never_costs_less_at_a_shipped_price() {
    for row in shipped() {
        let mut last = 0;
        for input in (0..400_000)
            .step_by(9_973)
            .chain([200_000, 200_001])
            .collect::<std::collections::BTreeSet<_>>()
        {
            let cost = row.price.cost(&counts(input, 100));
            assert!(cost >= last, "{} at {input}", row.model.as_str());
            last = cost;
        }
    }
}
