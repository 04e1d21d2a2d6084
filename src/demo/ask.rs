//! What a client asked, read out of any of the four formats.
//!
//! Reading is lenient on purpose: the demo is for people who try things, so a field it does not know
//! or that has a surprising type is passed over instead of refused.

use serde_json::Value;

use super::sample;

/// One question.
#[derive(Debug, Default)]
pub(super) struct Ask {
    /// The model that was named.
    pub(super) model: String,
    /// Whether the body asks for a stream.
    pub(super) streamed: bool,
    /// The user's last text.
    pub(super) text: String,
    /// Images in the message of that text.
    pub(super) images: usize,
    /// What a tool answered after that text.
    pub(super) result: Option<String>,
    /// Functions that may be called.
    pub(super) tools: Vec<Tool>,
    /// Whether one has to be.
    pub(super) choice: Choice,
    /// How long the prompt is.
    pub(super) prompt_tokens: u64,
}

/// A declared function.
#[derive(Debug)]
pub(super) struct Tool {
    /// Its name.
    pub(super) name: String,
    /// JSON Schema of its arguments, or Gemini's dialect of it.
    pub(super) schema: Value,
}

/// What the client says about calling tools.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Choice {
    /// The model may.
    #[default]
    Free,
    /// It may not.
    Never,
    /// It must, and perhaps a certain one.
    Forced(Option<String>),
}

/// What to say.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Say {
    /// Text.
    Text(String),
    /// A call of one tool.
    Call {
        /// The tool.
        name: String,
        /// A JSON object.
        arguments: Value,
    },
}

impl Ask {
    /// Adds one message of the user.
    pub(super) fn hear(&mut self, message: Message) {
        if message.text.is_some() || message.images > 0 {
            self.text = message.text.unwrap_or_default();
            self.images = message.images;
            self.result = None;
        }
        if message.result.is_some() {
            self.result = message.result;
        }
    }

    /// Declares a function, unless its name is missing.
    pub(super) fn declare(&mut self, name: &Value, schema: &Value) {
        if let Some(name) = name.as_str() {
            self.tools.push(Tool {
                name: name.to_owned(),
                schema: schema.clone(),
            });
        }
    }

    /// The answer: a call when one is forced or the user speaks of a tool, else a text that shows
    /// what was understood. A tool is called once per message of the user, so that agents which
    /// loop while there are calls come to an end.
    pub(super) fn answer(&self) -> Say {
        if let Some(result) = &self.result {
            return Say::Text(self.signed(format!("The tool answered: {}.", quoted(result))));
        }
        if let Some(tool) = self.tool_to_call() {
            return Say::Call {
                name: tool.name.clone(),
                arguments: sample::arguments(&tool.schema),
            };
        }
        let images = match self.images {
            0 => String::new(),
            1 => " and 1 image".to_owned(),
            n => format!(" and {n} images"),
        };
        Say::Text(self.signed(format!("You said: {}{images}.", quoted(&self.text))))
    }

    fn signed(&self, text: String) -> String {
        let model = &self.model;
        text + &format!(
            " This answer was made offline by ai-proxy's demo provider (model {model})."
        )
    }

    fn tool_to_call(&self) -> Option<&Tool> {
        match &self.choice {
            Choice::Never => None,
            Choice::Forced(Some(name)) => self
                .tools
                .iter()
                .find(|tool| tool.name == *name)
                .or_else(|| self.tools.first()),
            Choice::Forced(None) => self.tools.first(),
            Choice::Free => self.tools.first().filter(|_| speaks_of_tools(&self.text)),
        }
    }
}

/// What one message of the user holds.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// Its text parts, joined.
    pub(super) text: Option<String>,
    /// How many images.
    pub(super) images: usize,
    /// The last tool result in it.
    pub(super) result: Option<String>,
}

impl Message {
    /// Adds a text part.
    pub(super) fn add_text(&mut self, text: &str) {
        match &mut self.text {
            Some(all) => {
                all.push(' ');
                all.push_str(text);
            }
            None => self.text = Some(text.to_owned()),
        }
    }

    /// A message of which only the texts count, as in the output of a tool: a string, a list of
    /// parts with `text`, or any JSON.
    pub(super) fn text_of(content: &Value) -> String {
        match content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                let texts: Vec<&str> = parts
                    .iter()
                    .filter_map(|part| part["text"].as_str())
                    .collect();
                texts.join(" ")
            }
            other => other.to_string(),
        }
    }
}

