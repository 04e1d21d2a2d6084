//! The form of the answer: JSON that fits a schema, one of several words, sound, pictures.

use std::borrow::Cow;

use super::schema::Schemas;
use super::{To, place};
use crate::chat::{
    Change, Fault, Format, Function, Json, LazyStr, Level, Losses, Modality, OutputFormat, Part,
    Place, Request, Role, Tool, ToolChoice, ToolKind, Turn,
};
use crate::wire::fit::Restore;
use crate::wire::fit::restore::JSON_TOOL;
use crate::wire::json::{Node, array, object};

const JSON_ONLY: &str = "Respond with one JSON object and nothing else.";
const SAY_JSON: &str = "Answer in JSON.";

/// Fits the structure of the answer. Tools are already what the target gets.
pub(super) fn fit(
    request: &mut Request<'_>,
    to: To<'_>,
    losses: &mut Losses,
    restore: &mut Restore,
) -> Result<(), Fault> {
    let at = place::OUTPUT.at(request.origin);
    match std::mem::take(&mut request.output.format) {
        OutputFormat::Text => {}
        OutputFormat::JsonObject => json_object(request, to, losses, at),
        OutputFormat::JsonSchema {
            name,
            description,
            schema,
            strict,
        } => {
            let asked = Asked {
                name,
                description,
                schema,
                strict,
            };
            json_schema(request, to, losses, restore, asked)?;
        }
        OutputFormat::Enum { schema } => words(request, to, losses, restore, &schema)?,
    }
    Ok(())
}

struct Asked<'a> {
    name: Option<Cow<'a, str>>,
    description: Option<Cow<'a, str>>,
    schema: Json<'a>,
    strict: Option<bool>,
}

fn json_object(request: &mut Request<'_>, to: To<'_>, losses: &mut Losses, at: Place) {
    match to.format {
        Format::OpenAiChat | Format::OpenAiResponses => {
            if !says_json(request, to) {
                // Responses looks for the word in its input only, where this level goes.
                let level = if to.is(Format::OpenAiResponses) {
                    Level::Developer
                } else {
                    Level::System
                };
                instruct(request, level, SAY_JSON);
                losses.note(at, Change::Synthesised);
            }
            request.output.format = OutputFormat::JsonObject;
        }
        Format::Gemini if !refuses_json(request, to) => {
            request.output.format = OutputFormat::JsonObject;
        }
        Format::Claude | Format::Gemini => {
            instruct(request, Level::System, JSON_ONLY);
            losses.note(at, Change::Approximated);
        }
    }
}

fn json_schema<'a>(
    request: &mut Request<'a>,
    to: To<'_>,
    losses: &mut Losses,
    restore: &mut Restore,
    asked: Asked<'a>,
) -> Result<(), Fault> {
    let at = place::OUTPUT.at(request.origin);
    let schemas = Schemas { to, at };
    match to.format {
        Format::OpenAiChat | Format::OpenAiResponses => {
            let name = schema_name(asked.name);
            let fitted = schemas.openai(request.origin, asked.schema, asked.strict, losses)?;
            request.output.format = OutputFormat::JsonSchema {
                name: Some(name),
                description: asked.description,
                schema: fitted.schema,
                strict: fitted.strict,
            };
        }
        Format::Gemini if refuses_json(request, to) => {
            let text = format!(
                "Respond with one JSON object that fits this JSON Schema, and nothing else: {}",
                asked.schema.as_str()
            );
            instruct(request, Level::System, text);
            losses.note(at, Change::Approximated);
        }
        Format::Gemini => {
            let schema = schemas.gemini(&asked.schema, losses)?;
            request.output.format = OutputFormat::JsonSchema {
                name: None,
                description: None,
                schema: schema.unwrap_or_else(|| Json::trusted("{\"type\":\"OBJECT\"}")),
                strict: asked.strict,
            };
        }
        Format::Claude => {
            let native = if to.profile.claude.structured {
                schemas.claude_exact(&asked.schema, losses)?
            } else {
                None
            };
            match native {
                Some(schema) => {
                    request.output.format = OutputFormat::JsonSchema {
                        name: asked.name,
                        description: asked.description,
                        schema,
                        strict: Some(true),
                    };
                }
                None => json_tool(request, schemas, losses, restore, asked)?,
            }
        }
    }
    Ok(())
}

