//! Reads `generationConfig`.

use super::super::super::json::{Node, Object};
use super::super::members::{fields, list};
use super::super::schema::to_json_schema;
use crate::chat::{
    Effort, Expose, Fault, Json, Logprobs, Modality, OutputFormat, Reasoning, ReasoningMode,
    Request,
};

/// Takes what the neutral model has from `config`.
pub(super) fn read<'a>(config: &mut Object<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let sampling = &mut request.sampling;
    for (name, place) in [
        ("temperature", &mut sampling.temperature),
        ("topP", &mut sampling.top_p),
        ("topK", &mut sampling.top_k),
        ("presencePenalty", &mut sampling.presence_penalty),
        ("frequencyPenalty", &mut sampling.frequency_penalty),
        ("seed", &mut sampling.seed),
    ] {
        *place = config.take_json(name);
    }
    request.candidates = config.take_u64("candidateCount");
    request.max_output_tokens = config.take("maxOutputTokens").and_then(whole);
    if let Some(stop) = config.take("stopSequences") {
        request.stop = list(stop).filter_map(Node::str).collect();
    }
    let wants_logprobs = config.take_bool("responseLogprobs").unwrap_or(false);
    let top = config.take_u64("logprobs");
    request.logprobs = wants_logprobs.then_some(Logprobs { top });
    request.output.format = output_format(config)?;
    if let Some(modalities) = config.take("responseModalities") {
        let named = list(modalities).filter_map(|name| modality(&name.str()?));
        request.output.modalities = named.collect();
    }
    request.output.audio = config.take_json("speechConfig");
    request.reasoning = config.take("thinkingConfig").and_then(reasoning);
    Ok(())
}

/// A whole number, or one in a string, as proto JSON writes those of 64 bits.
fn whole(node: Node<'_>) -> Option<u64> {
    node.u64().or_else(|| node.str()?.parse().ok())
}

fn modality(name: &str) -> Option<Modality> {
    match name.to_ascii_uppercase().as_str() {
        "TEXT" => Some(Modality::Text),
        "IMAGE" => Some(Modality::Image),
        "AUDIO" => Some(Modality::Audio),
        _ => None,
    }
}

fn output_format<'a>(config: &mut Object<'a>) -> Result<OutputFormat<'a>, Fault> {
    if let Some(format) = structured(config) {
        return Ok(format);
    }
    let json = config
        .take("responseJsonSchema")
        .or_else(|| config.take("_responseJsonSchema"));
    let schema = match (config.take("responseSchema"), json) {
        (_, Some(json)) => Some(json.json()),
        (Some(schema), None) => Some(to_json_schema(schema, "generationConfig.responseSchema")?),
        (None, None) => None,
    };
    let mime = config.clone().take_str("responseMimeType");
    Ok(match (mime.as_deref(), schema) {
        (Some("text/x.enum"), Some(schema)) => {
            config.take("responseMimeType");
            OutputFormat::Enum { schema }
        }
        (_, Some(schema)) => {
            config.take("responseMimeType");
            json_schema(schema)
        }
        (Some("application/json"), None) => {
            config.take("responseMimeType");
            OutputFormat::JsonObject
        }
        _ => OutputFormat::Text,
    })
}

/// The newer `responseFormat`, which stays where it is for Gemini itself.
fn structured<'a>(config: &Object<'a>) -> Option<OutputFormat<'a>> {
    let formats = config.clone().take("responseFormat")?;
    list(formats).find_map(|format| {
        let mut format = fields(format);
        let inner = format.take("text").map(fields);
        let mut format = inner.unwrap_or(format);
        let mime = format.take_str("mimeType");
        match format.take("schema") {
            Some(schema) => Some(json_schema(schema.json())),
            None => (mime? == "application/json").then_some(OutputFormat::JsonObject),
        }
    })
}

const fn json_schema(schema: Json<'_>) -> OutputFormat<'_> {
    OutputFormat::JsonSchema {
        name: None,
        description: None,
        schema,
        strict: None,
    }
}

fn reasoning(config: Node<'_>) -> Option<Reasoning> {
    let mut config = fields(config);
    let budget = config.take("thinkingBudget");
    let budget = budget.and_then(|node| node.i64().or_else(|| node.str()?.parse().ok()));
    let effort = config.take_str("thinkingLevel").and_then(|level| {
        let name = level.strip_prefix("THINKING_LEVEL_").unwrap_or(&level);
        Effort::named(name)
    });
    let expose = config
        .take_bool("includeThoughts")
        .map(|shows| if shows { Expose::Auto } else { Expose::Nothing });
    if budget.is_none() && effort.is_none() && expose.is_none() {
        return None;
    }
    let mode = match (budget, effort) {
        (Some(0), _) => ReasoningMode::Off,
        (Some(1..), _) | (None, Some(_)) => ReasoningMode::On,
        _ => ReasoningMode::Auto,
    };
    Some(Reasoning {
        mode,
        effort,
        budget,
        expose,
    })
}
