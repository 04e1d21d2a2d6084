//! What holds for all translated requests.

use serde_json::Value;

use super::*;

/// Where a format keeps the conversation.
const fn turns(format: Format) -> &'static str {
    match format {
        Format::OpenAiChat | Format::Claude => "messages",
        Format::OpenAiResponses => "input",
        Format::Gemini => "contents",
    }
}

#[test]
fn the_same_request_gives_the_same_bytes() {
    for fixture in fixtures::requests() {
        for to in others(fixture.format) {
            let done = || ask(fixture.format, to, &fixture.body).map(|done| done.body);
            assert_eq!(done().ok(), done().ok(), "{}", case(&fixture, to));
        }
    }
}

/// Prompt caches read from the front: one more turn must not change what was said before.
#[test]
fn what_was_said_before_stays_as_it_was() {
    let mut complaints = Complaints::default();
    let mut compared = 0;
    for fixture in fixtures::requests() {
        let mut body: Value = serde_json::from_slice(&fixture.body).unwrap();
        let member = turns(fixture.format);
        if !body[member].is_array() {
            continue;
        }
        let more = match fixture.format {
            Format::Gemini => serde_json::json!([
                {"role": "model", "parts": [{"text": "Well."}]},
                {"role": "user", "parts": [{"text": "And?"}]},
            ]),
            _ => serde_json::json!([
                {"role": "assistant", "content": "Well."},
                {"role": "user", "content": "And?"},
            ]),
        };
        let role = |turn: &Value| turn["role"].as_str().unwrap_or("user").to_owned();
        let last = body[member]
            .as_array()
            .and_then(|turns| turns.last())
            .map(role);
        if !matches!(last.as_deref(), Some("user" | "tool")) {
            continue;
        }
        for to in others(fixture.format) {
            let said = |body: &Value| {
                let done = ask(fixture.format, to, &serde_json::to_vec(body).unwrap()).ok()?;
                let done: Value = serde_json::from_slice(&done.body).unwrap();
                done[turns(to)].as_array().cloned()
            };
            let before = said(&body);
            let turns_before = body[member].clone();
            let turns = body[member].as_array_mut().unwrap();
            turns.extend(more.as_array().unwrap().iter().cloned());
            let after = said(&body);
            body[member] = turns_before;
            let (Some(before), Some(after)) = (before, after) else {
                continue;
            };
            compared += 1;
            complaints.unless(after.starts_with(&before), || {
                format!("{}:\n  {before:?}\n  {after:?}", case(&fixture, to))
            });
        }
    }
    complaints.none();
    assert!(compared > 40, "{compared}");
}

#[test]
fn losses_name_what_the_client_wrote() {
    let mut complaints = Complaints::default();
    for fixture in fixtures::requests() {
        let body: Value = serde_json::from_slice(&fixture.body).unwrap();
        for to in others(fixture.format) {
            let Ok(done) = ask(fixture.format, to, &fixture.body) else {
                continue;
            };
            for loss in done.losses.notes() {
                let end = loss.path.find(['.', '[']).unwrap_or(loss.path.len());
                let root = &loss.path[..end];
                let known = body.get(root).is_some()
                    || loss.change == crate::chat::Change::Synthesised
                    || body.get(snake(root)).is_some();
                complaints.unless(known, || format!("{}: {}", case(&fixture, to), loss.path));
            }
        }
    }
    complaints.none();
}

/// Gemini's other spelling.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}
