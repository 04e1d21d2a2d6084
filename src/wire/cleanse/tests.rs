//! What goes, what comes back, and that the rest stays.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::chat::{FaultKind, OpaqueKind};
use crate::wire::json;

fn opaque(origin: Format, kind: OpaqueKind, data: &'static str) -> Opaque<'static> {
    Opaque {
        origin,
        kind,
        family: "".into(),
        data: data.into(),
    }
}

fn carried(origin: Format, kind: OpaqueKind, family: &str, data: &'static str) -> String {
    carrier::wrap(&opaque(origin, kind, data), family)
}

fn suspected(format: Format, body: &str) -> bool {
    let survey = json::survey(body.as_bytes(), DEPTH, false, |_| {}).unwrap();
    holds_foreign_state(format, body.as_bytes(), survey.marks)
}

fn cleansed(format: Format, body: &str) -> Option<String> {
    let out = cleanse(format, body.as_bytes(), "m");
    if let Some(clean) = &out {
        assert!(suspected(format, body), "{body}");
        assert_eq!(cleanse(format, clean, "m"), None, "once is enough");
    }
    out.map(|bytes| String::from_utf8(bytes).unwrap())
}

fn stripped(format: Format, body: &str) -> Option<String> {
    let out = without_state(format, body.as_bytes())?;
    Some(String::from_utf8(out).unwrap())
}

#[test]
fn a_request_of_its_own_provider_is_left_alone() {
    for (format, body) in [
        (
            Format::Claude,
            r#"{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"EqQB"}]}]}"#,
        ),
        (
            Format::OpenAiResponses,
            r#"{"input":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAA"}]}"#,
        ),
        (
            Format::Gemini,
            r#"{"contents":[{"parts":[{"functionCall":{},"thoughtSignature":"Cs8B"}]}]}"#,
        ),
        (
            Format::OpenAiChat,
            r#"{"messages":[{"tool_calls":[{"id":"call_1"}]},{"tool_call_id":"call_1"}]}"#,
        ),
    ] {
        assert!(!suspected(format, body));
        assert_eq!(cleansed(format, body), None);
    }
    assert_eq!(cleansed(Format::Claude, "no JSON"), None);
    let talk = r#"{"messages":[{"role":"user","content":"what is aip1.g.ts.x.y?"}]}"#;
    assert_eq!(cleansed(Format::Claude, talk), None, "words are no carrier");
}

#[test]
fn anthropic_gets_its_own_thinking_and_no_others() {
    let foreign = carried(Format::Gemini, OpaqueKind::Thought, "gemini-3", "s");
    let elsewhere = carried(Format::Claude, OpaqueKind::Signature, "other", "s");
    let signed = carried(
        Format::Claude,
        OpaqueKind::Signature,
        "m",
        r#"{"t":"exact","s":"EqQB"}"#,
    );
    let redacted = carried(Format::Claude, OpaqueKind::Redacted, "m", "RED");
    let body = format!(
        r#"{{"z":1.0,"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":[{{"type":"redacted_thinking","data":"{foreign}"}}]}},{{"role":"assistant","content":[{{"type":"thinking","thinking":"x","signature":"{elsewhere}"}},{{"type":"thinking","thinking":"changed","signature":"{signed}"}},{{"type":"redacted_thinking","data":"{redacted}"}},{{"type":"redacted_thinking","data":"aip1.broken"}},{{"type":"tool_use","id":"a","name":"f","input":{{"n":1e2,"b":1,"a":2}}}}]}}],"a":12345678901234567890123}}"#
    );
    assert_eq!(
        cleansed(Format::Claude, &body).unwrap(),
        r#"{"z":1.0,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"exact","signature":"EqQB"},{"type":"redacted_thinking","data":"RED"},{"type":"tool_use","id":"a","name":"f","input":{"n":1e2,"b":1,"a":2}}]}],"a":12345678901234567890123}"#
    );
}

#[test]
fn thinking_is_off_where_calls_have_lost_theirs() {
    let foreign = carried(Format::OpenAiResponses, OpaqueKind::Encrypted, "gpt-5", "e");
    let body = |kind: &str| {
        format!(
            r#"{{"thinking":{{"type":"{kind}"}},"messages":[{{"role":"assistant","content":[{{"type":"redacted_thinking","data":"{foreign}"}},{{"type":"tool_use","id":"a"}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"a"}}]}}]}}"#
        )
    };
    let rest = r#""messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a"}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}]}"#;
    let budget = format!("{{{rest}");
    let adaptive = format!(r#"{{"thinking":{{"type":"adaptive"}},{rest}"#);
    for change in [cleansed, stripped] {
        assert_eq!(change(Format::Claude, &body("enabled")).unwrap(), budget);
        assert_eq!(change(Format::Claude, &body("adaptive")).unwrap(), adaptive);
    }
}

#[test]
fn searches_that_were_made_up_go_in_pairs() {
    let body = r#"{"messages":[{"role":"assistant","content":[{"type":"server_tool_use","id":"s1"},{"type":"web_search_tool_result","tool_use_id":"s1","content":[{"type":"web_search_result","encrypted_content": ""}]},{"type":"server_tool_use","id":"s2"},{"type":"web_search_tool_result","tool_use_id":"s2","content":[{"type":"web_search_result","encrypted_content":"Eo8"}]}]}]}"#;
    assert_eq!(
        cleansed(Format::Claude, body).unwrap(),
        r#"{"messages":[{"role":"assistant","content":[{"type":"server_tool_use","id":"s2"},{"type":"web_search_tool_result","tool_use_id":"s2","content":[{"type":"web_search_result","encrypted_content":"Eo8"}]}]}]}"#
    );
}

#[test]
fn responses_gets_its_own_reasoning_and_no_others() {
    let own = carried(
        Format::OpenAiResponses,
        OpaqueKind::Encrypted,
        "m",
        r#"{"id":"rs_x","encrypted_content":"gAAA"}"#,
    );
    let foreign = carried(Format::Claude, OpaqueKind::Signature, "m", "s");
    let body = format!(
        r#"{{"input":[{{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"{own}"}},{{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"{foreign}"}},{{"type":"function_call","id":"fc_1","call_id":"c"}}]}}"#
    );
    assert_eq!(
        cleansed(Format::OpenAiResponses, &body).unwrap(),
        r#"{"input":[{"type":"reasoning","summary":[],"encrypted_content":"gAAA"},{"type":"function_call","id":"fc_1","call_id":"c"}]}"#
    );
}

#[test]
fn chat_gets_its_ids_back() {
    let hidden = carrier::hide(
        "call_1",
        &opaque(Format::Gemini, OpaqueKind::Thought, "s"),
        "gemini-3",
    );
    let foreign = carried(Format::Claude, OpaqueKind::Signature, "x", "s");
    let own = carried(Format::OpenAiChat, OpaqueKind::Signature, "m", "own");
    let body = format!(
        r#"{{"messages":[{{"role":"assistant","reasoning_content":"t","reasoning_details":[{{"type":"reasoning.text","signature":"{foreign}"}}],"thinking_blocks":[{{"signature":"{own}"}}],"tool_calls":[{{"id":"{hidden}","extra_content":{{"google":{{"thought_signature":"{foreign}"}}}}}}]}},{{"role":"tool","tool_call_id":"{hidden}"}}]}}"#
    );
    assert_eq!(
        cleansed(Format::OpenAiChat, &body).unwrap(),
        r#"{"messages":[{"role":"assistant","reasoning_content":"t","thinking_blocks":[{"signature":"own"}],"tool_calls":[{"id":"call_1"}]},{"role":"tool","tool_call_id":"call_1"}]}"#
    );
}

#[test]
fn gemini_gets_its_own_signatures_and_a_word_for_those_it_needs() {
    let own = STANDARD.encode(carried(Format::Gemini, OpaqueKind::Thought, "m", "Cs8B"));
    let foreign = STANDARD.encode(carried(Format::Claude, OpaqueKind::Signature, "x", "s"));
    let inner = format!(
        r#"{{"contents":[{{"role":"model","parts":[{{"text":"t","thought":true,"thoughtSignature":"{foreign}"}},{{"functionCall":{{"name":"f"}},"thoughtSignature":"{foreign}"}},{{"functionCall":{{"name":"g"}},"thought_signature":"{foreign}"}}]}},{{"role":"model","parts":[{{"text":"","thoughtSignature":"{foreign}"}}]}},{{"role":"model","parts":[{{"text":"x","thoughtSignature":"{own}"}}]}}]}}"#
    );
    let want = format!(
        r#"{{"contents":[{{"role":"model","parts":[{{"functionCall":{{"name":"f"}},"thoughtSignature":"{SENTINEL}"}},{{"functionCall":{{"name":"g"}}}}]}},{{"role":"model","parts":[{{"text":"x","thoughtSignature":"Cs8B"}}]}}]}}"#
    );
    assert_eq!(cleansed(Format::Gemini, &inner).unwrap(), want);
    let envelope = format!(r#"{{"project":"p","request":{inner}}}"#);
    assert_eq!(
        cleansed(Format::Gemini, &envelope).unwrap(),
        format!(r#"{{"project":"p","request":{want}}}"#)
    );
}

#[test]
fn all_state_goes_for_one_more_try() {
    let claude = r#"{"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"EqQB"},{"type":"text","text":"x"}]}]}"#;
    assert_eq!(
        stripped(Format::Claude, claude).unwrap(),
        r#"{"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"assistant","content":[{"type":"text","text":"x"}]}]}"#
    );
    let responses = r#"{"include":["reasoning.encrypted_content"],"input":[{"type":"reasoning","id":"rs_1","encrypted_content":"gAAA"},{"type":"function_call","id":"fc_1","call_id":"c"}]}"#;
    assert_eq!(
        stripped(Format::OpenAiResponses, responses).unwrap(),
        r#"{"input":[{"type":"function_call","call_id":"c"}]}"#
    );
    let gemini = r#"{"contents":[{"parts":[{"text":"why","thought":true},{"text":"","thoughtSignature":"a"},{"text":"t","thoughtSignature":"b"},{"functionCall":{"name":"f"}},{"functionCall":{"name":"g"},"thought_signature":"c"}]}]}"#;
    assert_eq!(
        stripped(Format::Gemini, gemini).unwrap(),
        format!(
            r#"{{"contents":[{{"parts":[{{"text":"t"}},{{"functionCall":{{"name":"f"}},"thoughtSignature":"{SENTINEL}"}},{{"functionCall":{{"name":"g"}}}}]}}]}}"#
        )
    );
    for format in Format::ALL {
        let plain = r#"{"messages":[{"role":"user","content":"x"}],"input":"x","contents":[{"parts":[{"text":"x"}]}]}"#;
        assert_eq!(stripped(format, plain), None);
    }
}

#[test]
fn providers_complaints_about_state_are_known() {
    use Format::{Claude, Gemini, OpenAiChat, OpenAiResponses};
    for (format, status, message, is_it) in [
        (
            Claude,
            400,
            "messages.1.content.0: Invalid `signature` in `thinking` block",
            true,
        ),
        (
            Claude,
            400,
            "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
            true,
        ),
        (
            Claude,
            401,
            "Invalid `signature` in `thinking` block",
            false,
        ),
        (Claude, 400, "max_tokens: must be positive", false),
        (
            OpenAiResponses,
            400,
            "The encrypted content gAAA could not be verified.",
            true,
        ),
        (
            OpenAiResponses,
            400,
            "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
            true,
        ),
        (
            Gemini,
            400,
            "Function call is missing a thought_signature in functionCall parts",
            true,
        ),
        (Gemini, 400, "Invalid value at 'contents'", false),
        (OpenAiChat, 400, "Invalid signature", false),
        (
            Claude,
            400,
            "messages.1.content.0.thinking.signature: Field required",
            true,
        ),
        (
            Claude,
            400,
            "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
            true,
        ),
        (
            Claude,
            400,
            "messages.3.content.1: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.",
            true,
        ),
    ] {
        let fault = Fault::new(FaultKind::InvalidRequest, "invalid_request", message);
        assert_eq!(is_state_fault(format, status, &fault), is_it, "{message}");
    }
    let coded = Fault::new(FaultKind::InvalidRequest, "invalid_encrypted_content", "no");
    assert!(is_state_fault(OpenAiResponses, 400, &coded));
}

#[test]
fn a_reasoning_item_that_was_made_here_has_no_id_at_the_provider() {
    let body = r#"{"input":[{"type":"reasoning","id":"rs_aip1_a_0","summary":[{"type":"summary_text","text":"s"}]},{"type":"reasoning","id":"rs_aip1_a_1","summary":[],"encrypted_content":null},{"type":"reasoning","id":"rs_aip1_a_2","summary":[],"encrypted_content":"gAAA"},{"type":"reasoning","id":"rs_2","summary":[]},{"role":"user","content":"hi"}]}"#;
    let want = r#"{"input":[{"type":"reasoning","summary":[],"encrypted_content":"gAAA"},{"type":"reasoning","id":"rs_2","summary":[]},{"role":"user","content":"hi"}]}"#;
    assert_eq!(
        cleansed(Format::OpenAiResponses, body).as_deref(),
        Some(want)
    );
    let talk = r#"{"input":"what is rs_aip1_x?"}"#;
    assert_eq!(cleansed(Format::OpenAiResponses, talk), None);
}

/// What an Anthropic client keeps of answers of providers without signatures.
fn talk(thinking: &str, blocks: &str) -> String {
    format!(
        r#"{{"thinking":{{"type":"{thinking}","budget_tokens":2000}},"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":[{blocks}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"a","content":"r"}},{{"type":"text","text":"note"}}]}}]}}"#
    )
}

#[test]
fn thinking_without_a_signature_is_found_and_goes() {
    let call = r#"{"type":"tool_use","id":"a","name":"f","input":{}}"#;
    let without = talk("adaptive", call);
    for unsigned in [
        r#"{"type":"thinking","thinking":"t","signature":""}"#,
        r#"{"type":"thinking","thinking":"t","signature":null}"#,
        r#"{"thinking":"t","type": "thinking"}"#,
        r#"{"type":"redacted_thinking","data":""}"#,
    ] {
        let body = talk("adaptive", &format!("{unsigned},{call}"));
        assert_eq!(
            cleansed(Format::Claude, &body).unwrap(),
            without,
            "{unsigned}"
        );
        // A budget needs the thinking that is gone.
        let body = body.replace("adaptive", "enabled");
        let off = cleansed(Format::Claude, &body).unwrap();
        assert!(off.starts_with(r#"{"messages""#), "{off}");
    }
}

#[test]
fn a_budget_needs_thinking_in_the_open_loop_only() {
    let call = r#"{"type":"tool_use","id":"a","name":"f","input":{}}"#;
    let off = cleansed(Format::Claude, &talk("enabled", call)).unwrap();
    assert!(off.starts_with(r#"{"messages""#), "{off}");
    assert_eq!(cleansed(Format::Claude, &talk("adaptive", call)), None);
    // Between its calls the model need not think again; a loop that is closed needs nothing.
    let signed = r#"{"type":"thinking","thinking":"t","signature":"Eq"}"#;
    let step = format!(
        r#"{call}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"a"}}]}},{{"role":"assistant","content":[{call}"#
    );
    let begun = talk("enabled", &format!("{signed},{step}"));
    let closed = talk("enabled", call).replace(
        r#"{"type":"tool_result","tool_use_id":"a","content":"r"},"#,
        "",
    );
    for body in [begun, closed] {
        assert!(!suspected(Format::Claude, &body), "{body}");
        assert_eq!(cleansed(Format::Claude, &body), None);
    }
}

#[test]
fn ids_and_empty_words_of_other_providers_do_not_reach_anthropic() {
    let body = r#"{"messages":[{"role":"assistant","content":[{"type":"text","text":"\n \n"},{"type":"tool_use","id":"functions.f:0","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"functions.f:0"}]}]}"#;
    let clean = cleansed(Format::Claude, body).unwrap();
    let id = crate::wire::fit::mapped_id("functions.f:0");
    assert_eq!(
        clean,
        format!(
            r#"{{"messages":[{{"role":"assistant","content":[{{"type":"tool_use","id":"{id}","name":"f","input":{{}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"{id}"}}]}}]}}"#
        )
    );
    let fine = r#"{"messages":[{"role":"assistant","content":[{"type":"text","text":"\nx"},{"type":"tool_use","id":"a","name":"f","input":{"id":"a b","text":" "}}]}]}"#;
    assert!(!suspected(Format::Claude, fine));
}
