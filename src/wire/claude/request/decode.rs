//! Reads a request: its top level, system text and messages.

use std::borrow::Cow;

use super::{blocks, tools};
use crate::chat::{
    CacheMark, Effort, Expose, Extra, Fault, FaultKind, Format, Json, Level, OutputFormat, Part,
    Place, Reasoning, ReasoningMode, Request, Role, Tier, Turn,
};
use crate::wire::json::{Kind, Node, Object, object};

/// Reads a request.
pub(in crate::wire::claude) fn decode(body: Node<'_>) -> Result<Request<'_>, Fault> {
    let mut document = body.object();
    let mut request = Request::new(Format::Claude);
    request.model = document.take_str("model").unwrap_or_default();
    request.stream = document.take_bool("stream").unwrap_or_default();
    request.instructions = instructions(document.take("system"))?;
    request.turns = turns(document.take("messages"))?;
    request.max_output_tokens =
        match document.take("max_tokens") {
            None => None,
            Some(number) => {
                let most = number.u64();
                Some(most.ok_or_else(|| {
                    unreadable(Place::field("max_tokens"), "must be a whole number")
                })?)
            }
        };
    request.stop = texts(document.take("stop_sequences"), "stop_sequences")?;
    request.sampling.temperature = document.take_json("temperature");
    request.sampling.top_p = document.take_json("top_p");
    request.sampling.top_k = document.take_json("top_k");
    request.caching.auto = document.take("cache_control").map(cache_mark);
    request.tools = tools::read(document.take("tools"), body.get("mcp_servers"))?;
    if let Some((choice, parallel)) = body.get("tool_choice").and_then(tools::choice) {
        request.tool_choice = Some(choice);
        tools::choose_provided(&mut request, document.take("tool_choice"));
        request.parallel_tools = parallel;
    }
    request.tier = match body.get_str("service_tier").as_deref() {
        Some("auto") => Some(Tier::Auto),
        Some("standard_only") => Some(Tier::Standard),
        _ => None,
    };
    if request.tier.is_some() {
        document.take("service_tier");
    }
    let mut rest = Vec::new();
    if let Some(metadata) = document.take("metadata") {
        let mut metadata = metadata.object();
        request.user.end_user = metadata.take_str("user_id");
        rest.extend(remains("metadata", metadata));
    }
    rest.extend(shape(&mut request, body.get("thinking"), &mut document));
    let Extra(mut native) = document.rest();
    native.append(&mut rest);
    request.native = Extra(native);
    Ok(request)
}

/// `thinking` and `output_config`. `thinking` itself stays among the native members: whether it was
/// there, and kinds of it that only Anthropic has. Gives what is left of `output_config`.
fn shape<'a>(
    request: &mut Request<'a>,
    thinking: Option<Node<'a>>,
    document: &mut Object<'a>,
) -> Option<(Cow<'a, str>, Json<'a>)> {
    request.reasoning = thinking.map(reasoning);
    let older = document.take("output_format");
    let Some(config) = document.take("output_config") else {
        request.output.format = older.and_then(format).unwrap_or_default();
        return None;
    };
    let mut members = config.object();
    let effort = config.get_str("effort");
    if let Some(effort) = effort.and_then(|name| Effort::named(&name)) {
        members.take("effort");
        let reasoning = request.reasoning.get_or_insert(Reasoning {
            mode: ReasoningMode::Auto,
            effort: None,
            budget: None,
            expose: None,
        });
        reasoning.effort = Some(effort);
    }
    if let Some(known) = config.get("format").or(older).and_then(format) {
        members.take("format");
        request.output.format = known;
    }
    remains("output_config", members)
}

fn reasoning(thinking: Node<'_>) -> Reasoning {
    let kind = thinking.get_str("type");
    let mode = match kind.as_deref() {
        Some("enabled") => ReasoningMode::On,
        Some("disabled" | "between_tools") => ReasoningMode::Off,
        _ => ReasoningMode::Auto,
    };
    let display = thinking.get_str("display");
    Reasoning {
        mode,
        effort: None,
        budget: thinking.get("budget_tokens").and_then(Node::i64),
        expose: match display.as_deref() {
            Some("summarized") => Some(Expose::Auto),
            Some("omitted") => Some(Expose::Nothing),
            Some("full") => Some(Expose::Full),
            _ => None,
        },
    }
}

