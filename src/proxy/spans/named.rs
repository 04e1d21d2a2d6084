//! The model that an answer names. Read from its first bytes as they went to the client, once, when a
//! traced request has ended.

use memchr::memmem;
use serde::Deserialize;

/// How much of the beginning is kept: the first event.
const HEAD: usize = 4 << 10;

/// The first bytes of an answer.
#[derive(Debug, Default)]
pub(super) struct Named(Vec<u8>);

impl Named {
    /// A piece of the answer passes.
    pub(super) fn passes(&mut self, data: &[u8]) {
        let room = HEAD - self.0.len();
        self.0.extend_from_slice(&data[..room.min(data.len())]);
    }

    /// The model that it names.
    pub(super) fn model(&self) -> Option<String> {
        ["\"model\":", "\"modelVersion\":"].iter().find_map(|name| {
            let at = memmem::find(&self.0, name.as_bytes())? + name.len();
            first(&self.0[at..])
        })
    }
}

/// The value that `data` begins with. In a text of the model the quotes around a name would be escaped.
fn first<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Option<T> {
    serde_json::Deserializer::from_slice(data)
        .into_iter()
        .next()?
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(answer: &str) -> Option<String> {
        let whole = |size: usize| {
            let mut named = Named::default();
            answer
                .as_bytes()
                .chunks(size)
                .for_each(|piece| named.passes(piece));
            named.model()
        };
        let model = whole(usize::MAX);
        assert_eq!(model, whole(7), "in pieces");
        model
    }

    #[test]
    fn every_format_names_its_model() {
        let long = "x".repeat(50_000);
        for (answer, want) in [
            (r#"{"model":"gpt-5","choices":[]}"#.to_owned(), "gpt-5"),
            (
                format!("data: {{\"response\":{{\"model\": \"r\"}}}}\n\n{long}"),
                "r",
            ),
            (r#"{"candidates":[],"modelVersion":"g"}"#.to_owned(), "g"),
        ] {
            assert_eq!(model(&answer).as_deref(), Some(want));
        }
        let said = r#"{"text":"\"model\":\"evil\""}"#;
        assert_eq!(model(said), None);
        assert_eq!(model(r#"{"model":"#), None);
    }
}
