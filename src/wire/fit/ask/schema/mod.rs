//! JSON Schemas in the dialects of the targets.
//!
//! Only what stands where a schema stands is touched: a property may be called `format` or `default`
//! like a keyword. Every change can be made twice without changing more.

mod alternatives;
mod claude;
mod gemini;
mod inline;
mod keywords;
mod merge;
mod root;
mod strict;
mod walk;

#[cfg(test)]
mod tests;

use super::To;
use super::user::is_openai;
use crate::chat::{Change, Fault, Format, Json, Losses, Place};
use crate::wire::json::{Node, Tree};

/// How many schemas may be nested, also after references were followed.
const DEPTH: usize = 32;
/// How many values a schema may have, also after references were followed.
const NODES: usize = 20_000;

/// A schema is over a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TooBig;

/// Changes schemas for one target; `at` is where the client has written them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schemas<'p> {
    pub(super) to: To<'p>,
    pub(super) at: Place,
}

/// A schema for OpenAI.
#[derive(Debug)]
pub(super) struct Fitted<'a> {
    pub(super) schema: Json<'a>,
    pub(super) strict: Option<bool>,
}

impl Schemas<'_> {
    /// For an answer of OpenAI's, or for a function that asks to be strict.
    pub(super) fn openai<'a>(
        self,
        origin: Format,
        schema: Json<'a>,
        strict: Option<bool>,
        losses: &mut Losses,
    ) -> Result<Fitted<'a>, Fault> {
        let chat = &self.to.profile.chat;
        let fitted = if is_openai(origin) && !chat.force_strict {
            Fitted { schema, strict }
        } else {
            let mut tree = self.read(&schema)?;
            tree.remove("$schema");
            if chat.force_strict {
                strict::force(&mut tree);
            }
            strict::close(&mut tree);
            if strict::conforms(&tree) {
                let schema = tree.to_json();
                Fitted {
                    schema,
                    strict: Some(true),
                }
            } else {
                if strict == Some(true) {
                    losses.note(self.at, Change::Approximated);
                }
                Fitted {
                    schema,
                    strict: Some(false),
                }
            }
        };
        Ok(Fitted {
            strict: fitted.strict.filter(|_| chat.strict_param),
            ..fitted
        })
    }

    /// For the arguments of a function at OpenAI: an object. `true`: it had to be put into one.
    pub(super) fn openai_input(
        self,
        schema: &Json<'_>,
        losses: &mut Losses,
    ) -> Result<(Json<'static>, bool), Fault> {
        let (mut tree, is_wrapped) = root::object(self.read(schema)?);
        if tree.get("properties").is_none() {
            tree.set("properties", Tree::empty());
        }
        self.note(is_wrapped, losses);
        Ok((tree.to_json(), is_wrapped))
    }

    /// For the input of a tool at Anthropic: an object. `true`: it had to be put into one.
    pub(super) fn claude_input(
        self,
        schema: &Json<'_>,
        losses: &mut Losses,
    ) -> Result<(Json<'static>, bool), Fault> {
        let (tree, is_wrapped) = root::object(self.read(schema)?);
        self.note(is_wrapped, losses);
        Ok((tree.to_json(), is_wrapped))
    }

    /// For what Anthropic holds an answer to. `None`: it cannot be said there.
    pub(super) fn claude_exact(
        self,
        schema: &Json<'_>,
        losses: &mut Losses,
    ) -> Result<Option<Json<'static>>, Fault> {
        let tree = self.read(schema)?;
        let exact = claude::exact(tree).map_err(|TooBig| self.too_big())?;
        Ok(exact.map(|(tree, is_lossy)| {
            self.note(is_lossy, losses);
            tree.to_json()
        }))
    }

    /// For an answer of Gemini's. `None`: any object.
    pub(super) fn gemini(
        self,
        schema: &Json<'_>,
        losses: &mut Losses,
    ) -> Result<Option<Json<'static>>, Fault> {
        self.gemini_tree(self.read(schema)?, losses)
    }

    /// For the parameters of a function at Gemini; `None`: it has none. `true`: they had to be put
    /// into an object.
    pub(super) fn gemini_input(
        self,
        schema: &Json<'_>,
        losses: &mut Losses,
    ) -> Result<(Option<Json<'static>>, bool), Fault> {
        let (tree, is_wrapped) = root::object(self.read(schema)?);
        let has_any = |tree: &Tree<'_>| {
            let members = tree.get("properties").and_then(Tree::as_object);
            members.is_some_and(|members| !members.is_empty())
        };
        let is_map = tree
            .get("additionalProperties")
            .is_some_and(|values| values.as_object().is_some_and(|all| !all.is_empty()))
            || tree.get("patternProperties").is_some();
        let keeps_map = is_map && self.to.profile.gemini.json_schema;
        // Gemini refuses an object that says nothing about its members.
        if !has_any(&tree) && !keeps_map {
            self.note(is_map, losses);
            return Ok((None, false));
        }
        self.note(is_wrapped, losses);
        let schema = self.gemini_tree(tree, losses)?;
        // None of the members may be left: nothing fits them.
        let is_empty = |schema: &Json<'_>| {
            let properties = Node::trusted(schema.as_str()).get("properties");
            properties.is_none_or(|properties| properties.members().next().is_none())
        };
        let schema = schema.filter(|schema| keeps_map || !is_empty(schema));
        Ok((schema, is_wrapped))
    }

    fn gemini_tree(
        self,
        tree: Tree<'_>,
        losses: &mut Losses,
    ) -> Result<Option<Json<'static>>, Fault> {
        if self.to.profile.gemini.json_schema {
            let mut tree = tree;
            gemini::standard(&mut tree);
            return Ok(Some(tree.to_json()));
        }
        let tree = inline::inline(tree).map_err(|TooBig| self.too_big())?;
        let (schema, is_lossy) = gemini::subset(tree, !self.to.profile.gemini.envelope);
        self.note(is_lossy, losses);
        Ok(schema.map(|tree| tree.to_json()))
    }

    fn read<'t>(self, schema: &'t Json<'_>) -> Result<Tree<'t>, Fault> {
        let mut nodes = NODES;
        // A schema stands two values deep in the one that holds it.
        Tree::build(Node::trusted(schema.as_str()), 2 * DEPTH, &mut nodes)
            .ok_or_else(|| self.too_big())
    }

    fn note(self, is_lossy: bool, losses: &mut Losses) {
        if is_lossy {
            losses.note(self.at, Change::Approximated);
        }
    }

    fn too_big(self) -> Fault {
        Fault::cannot_carry(
            self.at,
            format!(
                "the JSON Schema of '{}' nests deeper than {DEPTH} schemas or has more than {NODES} values",
                self.at
            ),
        )
    }
}