/// The answer as the arguments of a tool, for models that cannot be held to a schema otherwise.
fn json_tool<'a>(
    request: &mut Request<'a>,
    schemas: Schemas<'_>,
    losses: &mut Losses,
    restore: &mut Restore,
    asked: Asked<'a>,
) -> Result<(), Fault> {
    let (schema, is_wrapped) = schemas.claude_input(&asked.schema, losses)?;
    let about = "Gives the final answer as JSON.";
    let description = asked.description.map_or(Cow::Borrowed(about), |text| {
        Cow::Owned(format!("{about} {text}"))
    });
    let has_others = !request.tools.is_empty();
    request.tools.push(Tool {
        at: schemas.at,
        kind: ToolKind::Function(Function {
            name: Cow::Borrowed(JSON_TOOL),
            description: Some(description),
            schema: Some(schema),
            strict: None,
        }),
        cache: None,
        extra: crate::chat::Extra::default(),
    });
    restore.answer_is_json(is_wrapped);
    if !super::tools::may_force(request, schemas.to) {
        let text = format!("Give your final answer by calling the tool {JSON_TOOL}.");
        instruct(request, Level::System, text);
        request.tool_choice = None;
    } else if has_others && request.tool_choice != Some(ToolChoice::None) {
        // A choice among the others stands; else any of them will do.
        if matches!(request.tool_choice, None | Some(ToolChoice::Auto)) {
            request.tool_choice = Some(ToolChoice::Required);
        }
    } else {
        request.tool_choice = Some(ToolChoice::Named {
            name: Cow::Borrowed(JSON_TOOL),
            kind: crate::chat::CallKind::Function,
        });
    }
    losses.note(schemas.at, Change::Approximated);
    Ok(())
}

/// One of several words.
fn words<'a>(
    request: &mut Request<'a>,
    to: To<'_>,
    losses: &mut Losses,
    restore: &mut Restore,
    schema: &Json<'a>,
) -> Result<(), Fault> {
    let at = place::OUTPUT.at(request.origin);
    let words: Vec<Cow<'_, str>> = Node::trusted(schema.as_str())
        .get("enum")
        .map(|list| list.items().filter_map(Node::str).collect())
        .unwrap_or_default();
    let is_native = !to.is(Format::Claude) || to.profile.claude.structured;
    if request.stream || !is_native {
        let text = format!("Answer with exactly one of: {}", words.join(", "));
        instruct(request, Level::System, text);
        losses.note(at, Change::Approximated);
        return Ok(());
    }
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.str("type", "object");
        o.object("properties", |o| {
            o.object("value", |o| {
                o.str("type", "string");
                array(o.key("enum"), |a| words.iter().for_each(|word| a.str(word)));
            });
        });
        o.raw("required", "[\"value\"]");
        o.bool("additionalProperties", false);
    });
    let wrapped = Json::trusted(String::from_utf8(out).unwrap_or_default());
    restore.answer_is_value();
    let asked = Asked {
        name: None,
        description: None,
        schema: wrapped,
        strict: Some(true),
    };
    json_schema(request, to, losses, restore, asked)
}

/// Gemini's older models refuse JSON together with functions.
fn refuses_json(request: &Request<'_>, to: To<'_>) -> bool {
    to.is(Format::Gemini) && !to.profile.gemini.json_with_tools && !request.tools.is_empty()
}

fn instruct<'a>(request: &mut Request<'a>, level: Level, text: impl Into<LazyStr<'a>>) {
    let turn = Turn::new(Role::Instruction(level), vec![Part::text(text)]);
    request.instructions.push(turn);
}

