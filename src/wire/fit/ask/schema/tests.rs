//! Schemas fitted to each target.

use super::*;
use crate::chat::OnLoss;
use crate::wire::Profile;
use proptest::prelude::*;
use serde_json::{Value, json};

fn with<T>(format: Format, work: impl FnOnce(Schemas<'_>, &mut Losses) -> T) -> T {
    with_profile(format, &Profile::default(), work)
}

fn with_profile<T>(
    format: Format,
    profile: &Profile,
    work: impl FnOnce(Schemas<'_>, &mut Losses) -> T,
) -> T {
    let schemas = Schemas {
        to: To { format, profile },
        at: Place::field("tools").item(0),
    };
    work(schemas, &mut Losses::new(OnLoss::Warn))
}

fn json(value: &Value) -> Json<'static> {
    Json::trusted(value.to_string())
}

fn value(json: &Json<'_>) -> Value {
    serde_json::from_str(json.as_str()).unwrap()
}

fn gemini(schema: &Value) -> Value {
    with(Format::Gemini, |schemas, losses| {
        value(&schemas.gemini(&json(schema), losses).unwrap().unwrap())
    })
}

fn standard(schema: &Value) -> Value {
    let mut profile = Profile::default();
    profile.gemini.json_schema = true;
    with_profile(Format::Gemini, &profile, |schemas, losses| {
        value(&schemas.gemini(&json(schema), losses).unwrap().unwrap())
    })
}

fn exact(schema: &Value) -> Option<Value> {
    with(Format::Claude, |schemas, losses| {
        let exact = schemas.claude_exact(&json(schema), losses).unwrap();
        exact.map(|json| value(&json))
    })
}

fn input(schema: &Value) -> (Value, bool) {
    with(Format::Claude, |schemas, losses| {
        let (json, is_wrapped) = schemas.claude_input(&json(schema), losses).unwrap();
        (value(&json), is_wrapped)
    })
}

#[test]
fn gemini_takes_a_subset() {
    for (schema, wanted) in [
        (
            json!({}),
            json!({"description": "any JSON value", "type": "OBJECT"}),
        ),
        (
            json!({"type": ["string", "null"], "minLength": 1, "$comment": "x"}),
            json!({"type": "STRING", "nullable": true, "minLength": 1}),
        ),
        (
            json!({"type": ["string", "array"], "items": {"type": "integer"}, "description": "d"}),
            json!({"description": "d", "anyOf": [
                {"type": "STRING"}, {"type": "ARRAY", "items": {"type": "INTEGER"}}]}),
        ),
        (
            json!({"oneOf": [{"type": "string"}, {"type": "null"}], "description": "d"}),
            json!({"description": "d", "type": "STRING", "nullable": true}),
        ),
        (
            json!({"anyOf": [{"type": "string"}, {"type": "integer", "format": "int64"}]}),
            json!({"anyOf": [{"type": "STRING"}, {"type": "INTEGER", "format": "int64"}]}),
        ),
        (
            json!({"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]},
                             {"properties": {"b": true, "no": false}, "required": ["b", "no"]}]}),
            json!({"type": "OBJECT", "required": ["a", "b"], "properties": {
                "a": {"type": "STRING"},
                "b": {"type": "OBJECT", "description": "any JSON value"}}}),
        ),
        (
            json!({"const": "x"}),
            json!({"type": "STRING", "enum": ["x"]}),
        ),
        (
            json!({"enum": ["a", "", null, "b"]}),
            json!({"type": "STRING", "enum": ["a", "b"], "nullable": true}),
        ),
        (
            json!({"type": "integer", "enum": [1, 2]}),
            json!({"type": "INTEGER", "description": "(one of: 1, 2)"}),
        ),
        (
            json!({"enum": ["a", 1]}),
            json!({"type": "STRING", "description": "(one of: \"a\", 1)"}),
        ),
        (
            json!({"type": "number", "multipleOf": 5, "format": "odd", "description": "d"}),
            json!({"type": "NUMBER", "description": "d (multipleOf: 5) (format: odd)"}),
        ),
        (
            json!({"type": "array"}),
            json!({"type": "ARRAY", "items": {"type": "STRING"}}),
        ),
        (
            json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]}),
            json!({"type": "ARRAY", "minItems": 2, "maxItems": 2,
                   "items": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}}),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"],
                   "additionalProperties": false}),
            json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]}),
        ),
        (
            json!({"properties": {"f": {"$ref": "#/$defs/f", "description": "mine"}},
                   "$defs": {"f": {"type": "string", "description": "theirs"}}}),
            json!({"type": "OBJECT", "properties": {"f": {"type": "STRING", "description": "mine"}}}),
        ),
        (
            json!({"$ref": "https://example.com/x"}),
            json!({"type": "OBJECT", "description": "see https://example.com/x"}),
        ),
    ] {
        assert_eq!(gemini(&schema), wanted, "{schema}");
    }
}

