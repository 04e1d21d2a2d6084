//! The envelope of Code Assist: `{"model", "project", "requestId", "request": {…}}` around a request
//! and `{"response": {…}}` around an answer.
//!
//! What is inside is copied value by value: numbers, order and spelling stay.

use super::super::json::{Node, array, elements, object, pick};
use super::members::{camel, fields, list};

/// Puts a request into the envelope. `safetySettings`, which is not known there, is left out. A body
/// that cannot be read is wrapped as it is.
pub fn envelope(body: &[u8], model: &str, project: Option<&str>, request_id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 160);
    object(&mut out, |o| {
        o.str("model", model);
        o.opt_str("project", project);
        o.str("requestId", request_id);
        write_request(body, o.key("request"));
    });
    out
}

/// Puts a request to count tokens into the envelope, where only `contents` is known: what the system
/// says is counted as one of them.
pub fn count_envelope(body: &[u8]) -> Vec<u8> {
    let inner = pick(body, ["generateContentRequest"]).and_then(|[inner]| inner);
    let text = std::str::from_utf8(inner.unwrap_or(body)).unwrap_or("{}");
    let mut members = fields(Node::trusted(text));
    let system = members.take("systemInstruction");
    let system = system.and_then(|system| fields(system).take("parts"));
    let contents = members.take("contents");
    let mut out = Vec::with_capacity(body.len() + 16);
    object(&mut out, |o| {
        o.object("request", |o| {
            o.array("contents", |a| {
                if let Some(parts) = system {
                    a.object(|o| {
                        o.str("role", "user");
                        o.raw("parts", parts.raw());
                    });
                }
                for content in contents.into_iter().flat_map(list) {
                    a.raw(content.raw());
                }
            });
        });
    });
    out
}

/// An answer, or one element of a stream, without the envelope; without the list too that an error may
/// come in. What is not in an envelope is given as it is.
pub fn unwrap_element(data: &[u8]) -> &[u8] {
    let data = data.trim_ascii();
    let first = || Some(*elements(data)?.first()?);
    let data = match data {
        [b'[', ..] => first().unwrap_or(data),
        data => data,
    };
    let response = pick(data, ["response"]).and_then(|[response]| response);
    response
        .filter(|response| response.starts_with(b"{"))
        .unwrap_or(data)
}

fn write_request(body: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(body).unwrap_or("{}");
    object(out, |o| {
        for (key, value) in Node::trusted(text).members() {
            match &*camel(key.as_ref().into()) {
                "safetySettings" => {}
                "tools" => write_list(value, o.key(&key), write_tool),
                _ => o.raw(&key, value.raw()),
            }
        }
    });
}

fn write_tool(tool: Node<'_>, out: &mut Vec<u8>) {
    object(out, |o| {
        for (key, value) in tool.members() {
            match &*camel(key.as_ref().into()) {
                "functionDeclarations" => write_list(value, o.key(&key), write_declaration),
                _ => o.raw(&key, value.raw()),
            }
        }
    });
}

/// Only `parameters` is known there.
fn write_declaration(declaration: Node<'_>, out: &mut Vec<u8>) {
    object(out, |o| {
        for (key, value) in declaration.members() {
            let is_schema = camel(key.as_ref().into()) == "parametersJsonSchema";
            o.raw(if is_schema { "parameters" } else { &key }, value.raw());
        }
    });
}

fn write_list(node: Node<'_>, out: &mut Vec<u8>, write: impl Fn(Node<'_>, &mut Vec<u8>)) {
    array(out, |a| {
        for item in list(node) {
            write(item, a.element());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_request_is_wrapped_without_its_safety_settings() {
        let body = br#"{"contents": [ {"parts":[{"text":"a\u0041"}]} ],"safety_settings":[1],"tools":{"function_declarations":[{"name":"f","parameters_json_schema":{"a": 1.0}}]}}"#;
        assert_eq!(
            text(envelope(body, "m", Some("p"), "r")),
            r#"{"model":"m","project":"p","requestId":"r","request":{"contents":[ {"parts":[{"text":"a\u0041"}]} ],"tools":[{"function_declarations":[{"name":"f","parameters":{"a": 1.0}}]}]}}"#
        );
        assert_eq!(
            text(envelope(b"{}", "m", None, "r")),
            r#"{"model":"m","requestId":"r","request":{}}"#
        );
    }

    #[test]
    fn the_recorded_envelope_is_made() {
        use crate::wire::{Format, fixtures::read};
        let recorded = read(Format::Gemini, "requests/auth-code-assist-envelope.json");
        let recorded: serde_json::Value = serde_json::from_slice(&recorded).unwrap();
        let made = envelope(
            recorded["request"].to_string().as_bytes(),
            "gemini-3-pro",
            Some("example-project"),
            "0b6f0a52-1111-4222-8333-944455556666",
        );
        let made: serde_json::Value = serde_json::from_slice(&made).unwrap();
        assert_eq!(made, recorded);
    }

    #[test]
    fn counting_names_no_model() {
        let plain = r#"{"request":{"contents":[1]}}"#;
        for body in [
            r#"{"model":"models/m","contents":[1],"safetySettings":[]}"#,
            r#"{"generateContentRequest":{"model":"models/m","contents":[1],"tools":[{}],"generationConfig":{}}}"#,
        ] {
            assert_eq!(text(count_envelope(body.as_bytes())), plain);
        }
        assert_eq!(
            text(count_envelope(
                br#"{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[1]}"#
            )),
            r#"{"request":{"contents":[{"role":"user","parts":[{"text":"s"}]},1]}}"#
        );
    }

    #[test]
    fn an_element_is_unwrapped_as_it_is_written() {
        for (data, want) in [
            (r#"{"response": {"a" : 1},"traceId":"t"}"#, r#"{"a" : 1}"#),
            (r#"{"candidates":[]}"#, r#"{"candidates":[]}"#),
            (r#"[{"error":{"code":400}}]"#, r#"{"error":{"code":400}}"#),
            (r#"{"response":null}"#, r#"{"response":null}"#),
            ("nonsense", "nonsense"),
            ("[]", "[]"),
        ] {
            assert_eq!(text(unwrap_element(data.as_bytes()).to_vec()), want);
        }
    }
}
