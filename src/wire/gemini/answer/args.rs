//! Arguments that come in pieces: a path into the value and what stands there.

use std::borrow::Cow;

use super::super::super::json::{Node, Tree};
use super::super::members::{fields, list};

/// A path that goes deeper is not followed.
const DEPTH: usize = 64;

/// Builds the arguments of one call.
#[derive(Debug)]
pub(super) struct Arguments {
    value: Tree<'static>,
    /// Where a string may go on.
    unfinished: Option<String>,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            value: Tree::empty(),
            unfinished: None,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

impl Arguments {
    /// Takes `partialArgs`.
    pub(super) fn push(&mut self, pieces: Node<'_>) {
        for piece in list(pieces) {
            let mut piece = fields(piece);
            let path = piece.take_str("jsonPath").unwrap_or(Cow::Borrowed("$"));
            let goes_on = piece.take_bool("willContinue").unwrap_or(false);
            let text = piece.take_str("stringValue");
            let number = piece.take("numberValue").map(|node| node.raw().to_owned());
            let truth = piece.take("boolValue").map(|node| node.raw().to_owned());
            let before = self.unfinished.take();
            if let Some(text) = text {
                let continues = before.is_some_and(|before| before == *path);
                self.set_text(&path, text, continues);
                self.unfinished = goes_on.then(|| path.into_owned());
            } else {
                let scalar = number.or(truth).unwrap_or_else(|| "null".to_owned());
                self.set(&path, Tree::scalar(scalar));
            }
        }
    }

    /// Takes whole `args`, which come with a call that goes on.
    pub(super) fn replace(&mut self, args: Node<'_>) {
        let mut nodes = usize::MAX;
        if let Some(tree) = Tree::build(Node::trusted(args.raw()), DEPTH * 2, &mut nodes) {
            self.value = owned(tree);
        }
    }

    /// The arguments as JSON.
    pub(super) fn json(&self) -> String {
        self.value.to_json().as_str().to_owned()
    }

    /// The arguments as far as they came: not JSON, so that nobody takes them for all.
    pub(super) fn cut(&self) -> String {
        let mut json = self.json();
        let end = json.trim_end_matches(['}', ']', '"']).len();
        json.truncate(end);
        json
    }

    fn set_text(&mut self, path: &str, text: Cow<'_, str>, continues: bool) {
        let Some(place) = self.place(path) else {
            return;
        };
        match place {
            Tree::String(so_far) if continues => so_far.to_mut().push_str(&text),
            place => *place = Tree::String(Cow::Owned(text.into_owned())),
        }
    }

    fn set(&mut self, path: &str, value: Tree<'static>) {
        if let Some(place) = self.place(path) {
            *place = value;
        }
    }

    /// The place that a path leads to; what is missing on the way is made.
    fn place(&mut self, path: &str) -> Option<&mut Tree<'static>> {
        let mut place = &mut self.value;
        for step in steps(path)? {
            place = match step {
                Step::Key(key) => {
                    if place.as_object().is_none() {
                        *place = Tree::empty();
                    }
                    if place.get(&key).is_none() {
                        place.set(key.clone(), Tree::scalar("null"));
                    }
                    place.get_mut(&key)?
                }
                Step::Item(index) => {
                    if place.as_array().is_none() {
                        *place = Tree::Array(Vec::new());
                    }
                    let Tree::Array(items) = place else {
                        return None;
                    };
                    // Items come in order: a gap is no reason to make a list of any length.
                    let index = index.min(items.len());
                    if index == items.len() {
                        items.push(Tree::scalar("null"));
                    }
                    items.get_mut(index)?
                }
            };
        }
        Some(place)
    }
}

/// The steps of `$.a.b[0]['c d']`. `None` for what is no such path.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut steps = Vec::new();
    while !rest.is_empty() && steps.len() < DEPTH {
        if let Some(inner) = rest.strip_prefix('[') {
            let quote = inner
                .chars()
                .next()
                .filter(|first| matches!(first, '\'' | '"'));
            if let Some(quote) = quote {
                let (key, after) = inner
                    .get(1..)?
                    .split_once([quote, ']'].iter().collect::<String>().as_str())?;
                steps.push(Step::Key(key.to_owned()));
                rest = after;
            } else {
                let (index, after) = inner.split_once(']')?;
                steps.push(Step::Item(index.parse().ok()?));
                rest = after;
            }
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if key.is_empty() {
                return None;
            }
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        }
    }
    rest.is_empty().then_some(steps)
}

fn owned(tree: Tree<'_>) -> Tree<'static> {
    match tree {
        Tree::Scalar(text) => Tree::Scalar(Cow::Owned(text.into_owned())),
        Tree::String(text) => Tree::String(Cow::Owned(text.into_owned())),
        Tree::Array(items) => Tree::Array(items.into_iter().map(owned).collect()),
        Tree::Object(members) => Tree::Object(
            members
                .into_iter()
                .map(|(key, value)| (Cow::Owned(key.into_owned()), owned(value)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(pieces: &[&str]) -> Arguments {
        let mut arguments = Arguments::default();
        for piece in pieces {
            arguments.push(Node::trusted(piece));
        }
        arguments
    }

    #[test]
    fn pieces_are_put_where_they_belong() {
        let arguments = built(&[
            r#"[{"jsonPath":"$.a.b[0].c","stringValue":"Bos","willContinue":true}]"#,
            r#"[{"jsonPath":"$.a.b[0].c","stringValue":"ton \ud83d","willContinue":true},{"jsonPath":"$.a.b[0].c","stringValue":""}]"#,
            r#"[{"jsonPath":"$.a.b[1]","numberValue":1.50},{"json_path":"$['x y']","bool_value":true}]"#,
            r#"[{"jsonPath":"$.n","nullValue":"NULL_VALUE"}]"#,
        ]);
        assert_eq!(
            arguments.json(),
            "{\"a\":{\"b\":[{\"c\":\"Boston \u{fffd}\"},1.50]},\"x y\":true,\"n\":null}"
        );
    }

    #[test]
    fn a_string_that_does_not_go_on_is_replaced() {
        let arguments = built(&[
            r#"[{"jsonPath":"$.a","stringValue":"x"}]"#,
            r#"[{"jsonPath":"$.a","stringValue":"y"}]"#,
        ]);
        assert_eq!(arguments.json(), r#"{"a":"y"}"#);
    }

    #[test]
    fn senseless_paths_are_harmless() {
        let arguments = built(&[
            r#"[{"jsonPath":"$.a[999999999]","numberValue":1},{"jsonPath":"$..","numberValue":1},{"jsonPath":"$[x","numberValue":1}]"#,
        ]);
        assert_eq!(arguments.json(), r#"{"a":[1]}"#);
    }

    #[test]
    fn what_was_cut_is_no_json() {
        for pieces in [
            "[]",
            r#"[{"jsonPath":"$.a","stringValue":"x","willContinue":true}]"#,
            r#"[{"jsonPath":"$.a[0]","numberValue":1}]"#,
        ] {
            let cut = built(&[pieces]).cut();
            assert_eq!(Node::parse_any(&cut, 8), None, "{cut}");
        }
    }

    #[test]
    fn a_megabyte_in_small_pieces_takes_no_time() {
        let piece = r#"[{"jsonPath":"$.a","stringValue":"0123456789","willContinue":true}]"#;
        let arguments = built(&vec![piece; 100_000]);
        assert_eq!(arguments.json().len(), 1_000_000 + r#"{"a":""}"#.len());
    }
}