#[test]
fn a_schema_that_contains_itself_stops() {
    let tree = json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {
        "next": {"$ref": "#/$defs/node"}, "self": {"$ref": "#"}}}}});
    let stub = json!({"type": "OBJECT", "description": "recursive: node"});
    let inlined = gemini(&tree);
    assert_eq!(inlined["properties"]["next"], stub);
    assert_eq!(exact(&tree), None);
    let (kept, _) = input(&tree);
    assert_eq!(kept["properties"]["next"]["$ref"], "#/$defs/node");
}

#[test]
fn properties_may_be_called_like_keywords() {
    let names = [
        "format",
        "default",
        "const",
        "not",
        "oneOf",
        "$ref",
        "enum",
        "additionalProperties",
    ];
    let properties: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!({"type": "string"})))
        .collect();
    let schema = json!({"type": "object", "properties": properties, "required": names});
    let left = |schema: &Value| schema["properties"].as_object().unwrap().len();
    assert_eq!(left(&gemini(&schema)), names.len());
    assert_eq!(left(&standard(&schema)), names.len());
    assert_eq!(left(&exact(&schema).unwrap()), names.len());
    assert_eq!(left(&input(&schema).0), names.len());
}

#[test]
fn a_function_without_arguments_has_no_parameters_at_gemini() {
    with(Format::Gemini, |schemas, losses| {
        for none in ["{}", r#"{"type":"object","properties":{}}"#, "true"] {
            let schema = Json::trusted(none);
            let (schema, is_wrapped) = schemas.gemini_input(&schema, losses).unwrap();
            assert_eq!((schema, is_wrapped), (None, false), "{none}");
        }
    });
}

#[test]
fn tools_take_objects() {
    for (schema, wanted, is_wrapped) in [
        (json!({}), json!({"type": "object"}), false),
        (json!(true), json!({"type": "object"}), false),
        (
            json!({"$schema": "x", "type": "object", "properties": {"a": {}}}),
            json!({"type": "object", "properties": {"a": {}}}),
            false,
        ),
        (
            json!({"type": "array", "items": {"$ref": "#/$defs/a"}, "$defs": {"a": {}}}),
            json!({"type": "object", "required": ["value"], "$defs": {"a": {}},
                   "properties": {"value": {"type": "array", "items": {"$ref": "#/$defs/a"}}}}),
            true,
        ),
        (
            json!({"anyOf": [{"type": "string"}, {"type": "number"}]}),
            json!({"type": "object", "required": ["value"],
                   "properties": {"value": {"anyOf": [{"type": "string"}, {"type": "number"}]}}}),
            true,
        ),
        (
            json!({"type": "object", "properties": {"k": {}}, "required": ["k"], "anyOf": [
                {"properties": {"a": {"type": "string"}}, "required": ["a", "c"]},
                {"properties": {"a": {"type": "number"}, "c": {}}, "required": ["c"]}]}),
            json!({"type": "object", "required": ["k", "c"],
                   "description": "(alternatives, by what they need: a, c; or c)",
                   "properties": {"k": {}, "c": {},
                                  "a": {"anyOf": [{"type": "string"}, {"type": "number"}]}}}),
            false,
        ),
        (
            json!({"allOf": [{"$ref": "#/$defs/a"}, {"properties": {"b": {}}, "required": ["b"]}],
                   "$defs": {"a": {"properties": {"a": {}}, "required": ["a"]}}}),
            json!({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a", "b"],
                   "$defs": {"a": {"properties": {"a": {}}, "required": ["a"]}}}),
            false,
        ),
    ] {
        assert_eq!(input(&schema), (wanted, is_wrapped), "{schema}");
    }
}

