//! Reads a request: whatever clients really send, into the neutral model.

mod assistant;
mod messages;
mod parts;
mod reasoning;
mod tools;

pub(super) use parts::part;

use std::borrow::Cow;

use crate::chat::{
    Effort, Extra, Fault, FaultKind, Format, Json, Logprobs, Modality, OutputFormat, Reasoning,
    ReasoningMode, Request, Tier, Verbosity,
};
use crate::wire::json::{Kind, Node, Object, quote};

/// Reads the document.
pub(super) fn decode(body: Node<'_>) -> Result<Request<'_>, Fault> {
    let mut members = body.object();
    let mut request = Request::new(Format::OpenAiChat);
    // Known members with a value that nobody knows: they go back only where they came from.
    let mut kept = Vec::new();
    request.model = members.take_str("model").unwrap_or_default();
    request.stream = members.take_bool("stream").unwrap_or(false);
    sampling(&mut request, &mut members);
    limits(&mut request, &mut members)?;
    output(&mut request, &mut members, &mut kept);
    reasoning(&mut request, &mut members, &mut kept);
    service(&mut request, &mut members, &mut kept);
    tools::decode(&mut request, &mut members, &mut kept)?;
    let messages = members.take("messages");
    let messages = messages.filter(|messages| messages.kind() == Kind::Array);
    let messages =
        messages.ok_or_else(|| malformed("messages", "'messages' must be an array of messages"))?;
    messages::decode(messages, &mut request)?;
    request.native = members.rest();
    request
        .native
        .0
        .retain(|(_, value)| value.as_str() != "null");
    request.native.0.extend(kept);
    Ok(request)
}

type Kept<'a> = Vec<(Cow<'a, str>, Json<'a>)>;

fn keep<'a>(kept: &mut Kept<'a>, name: &'static str, value: Node<'a>) {
    kept.push((Cow::Borrowed(name), value.json()));
}

/// The error for what cannot be understood at all.
fn malformed(path: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::InvalidRequest, "invalid_type", message).with_param(path)
}

fn sampling<'a>(request: &mut Request<'a>, members: &mut Object<'a>) {
    let sampling = &mut request.sampling;
    sampling.temperature = members.take_json("temperature");
    sampling.top_p = members.take_json("top_p");
    sampling.top_k = members.take_json("top_k");
    sampling.presence_penalty = members.take_json("presence_penalty");
    sampling.frequency_penalty = members.take_json("frequency_penalty");
    sampling.seed = members.take_json("seed");
    sampling.logit_bias = members.take_json("logit_bias");
    request.stop = match members.take("stop") {
        Some(stop) if stop.kind() == Kind::Array => stop.items().filter_map(Node::str).collect(),
        Some(stop) => stop.str().into_iter().collect(),
        None => Vec::new(),
    };
    let wanted = members.take_bool("logprobs").unwrap_or(false);
    let top = members.take_u64("top_logprobs");
    request.logprobs = (wanted || top.is_some()).then_some(Logprobs { top });
}

fn limits<'a>(request: &mut Request<'a>, members: &mut Object<'a>) -> Result<(), Fault> {
    let mut whole = |name: &'static str| match members.take(name) {
        None => Ok(None),
        Some(value) => value
            .u64()
            .map(Some)
            .ok_or_else(|| malformed(name, format!("'{name}' must be a whole number"))),
    };
    let (newer, older) = (whole("max_completion_tokens")?, whole("max_tokens")?);
    request.max_output_tokens = newer.or(older);
    request.candidates = whole("n")?.filter(|count| *count != 1);
    Ok(())
}

