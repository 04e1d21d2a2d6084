//! Writes a request that was fitted.

use super::{offer, write};
use crate::chat::{
    CacheMark, Expose, Fault, Format, Json, Losses, Reasoning, ReasoningMode, Request, Role, Tier,
    Turn,
};
use crate::wire::Profile;
use crate::wire::json::{Node, ObjectWriter, object};

/// The member of a request's native members that says whether and how the client asked for thinking.
const THINKING: &str = "thinking";

/// Writes a request.
pub(in crate::wire::claude) fn encode(
    request: &Request<'_>,
    profile: &Profile,
    losses: &mut Losses,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let own = request.origin == Format::Claude;
    let mut result = Ok(());
    object(out, |o| result = document(request, own, profile, losses, o));
    result
}

fn document(
    request: &Request<'_>,
    own: bool,
    profile: &Profile,
    losses: &mut Losses,
    o: &mut ObjectWriter<'_>,
) -> Result<(), Fault> {
    o.str("model", &request.model);
    let most = request.max_output_tokens;
    o.num(
        "max_tokens",
        most.unwrap_or(profile.claude.default_max_tokens),
    );
    if request.stream {
        o.bool("stream", true);
    }
    offer::tools(request, own, losses, o)?;
    offer::choice(request, own, losses, o);
    system(&request.instructions, own, losses, o)?;
    let mut result = Ok(());
    o.array("messages", |a| {
        for turn in &request.turns {
            if result.is_ok() {
                a.object(|o| result = message(turn, own, losses, o));
            }
        }
    });
    result?;
    let sampling = &request.sampling;
    o.opt_raw(
        "temperature",
        sampling.temperature.as_ref().map(Json::as_str),
    );
    o.opt_raw("top_p", sampling.top_p.as_ref().map(Json::as_str));
    o.opt_raw("top_k", sampling.top_k.as_ref().map(Json::as_str));
    if !request.stop.is_empty() {
        o.array("stop_sequences", |a| {
            for stop in &request.stop {
                a.str(stop);
            }
        });
    }
    if let Some(reasoning) = &request.reasoning {
        thinking(reasoning, request, own, o);
    }
    output_config(request, own, o);
    metadata(request, own, o);
    tier(request.tier, own, profile, o);
    cache_control(request.caching.auto, own, o);
    if own {
        for (key, value) in &request.native.0 {
            let is_written = matches!(&**key, THINKING | "output_config" | "metadata");
            if !is_written {
                o.raw(key, value.as_str());
            }
        }
    }
    Ok(())
}

fn system(
    instructions: &[Turn<'_>],
    own: bool,
    losses: &mut Losses,
    o: &mut ObjectWriter<'_>,
) -> Result<(), Fault> {
    let mut parts = instructions.iter().flat_map(|turn| &turn.parts);
    let Some(first) = parts.next() else {
        return Ok(());
    };
    let is_plain = parts.next().is_none()
        && first.cache.is_none()
        && (!own || first.extra.0.is_empty())
        && matches!(&first.content, crate::chat::Content::Text(text) if text.citations.is_empty());
    if is_plain {
        if let Some(text) = first.as_lazy() {
            o.text("system", text);
        }
        return Ok(());
    }
    let mut result = Ok(());
    o.array("system", |a| {
        for part in instructions.iter().flat_map(|turn| &turn.parts) {
            if result.is_ok() {
                result = write::part(part, own, losses, a);
            }
        }
    });
    result
}

fn message(
    turn: &Turn<'_>,
    own: bool,
    losses: &mut Losses,
    o: &mut ObjectWriter<'_>,
) -> Result<(), Fault> {
    let role = match turn.role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Instruction(_) => "system",
    };
    o.str("role", role);
    let mut result = Ok(());
    o.array("content", |a| {
        for part in &turn.parts {
            if result.is_ok() {
                result = write::part(part, own, losses, a);
            }
        }
    });
    if own {
        for (key, value) in &turn.extra.0 {
            o.raw(key, value.as_str());
        }
    }
    result
}

