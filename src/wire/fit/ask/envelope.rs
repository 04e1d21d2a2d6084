//! Code Assist: Gemini's bodies in an envelope, with less of JSON Schema, and Claude behind some of
//! its models.

use super::schema::Schemas;
use super::{To, place, tools};
use crate::chat::{
    Change, Extra, Fault, Format, Json, Losses, OutputFormat, Place, Request, Tool, ToolKind,
};
use crate::wire::fit::Restore;

/// The only member of the arguments of a tool that takes none: Claude wants one there.
pub(super) const PLACEHOLDER: &str = "reason";
/// The schema with nothing but that.
const PLACEHOLDER_SCHEMA: &str = r#"{"type":"OBJECT","properties":{"reason":{"type":"STRING","description":"Why this is called."}},"required":["reason"]}"#;
/// What Claude should have for its answer beside its thinking, where the client has set no limit.
const ANSWER: u64 = 32_000;

/// Fits a request of Gemini's own clients: the names and schemas of functions, and that of the answer.
pub(super) fn own(
    request: &mut Request<'_>,
    to: To<'_>,
    losses: &mut Losses,
    restore: &mut Restore,
) -> Result<(), Fault> {
    // What the provider runs is written as it came.
    let is_function = |tool: &Tool<'_>| matches!(tool.kind, ToolKind::Function(_));
    let (functions, others) = std::mem::take(&mut request.tools)
        .into_iter()
        .partition(is_function);
    request.tools = functions;
    for function in &mut request.tools {
        // Only `parameters` is known there.
        function.extra = Extra::default();
    }
    tools::fit(request, to, losses, restore)?;
    request.tools.extend::<Vec<_>>(others);
    let at = place::OUTPUT.at(request.origin);
    if let OutputFormat::JsonSchema { schema, .. } = &mut request.output.format {
        let fitted = Schemas { to, at }.gemini(schema, losses)?;
        *schema = fitted.unwrap_or_else(|| Json::trusted("{\"type\":\"OBJECT\"}"));
    }
    limits(request, to, losses)
}

/// The arguments of a function that takes none.
pub(super) fn placeholder() -> Json<'static> {
    Json::trusted(PLACEHOLDER_SCHEMA)
}