/// The elements of an array; a lone value counts as an array of one, `null` as none.
pub(super) fn each(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// A guess at the tokens of `text`: four characters each.
pub(super) fn tokens(text: &str) -> u64 {
    u64::try_from(text.chars().count().div_ceil(4)).unwrap_or(u64::MAX)
}

/// The same guess for the named parts of a request: what is written in them, without what their JSON
/// looks like, and a flat price for each image.
pub(super) fn prompt_tokens(body: &Value, parts: &[&str]) -> u64 {
    let mut text = String::new();
    for part in parts {
        collect(&body[part], &mut text);
    }
    tokens(&text).max(1)
}

fn collect(value: &Value, text: &mut String) {
    /// As long as 256 tokens.
    const IMAGE: usize = 1024;
    match value {
        Value::String(string) => text.push_str(string),
        Value::Array(values) => values.iter().for_each(|value| collect(value, text)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "type" | "role" => {}
                    "data" | "url" | "image_url" | "file_data" if value.is_string() => {
                        text.extend(std::iter::repeat_n(' ', IMAGE));
                    }
                    _ => collect(value, text),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn speaks_of_tools(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric())
        .any(|word| word.eq_ignore_ascii_case("tool") || word.eq_ignore_ascii_case("tools"))
}

/// `text` on one line, in quotes, cut when it is long.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 200;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("\"{}…\"", &line[..end]),
        None => format!("\"{line}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(text: &str) -> Ask {
        let mut ask = Ask {
            model: "m".into(),
            ..Ask::default()
        };
        ask.declare(&json!("first"), &json!({}));
        ask.declare(&json!("second"), &json!({}));
        ask.hear(Message {
            text: Some(text.into()),
            ..Message::default()
        });
        ask
    }

    fn called(ask: &Ask) -> Option<String> {
        match ask.answer() {
            Say::Call { name, .. } => Some(name),
            Say::Text(_) => None,
        }
    }

    #[test]
    fn a_tool_is_called_when_the_user_speaks_of_one_or_the_choice_forces_it() {
        assert_eq!(called(&ask("hello")), None);
        assert_eq!(called(&ask("a toolbox")), None);
        assert_eq!(called(&ask("Use a Tool!")).as_deref(), Some("first"));
        for (choice, want) in [
            (Choice::Never, None),
            (Choice::Forced(None), Some("first")),
            (Choice::Forced(Some("second".into())), Some("second")),
            (Choice::Forced(Some("unknown".into())), Some("first")),
        ] {
            let mut ask = ask("use the tool");
            ask.choice = choice;
            assert_eq!(called(&ask).as_deref(), want, "{:?}", ask.choice);
        }
    }

    #[test]
    fn after_a_result_the_answer_is_text_until_the_user_speaks_again() {
        let mut ask = ask("use the tool");
        ask.choice = Choice::Forced(None);
        ask.hear(Message {
            result: Some("42".into()),
            ..Message::default()
        });
        let Say::Text(text) = ask.answer() else {
            panic!("a second call")
        };
        assert!(text.starts_with("The tool answered: \"42\"."), "{text}");
        ask.hear(Message {
            text: Some("again".into()),
            ..Message::default()
        });
        assert_eq!(called(&ask).as_deref(), Some("first"));
    }

    #[test]
    fn the_text_repeats_the_user_on_one_line_and_counts_images() {
        let mut ask = ask("so\n  long");
        ask.images = 2;
        assert_eq!(
            ask.answer(),
            Say::Text(
                "You said: \"so long\" and 2 images. This answer was made offline by ai-proxy's \
                 demo provider (model m)."
                    .into()
            )
        );
        assert_eq!(quoted(&"é".repeat(300)).chars().count(), 203);
    }

    #[test]
    fn a_prompt_is_measured_by_its_words_and_images() {
        let body = json!({"messages": [{"role": "user", "content": "12345678"}], "model": "x"});
        assert_eq!(prompt_tokens(&body, &["messages", "tools"]), 2);
        let body = json!({"contents": {"parts": [{"inlineData": {"data": "A".repeat(90_000)}}]}});
        assert_eq!(prompt_tokens(&body, &["contents"]), 256);
        assert_eq!(prompt_tokens(&json!([]), &["contents"]), 1);
    }
}
