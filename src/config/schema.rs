//! The JSON schema of `config.yaml`: what `ai-proxy schema` prints, and the one list of known keys
//! that unknown ones are compared with.

use schemars::schema_for;
use serde_json::Value;

use super::file::File;

/// The schema, ready to print.
pub fn schema() -> String {
    format!("{:#}", tree())
}

/// The schema as a tree.
pub(super) fn tree() -> Value {
    schema_for!(File).to_value()
}

/// What the schema says about one place: all alternatives, with references followed.
pub(super) struct Shape<'a> {
    root: &'a Value,
    alternatives: Vec<&'a Value>,
}

impl<'a> Shape<'a> {
    /// The root of `schema`.
    pub(super) fn of(schema: &'a Value) -> Self {
        Self::new(schema, schema)
    }

    fn new(root: &'a Value, at: &'a Value) -> Self {
        let mut alternatives = Vec::new();
        collect(root, at, &mut alternatives);
        Self { root, alternatives }
    }

    /// What an item of the list here looks like.
    pub(super) fn item(&self) -> Option<Self> {
        self.find(|schema| schema.get("items"))
    }

    /// What the value of `name` in the map here looks like; `None` when the key is unknown.
    pub(super) fn key(&self, name: &str) -> Option<Self> {
        self.find(|schema| {
            schema
                .get("properties")
                .and_then(|properties| properties.get(name))
                .or_else(|| {
                    schema
                        .get("additionalProperties")
                        .filter(|free| free.is_object())
                })
        })
    }

    /// The keys of the map here; `None` when it is no map or one with free keys.
    pub(super) fn known_keys(&self) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        self.alternatives
            .iter()
            .find_map(|schema| schema.get("properties")?.as_object())
            .map(|properties| properties.keys().map(String::as_str))
    }

    fn find(&self, part: impl Fn(&'a Value) -> Option<&'a Value>) -> Option<Self> {
        let at = self.alternatives.iter().find_map(|schema| part(schema))?;
        Some(Self::new(self.root, at))
    }
}

fn collect<'a>(root: &'a Value, at: &'a Value, into: &mut Vec<&'a Value>) {
    into.push(at);
    let target = at
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| root.pointer(reference.strip_prefix('#')?));
    if let Some(target) = target {
        collect(root, target, into);
    }
    for alternative in at
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        collect(root, alternative, into);
    }
}