/// Claude's limit is for thinking and answer together, and must be more than the thinking's.
pub(super) fn limits(
    request: &mut Request<'_>,
    to: To<'_>,
    losses: &mut Losses,
) -> Result<(), Fault> {
    if !(to.is(Format::Gemini) && to.profile.fronts_claude()) {
        return Ok(());
    }
    let Some(reasoning) = &mut request.reasoning else {
        return Ok(());
    };
    let Some(budget) = reasoning.budget.filter(|budget| *budget > 0) else {
        return Ok(());
    };
    let at: Place = place::REASONING.at(request.origin);
    match request.max_output_tokens {
        None => request.max_output_tokens = Some(budget.unsigned_abs().saturating_add(ANSWER)),
        Some(limit) if limit > budget.unsigned_abs() => {}
        // Less thinking than this Claude refuses.
        Some(limit) if limit > 1024 => {
            let most = i64::try_from(limit - 1).unwrap_or(i64::MAX);
            reasoning.budget = Some(most);
            losses.note(at, Change::Clamped);
        }
        Some(_) => {
            request.reasoning = None;
            losses.dropped(at)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::chat::{CallKind, Event, OnLoss, Opening, Stop, StopReason};
    use crate::wire::media::Media;
    use crate::wire::translate::{Source, Target, Translated, request};
    use crate::wire::{Format, Profile};
    use serde_json::{Value, json};

    fn translated(from: Format, model: &str, body: &Value) -> Translated {
        let mut profile = Profile::shipped(Format::Gemini, "h", model);
        profile.gemini.envelope = true;
        let body = body.to_string();
        let source = Source {
            note: None,
            format: from,
            body: body.as_bytes(),
            stream: false,
            media: Media::none(),
        };
        let target = Target {
            format: Format::Gemini,
            model,
            profile: &Arc::new(profile),
        };
        request(source, target, OnLoss::Warn).unwrap()
    }

    fn written(from: Format, model: &str, body: &Value) -> Value {
        serde_json::from_slice(&translated(from, model, body).body).unwrap()
    }

    #[test]
    fn clients_of_geminis_get_the_subset_too() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": ["integer", "null"], "minimum": 1}},
            "additionalProperties": false,
            "$defs": {"A": {"const": "x"}},
        });
        let body = json!({
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "m.f", "args": {}}, "thoughtSignature": "AAAA"}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "m.f", "response": {"x": 1}}}]},
            ],
            "tools": [
                {"functionDeclarations": [{"name": "m.f", "parametersJsonSchema": schema, "behavior": "BLOCKING"}]},
                {"googleSearch": {}},
            ],
            "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema},
        });
        let written = written(Format::Gemini, "gemini-3-pro", &body);
        let want = json!({
            "type": "OBJECT",
            "properties": {
                "a": {"type": "STRING", "enum": ["x"]},
                "b": {"type": "INTEGER", "nullable": true, "description": "(minimum: 1)"},
            },
        });
        let declared = &written["tools"][0]["functionDeclarations"][0];
        assert_eq!(declared["parameters"], want);
        assert!(declared.get("behavior").is_none());
        assert_eq!(written["tools"][1], json!({"googleSearch": {}}));
        assert_eq!(written["generationConfig"]["responseSchema"], want);
        let name = declared["name"].as_str().unwrap();
        assert!(name.starts_with("m_f_"), "{name}");
        let part = |content: usize| &written["contents"][content]["parts"][0];
        assert_eq!(part(1)["functionCall"]["name"], name);
        assert_eq!(part(1)["thoughtSignature"], "AAAA");
        assert_eq!(part(2)["functionResponse"]["name"], name);
        assert_eq!(part(2)["functionResponse"]["response"], json!({"x": 1}));
    }

    #[test]
    fn claude_gets_a_member_that_the_client_does_not_see() {
        for (from, body) in [
            (
                Format::OpenAiChat,
                json!({"messages": [{"role": "user", "content": "hi"}], "tools": [{"type": "function", "function": {"name": "f"}}]}),
            ),
            (
                Format::Gemini,
                json!({"contents": [{"parts": [{"text": "hi"}]}], "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {}}}]}]}),
            ),
        ] {
            let translated = translated(from, "claude-sonnet-4-5", &body);
            let written: Value = serde_json::from_slice(&translated.body).unwrap();
            let declared = &written["tools"][0]["functionDeclarations"][0];
            assert_eq!(declared["parameters"]["required"], json!(["reason"]));
            assert_eq!(
                written["toolConfig"]["functionCallingConfig"],
                json!({"mode": "VALIDATED"})
            );
            let mut restore = translated.restore;
            let mut arguments = String::new();
            let open = Event::Open {
                block: 0,
                candidate: 0,
                opening: Opening::ToolCall {
                    id: "c".into(),
                    name: "f".into(),
                    kind: CallKind::Function,
                    namespace: None,
                },
            };
            let piece = |text: &'static str| Event::Arguments {
                block: 0,
                text: text.into(),
            };
            let stop = Event::Stop {
                candidate: 0,
                stop: Stop::new(StopReason::ToolUse),
            };
            for event in [
                open,
                piece("{\"reason\":\"it"),
                piece(" is\"}"),
                Event::Close { block: 0 },
                stop,
            ] {
                restore.event(event, &mut |event| {
                    if let Event::Arguments { text, .. } = event {
                        arguments.push_str(&text);
                    }
                });
            }
            assert_eq!(arguments, "{}", "{from:?}");
        }
    }

    #[test]
    fn claude_answers_beside_its_thinking() {
        for (limit, want) in [
            (json!(null), json!([8192, 40_192])),
            (json!(9000), json!([8192, 9000])),
            (json!(8192), json!([8191, 8192])),
            (json!(500), json!([null, 500])),
        ] {
            let body = json!({
                "contents": [{"parts": [{"text": "hi"}]}],
                "generationConfig": {"maxOutputTokens": limit, "thinkingConfig": {"thinkingBudget": 8192}},
            });
            let config = &written(Format::Gemini, "claude-opus-4-5", &body)["generationConfig"];
            let got = json!([
                config["thinkingConfig"]["thinkingBudget"],
                config["maxOutputTokens"]
            ]);
            assert_eq!(got, want, "{limit}");
        }
    }
}