fn thinking(reasoning: &Reasoning, request: &Request<'_>, own: bool, o: &mut ObjectWriter<'_>) {
    let native = request.native.get(THINKING).filter(|_| own);
    let budget = reasoning.budget.filter(|budget| *budget > 0);
    let kind = match (reasoning.mode, budget) {
        (ReasoningMode::On, Some(_)) => "enabled",
        // The client gave an effort and nothing else, or the model takes nothing else.
        (ReasoningMode::Auto, None) if own && native.is_none() => return,
        (ReasoningMode::On, None) if reasoning.effort.is_some() => return,
        (ReasoningMode::On | ReasoningMode::Auto, _) => "adaptive",
        (ReasoningMode::Off, _) => {
            let native = native.map(|json| Node::trusted(json.as_str()));
            if let Some(native) = native
                && native.get_str("type").as_deref() == Some("between_tools")
            {
                o.raw(THINKING, native.raw());
                return;
            }
            "disabled"
        }
    };
    // Models that know no other kind than `enabled` show their thinking anyway.
    let display = match reasoning.expose {
        _ if kind == "disabled" || (kind == "enabled" && !own) => None,
        None => None,
        Some(Expose::Nothing) => Some("omitted"),
        Some(Expose::Full) if own => Some("full"),
        Some(_) => Some("summarized"),
    };
    o.object(THINKING, |o| {
        o.str("type", kind);
        if kind == "enabled" {
            o.opt_num("budget_tokens", budget);
        }
        o.opt_str("display", display);
    });
}

fn output_config(request: &Request<'_>, own: bool, o: &mut ObjectWriter<'_>) {
    let effort = request.reasoning.as_ref().and_then(|one| one.effort);
    let schema = match &request.output.format {
        crate::chat::OutputFormat::JsonSchema { schema, .. } => Some(schema),
        _ => None,
    };
    let rest = request.native.get("output_config").filter(|_| own);
    if effort.is_none() && schema.is_none() && rest.is_none() {
        return;
    }
    o.object("output_config", |o| {
        o.opt_str("effort", effort.map(crate::chat::Effort::name));
        if let Some(schema) = schema {
            o.object("format", |o| {
                o.str("type", "json_schema");
                o.raw("schema", schema.as_str());
            });
        }
        members(rest, o);
    });
}

fn metadata(request: &Request<'_>, own: bool, o: &mut ObjectWriter<'_>) {
    let user = &request.user;
    let id = user.safety_id.as_deref().or(user.end_user.as_deref());
    let id = id.filter(|id| own || !is_personal(id));
    let rest = request.native.get("metadata").filter(|_| own);
    if id.is_none() && rest.is_none() {
        return;
    }
    o.object("metadata", |o| {
        o.opt_str("user_id", id);
        members(rest, o);
    });
}

fn members(of: Option<&Json<'_>>, o: &mut ObjectWriter<'_>) {
    let of = of.map(|json| Node::trusted(json.as_str()));
    for (key, value) in of.into_iter().flat_map(Node::members) {
        o.raw(&key, value.raw());
    }
}

/// Whether an id looks like an address or a telephone number, which Anthropic asks not to be sent.
fn is_personal(id: &str) -> bool {
    let digits = id.bytes().filter(u8::is_ascii_digit).count();
    let is_number = (7..=15).contains(&digits)
        && id.starts_with('+')
        && id
            .chars()
            .all(|char| char.is_ascii_digit() || "+-() .".contains(char));
    is_number || (id.contains('@') && id.contains('.'))
}

fn tier(tier: Option<Tier>, own: bool, profile: &Profile, o: &mut ObjectWriter<'_>) {
    let Some(tier) = tier else {
        return;
    };
    let name = match tier {
        Tier::Standard | Tier::Flex => "standard_only",
        Tier::Auto | Tier::Priority | Tier::Scale | Tier::Ultrafast => "auto",
    };
    o.str("service_tier", name);
    if tier == Tier::Priority && profile.claude.fast && !own {
        o.str("speed", "fast");
    }
}

/// Writes how long a prompt cache should live.
pub(super) fn cache_control(mark: Option<CacheMark>, own: bool, o: &mut ObjectWriter<'_>) {
    let Some(mark) = mark else {
        return;
    };
    o.object("cache_control", |o| {
        o.str("type", "ephemeral");
        match mark {
            CacheMark::Minutes5 if own => o.str("ttl", "5m"),
            CacheMark::Default | CacheMark::Minutes5 => {}
            CacheMark::Minutes30 | CacheMark::Hour1 | CacheMark::Hours12 => o.str("ttl", "1h"),
        }
    });
}
