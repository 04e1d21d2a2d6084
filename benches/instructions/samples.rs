//! Requests and streams of which instructions are counted. Kept apart from other benchmarks' samples:
//! a change here makes the recorded counts void.

use ai_proxy::chat::Format;

const TEXT: &str = "Please look at this:\\n\\nfn main() { println!(\\\"hello, wörld\\\"); }\\n\\nand say why it fails. ";
/// Requests of this length and more have texts of a quarter of it.
const LONG: usize = 4_000;

/// A conversation of about so many bytes, as agents send them: texts, a tool, calls and results.
pub(crate) fn request(format: Format, bytes: usize) -> String {
    let repeat = (bytes.min(LONG) / (4 * TEXT.len())).max(1);
    let text = TEXT.repeat(repeat);
    let rounds = (bytes / (2 * text.len() + 350)).max(1);
    let items: Vec<String> = (0..rounds)
        .map(|number| round(format, number, &text))
        .collect();
    let items = items.join(",");
    let schema = r#"{"type":"object","properties":{"path":{"type":"string","description":"The file"}},"required":["path"]}"#;
    match format {
        Format::Claude => format!(
            r#"{{"model":"m","max_tokens":1024,"system":"Be brief.","messages":[{items},{{"role":"user","content":"go on"}}],"tools":[{{"name":"read","description":"Reads","input_schema":{schema}}}]}}"#
        ),
        Format::OpenAiChat => format!(
            r#"{{"model":"m","messages":[{{"role":"system","content":"Be brief."}},{items},{{"role":"user","content":"go on"}}],"tools":[{{"type":"function","function":{{"name":"read","description":"Reads","parameters":{schema}}}}}]}}"#
        ),
        Format::OpenAiResponses => format!(
            r#"{{"model":"m","instructions":"Be brief.","input":[{items},{{"role":"user","content":"go on"}}],"tools":[{{"type":"function","name":"read","description":"Reads","parameters":{schema},"strict":false}}]}}"#
        ),
        Format::Gemini => format!(
            r#"{{"model":"m","systemInstruction":{{"parts":[{{"text":"Be brief."}}]}},"contents":[{items},{{"role":"user","parts":[{{"text":"go on"}}]}}],"tools":[{{"functionDeclarations":[{{"name":"read","description":"Reads","parameters":{schema}}}]}}]}}"#
        ),
    }
}

/// A question, a call, its result and an answer.
fn round(format: Format, number: usize, text: &str) -> String {
    match format {
        Format::Claude => format!(
            r#"{{"role":"user","content":"{text}"}},{{"role":"assistant","content":[{{"type":"tool_use","id":"call_{number}","name":"read","input":{{"path":"a.rs"}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"call_{number}","content":"{text}"}}]}},{{"role":"assistant","content":"done"}}"#
        ),
        Format::OpenAiChat => format!(
            r#"{{"role":"user","content":"{text}"}},{{"role":"assistant","content":null,"tool_calls":[{{"id":"call_{number}","type":"function","function":{{"name":"read","arguments":"{{\"path\":\"a.rs\"}}"}}}}]}},{{"role":"tool","tool_call_id":"call_{number}","content":"{text}"}},{{"role":"assistant","content":"done"}}"#
        ),
        Format::OpenAiResponses => format!(
            r#"{{"role":"user","content":"{text}"}},{{"type":"function_call","call_id":"call_{number}","name":"read","arguments":"{{\"path\":\"a.rs\"}}"}},{{"type":"function_call_output","call_id":"call_{number}","output":"{text}"}},{{"role":"assistant","content":"done"}}"#
        ),
        Format::Gemini => format!(
            r#"{{"role":"user","parts":[{{"text":"{text}"}}]}},{{"role":"model","parts":[{{"functionCall":{{"id":"call_{number}","name":"read","args":{{"path":"a.rs"}}}}}}]}},{{"role":"user","parts":[{{"functionResponse":{{"id":"call_{number}","name":"read","response":{{"output":"{text}"}}}}}}]}},{{"role":"model","parts":[{{"text":"done"}}]}}"#
        ),
    }
}

/// A stream with so many chunks of text, event by event.
pub(crate) fn stream(format: Format, chunks: usize) -> Vec<String> {
    let (first, chunk, last) = match format {
        Format::OpenAiChat => chat(),
        Format::Claude => claude(),
        Format::OpenAiResponses => responses(),
        Format::Gemini => gemini(),
    };
    let chunks = std::iter::repeat_n(chunk, chunks);
    first.into_iter().chain(chunks).chain(last).collect()
}

/// The events before the chunks, a chunk, and the events behind them.
type Parts = (Vec<String>, String, Vec<String>);

fn chat() -> Parts {
    let event = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    (
        vec![event(r#"{"role":"assistant","content":""}"#, "null")],
        event(r#"{"content":" a few words"}"#, "null"),
        vec![event("{}", "\"stop\""), "data: [DONE]\n\n".to_owned()],
    )
}

fn named(kind: &str, rest: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n")
}

fn claude() -> Parts {
    (
        vec![
            named(
                "message_start",
                r#","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}"#,
            ),
            named(
                "content_block_start",
                r#","index":0,"content_block":{"type":"text","text":""}"#,
            ),
        ],
        named(
            "content_block_delta",
            r#","index":0,"delta":{"type":"text_delta","text":" a few words"}"#,
        ),
        vec![
            named("content_block_stop", r#","index":0"#),
            named(
                "message_delta",
                r#","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}"#,
            ),
            named("message_stop", ""),
        ],
    )
}

fn responses() -> Parts {
    let response = |number: usize, status: &str| {
        format!(
            r#","sequence_number":{number},"response":{{"id":"resp_1","object":"response","created_at":1,"model":"m","status":"{status}","output":[]}}"#
        )
    };
    (
        vec![
            named("response.created", &response(0, "in_progress")),
            named(
                "response.output_item.added",
                r#","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}"#,
            ),
            named(
                "response.content_part.added",
                r#","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}"#,
            ),
        ],
        named(
            "response.output_text.delta",
            r#","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"delta":" a few words""#,
        ),
        vec![named("response.completed", &response(4, "completed"))],
    )
}

fn gemini() -> Parts {
    let event = |text: &str, finish: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{{\"text\":\"{text}\"}}]}},\"index\":0{finish}}}],\"modelVersion\":\"m\",\"responseId\":\"r\"}}\r\n\r\n"
        )
    };
    (
        Vec::new(),
        event(" a few words", ""),
        vec![event("", ",\"finishReason\":\"STOP\"")],
    )
}
