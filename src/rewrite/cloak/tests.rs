//! Requests before and after they are shaped.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn none() -> Cloak {
    Cloak {
        skip: Vec::new(),
        system: None,
        user: None,
        words: None,
    }
}

fn system(replaces: bool) -> Cloak {
    let system = System {
        text: "Be \"brief\".".into(),
        replaces,
    };
    Cloak {
        system: Some(system),
        ..none()
    }
}

fn words(words: &[&str]) -> Cloak {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    Cloak {
        words: Some(Words::try_new(&words, Key::of("k")).unwrap()),
        ..none()
    }
}

const NOBODY: Client<'static> = Client {
    key: None,
    agent: None,
};

fn shape(cloak: &Cloak, format: Format, body: &str) -> String {
    let shaped = cloak.shape(body.as_bytes(), format, false, NOBODY);
    shaped
        .body
        .map_or_else(|| body.to_owned(), |body| String::from_utf8(body).unwrap())
}

#[test]
fn a_system_prompt_stands_before_the_clients() {
    use Format::{Claude, Gemini, OpenAiChat, OpenAiResponses};
    let text = r#""Be \"brief\".""#;
    for (format, body, want) in [
        (Claude, r#"{"a":1.0}"#, r#"{"a":1.0,"system":@}"#),
        (
            Claude,
            r#"{"system": "x\u0041" }"#,
            r#"{"system": "Be \"brief\".\n\nx\u0041" }"#,
        ),
        (Claude, r#"{"system":""}"#, r#"{"system":@}"#),
        (Claude, r#"{"system":null}"#, r#"{"system":@}"#),
        (
            Claude,
            r#"{"system":[ {"type":"text"}]}"#,
            r#"{"system":[{"type":"text","text":@}, {"type":"text"}]}"#,
        ),
        (
            Claude,
            r#"{"system":[]}"#,
            r#"{"system":[{"type":"text","text":@}]}"#,
        ),
        (
            OpenAiResponses,
            r#"{"input":"x"}"#,
            r#"{"input":"x","instructions":@}"#,
        ),
        (
            OpenAiResponses,
            r#"{"instructions":"y"}"#,
            r#"{"instructions":"Be \"brief\".\n\ny"}"#,
        ),
        (
            OpenAiChat,
            r#"{"messages":[{"role":"user"}]}"#,
            r#"{"messages":[{"role":"system","content":@},{"role":"user"}]}"#,
        ),
        (
            OpenAiChat,
            r#"{"messages":[]}"#,
            r#"{"messages":[{"role":"system","content":@}]}"#,
        ),
        (
            OpenAiChat,
            r#"{"messages":[{"role":"user"},{"role":"developer","content":"z"}]}"#,
            r#"{"messages":[{"role":"developer","content":@},{"role":"user"},{"role":"developer","content":"z"}]}"#,
        ),
        (
            OpenAiChat,
            r#"{"messages":[{"role":"system","content":"z"}]}"#,
            r#"{"messages":[{"role":"system","content":"Be \"brief\".\n\nz"}]}"#,
        ),
        (
            OpenAiChat,
            r#"{"messages":[{"role":"system","content":[{}]}]}"#,
            r#"{"messages":[{"role":"system","content":[{"type":"text","text":@},{}]}]}"#,
        ),
        (OpenAiChat, r#"{"messages":5}"#, r#"{"messages":5}"#),
        (
            Gemini,
            r#"{"contents":[]}"#,
            r#"{"contents":[],"systemInstruction":{"parts":[{"text":@}]}}"#,
        ),
        (
            Gemini,
            r#"{"system_instruction":{"parts":[{"text":"x"}]}}"#,
            r#"{"system_instruction":{"parts":[{"text":@},{"text":"x"}]}}"#,
        ),
        (
            Gemini,
            r#"{"systemInstruction":{"parts":{"text":"x"}}}"#,
            r#"{"systemInstruction":{"parts":[{"text":@},{"text":"x"}]}}"#,
        ),
        (
            Gemini,
            r#"{"systemInstruction":{}}"#,
            r#"{"systemInstruction":{"parts":[{"text":@}]}}"#,
        ),
        (
            Gemini,
            r#"{"generateContentRequest":{"a":1}}"#,
            r#"{"generateContentRequest":{"a":1,"systemInstruction":{"parts":[{"text":@}]}}}"#,
        ),
    ] {
        assert_eq!(
            shape(&system(false), format, body),
            want.replace('@', text),
            "{body}"
        );
    }
    let counted = system(false).shape(br#"{"contents":[]}"#, Gemini, true, NOBODY);
    assert_eq!(counted.body, None);
}

#[test]
fn a_strict_system_prompt_stands_alone() {
    use Format::{Claude, Gemini, OpenAiChat, OpenAiResponses};
    let text = r#""Be \"brief\".""#;
    for (format, body, want) in [
        (
            Claude,
            r#"{"system":[{"text":"x"}],"m":1}"#,
            r#"{"system":@,"m":1}"#,
        ),
        (
            OpenAiResponses,
            r#"{"instructions":"y","input":[{"role":"system","content":"a"},{"role":"user"},{"role":"developer"}]}"#,
            r#"{"instructions":@,"input":[{"role":"user"}]}"#,
        ),
        (
            OpenAiChat,
            r#"{"messages":[{"role":"system","content":"a"},{"role":"user"},{"role":"developer","content":"b"}]}"#,
            r#"{"messages":[{"role":"system","content":@},{"role":"user"}]}"#,
        ),
        (
            Gemini,
            r#"{"system_instruction":{"parts":[{"text":"x"}]}}"#,
            r#"{"system_instruction":{"parts":[{"text":@}]}}"#,
        ),
    ] {
        assert_eq!(
            shape(&system(true), format, body),
            want.replace('@', text),
            "{body}"
        );
    }
}

#[test]
fn a_strict_system_prompt_takes_any_number_of_others_out() {
    let many = "{\"role\":\"system\"},".repeat(50_000);
    for (format, list, want) in [
        (
            Format::OpenAiChat,
            "messages",
            r#"{"messages":[{"role":"system","content":@},{"role":"user"}]}"#,
        ),
        (
            Format::OpenAiResponses,
            "input",
            r#"{"input":[{"role":"user"}],"instructions":@}"#,
        ),
        (
            Format::Claude,
            "messages",
            r#"{"messages":[{"role":"user"}],"system":@}"#,
        ),
    ] {
        let body = format!("{{\"{list}\":[{many}{{\"role\":\"user\"}}]}}");
        let want = want.replace('@', r#""Be \"brief\".""#);
        assert_eq!(shape(&system(true), format, &body), want);
    }
}

#[test]
fn slashes_may_be_escaped_in_json_inside_of_json() {
    let body = r#"{"messages":[{"tool_calls":[{"function":{"arguments":"{\"repo\":\"acme\\/falcon\"}"}}]}]}"#;
    let shaped = words(&["acme/falcon"]).shape(body.as_bytes(), Format::OpenAiChat, false, NOBODY);
    let after = String::from_utf8(shaped.body.unwrap()).unwrap();
    assert!(
        after.contains("MASK_") && !after.contains("falcon"),
        "{after}"
    );
}

fn user(id: UserId) -> Cloak {
    Cloak {
        user: Some(id),
        ..none()
    }
}

fn hashed(key: &str, provider: &str) -> UserId {
    UserId::Hashed {
        key: Key::of(key),
        provider: provider.into(),
    }
}

fn user_of(cloak: &Cloak, client: &str) -> String {
    let key = KeyHash::of(client.as_bytes());
    let client = Client {
        key: Some(&key),
        agent: None,
    };
    let shaped = cloak.shape(b"{}", Format::OpenAiChat, false, client);
    let body: Value = serde_json::from_slice(&shaped.body.unwrap()).unwrap();
    body["user"].as_str().unwrap().to_owned()
}

#[test]
fn a_user_id_is_set_where_there_is_none() {
    let cloak = user(UserId::Random);
    for (format, body, pointer) in [
        (Format::Claude, "{}", Some("/metadata/user_id")),
        (
            Format::Claude,
            r#"{"metadata":{"x":1}}"#,
            Some("/metadata/user_id"),
        ),
        (Format::Claude, r#"{"metadata":{"user_id":"u"}}"#, None),
        (
            Format::Claude,
            r#"{"metadata":null}"#,
            Some("/metadata/user_id"),
        ),
        (
            Format::Claude,
            r#"{"metadata":{"user_id":null}}"#,
            Some("/metadata/user_id"),
        ),
        (Format::OpenAiChat, "{}", Some("/user")),
        (
            Format::OpenAiChat,
            r#"{"user":null,"safety_identifier":null}"#,
            Some("/user"),
        ),
        (Format::OpenAiChat, r#"{"user":"u"}"#, None),
        (Format::OpenAiChat, r#"{"safety_identifier":"u"}"#, None),
        (Format::OpenAiResponses, "{}", Some("/safety_identifier")),
        (Format::OpenAiResponses, r#"{"user":"u"}"#, None),
        (Format::Gemini, "{}", None),
    ] {
        let after: Value = serde_json::from_str(&shape(&cloak, format, body)).unwrap();
        let id = pointer.map(|pointer| after.pointer(pointer).unwrap().as_str().unwrap());
        assert_eq!(
            id.map(str::len),
            pointer.map(|_| 37),
            "{format:?} {body} {after}"
        );
        if pointer.is_none() {
            assert_eq!(after.to_string(), body);
        }
    }
    let counted = cloak.shape(b"{}", Format::Claude, true, NOBODY);
    assert_eq!(counted.body, None);
}

#[test]
fn a_hashed_id_depends_on_client_key_and_provider() {
    let cloak = user(hashed("k", "p"));
    assert_eq!(user_of(&cloak, "a"), user_of(&cloak, "a"));
    assert_eq!(user_of(&cloak, "a"), user_of(&user(hashed("k", "p")), "a"));
    assert_ne!(user_of(&cloak, "a"), user_of(&cloak, "b"));
    assert_ne!(user_of(&cloak, "a"), user_of(&user(hashed("l", "p")), "a"));
    assert_ne!(user_of(&cloak, "a"), user_of(&user(hashed("k", "q")), "a"));
    let random = user(UserId::Random);
    assert_ne!(user_of(&random, "a"), user_of(&random, "a"));
}

#[test]
fn skipped_agents_are_left_alone() {
    let cloak = Cloak {
        skip: vec![Glob::try_new("agent/*").unwrap()],
        ..system(false)
    };
    for (agent, is_shaped) in [
        (Some("agent/1"), false),
        (Some("my agent/1"), true),
        (None, true),
    ] {
        let client = Client { key: None, agent };
        let shaped = cloak.shape(b"{}", Format::Claude, false, client);
        assert_eq!(shaped.body.is_some(), is_shaped, "{agent:?}");
    }
}

/// The body with its words back.
fn revealed(shaped: &Shaped) -> String {
    let (body, masks) = (
        shaped.body.as_ref().unwrap(),
        shaped.masks.as_ref().unwrap(),
    );
    String::from_utf8(masks.reveal(body).unwrap()).unwrap()
}

#[test]
fn words_are_masked_where_something_is_said_and_nowhere_else() {
    use Format::{Claude, Gemini, OpenAiChat, OpenAiResponses};
    for (format, body, count) in [
        (
            Claude,
            r#"{"model":"acme","system":"ACME","messages":[{"role":"acme","content":"an acme, AcMe's"}],"tools":[{"name":"acme"}]}"#,
            3,
        ),
        (
            Claude,
            r#"{"messages":[{"content":[{"type":"tool_use","id":"acme","name":"acme","input":{"acme":["acme"],"name":"acme"}},
            {"type":"thinking","thinking":"acme","signature":"acme"},{"type":"image","source":{"data":"acme","type":"base64"}},
            {"type":"tool_result","tool_use_id":"acme","content":[{"type":"text","text":"acme"}]}]}]}"#,
            5,
        ),
        (
            OpenAiChat,
            r#"{"messages":[{"role":"system","content":"acme"},{"tool_calls":[{"id":"acme","function":{"name":"acme",
            "arguments":"{\"a\":\"acme \\\"x\\\"\"}"}}]},{"content":[{"type":"image_url","image_url":{"url":"acme"}}]}]}"#,
            2,
        ),
        (
            OpenAiResponses,
            r#"{"instructions":"acme","input":[{"type":"message","content":[{"type":"input_text","text":"acme"}]},
            {"type":"function_call_output","call_id":"acme","output":"acme"},{"type":"reasoning","encrypted_content":"acme"}]}"#,
            3,
        ),
        (OpenAiResponses, r#"{"input":"acme"}"#, 1),
        (
            Claude,
            r#"{"messages":[{"content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"acme"}}]}]}"#,
            1,
        ),
        (
            OpenAiChat,
            r#"{"messages":[],"prediction":{"type":"content","content":"acme"}}"#,
            1,
        ),
        (
            OpenAiResponses,
            r#"{"prompt":{"id":"acme","variables":{"name":"acme"}}}"#,
            1,
        ),
        (
            Gemini,
            r#"{"system_instruction":{"parts":[{"text":"acme"}]},"contents":[{"role":"user","parts":[{"text":"acme"},
            {"inline_data":{"mime_type":"acme","data":"acme"},"thought_signature":"acme"},{"functionCall":{"name":"acme","args":{"x":"acme"}}},
            {"functionResponse":{"name":"acme","response":{"acme":1}}}]}]}"#,
            4,
        ),
        (
            Gemini,
            r#"{"generateContentRequest":{"contents":[{"parts":[{"text":"acme"}]}]}}"#,
            1,
        ),
    ] {
        let shaped = words(&["Acme"]).shape(body.as_bytes(), format, false, NOBODY);
        let after = String::from_utf8(shaped.body.clone().unwrap()).unwrap();
        assert_eq!(after.matches("MASK_").count(), count, "{after}");
        assert_eq!(revealed(&shaped), body);
    }
}

