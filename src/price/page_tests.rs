//! `docs/reference/prices.md`, written from the table that is shipped. The test fails when the page is out
//! of date; `UPDATE_DOCS=1 cargo test --lib price::page` writes it.

use std::fmt::Write;

use super::{DATE, Row, shipped};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/prices.md");

const INTRODUCTION: &str = "\
# Prices

Generated; do not edit.

What a request cost is computed when its record is written, from its tokens and the price of its model, and never again: a
price that changes changes no old record. Which price it was stands beside it: `shipped-DATE` or `config-HASH`
(`GET /admin/config` shows the hashes). Of a model without a price the cost is unknown, not zero; a request that went with the
client's own key for the provider costs nobody here anything, and has none either.

- Prices are US dollars for a million tokens with at most nine decimals; sums are whole numbers, rounded once per request to the
  nearest billionth of a dollar, half a one up. Estimated and partial numbers of tokens are priced too.
- `input` is what was neither read from a cache nor written to one; `reasoning` is a part of the output.
- A tier is for all of a request whose input, caches included, is longer than `above`.
- The first row that fits the model, and the provider if it names one, holds. Rows of the config come before those below.
- `request` is added to each request that has used tokens, `web-search` to each search that the provider reports.
- Not known to a record, and therefore not in its cost: batch and priority processing, storage of caches, discounts.

## Your own

```yaml
prices:
  - model: \"gpt-5*\"            # the provider's name for it, a pattern
    provider: openai           # a provider, a preset or an entry's name; left out: any
    input: 1.10                # dollars for a million tokens
    cache-read: 0.11           # left out: as input
    output: 9                  # left out: 0
  - model: \"*\"
    provider: ollama           # a server of your own costs nothing only if you say so
    input: 0
    output: 0
  - model: my-long-model
    input: 1
    output: 4
    cache-write: 1.25          # for minutes; left out: as input
    cache-write-1h: 2          # left out: as cache-write
    request: 0.001
    tiers:
      - above: 200000
        input: 2               # what a tier does not say is as above
        output: 6
```
";

#[test]
fn the_page_of_prices_is_up_to_date() {
    let page = render();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let current = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        current == page,
        "out of date: run UPDATE_DOCS=1 cargo test --lib price::page"
    );
}

fn render() -> String {
    let mut page = INTRODUCTION.to_owned();
    write!(
        page,
        "\n## Shipped\n\nA convenience: list prices of the providers' own APIs as of {DATE}. **Check them** against your \
         provider's page\nand contract before you bill by them. Models that are not here have no price until you give one.\n\n\
         | Provider | Models | Input | Cache read | Cache write | 1 h | Output | Other |\n|---|---|---|---|---|---|---|---|\n"
    )
    .unwrap();
    let rows = shipped();
    for rows in rows.chunk_by(|a, b| std::sync::Arc::ptr_eq(&a.price, &b.price)) {
        let price = &rows[0].price;
        let models: Vec<_> = rows
            .iter()
            .map(|row| format!("`{}`", row.model.as_str()))
            .collect();
        line(&mut page, &rows[0], &models.join(", "), &price.rates);
        for tier in &price.tiers {
            line(
                &mut page,
                &rows[0],
                &format!("over {}", tier.above),
                &tier.rates,
            );
        }
    }
    page
}

fn line(page: &mut String, row: &Row, models: &str, rates: &super::Rates) {
    let mut other = Vec::new();
    if rates.audio_input != rates.input {
        other.push(format!("audio input {}", rates.audio_input));
    }
    if row.price.web_search != super::Dollars::ZERO {
        other.push(format!("search {}", row.price.web_search));
    }
    writeln!(
        page,
        "| {} | {models} | {} | {} | {} | {} | {} | {} |",
        row.provider.as_deref().unwrap_or_default(),
        rates.input,
        rates.cache_read,
        rates.cache_write,
        rates.cache_write_long,
        rates.output,
        other.join(", ")
    )
    .unwrap();
}
