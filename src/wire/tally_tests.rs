//! What answers of every provider come to.

use super::*;

/// Input, cache read, cache write, output, reasoning.
type Five = [u64; 5];

fn five(usage: &Usage) -> Five {
    [
        usage.input,
        usage.cache_read,
        usage.cache_write,
        usage.output,
        usage.reasoning,
    ]
}

/// What a whole answer has cost, be it there at once or in pieces.
fn whole(format: Format, answer: &str) -> Option<Usage> {
    let mut tally = Tally::new(format);
    tally.whole(answer.as_bytes());
    let mut passing = Tally::new(format);
    answer
        .as_bytes()
        .chunks(7)
        .for_each(|piece| passing.piece(piece));
    assert_eq!(tally.usage(), passing.usage(), "{answer}");
    tally.usage()
}

fn streamed(format: Format, events: &[&str]) -> Option<Usage> {
    let mut tally = Tally::new(format);
    for event in events {
        tally.event(format!("data: {event}\n\n").as_bytes(), Shape::Sse);
    }
    let mut array = Tally::new(format);
    for event in events {
        array.event(event.as_bytes(), Shape::JsonArray);
    }
    assert_eq!(tally.usage(), array.usage());
    tally.usage()
}

#[test]
fn every_providers_arithmetic_comes_to_the_same_five_numbers() {
    let table: &[(&str, Format, &str, Five)] = &[
        (
            "OpenAI Chat",
            Format::OpenAiChat,
            r#"{"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":60,"total_tokens":1060,"prompt_tokens_details":{"cached_tokens":300,"cache_write_tokens":200,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":40,"audio_tokens":0}}}"#,
            [1000, 300, 200, 60, 40],
        ),
        (
            "OpenAI Responses",
            Format::OpenAiResponses,
            r#"{"output":[],"usage":{"input_tokens":1000,"input_tokens_details":{"cached_tokens":300,"cache_write_tokens":200},"output_tokens":60,"output_tokens_details":{"reasoning_tokens":40},"total_tokens":1060}}"#,
            [1000, 300, 200, 60, 40],
        ),
        (
            "Anthropic with both caches",
            Format::Claude,
            r#"{"type":"message","content":[],"usage":{"input_tokens":500,"cache_read_input_tokens":300,"cache_creation_input_tokens":200,"cache_creation":{"ephemeral_5m_input_tokens":150,"ephemeral_1h_input_tokens":50},"output_tokens":60,"output_tokens_details":{"thinking_tokens":40}}}"#,
            [1000, 300, 200, 60, 40],
        ),
        (
            "Gemini with thoughts and tools",
            Format::Gemini,
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":900,"toolUsePromptTokenCount":100,"cachedContentTokenCount":300,"candidatesTokenCount":20,"thoughtsTokenCount":40,"totalTokenCount":1060}}"#,
            [1000, 300, 0, 60, 40],
        ),
        (
            "Gemini that has said nothing",
            Format::Gemini,
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}}"#,
            [9, 0, 0, 0, 0],
        ),
        (
            "DeepSeek",
            Format::OpenAiChat,
            r#"{"choices":[],"usage":{"prompt_tokens":17,"completion_tokens":13,"total_tokens":30,"prompt_cache_hit_tokens":10,"prompt_cache_miss_tokens":7,"completion_tokens_details":{"reasoning_tokens":5}}}"#,
            [17, 10, 0, 13, 5],
        ),
        (
            "Groq",
            Format::OpenAiChat,
            r#"{"choices":[],"usage":{"queue_time":0.06,"prompt_tokens":21,"prompt_time":0.001,"completion_tokens":29,"completion_time":0.07,"total_tokens":50,"total_time":0.08}}"#,
            [21, 0, 0, 29, 0],
        ),
        (
            "OpenRouter",
            Format::OpenAiChat,
            r#"{"choices":[],"usage":{"prompt_tokens":194,"completion_tokens":2,"total_tokens":196,"cost":0.95,"cost_details":{"upstream_inference_cost":19},"prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":100,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":1}}}"#,
            [194, 10, 100, 2, 1],
        ),
        (
            "Mistral",
            Format::OpenAiChat,
            r#"{"choices":[],"usage":{"prompt_tokens":16,"total_tokens":50,"completion_tokens":34,"prompt_audio_seconds":null}}"#,
            [16, 0, 0, 34, 0],
        ),
        (
            "xAI counts reasoning beside the completion",
            Format::OpenAiChat,
            r#"{"choices":[],"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"prompt_tokens_details":{"text_tokens":32,"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":94,"accepted_prediction_tokens":0},"num_sources_used":0}}"#,
            [32, 6, 0, 103, 94],
        ),
        (
            "Moonshot",
            Format::OpenAiChat,
            r#"{"choices":[],"usage":{"prompt_tokens":19,"completion_tokens":21,"total_tokens":40,"cached_tokens":12}}"#,
            [19, 12, 0, 21, 0],
        ),
        (
            "numbers with a point that are whole",
            Format::OpenAiChat,
            r#"{"usage":{"prompt_tokens":19.0,"completion_tokens":2e1}}"#,
            [19, 0, 0, 20, 0],
        ),
    ];
    for (name, format, answer, want) in table {
        let usage = whole(*format, answer).unwrap();
        assert_eq!(five(&usage), *want, "{name}");
        assert_eq!(usage.odd, Odd::default(), "{name}");
        let in_event = match format {
            Format::OpenAiResponses => {
                format!(r#"{{"type":"response.completed","response":{answer}}}"#)
            }
            Format::Claude => answer.replace(r#""type":"message""#, r#""type":"message_delta""#),
            _ => (*answer).to_owned(),
        };
        assert_eq!(streamed(*format, &[&in_event]), Some(usage), "{name}");
    }
}

#[test]
fn gemini_may_come_in_an_envelope() {
    let answer = r#"{"response":{"candidates":[],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2}}}"#;
    let mut tally = Tally::new(Format::Gemini);
    tally.whole(answer.as_bytes());
    assert_eq!(tally.usage().map(|usage| usage.input), Some(9));
    assert_eq!(streamed(Format::Gemini, &[answer]), tally.usage());
}

#[test]
fn claude_says_what_has_changed_and_the_others_say_all() {
    let claude = streamed(
        Format::Claude,
        &[
            r#"{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":2,"output_tokens":1}}}"#,
            r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"\"usage\":{\"output_tokens\":99}"}}"#,
            r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":4}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":null,"output_tokens":9}}"#,
        ],
    );
    assert_eq!(claude.map(|usage| five(&usage)), Some([17, 5, 2, 9, 0]));
    let chat = streamed(
        Format::OpenAiChat,
        &[
            r#"{"choices":[{"delta":{}}],"usage":{"prompt_tokens":5,"completion_tokens":1}}"#,
            r#"{"choices":[{"delta":{}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#,
            r#"{"choices":[],"usage":null}"#,
            r#"{"choices":[],"x_groq":{"usage":{"prompt_tokens":5,"completion_tokens":3}}}"#,
        ],
    );
    assert_eq!(chat.map(|usage| five(&usage)), Some([5, 0, 0, 3, 0]));
    let gemini = streamed(
        Format::Gemini,
        &[
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":7}}"#,
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":8,"thoughtsTokenCount":2}}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"usage":{"promptTokenCount":0}}}}]}}]}"#,
        ],
    );
    assert!(gemini.is_some_and(|usage| usage.input == 7));
}