fn output<'a>(request: &mut Request<'a>, members: &mut Object<'a>, kept: &mut Kept<'a>) {
    if let Some(wanted) = members.take("response_format") {
        match format(wanted) {
            Some(format) => request.output.format = format,
            None => keep(kept, "response_format", wanted),
        }
    }
    if let Some(wanted) = members.take("modalities") {
        let named = |name: Cow<'_, str>| match &*name {
            "text" => Some(Modality::Text),
            "image" => Some(Modality::Image),
            "audio" => Some(Modality::Audio),
            _ => None,
        };
        let words = wanted.items().filter_map(Node::str);
        request.output.modalities = words.filter_map(named).collect();
    }
    request.output.audio = members.take_json("audio");
    if let Some(wanted) = members.take("verbosity") {
        let all = [Verbosity::Low, Verbosity::Medium, Verbosity::High];
        let found = all
            .into_iter()
            .find(|one| wanted.str().as_deref() == Some(one.name()));
        match found {
            Some(verbosity) => request.output.verbosity = Some(verbosity),
            None => keep(kept, "verbosity", wanted),
        }
    }
}

fn format(wanted: Node<'_>) -> Option<OutputFormat<'_>> {
    match &*wanted.get_str("type")? {
        "text" => Some(OutputFormat::Text),
        "json_object" => Some(OutputFormat::JsonObject),
        "json_schema" => {
            let Some(inner) = wanted.get("json_schema") else {
                return Some(OutputFormat::JsonObject);
            };
            let mut inner = inner.object();
            let Some(schema) = inner.take_json("schema") else {
                return Some(OutputFormat::JsonObject);
            };
            Some(OutputFormat::JsonSchema {
                name: inner.take_str("name"),
                description: inner.take_str("description"),
                schema,
                strict: inner.take_bool("strict"),
            })
        }
        _ => None,
    }
}

fn reasoning<'a>(request: &mut Request<'a>, members: &mut Object<'a>, kept: &mut Kept<'a>) {
    let Some(wanted) = members.take("reasoning_effort") else {
        return;
    };
    let Some(effort) = wanted.str().and_then(|word| Effort::named(&word)) else {
        return keep(kept, "reasoning_effort", wanted);
    };
    request.reasoning = Some(Reasoning {
        mode: match effort {
            Effort::None => ReasoningMode::Off,
            _ => ReasoningMode::On,
        },
        effort: Some(effort),
        budget: None,
        expose: None,
    });
}

fn service<'a>(request: &mut Request<'a>, members: &mut Object<'a>, kept: &mut Kept<'a>) {
    if let Some(options) = members.take("stream_options") {
        let mut options = options.object();
        request.include_usage = options.take_bool("include_usage").unwrap_or(false);
        if let Some(rest) = object_of(&options.rest()) {
            kept.push((Cow::Borrowed("stream_options"), rest));
        }
    }
    request.user.end_user = members.take_str("user");
    request.user.safety_id = members.take_str("safety_identifier");
    request.user.metadata = members.take_json("metadata");
    request.caching.key = members.take_str("prompt_cache_key");
    request.caching.options = members.take_json("prompt_cache_options");
    request.caching.retention = members.take_json("prompt_cache_retention");
    request.state.store = members.take_bool("store");
    if let Some(wanted) = members.take("service_tier") {
        match wanted.str().and_then(|word| tier(&word)) {
            Some(tier) => request.tier = Some(tier),
            None => keep(kept, "service_tier", wanted),
        }
    }
}

/// The tier of that name, in requests and answers.
pub(super) fn tier(name: &str) -> Option<Tier> {
    match name {
        "auto" => Some(Tier::Auto),
        "default" => Some(Tier::Standard),
        "flex" => Some(Tier::Flex),
        "priority" | "fast" => Some(Tier::Priority),
        "scale" => Some(Tier::Scale),
        _ => None,
    }
}

/// Members as an object of their own; `None` if there are none.
fn object_of(members: &Extra<'_>) -> Option<Json<'static>> {
    let written: Vec<String> = members
        .0
        .iter()
        .map(|(key, value)| format!("{}:{}", quote(key), value.as_str()))
        .collect();
    (!written.is_empty()).then(|| Json::trusted(format!("{{{}}}", written.join(","))))
}