#[test]
fn words_are_found_however_they_are_written() {
    let cloak = words(&["Müller", "a/b", "müller gmbh"]);
    for (said, is_whole) in [
        (r#""MÜLLER""#, false),
        (r#""m\u00fcller \n M\u00DCLLER""#, false),
        (r#""a\/b \ud83d\ude00 A/B \ud800 a/b""#, false),
        (r#""Müller GmbH""#, true),
        (r#""{\"q\":\"m\\u00fcller\",\"m\\u00fcller\":[]}""#, false),
        (r#""\n {\"q\":\"m\\u00fcller\"}""#, false),
    ] {
        let body = format!(r#"{{ "messages":[{{"content":{said}}}] }}"#);
        let shaped = cloak.shape(body.as_bytes(), Format::OpenAiChat, false, NOBODY);
        let after = String::from_utf8(shaped.body.clone().unwrap()).unwrap();
        let left = after.to_lowercase();
        assert!(
            !left.contains("ller") && !left.contains("a/b") && !left.contains("a\\/b"),
            "{after}"
        );
        assert!(!left.contains("gmbh"), "{after}");
        assert!(!is_whole || after.matches("MASK_").count() == 1);
        // What the words were written as may be lost, what they mean is not.
        let (before, back): (Value, Value) = (
            serde_json::from_str(&body.replace("\\ud800", "")).unwrap(),
            serde_json::from_str(&revealed(&shaped).replace("\\ud800", "")).unwrap(),
        );
        let flat = |value: &Value| value.to_string().replace("\\\\u00fc", "ü");
        assert_eq!(flat(&before), flat(&back));
    }
}

#[test]
fn a_word_has_the_same_mask_in_every_request() {
    let body = r#"{"messages":[{"content":"acme ACME aCme"}]}"#;
    let again = r#"{"messages":[{"content":"aCme ACME acme"}]}"#;
    let masked = |cloak: &Cloak, body| {
        let after: Value = serde_json::from_str(&shape(cloak, Format::Claude, body)).unwrap();
        let text = after["messages"][0]["content"].as_str().unwrap().to_owned();
        text.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let cloak = words(&["acme"]);
    let (mut first, second) = (masked(&cloak, body), masked(&words(&["acme"]), again));
    first.reverse();
    assert_eq!(first, second);
    assert!(first[0] != first[1] && first[1] != first[2]);
    let other = Words::try_new(&["acme".to_owned()], Key::of("other")).unwrap();
    let other = Cloak {
        words: Some(other),
        ..none()
    };
    assert_ne!(masked(&other, body), masked(&cloak, body));
}

#[test]
fn a_request_without_words_stays_as_it_is() {
    let cloak = words(&["acme"]);
    let shaped = cloak.shape(
        br#"{"messages":[{"content":"hi"}]}"#,
        Format::OpenAiChat,
        false,
        NOBODY,
    );
    assert!(shaped.body.is_none() && shaped.masks.is_none());
    // The provider may remember masks of earlier requests.
    let body = br#"{"input":"hi","previous_response_id":"r"}"#;
    let shaped = cloak.shape(body, Format::OpenAiResponses, false, NOBODY);
    assert!(shaped.body.is_none() && shaped.masks.is_some());
    let earlier = shape(
        &cloak,
        Format::OpenAiResponses,
        r#"{"input":"acme ACME Acme"}"#,
    );
    for masks in [shaped.masks, cloak.remembered(NOBODY)] {
        let revealed = masks.unwrap().reveal(earlier.as_bytes());
        assert_eq!(revealed.unwrap(), br#"{"input":"acme ACME Acme"}"#);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn masking_is_exact_and_reveals_the_same(
        said in prop::collection::vec(prop_oneof![
            Just("Acme"), Just("aCMe"), Just("müller"), Just("x"), Just("\""), Just("\\"), Just("\n"), Just("😀"), Just("acm"),
        ], 0..12),
        is_ascii in any::<bool>(),
        spaces in "[ \n]{0,2}",
    ) {
        let said = said.concat();
        let mut text = json!(said).to_string();
        if is_ascii {
            text = text.replace('ü', "\\u00fc").replace('😀', "\\ud83d\\ude00");
        }
        let body = format!("{{{spaces}\"n\":1.0,\"messages\":{spaces}[{{\"content\":{text}}}]}}");
        let shaped = words(&["acme", "Müller"]).shape(body.as_bytes(), Format::OpenAiChat, false, NOBODY);
        let Some(after) = &shaped.body else {
            let lower = said.to_lowercase();
            prop_assert!(!lower.contains("acme") && !lower.contains("müller"));
            return Ok(());
        };
        let after: Value = serde_json::from_slice(after).unwrap();
        let masked = after["messages"][0]["content"].as_str().unwrap();
        prop_assert!(!masked.to_lowercase().contains("acme"));
        let back = revealed(&shaped);
        prop_assert_eq!(back.replace("\\u00fc", "ü"), body.replace("\\u00fc", "ü"));
    }
}