#[test]
fn what_cannot_be_is_cut_to_what_can_and_noted() {
    for (answer, want, odd) in [
        (
            r#"{"usage":{"prompt_tokens":-5,"completion_tokens":2.5}}"#,
            [0, 0, 0, 2, 0],
            Odd::INPUT.and(Odd::OUTPUT),
        ),
        (
            r#"{"usage":{"prompt_tokens":1e300,"completion_tokens":1}}"#,
            [u64::MAX, 0, 0, 1, 0],
            Odd::INPUT,
        ),
        (
            r#"{"usage":{"prompt_tokens":"12","completion_tokens":[],"prompt_tokens_details":-1}}"#,
            [0; 5],
            Odd::default(),
        ),
        (
            r#"{"usage":{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551616,"total_tokens":3,"completion_tokens_details":{"reasoning_tokens":18446744073709551615}}}"#,
            [u64::MAX, 0, 0, u64::MAX, u64::MAX],
            Odd::OUTPUT,
        ),
    ] {
        let usage = whole(Format::OpenAiChat, answer).unwrap();
        assert_eq!((five(&usage), usage.odd), (want, odd), "{answer}");
    }
    let claude = r#"{"usage":{"input_tokens":-1,"cache_read_input_tokens":18446744073709551615,"cache_creation_input_tokens":18446744073709551615,"output_tokens":1}}"#;
    let usage = whole(Format::Claude, claude).unwrap();
    assert_eq!(usage.input, u64::MAX);
    assert!(usage.odd.has(Odd::INPUT));
}

#[test]
fn what_says_nothing_is_nothing() {
    for answer in [
        "",
        "{}",
        "nonsense \"usage\":{",
        r#"{"usage":null}"#,
        r#"{"usage":{}}"#,
        r#"{"usage":[]}"#,
        r#"{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":1}"}}]}"#,
    ] {
        assert_eq!(whole(Format::OpenAiChat, answer), None, "{answer}");
    }
    assert!(!may_count(br#"{"usage":null,"usage_x":1}"#));
    assert!(may_count(br#"{"usage" : {"#));
}
