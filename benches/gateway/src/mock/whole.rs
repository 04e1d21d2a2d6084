//! Answers in one piece.

use super::format::Format;

const TEXT: &str = "The quick brown fox jumps over the lazy dog; the mock upstream answers with the same text each time, which is long enough to make the whole body about six hundred bytes.";

/// An answer of the upstream, head included.
pub(super) fn answer(format: Format) -> Vec<u8> {
    respond("200 OK", &body(format))
}

/// A JSON answer with its head.
pub(super) fn respond(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-request-id: req_mock_0123456789abcdef\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn body(format: Format) -> String {
    match format {
        Format::Chat => format!(
            r#"{{"id":"chatcmpl-MockA1b2C3d4E5f6","object":"chat.completion","created":1750000000,"model":"mock-model","choices":[{{"index":0,"message":{{"role":"assistant","content":"{TEXT}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":210,"completion_tokens":38,"total_tokens":248,"prompt_tokens_details":{{"cached_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0}}}},"system_fingerprint":"fp_mock"}}"#
        ),
        Format::Messages => format!(
            r#"{{"id":"msg_01MockA1b2C3d4E5f6","type":"message","role":"assistant","model":"mock-model","content":[{{"type":"text","text":"{TEXT}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":210,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":38}}}}"#
        ),
        Format::Responses => format!(
            r#"{{"id":"resp_MockA1b2C3d4E5f6","object":"response","created_at":1750000000,"status":"completed","error":null,"incomplete_details":null,"model":"mock-model","output":[{{"id":"msg_MockA1b2","type":"message","status":"completed","role":"assistant","content":[{{"type":"output_text","text":"{TEXT}","annotations":[]}}]}}],"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"usage":{{"input_tokens":210,"input_tokens_details":{{"cached_tokens":0}},"output_tokens":38,"output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":248}},"metadata":{{}}}}"#
        ),
        Format::Gemini => format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{TEXT}"}}],"role":"model"}},"finishReason":"STOP","index":0,"avgLogprobs":-0.1}}],"usageMetadata":{{"promptTokenCount":210,"candidatesTokenCount":38,"totalTokenCount":248,"promptTokensDetails":[{{"modality":"TEXT","tokenCount":210}}]}},"modelVersion":"mock-model","responseId":"mockA1b2"}}"#
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_json_of_the_length_that_it_says() {
        for format in Format::ALL {
            let answer = String::from_utf8(answer(format)).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("content-length: {}", body.len())));
            assert!(
                (400..900).contains(&body.len()),
                "{format:?} {}",
                body.len()
            );
            let value: serde_json::Value = serde_json::from_str(body).unwrap();
            assert!(value.to_string().contains(TEXT));
        }
    }
}