#[test]
fn claude_is_held_to_what_it_understands() {
    let schema = json!({"type": "object", "$schema": "s", "properties": {
        "n": {"type": "integer", "minimum": 1, "description": "d"},
        "u": {"type": "string", "format": "uri"},
        "o": {"oneOf": [{"type": "string", "format": "odd"}, {"type": "null"}]},
        "l": {"type": "array", "items": {"type": "string"}, "minItems": 2}}});
    let wanted = json!({"type": "object", "additionalProperties": false, "properties": {
        "n": {"type": "integer", "description": "d {minimum: 1}"},
        "u": {"type": "string", "format": "uri"},
        "o": {"anyOf": [{"type": "string", "description": "{format: odd}"}, {"type": "null"}]},
        "l": {"type": "array", "items": {"type": "string"}, "description": "{minItems: 2}"}}});
    assert_eq!(exact(&schema), Some(wanted));
    for unsayable in [
        json!({"type": "object"}),
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
        json!({"type": "object", "properties": {"m": {"type": "object", "additionalProperties": true}}}),
        json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/gone"}}}),
    ] {
        assert_eq!(exact(&unsayable), None, "{unsayable}");
    }
    let old = json!({"type": "object", "properties": {"a": {"$ref": "#/definitions/a"}},
                     "definitions": {"a": {"type": "string"}}});
    let wanted = json!({"type": "object", "properties": {"a": {"type": "string"}},
                        "additionalProperties": false});
    assert_eq!(exact(&old), Some(wanted));
}

#[test]
fn openai_is_strict_only_where_it_can_be() {
    let fit = |origin, schema: &Value, strict| {
        with(Format::OpenAiChat, |schemas, losses| {
            let fitted = schemas
                .openai(origin, json(schema), strict, losses)
                .unwrap();
            (value(&fitted.schema), fitted.strict)
        })
    };
    let open =
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    let closed = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
                        "additionalProperties": false});
    let optional = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    assert_eq!(fit(Format::Claude, &open, Some(true)), (closed, Some(true)));
    assert_eq!(
        fit(Format::Gemini, &optional, None),
        (optional.clone(), Some(false))
    );
    // The upstream judges what its own clients ask.
    let own = fit(Format::OpenAiResponses, &optional, Some(true));
    assert_eq!(own, (optional.clone(), Some(true)));

    let mut profile = Profile::default();
    profile.chat.force_strict = true;
    let forced = with_profile(Format::OpenAiChat, &profile, |schemas, losses| {
        let fitted = schemas
            .openai(Format::OpenAiChat, json(&optional), None, losses)
            .unwrap();
        (value(&fitted.schema), fitted.strict)
    });
    let wanted = json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}},
                        "required": ["a"], "additionalProperties": false});
    assert_eq!(forced, (wanted, Some(true)));
}

#[test]
fn deep_and_big_schemas_are_refused() {
    let mut deep = json!({"type": "string"});
    for _ in 0..40 {
        deep = json!({"type": "object", "properties": {"a": deep}});
    }
    // Every reference doubles it.
    let mut definitions = serde_json::Map::new();
    for level in 0..30 {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        definitions.insert(
            format!("d{level}"),
            json!({"type": "object", "properties": {"a": next, "b": next}}),
        );
    }
    definitions.insert("d30".to_owned(), json!({"type": "string"}));
    let bomb = json!({"$ref": "#/$defs/d0", "$defs": definitions});
    with(Format::Gemini, |schemas, losses| {
        for schema in [deep, bomb] {
            let fault = schemas.gemini(&json(&schema), losses).unwrap_err();
            assert_eq!(fault.param.as_deref(), Some("tools[0]"));
        }
    });
}

fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!(true)),
        Just(json!(false)),
        Just(json!({"$ref": "#/$defs/a"})),
        Just(json!({"$ref": "#/$defs/b", "description": "d"})),
        Just(json!({"$ref": "#"})),
        Just(json!({"const": 1})),
        Just(json!({"enum": ["a", null, ""]})),
        Just(json!({"enum": [1, 2.5], "type": "number"})),
        Just(json!({"type": "null"})),
        (
            prop_oneof![
                Just(json!("string")), Just(json!("integer")), Just(json!(["string", "null"])),
                Just(json!(["array", "object", "number"])), Just(json!("array")), Just(json!("object")),
            ],
            prop_oneof![
                Just("minimum"), Just("multipleOf"), Just("minLength"), Just("x-own"), Just("minItems"),
            ],
        )
            .prop_map(|(kind, key)| json!({"type": kind, key: 3, "format": "date-time", "default": {"const": 1}})),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let name = prop_oneof![
            Just("a"),
            Just("format"),
            Just("const"),
            Just("anyOf"),
            Just("properties")
        ];
        prop_oneof![
            (
                proptest::collection::btree_map(name, inner.clone(), 0..4),
                any::<bool>()
            )
                .prop_map(
                    |(properties, closed)| json!({"type": "object", "properties": properties,
                    "required": ["a", "gone"], "additionalProperties": !closed})
                ),
            (proptest::collection::vec(inner.clone(), 1..3), 0_usize..4).prop_map(|(list, key)| {
                json!({["anyOf", "oneOf", "allOf", "prefixItems"][key]: list, "description": "x"})
            }),
            (inner, 0_usize..4).prop_map(|(one, key)| {
                json!({["items", "not", "additionalProperties", "if"][key]: one, "title": "t"})
            }),
        ]
    })
}

fn any_root() -> impl Strategy<Value = Value> {
    (any_schema(), any_schema(), any_schema()).prop_map(|(mut root, a, b)| {
        if let Value::Object(members) = &mut root {
            members.insert("$defs".to_owned(), json!({"a": a, "b": b}));
        }
        root
    })
}

/// Calls `check` with every schema in `schema`.
fn all(schema: &Value, check: &mut dyn FnMut(&serde_json::Map<String, Value>)) {
    let Value::Object(members) = schema else {
        return;
    };
    check(members);
    for (key, value) in members {
        match (key.as_str(), value) {
            ("properties" | "$defs", Value::Object(map)) => {
                map.values().for_each(|schema| all(schema, check));
            }
            ("anyOf" | "allOf", Value::Array(list)) => list.iter().for_each(|one| all(one, check)),
            ("items", one) => all(one, check),
            _ => {}
        }
    }
}

const OPENAPI: [&str; 20] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "anyOf",
    "default",
];

proptest! {
    #[test]
    fn gemini_gets_the_subset_and_nothing_twice(schema in any_root()) {
        let fit = |schema: &Value| with(Format::Gemini, |schemas, losses| {
            schemas.gemini(&json(schema), losses).map(|found| found.map(|json| value(&json)))
        });
        if let Ok(Some(once)) = fit(&schema) {
            let mut bad = Vec::new();
            all(&once, &mut |node| {
                bad.extend(node.keys().filter(|key| !OPENAPI.contains(&key.as_str())).cloned());
                if !node.contains_key("type") && !node.contains_key("anyOf") {
                    bad.push(format!("{node:?}"));
                }
            });
            prop_assert!(bad.is_empty(), "{bad:?} in {once}");
            prop_assert_eq!(fit(&once).unwrap(), Some(once));
        }
        let once = standard(&schema);
        prop_assert_eq!(standard(&once), once);
    }

    #[test]
    fn claude_gets_what_it_understands_and_nothing_twice(schema in any_root()) {
        if let Some(once) = exact(&schema) {
            let mut bad = Vec::new();
            all(&once, &mut |node| {
                let is_object = node.contains_key("properties");
                if is_object && node["additionalProperties"] != json!(false) {
                    bad.push("open".to_owned());
                }
                bad.extend(node.keys().filter(|key| {
                    !["type", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "properties", "required",
                      "items", "description", "title", "default", "additionalProperties", "minItems",
                      "format"].contains(&key.as_str())
                }).cloned());
            });
            prop_assert!(bad.is_empty(), "{bad:?} in {once}");
            prop_assert_eq!(exact(&once), Some(once));
        }
        let (once, _) = input(&schema);
        prop_assert_eq!(&once["type"], "object");
        for key in ["anyOf", "oneOf", "allOf", "$ref"] {
            prop_assert!(once.get(key).is_none());
        }
        prop_assert_eq!(input(&once), (once, false));
    }
}

