//! Requests, written.

mod items;
mod parts;
mod tools;

pub(super) use items::{action_key, encrypted, json_or_empty};

use std::borrow::Cow;

use super::super::Profile;
use super::super::json::{Node, ObjectWriter, object};
use super::content::STRING;
use super::decode::LOGPROBS;
use crate::chat::{
    Effort, Expose, Fault, Format, Json, Level, Losses, OutputFormat, Reasoning, Request, Role,
    Tier, Turn, Verbosity,
};

/// Members that are written from neutral words, with what `native` holds of them.
const MERGED: [&str; 3] = ["text", "reasoning", "tool_choice"];

/// Writes a request.
pub(super) fn request(
    request: &Request<'_>,
    profile: &Profile,
    losses: &mut Losses,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let own = request.origin == Format::OpenAiResponses;
    let mut result = Ok(());
    object(out, |o| {
        o.str("model", &request.model);
        let lone = lone_instruction(request, profile, own);
        if let Some(turn) = lone {
            o.str("instructions", &joined(turn));
        }
        result = input(request, lone.is_some(), profile, losses, o);
        tools::tools(request, losses, o).unwrap_or_else(|fault| result = Err(fault));
        settings(request, profile, own, o);
        if request.stream {
            o.bool("stream", true);
        }
        if own {
            for (key, value) in &request.native.0 {
                if !MERGED.contains(&&**key) {
                    o.raw(key, value.as_str());
                }
            }
        }
    });
    result
}

/// The one instruction that fits into `instructions`.
fn lone_instruction<'r, 'a>(
    request: &'r Request<'a>,
    profile: &Profile,
    own: bool,
) -> Option<&'r Turn<'a>> {
    let first = request.instructions.first()?;
    let is_alone = request.instructions.len() == 1;
    let is_text = first.parts.iter().all(|part| {
        let marked = profile.chat.cache_breakpoints && part.cache.is_some();
        part.is_text() && !marked
    });
    let fits = if own {
        first.at.root() == "instructions"
    } else {
        // Without any input there would be nothing to answer.
        !request.turns.is_empty()
            && is_alone
            && first.role == Role::Instruction(Level::System)
            && !first.parts.is_empty()
    };
    (fits && is_text).then_some(first)
}

fn joined<'t>(turn: &'t Turn<'_>) -> Cow<'t, str> {
    let mut texts = turn.parts.iter().filter_map(|part| part.as_text());
    let first = texts.next().unwrap_or_default();
    texts.fold(Cow::Borrowed(first), |mut all, more| {
        let all_of_it = all.to_mut();
        all_of_it.push_str("\n\n");
        all_of_it.push_str(more);
        all
    })
}

fn input(
    request: &Request<'_>,
    skip_first: bool,
    profile: &Profile,
    losses: &mut Losses,
    o: &mut ObjectWriter<'_>,
) -> Result<(), Fault> {
    let instructions = request.instructions.get(usize::from(skip_first)..);
    let instructions = instructions.unwrap_or_default();
    if let ([], [turn]) = (instructions, &request.turns[..])
        && let [part] = &turn.parts[..]
        && let Some(text) = part.as_text()
        && turn.extra.get(STRING).is_some()
    {
        o.str("input", text);
        return Ok(());
    }
    if instructions.is_empty() && request.turns.is_empty() {
        return Ok(());
    }
    let mut result = Ok(());
    o.array("input", |list| {
        let mut writer = items::Writer::new(request, profile, losses, list);
        result = instructions
            .iter()
            .chain(&request.turns)
            .try_for_each(|turn| writer.turn(turn));
    });
    result
}