/// Whether the word that OpenAI wants to see is there.
fn says_json(request: &Request<'_>, to: To<'_>) -> bool {
    // A single system instruction stands outside of Responses' input.
    let outside = to.is(Format::OpenAiResponses)
        && matches!(&request.instructions[..], [one] if one.role == Role::Instruction(Level::System));
    let instructions = if outside {
        &[][..]
    } else {
        &request.instructions[..]
    };
    let mut parts = instructions
        .iter()
        .chain(&request.turns)
        .flat_map(|turn| &turn.parts);
    parts.any(|part| {
        let bytes = part.as_text().unwrap_or_default().as_bytes();
        bytes
            .windows(4)
            .any(|word| word.eq_ignore_ascii_case(b"json"))
    })
}

/// The name that OpenAI wants for a schema.
fn schema_name(name: Option<Cow<'_, str>>) -> Cow<'_, str> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Cow::Borrowed("response");
    };
    let is_kept = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    if name.len() <= 64 && name.chars().all(is_kept) {
        return name;
    }
    let kept = name
        .chars()
        .map(|char| if is_kept(char) { char } else { '_' });
    Cow::Owned(kept.take(64).collect())
}

/// Fits what the answer may hold: sound and pictures only where the target makes them.
pub(super) fn modalities(
    request: &mut Request<'_>,
    to: To<'_>,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let at = place::MODALITIES.at(request.origin);
    let refuse = |what| {
        Err(Fault::cannot_carry(
            at,
            format!("the provider that serves this model does not answer with {what}"),
        ))
    };
    let output = &mut request.output;
    if output.modalities.contains(&Modality::Audio) {
        if !matches!(to.format, Format::OpenAiChat | Format::Gemini) {
            return refuse("sound");
        }
        let spoken = output.audio.take();
        match spoken.as_ref().map(|audio| voice(to, audio)) {
            Some(Some(audio)) => output.audio = Some(audio),
            Some(None) => {
                return Err(Fault::cannot_carry(
                    place::AUDIO.at(request.origin),
                    "the provider that serves this model does not have this voice",
                ));
            }
            // Without a voice OpenAI does not speak.
            None if to.is(Format::OpenAiChat) => return refuse("sound unless a voice is named"),
            None => {}
        }
    } else if output.audio.take().is_some() {
        losses.dropped(place::AUDIO.at(request.origin))?;
    }
    if output.modalities.contains(&Modality::Image) {
        match to.format {
            Format::Gemini => {}
            Format::OpenAiChat if to.profile.chat.accepts_unknown => {}
            Format::OpenAiResponses => {
                request.tools.push(super::tools::image_generation(at));
                output.modalities.retain(|one| *one != Modality::Image);
                losses.note(at, Change::Approximated);
            }
            Format::OpenAiChat | Format::Claude => return refuse("pictures"),
        }
    }
    if output.modalities.iter().all(|one| *one == Modality::Text) {
        output.modalities.clear();
    }
    Ok(())
}

/// Voices that OpenAI has.
const OPENAI_VOICES: &[&str] = &[
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage",
    "shimmer", "verse",
];

/// The voice in OpenAI's words. `None`: the target does not have it.
fn voice(to: To<'_>, audio: &Json<'_>) -> Option<Json<'static>> {
    let node = Node::trusted(audio.as_str());
    if to.is(Format::Gemini) {
        let name = node.get_str("voice")?;
        // Google's voices have names, in capitals; OpenAI's are small words.
        let is_there = name.starts_with(|char: char| char.is_ascii_uppercase());
        return is_there.then(|| audio.clone().into_owned());
    }
    let config = node.get("voiceConfig")?.get("prebuiltVoiceConfig")?;
    let name = config.get_str("voiceName")?.to_ascii_lowercase();
    if !OPENAI_VOICES.contains(&&*name) {
        return None;
    }
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.str("voice", &name);
        // What Gemini's clients expect: samples without a header.
        o.str("format", "pcm16");
    });
    Some(Json::trusted(String::from_utf8(out).unwrap_or_default()))
}
