//! What an answer cost, as Anthropic counts: input without what went through caches.

use crate::chat::{CacheWrites, Odd, Usage};
use crate::wire::json::{Fields, Kind, Node, ObjectWriter};
use crate::wire::tally::Count;

/// What was said about the cost so far. Later numbers replace earlier ones, they never add up.
#[derive(Debug, Default)]
pub(in crate::wire::claude) struct Counted {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    cache_writes: Option<CacheWrites>,
    output: u64,
    reasoning: u64,
    web_searches: u64,
    web_fetches: u64,
    said: bool,
    odd: Odd,
}

impl Counted {
    /// What was said so far, from what that comes to.
    pub(in crate::wire::claude) fn resume(usage: &Usage) -> Self {
        Self {
            input: plain_input(usage),
            cache_read: usage.cache_read,
            cache_write: usage.cache_write,
            cache_writes: usage.cache_writes,
            output: usage.output,
            reasoning: usage.reasoning,
            web_searches: usage.web_searches,
            web_fetches: usage.web_fetches,
            said: true,
            odd: usage.odd,
        }
    }

    /// Takes over every number that `usage` has; `null` keeps the one before.
    pub(in crate::wire::claude) fn replace(&mut self, usage: Node<'_>) {
        let usage = Fields::of(usage);
        let mut odd = self.odd;
        let mut number = |node: &Fields<'_>, key: &str| {
            let node = node.get(key)?;
            let is_number = node.kind() == Kind::Number;
            let what = match key {
                "input_tokens" => Odd::INPUT,
                "cache_read_input_tokens" => Odd::INPUT.and(Odd::CACHE_READ),
                "cache_creation_input_tokens" => Odd::INPUT.and(Odd::CACHE_WRITE),
                "output_tokens" => Odd::OUTPUT,
                "thinking_tokens" => Odd::REASONING,
                _ => Odd::default(),
            };
            is_number.then(|| odd.count(Some(node), what))
        };
        let mut set = |to: &mut u64, number: Option<u64>| {
            if let Some(number) = number {
                *to = number;
                self.said = true;
            }
        };
        set(&mut self.input, number(&usage, "input_tokens"));
        set(
            &mut self.cache_read,
            number(&usage, "cache_read_input_tokens"),
        );
        set(&mut self.output, number(&usage, "output_tokens"));
        if let Some(details) = usage.get("output_tokens_details").map(Fields::of) {
            set(&mut self.reasoning, number(&details, "thinking_tokens"));
        }
        if let Some(tools) = usage.get("server_tool_use").map(Fields::of) {
            set(
                &mut self.web_searches,
                number(&tools, "web_search_requests"),
            );
            set(&mut self.web_fetches, number(&tools, "web_fetch_requests"));
        }
        let written = number(&usage, "cache_creation_input_tokens");
        set(&mut self.cache_write, written);
        if let Some(writes) = usage.get("cache_creation").map(Fields::of) {
            let mut count = |key| number(&writes, key).unwrap_or_default();
            let writes = CacheWrites {
                minutes5: count("ephemeral_5m_input_tokens"),
                hour1: count("ephemeral_1h_input_tokens"),
                ..CacheWrites::default()
            };
            self.cache_writes = Some(writes);
            if written.is_none() {
                self.cache_write = writes.minutes5.saturating_add(writes.hour1);
            }
        } else if written.is_some() {
            // How an earlier total was made up says nothing about this one.
            let total = |writes: &CacheWrites| writes.minutes5.saturating_add(writes.hour1);
            self.cache_writes = self
                .cache_writes
                .filter(|writes| total(writes) == self.cache_write);
        }
        self.odd = odd;
    }

    /// It in neutral totals; `None`: nothing was said.
    pub(in crate::wire::claude) fn usage(&self) -> Option<Usage> {
        self.said.then(|| Usage {
            input: self
                .input
                .saturating_add(self.cache_read)
                .saturating_add(self.cache_write),
            cache_read: self.cache_read,
            cache_write: self.cache_write,
            cache_writes: self.cache_writes,
            output: self.output,
            reasoning: self.reasoning,
            web_searches: self.web_searches,
            web_fetches: self.web_fetches,
            exact: true,
            odd: self.odd,
            ..Usage::default()
        })
    }
}

/// Input that went through no cache.
const fn plain_input(usage: &Usage) -> u64 {
    usage
        .input
        .saturating_sub(usage.cache_read)
        .saturating_sub(usage.cache_write)
}

/// Writes the members of `usage`. The four counts that clients add up are always there.
pub(super) fn write(usage: &Usage, o: &mut ObjectWriter<'_>) {
    o.num("input_tokens", plain_input(usage));
    o.num("cache_creation_input_tokens", usage.cache_write);
    o.num("cache_read_input_tokens", usage.cache_read);
    if let Some(writes) = usage.cache_writes {
        o.object("cache_creation", |o| {
            let short = writes.minutes5.saturating_add(writes.minutes30);
            o.num("ephemeral_5m_input_tokens", short);
            let long = writes.hour1.saturating_add(writes.hours12);
            o.num("ephemeral_1h_input_tokens", long);
        });
    }
    o.num("output_tokens", usage.output);
    if usage.reasoning > 0 {
        o.object("output_tokens_details", |o| {
            o.num("thinking_tokens", usage.reasoning);
        });
    }
    if usage.web_searches > 0 || usage.web_fetches > 0 {
        o.object("server_tool_use", |o| {
            o.num("web_search_requests", usage.web_searches);
            o.num("web_fetch_requests", usage.web_fetches);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::object;

    fn counted(reports: &[&str]) -> Usage {
        let mut counted = Counted::default();
        for report in reports {
            counted.replace(Node::trusted(report));
        }
        counted.usage().unwrap()
    }

    #[test]
    fn later_numbers_replace_earlier_ones() {
        let usage = counted(&[
            r#"{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":2,"output_tokens":1}"#,
            r#"{"input_tokens":11,"cache_read_input_tokens":5,"cache_creation_input_tokens":null,"output_tokens":9}"#,
        ]);
        assert_eq!((usage.input, usage.output), (18, 9));
        assert_eq!((usage.cache_read, usage.cache_write), (5, 2));
    }

    #[test]
    fn how_writes_are_made_up_is_replaced_as_a_whole_and_never_stale() {
        let first = r#"{"cache_creation_input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":2}}"#;
        let writes = |second| counted(&[first, second]).cache_writes;
        let hour = CacheWrites {
            hour1: 4,
            ..CacheWrites::default()
        };
        assert_eq!(
            writes(r#"{"cache_creation":{"ephemeral_1h_input_tokens":4}}"#),
            Some(hour)
        );
        assert_eq!(writes(r#"{"cache_creation_input_tokens":7}"#), None);
        assert!(writes(r#"{"cache_creation_input_tokens":3}"#).is_some());
    }

    #[test]
    fn input_is_written_without_what_went_through_caches() {
        let mut out = Vec::new();
        let usage = Usage {
            input: 1000,
            cache_read: 300,
            cache_write: 200,
            output: 60,
            reasoning: 40,
            ..Usage::default()
        };
        object(&mut out, |o| write(&usage, o));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"input_tokens":500,"cache_creation_input_tokens":200,"cache_read_input_tokens":300,"output_tokens":60,"output_tokens_details":{"thinking_tokens":40}}"#
        );
    }

    #[test]
    fn nothing_said_is_no_usage() {
        let mut counted = Counted::default();
        counted.replace(Node::trusted(r#"{"input_tokens":null}"#));
        assert_eq!(counted.usage(), None);
    }
}