fn settings(request: &Request<'_>, profile: &Profile, own: bool, o: &mut ObjectWriter<'_>) {
    o.opt_bool(
        "parallel_tool_calls",
        request
            .parallel_tools
            .filter(|_| own || !request.tools.is_empty()),
    );
    let sampling = &request.sampling;
    o.opt_raw(
        "temperature",
        sampling.temperature.as_ref().map(Json::as_str),
    );
    o.opt_raw("top_p", sampling.top_p.as_ref().map(Json::as_str));
    o.opt_num("max_output_tokens", request.max_output_tokens);
    o.opt_num(
        "top_logprobs",
        request.logprobs.and_then(|logprobs| logprobs.top),
    );
    let native = |key| request.native.get(key).filter(|_| own);
    text(request, native("text").map(Json::as_str), o);
    reasoning(
        request.reasoning.as_ref(),
        profile,
        own,
        native("reasoning").map(Json::as_str),
        o,
    );
    let caching = &request.caching;
    o.opt_str("prompt_cache_key", caching.key.as_deref());
    o.opt_raw(
        "prompt_cache_options",
        caching.options.as_ref().map(Json::as_str),
    );
    o.opt_raw(
        "prompt_cache_retention",
        caching.retention.as_ref().map(Json::as_str),
    );
    let user = &request.user;
    o.opt_str("safety_identifier", user.safety_id.as_deref());
    o.opt_str(
        "user",
        user.end_user
            .as_deref()
            .filter(|_| own || user.safety_id.is_none()),
    );
    o.opt_raw("metadata", user.metadata.as_ref().map(Json::as_str));
    o.opt_str("service_tier", request.tier.map(tier_name));
    let state = &request.state;
    o.opt_str("previous_response_id", state.previous_response.as_deref());
    o.opt_raw(
        "conversation",
        state.conversation.as_ref().map(Json::as_str),
    );
    o.opt_raw("prompt", state.prompt.as_ref().map(Json::as_str));
    if own {
        o.opt_bool("store", state.store);
        if state.background {
            o.bool("background", true);
        }
    } else {
        // Whoever does not speak this format keeps the conversation, and its state, himself.
        o.bool("store", false);
        // A model that is known not to reason is refused with it.
        let reasons = profile.chat.may_reason();
        if reasons || request.logprobs.is_some() {
            o.array("include", |list| {
                if reasons {
                    list.str("reasoning.encrypted_content");
                }
                if request.logprobs.is_some() {
                    list.str(LOGPROBS);
                }
            });
        }
    }
}

/// What one object has that another has not.
fn rest(native: Option<&str>, known: &[&str], o: &mut ObjectWriter<'_>) {
    for (key, value) in native
        .into_iter()
        .flat_map(|text| Node::trusted(text).members())
    {
        if !known.contains(&&*key) {
            o.raw(&key, value.raw());
        }
    }
}

fn text(request: &Request<'_>, native: Option<&str>, o: &mut ObjectWriter<'_>) {
    let output = &request.output;
    if output.format == OutputFormat::Text && output.verbosity.is_none() && native.is_none() {
        return;
    }
    o.object("text", |o| {
        let mut known = vec!["verbosity"];
        if output.format != OutputFormat::Text {
            known.push("format");
            o.object("format", |o| format(&output.format, o));
        }
        o.opt_str("verbosity", output.verbosity.map(Verbosity::name));
        if output.verbosity.is_none() {
            known.remove(0);
        }
        rest(native, &known, o);
    });
}

fn format(format: &OutputFormat<'_>, o: &mut ObjectWriter<'_>) {
    match format {
        OutputFormat::Text => o.str("type", "text"),
        OutputFormat::JsonObject => o.str("type", "json_object"),
        OutputFormat::JsonSchema {
            name,
            description,
            schema,
            strict,
        } => {
            o.str("type", "json_schema");
            o.str("name", name.as_deref().unwrap_or("response"));
            o.opt_str("description", description.as_deref());
            o.raw("schema", schema.as_str());
            o.opt_bool("strict", *strict);
        }
        // Only an object may stand at the root of a schema here.
        OutputFormat::Enum { schema } => {
            o.str("type", "json_schema");
            o.str("name", "response");
            o.object("schema", |o| {
                o.str("type", "object");
                o.object("properties", |o| o.raw("value", schema.as_str()));
                o.raw("required", r#"["value"]"#);
                o.bool("additionalProperties", false);
            });
            o.bool("strict", true);
        }
    }
}

fn reasoning(
    reasoning: Option<&Reasoning>,
    profile: &Profile,
    own: bool,
    native: Option<&str>,
    o: &mut ObjectWriter<'_>,
) {
    let effort = reasoning.and_then(|reasoning| reasoning.effort);
    let expose = reasoning.and_then(|reasoning| reasoning.expose);
    let summary = match expose {
        Some(Expose::Auto | Expose::Full) => Some("auto"),
        Some(Expose::Concise) => Some("concise"),
        Some(Expose::Detailed) => Some("detailed"),
        Some(Expose::Nothing) | None => None,
    };
    let summary = summary.filter(|_| own || profile.responses.summary);
    if effort.is_none() && summary.is_none() && native.is_none() {
        return;
    }
    o.object("reasoning", |o| {
        o.opt_str("effort", effort.map(Effort::name));
        o.opt_str("summary", summary);
        let mut known = Vec::new();
        known.extend(effort.map(|_| "effort"));
        known.extend(summary.map(|_| "summary"));
        rest(native, &known, o);
    });
}

const fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Auto => "auto",
        Tier::Standard => "default",
        Tier::Flex => "flex",
        Tier::Priority => "priority",
        Tier::Scale => "scale",
        Tier::Ultrafast => "ultrafast",
    }
}
