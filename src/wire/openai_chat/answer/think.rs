//! Reasoning in tags at the start of an answer: `<think>…</think>`.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// What a piece of an answer is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Reasoning.
    Reasoning(String),
    /// Text.
    Text(String),
}

/// Tells reasoning in tags from text, however they are cut.
#[derive(Debug)]
pub(super) enum Think {
    /// Nothing but what may become the opening tag.
    Start(String),
    /// Between the tags, with what may become the closing one.
    Inside(String),
    /// Behind the closing tag, before the first letter.
    Behind,
    /// In the text.
    Text,
}

impl Think {
    /// Takes the next piece of content.
    pub(super) fn push(&mut self, text: &str, each: &mut dyn FnMut(Piece)) {
        match self {
            Self::Start(held) => {
                held.push_str(text);
                let begun = held.trim_start();
                if let Some(rest) = begun.strip_prefix(OPEN) {
                    let rest = rest.to_owned();
                    *self = Self::Inside(String::new());
                    self.push(&rest, each);
                } else if !OPEN.starts_with(begun) {
                    let held = std::mem::take(held);
                    *self = Self::Text;
                    say(Piece::Text(held), each);
                }
            }
            Self::Inside(held) => {
                held.push_str(text);
                if let Some((inside, rest)) = held.split_once(CLOSE) {
                    let (inside, rest) = (inside.to_owned(), rest.to_owned());
                    *self = Self::Behind;
                    say(Piece::Reasoning(inside), each);
                    self.push(&rest, each);
                } else {
                    let rest = held.split_off(held.len() - tail(held));
                    say(Piece::Reasoning(std::mem::replace(held, rest)), each);
                }
            }
            Self::Behind => {
                let text = text.trim_start();
                if !text.is_empty() {
                    *self = Self::Text;
                    each(Piece::Text(text.to_owned()));
                }
            }
            Self::Text => say(Piece::Text(text.to_owned()), each),
        }
    }

    /// Gives back what was held: nothing more comes.
    pub(super) fn end(&mut self, each: &mut dyn FnMut(Piece)) {
        match std::mem::replace(self, Self::Text) {
            Self::Start(held) => say(Piece::Text(held), each),
            Self::Inside(held) => say(Piece::Reasoning(held), each),
            Self::Behind | Self::Text => {}
        }
    }
}

fn say(piece: Piece, each: &mut dyn FnMut(Piece)) {
    let (Piece::Reasoning(text) | Piece::Text(text)) = &piece;
    if !text.is_empty() {
        each(piece);
    }
}

/// How long the end of `text` is that may become the closing tag.
fn tail(text: &str) -> usize {
    let lengths = (1..CLOSE.len()).rev();
    lengths
        .filter_map(|length| CLOSE.get(..length))
        .find(|start| text.ends_with(start))
        .map_or(0, str::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&str]) -> (String, String) {
        let (mut reasoning, mut text) = (String::new(), String::new());
        let mut each = |piece| match piece {
            Piece::Reasoning(more) => reasoning.push_str(&more),
            Piece::Text(more) => text.push_str(&more),
        };
        let mut think = Think::Start(String::new());
        for piece in pieces {
            think.push(piece, &mut each);
        }
        think.end(&mut each);
        (reasoning, text)
    }

    #[test]
    fn tags_are_found_however_they_are_cut() {
        for (answer, reasoning, text) in [
            ("<think>why</think>\n\nHi", "why", "Hi"),
            (
                " \n<think>a</thin b</think>c </think>",
                "a</thin b",
                "c </think>",
            ),
            ("<thing>x", "", "<thing>x"),
            ("Hi <think>no</think>", "", "Hi <think>no</think>"),
            ("<think>cut off</thi", "cut off</thi", ""),
            ("<thi", "", "<thi"),
            ("<think></think>é", "", "é"),
        ] {
            let want = (reasoning.to_owned(), text.to_owned());
            assert_eq!(split(&[answer]), want);
            let letters: Vec<String> = answer.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            assert_eq!(split(&letters), want, "{answer}");
        }
    }
}
