//! Requests, read.

mod items;
mod tools;

pub(super) use items::native_state;

use super::super::json::{Kind, Node, Object};
use crate::chat::{
    Caching, Effort, Expose, Extra, Fault, FaultKind, Format, Json, Level, Logprobs, Output,
    OutputFormat, Part, Place, Reasoning, ReasoningMode, Request, Role, Sampling, State, Tier,
    Turn, User, Verbosity,
};

/// Log probabilities, in `include`.
pub(super) const LOGPROBS: &str = "message.output_text.logprobs";

/// Reads a request.
pub(super) fn request(body: Node<'_>) -> Result<Request<'_>, Fault> {
    let mut request = Request::new(Format::OpenAiResponses);
    let mut object = body.object();
    let instructions = object.take("instructions");
    let input = object.take("input");
    request.model = object.take_str("model").unwrap_or_default();
    request.stream = object.take_bool("stream").unwrap_or(false);
    request.tools = object.take("tools").map(tools::tools).unwrap_or_default();
    let mut native = Extra::default();
    if let Some(choice) = object.take("tool_choice") {
        request.tool_choice = tools::choice(choice, &mut native);
    }
    request.parallel_tools = object.take_bool("parallel_tool_calls");
    request.sampling = Sampling {
        temperature: object.take_json("temperature"),
        top_p: object.take_json("top_p"),
        ..Sampling::default()
    };
    request.max_output_tokens = object.take_u64("max_output_tokens");
    request.logprobs = logprobs(&mut object);
    if let Some(text) = object.take("text") {
        request.output = output(text, &mut native);
    }
    if let Some(reasoning) = object.take("reasoning") {
        request.reasoning = self::reasoning(reasoning, &mut native);
    }
    request.caching = Caching {
        auto: None,
        key: object.take_str("prompt_cache_key"),
        options: object.take_json("prompt_cache_options"),
        retention: object.take_json("prompt_cache_retention"),
    };
    request.user = User {
        end_user: object.take_str("user"),
        safety_id: object.take_str("safety_identifier"),
        metadata: object.take_json("metadata"),
    };
    if let Some(tier) = object.take("service_tier") {
        request.tier = tier.str().and_then(|name| self::tier(&name));
        if request.tier.is_none() {
            native.0.push(("service_tier".into(), tier.json()));
        }
    }
    request.state = State {
        previous_response: object.take_str("previous_response_id"),
        conversation: object.take_json("conversation"),
        prompt: object.take_json("prompt"),
        store: object.take_bool("store"),
        background: object.take_bool("background").unwrap_or(false),
        cached_content: None,
    };
    native.0.extend(object.rest().0);
    native.0.retain(|(_, value)| value.as_str() != "null");
    request.native = native;
    if let Some(text) = instructions {
        let part = match text.kind() {
            Kind::String => Part::text(text.str().unwrap_or_default()),
            _ => return Err(wrong_type("instructions", "a string")),
        };
        let at = Place::field("instructions");
        let role = Role::Instruction(Level::System);
        request
            .instructions
            .push(Turn::new(role, vec![part.at(at)]).at(at));
    }
    if let Some(input) = input {
        items::input(input, &mut request)?;
    }
    Ok(request)
}

/// The error for a member of the wrong type.
fn wrong_type(path: impl Into<String>, wanted: &str) -> Fault {
    let path = path.into();
    let message = format!("'{path}' must be {wanted}");
    Fault::new(FaultKind::InvalidRequest, "invalid_type", message).with_param(path)
}

fn logprobs(object: &mut Object<'_>) -> Option<Logprobs> {
    let top = object.take_u64("top_logprobs");
    // Looked at only: what else it asks for goes back with the rest.
    let mut peek = object.clone();
    let included = peek.take("include").is_some_and(|list| {
        list.items()
            .any(|word| word.str().as_deref() == Some(LOGPROBS))
    });
    (included || top.is_some_and(|top| top > 0)).then_some(Logprobs { top })
}

fn output<'a>(text: Node<'a>, native: &mut Extra<'a>) -> Output<'a> {
    let mut object = text.object();
    let mut output = Output::default();
    let mut peek = object.clone();
    if let Some(format) = peek.take("format").and_then(structure) {
        output.format = format;
        object.take("format");
    }
    output.verbosity = match peek.take_str("verbosity").as_deref() {
        Some("low") => Some(Verbosity::Low),
        Some("medium") => Some(Verbosity::Medium),
        Some("high") => Some(Verbosity::High),
        _ => None,
    };
    if output.verbosity.is_some() {
        object.take("verbosity");
    }
    keep(native, "text", object.rest());
    output
}

/// The structure of an answer; free text is what there is without one.
fn structure(node: Node<'_>) -> Option<OutputFormat<'_>> {
    Some(match node.get_str("type").as_deref() {
        Some("json_object") => OutputFormat::JsonObject,
        Some("json_schema") => {
            // As Chat Completions writes it, one level deeper.
            let inner = node.get("json_schema").unwrap_or(node);
            OutputFormat::JsonSchema {
                name: inner.get_str("name"),
                description: inner.get_str("description"),
                schema: inner
                    .get("schema")
                    .map_or_else(|| Json::trusted("{}"), Node::json),
                strict: inner.get("strict").and_then(Node::bool),
            }
        }
        _ => return None,
    })
}

fn reasoning<'a>(node: Node<'a>, native: &mut Extra<'a>) -> Option<Reasoning> {
    let mut object = node.object();
    let mut peek = object.clone();
    let effort = peek
        .take_str("effort")
        .and_then(|name| Effort::named(&name));
    if effort.is_some() {
        object.take("effort");
    }
    let old = peek.take_str("generate_summary");
    let expose = match peek.take_str("summary").or(old).as_deref() {
        Some("auto") => Some(Expose::Auto),
        Some("concise") => Some(Expose::Concise),
        Some("detailed") => Some(Expose::Detailed),
        Some("none") => Some(Expose::Nothing),
        _ => None,
    };
    if expose.is_some() {
        object.take("summary");
        object.take("generate_summary");
    }
    keep(native, "reasoning", object.rest());
    (effort.is_some() || expose.is_some()).then_some(Reasoning {
        mode: match effort {
            None => ReasoningMode::Auto,
            Some(Effort::None) => ReasoningMode::Off,
            Some(_) => ReasoningMode::On,
        },
        effort,
        budget: None,
        expose,
    })
}

fn keep<'a>(native: &mut Extra<'a>, key: &'static str, mut rest: Extra<'a>) {
    rest.0.retain(|(_, value)| value.as_str() != "null");
    if !rest.0.is_empty() {
        native
            .0
            .push((key.into(), super::content::as_object(&rest)));
    }
}

/// The tier of that name.
pub(super) fn tier(name: &str) -> Option<Tier> {
    Some(match name {
        "auto" => Tier::Auto,
        "default" => Tier::Standard,
        "flex" => Tier::Flex,
        "priority" => Tier::Priority,
        "scale" => Tier::Scale,
        "ultrafast" => Tier::Ultrafast,
        _ => return None,
    })
}