#[test]
fn alternatives_inside_of_alternatives_are_reduced_once() {
    let mut schema = json!({"type": "object", "properties": {}});
    for number in 0..5_000 {
        schema["properties"][format!("p{number}")] = json!({"type": "string"});
    }
    for _ in 0..14 {
        schema =
            json!({"anyOf": [{"type": "object", "properties": {"a": schema}}, {"type": "null"}]});
    }
    let begun = std::time::Instant::now();
    let mut reduced = &gemini(&schema);
    // Seconds on a busy machine; hours if it were done again and again.
    assert!(begun.elapsed().as_secs() < 60);
    for _ in 0..14 {
        assert_eq!(reduced["nullable"], true);
        reduced = &reduced["properties"]["a"];
    }
    assert_eq!(reduced["properties"].as_object().unwrap().len(), 5_000);
}

#[test]
fn what_gemini_would_refuse_is_not_sent() {
    for (schema, want) in [
        (
            json!({"type": "object", "properties": {}}),
            json!({"type": "OBJECT"}),
        ),
        (
            json!({"type": "object", "properties": {"a": false}, "required": ["a"]}),
            json!({"type": "OBJECT"}),
        ),
        (
            json!({"type": "int", "minimum": "x"}),
            json!({"type": "INTEGER"}),
        ),
        (
            json!({"type": ["any", "bool", "null"]}),
            json!({"type": "BOOLEAN", "nullable": true}),
        ),
        (
            json!({"type": "file", "title": 5, "pattern": {}, "nullable": null}),
            json!({"type": "OBJECT", "description": "any JSON value"}),
        ),
        (
            json!({"anyOf": [{"type": "integer"}, {"const": null}]}),
            json!({"type": "INTEGER", "nullable": true}),
        ),
        (
            json!({"oneOf": [{"enum": [null]}, {"enum": ["a"]}, false]}),
            json!({"type": "STRING", "enum": ["a"], "nullable": true}),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "a"]}),
            json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]}),
        ),
        (
            json!({"type": ["string", "integer"], "enum": ["a", 1]}),
            json!({"description": "(one of: \"a\", 1)", "anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}),
        ),
    ] {
        assert_eq!(gemini(&schema), want, "{schema}");
    }
}

#[test]
fn alternatives_that_only_need_members_are_told() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    });
    assert_eq!(
        gemini(&schema),
        json!({
            "type": "OBJECT",
            "properties": {"a": {"type": "STRING"}, "b": {"type": "STRING"}},
            "description": "(anyOf: [{\"required\":[\"a\"]},{\"required\":[\"b\"]}])",
        })
    );
}

#[test]
fn a_map_of_arguments_is_lost_with_a_note() {
    let schema = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let mut profile = Profile::default();
    for (is_json, want) in [(false, None), (true, Some(schema.clone()))] {
        profile.gemini.json_schema = is_json;
        with_profile(Format::Gemini, &profile, |schemas, losses| {
            let (fitted, _) = schemas.gemini_input(&json(&schema), losses).unwrap();
            assert_eq!(fitted.map(|json| value(&json)), want);
            assert_eq!(losses.notes().len(), usize::from(!is_json));
        });
    }
}

#[test]
fn the_envelope_knows_no_bounds() {
    let mut profile = Profile::default();
    profile.gemini.envelope = true;
    let schema =
        json!({"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 3});
    with_profile(Format::Gemini, &profile, |schemas, losses| {
        assert_eq!(
            value(&schemas.gemini(&json(&schema), losses).unwrap().unwrap()),
            json!({"type": "ARRAY", "items": {"type": "INTEGER", "description": "(minimum: 1)"}, "description": "(maxItems: 3)"})
        );
    });
}

#[test]
fn many_members_take_no_time() {
    let names: Vec<String> = (0..9_000).map(|number| format!("p{number}")).collect();
    let mut schema = json!({"type": "object", "properties": {}, "required": &names});
    for name in &names {
        schema["properties"][name] = json!(true);
    }
    let begun = std::time::Instant::now();
    let reduced = gemini(&schema);
    assert_eq!(reduced["properties"].as_object().unwrap().len(), 9_000);
    assert_eq!(reduced["required"].as_array().unwrap().len(), 9_000);
    // Seconds on a busy machine; hours if it were done again and again.
    assert!(begun.elapsed().as_secs() < 60);
}