fn format(format: Node<'_>) -> Option<OutputFormat<'_>> {
    let is_schema = format.get_str("type").as_deref() == Some("json_schema");
    is_schema.then_some(())?;
    Some(OutputFormat::JsonSchema {
        name: None,
        description: None,
        schema: format.get("schema")?.json(),
        strict: Some(true),
    })
}

/// The members of `name` that nobody took, as an object again.
fn remains<'a>(name: &'static str, members: Object<'a>) -> Option<(Cow<'a, str>, Json<'a>)> {
    let Extra(rest) = members.rest();
    if rest.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    object(&mut out, |o| {
        for (key, value) in &rest {
            o.raw(key, value.as_str());
        }
    });
    let text = String::from_utf8(out).ok()?;
    Some((Cow::Borrowed(name), Json::trusted(text)))
}

fn instructions(system: Option<Node<'_>>) -> Result<Vec<Turn<'_>>, Fault> {
    let Some(system) = system else {
        return Ok(Vec::new());
    };
    let role = Role::Instruction(Level::System);
    let place = Place::field("system");
    let parts = match system.kind() {
        Kind::String => vec![Part::text(system.text().unwrap_or_default()).at(place)],
        Kind::Array => blocks::read(system, |at| place.item(at))?,
        _ => return Err(unreadable(place, "must be a string or an array")),
    };
    let turns = parts.into_iter().map(|part| {
        let at = part.at;
        Turn::new(role, vec![part]).at(at)
    });
    Ok(turns.collect())
}

fn turns(messages: Option<Node<'_>>) -> Result<Vec<Turn<'_>>, Fault> {
    let Some(messages) = messages.filter(|list| list.kind() == Kind::Array) else {
        return Err(unreadable(Place::field("messages"), "must be an array"));
    };
    messages
        .items()
        .enumerate()
        .map(|(at, message)| turn(Place::field("messages").item(at), message))
        .collect()
}

fn turn(place: Place, message: Node<'_>) -> Result<Turn<'_>, Fault> {
    let mut members = message.object();
    let role = match members.take_str("role").as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::Instruction(Level::System),
        Some(other) => {
            let why = format!("'{other}' is not 'user', 'assistant' or 'system'");
            return Err(unreadable(place.of("role"), &why));
        }
        None => return Err(unreadable(place.of("role"), "must be a string")),
    };
    let inside = place.of("content");
    let parts = match members.take("content") {
        None => Vec::new(),
        Some(text) if text.kind() == Kind::String => {
            vec![Part::text(text.text().unwrap_or_default()).at(inside)]
        }
        Some(list) if list.kind() == Kind::Array => blocks::read(list, |at| inside.part(at))?,
        Some(_) => return Err(unreadable(inside, "must be a string or an array")),
    };
    let mut turn = Turn::new(role, parts).at(place);
    turn.extra = members.rest();
    Ok(turn)
}

fn texts<'a>(list: Option<Node<'a>>, name: &'static str) -> Result<Vec<Cow<'a, str>>, Fault> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    let texts: Option<Vec<_>> = match list.kind() {
        Kind::Array => list.items().map(Node::str).collect(),
        _ => None,
    };
    texts.ok_or_else(|| unreadable(Place::field(name), "must be an array of strings"))
}

/// How long a cache should live, as `cache_control` says.
pub(super) fn cache_mark(control: Node<'_>) -> CacheMark {
    match control.get_str("ttl").as_deref() {
        Some("5m") => CacheMark::Minutes5,
        Some("1h") => CacheMark::Hour1,
        _ => CacheMark::Default,
    }
}

/// The error for what cannot be understood at all.
pub(super) fn unreadable(at: Place, why: &str) -> Fault {
    let at = at.to_string();
    let message = format!("{at}: {why}");
    Fault::new(FaultKind::InvalidRequest, "invalid_request", message).with_param(at)
}
