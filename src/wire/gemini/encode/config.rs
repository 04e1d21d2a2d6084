//! Writes `generationConfig`.

use super::super::super::Profile;
use super::super::super::json::{Node, ObjectWriter, object};
use super::write_rest;
use crate::chat::{
    Expose, Extra, Format, Json, Modality, OutputFormat, ProviderKind, Reasoning, Request, ToolKind,
};

/// Writes it, unless nothing is in it.
pub(super) fn write(
    o: &mut ObjectWriter<'_>,
    request: &Request<'_>,
    profile: &Profile,
    own: Option<&Extra<'_>>,
) {
    let mut config = Vec::new();
    object(&mut config, |o| members(o, request, profile, own));
    if config != b"{}" {
        o.key("generationConfig").append(&mut config);
    }
}

fn members(
    o: &mut ObjectWriter<'_>,
    request: &Request<'_>,
    profile: &Profile,
    own: Option<&Extra<'_>>,
) {
    let sampling = &request.sampling;
    for (name, value) in [
        ("temperature", &sampling.temperature),
        ("topP", &sampling.top_p),
        ("topK", &sampling.top_k),
        ("presencePenalty", &sampling.presence_penalty),
        ("frequencyPenalty", &sampling.frequency_penalty),
        ("seed", &sampling.seed),
    ] {
        o.opt_raw(name, value.as_ref().map(Json::as_str));
    }
    o.opt_num("candidateCount", request.candidates);
    o.opt_num("maxOutputTokens", request.max_output_tokens);
    if !request.stop.is_empty() {
        o.array("stopSequences", |a| {
            for stop in &request.stop {
                a.str(stop);
            }
        });
    }
    if let Some(logprobs) = request.logprobs {
        o.bool("responseLogprobs", true);
        o.opt_num("logprobs", logprobs.top);
    }
    let rest = own.and_then(|own| own.get("generationConfig"));
    let is_newer =
        rest.is_some_and(|rest| Node::trusted(rest.as_str()).get("responseFormat").is_some());
    if !is_newer {
        write_format(o, &request.output.format, profile);
    }
    write_modalities(o, request);
    if let Some(audio) = &request.output.audio {
        write_speech(o, request.origin, audio);
    }
    if let Some(reasoning) = &request.reasoning {
        write_thinking(o, reasoning);
    }
    write_rest(o, own, "generationConfig");
}

fn write_format(o: &mut ObjectWriter<'_>, format: &OutputFormat<'_>, profile: &Profile) {
    match format {
        OutputFormat::Text => {}
        OutputFormat::JsonObject => o.str("responseMimeType", "application/json"),
        OutputFormat::JsonSchema { schema, .. } => {
            o.str("responseMimeType", "application/json");
            let is_json = profile.gemini.json_schema;
            let name = if is_json {
                "responseJsonSchema"
            } else {
                "responseSchema"
            };
            o.raw(name, schema.as_str());
        }
        OutputFormat::Enum { schema } => {
            o.str("responseMimeType", "text/x.enum");
            o.raw("responseSchema", schema.as_str());
        }
    }
}

fn write_modalities(o: &mut ObjectWriter<'_>, request: &Request<'_>) {
    let mut modalities = request.output.modalities.clone();
    let draws = request.tools.iter().any(|tool| {
        matches!(&tool.kind, ToolKind::Provider(tool)
            if tool.kind == ProviderKind::ImageGeneration && tool.origin != Format::Gemini)
    });
    if draws && !modalities.contains(&Modality::Image) {
        if modalities.is_empty() {
            modalities.push(Modality::Text);
        }
        modalities.push(Modality::Image);
    }
    if !modalities.is_empty() {
        o.array("responseModalities", |a| {
            for modality in modalities {
                a.str(match modality {
                    Modality::Text => "TEXT",
                    Modality::Image => "IMAGE",
                    Modality::Audio => "AUDIO",
                });
            }
        });
    }
}

fn write_speech(o: &mut ObjectWriter<'_>, origin: Format, audio: &Json<'_>) {
    if origin == Format::Gemini {
        o.raw("speechConfig", audio.as_str());
        return;
    }
    if let Some(voice) = Node::trusted(audio.as_str()).get_str("voice") {
        o.object("speechConfig", |o| {
            o.object("voiceConfig", |o| {
                o.object("prebuiltVoiceConfig", |o| o.str("voiceName", &voice));
            });
        });
    }
}

/// A budget and a level at once are an error.
fn write_thinking(o: &mut ObjectWriter<'_>, reasoning: &Reasoning) {
    let mut config = Vec::new();
    object(&mut config, |o| {
        if let Some(budget) = reasoning.budget {
            o.num("thinkingBudget", budget);
        } else if let Some(effort) = reasoning.effort {
            o.str("thinkingLevel", &effort.name().to_ascii_uppercase());
        }
        match reasoning.expose {
            None => {}
            // A model that does not think refuses even to hide it.
            Some(Expose::Nothing) if o.is_empty() => {}
            Some(expose) => o.bool("includeThoughts", expose != Expose::Nothing),
        }
    });
    if config != b"{}" {
        o.key("thinkingConfig").append(&mut config);
    }
}
