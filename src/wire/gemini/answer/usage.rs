//! `usageMetadata`: what an answer cost.

use super::super::super::json::{Kind, Node, ObjectWriter};
use super::super::super::tally::Count;
use super::super::members::{fields, list};
use super::super::request::tier;
use crate::chat::{Odd, Tier, Usage};

/// Reads it. `None`: there are no numbers in it.
pub(super) fn read(node: Node<'_>) -> Option<Usage> {
    let mut members = fields(node);
    let mut is_said = false;
    let mut odd = Odd::default();
    let mut count = |name: &str, what: Odd| {
        let count = members.take(name);
        is_said |= count.is_some_and(|count| count.kind() == Kind::Number);
        odd.count(count, what)
    };
    let prompt = count("promptTokenCount", Odd::INPUT);
    let cache_read = count("cachedContentTokenCount", Odd::CACHE_READ);
    let candidates = count("candidatesTokenCount", Odd::OUTPUT);
    let reasoning = count("thoughtsTokenCount", Odd::OUTPUT.and(Odd::REASONING));
    let tool_input = count("toolUsePromptTokenCount", Odd::INPUT);
    if !is_said {
        return None;
    }
    let input = members.take("promptTokensDetails");
    let cached = members.take("cacheTokensDetails");
    let output = members.take("candidatesTokensDetails");
    Some(Usage {
        input: prompt.saturating_add(tool_input),
        cache_read,
        output: candidates.saturating_add(reasoning),
        reasoning,
        audio_input: modality(input, "AUDIO"),
        audio_output: modality(output, "AUDIO"),
        image_input: modality(input, "IMAGE"),
        cached_audio: modality(cached, "AUDIO"),
        cached_image: modality(cached, "IMAGE"),
        image_output: modality(output, "IMAGE"),
        tool_input,
        exact: true,
        odd,
        ..Usage::default()
    })
}

/// What a chunk or a whole answer, in its envelope or without, says about its cost.
pub(in crate::wire::gemini) fn of(answer: Node<'_>) -> Option<Usage> {
    let mut answer = fields(answer);
    match answer.take("usageMetadata") {
        Some(usage) => read(usage),
        None => read(fields(answer.take("response")?).take("usageMetadata")?),
    }
}

/// How the answer was served.
pub(super) fn read_tier(node: Node<'_>) -> Option<Tier> {
    let name = fields(node).take_str("serviceTier")?;
    tier(&name)
}

fn modality(details: Option<Node<'_>>, name: &str) -> u64 {
    let details = details.into_iter().flat_map(list);
    let counts = details.filter_map(|detail| {
        let mut detail = fields(detail);
        let is_it = detail.take_str("modality")? == name;
        detail.take_u64("tokenCount").filter(|_| is_it)
    });
    counts.fold(0, u64::saturating_add)
}

/// Writes the members of `usageMetadata`.
pub(super) fn write(o: &mut ObjectWriter<'_>, usage: &Usage, tier: Option<Tier>) {
    let more = |o: &mut ObjectWriter<'_>, name: &str, count: u64| {
        if count > 0 {
            o.num(name, count);
        }
    };
    let prompt = usage.input.saturating_sub(usage.tool_input);
    let candidates = usage.output.saturating_sub(usage.reasoning);
    o.num("promptTokenCount", prompt);
    more(o, "cachedContentTokenCount", usage.cache_read);
    o.num("candidatesTokenCount", candidates);
    more(o, "thoughtsTokenCount", usage.reasoning);
    more(o, "toolUsePromptTokenCount", usage.tool_input);
    o.num("totalTokenCount", usage.input.saturating_add(usage.output));
    let details = [
        (
            "promptTokensDetails",
            prompt,
            usage.audio_input,
            usage.image_input,
        ),
        (
            "cacheTokensDetails",
            usage.cache_read,
            usage.cached_audio,
            usage.cached_image,
        ),
        (
            "candidatesTokensDetails",
            candidates,
            usage.audio_output,
            usage.image_output,
        ),
    ];
    for (name, all, audio, image) in details {
        if audio == 0 && image == 0 {
            continue;
        }
        o.array(name, |a| {
            let text = all.saturating_sub(audio).saturating_sub(image);
            for (modality, count) in [("TEXT", text), ("AUDIO", audio), ("IMAGE", image)] {
                if count > 0 {
                    a.object(|o| {
                        o.str("modality", modality);
                        o.num("tokenCount", count);
                    });
                }
            }
        });
    }
    o.opt_str(
        "serviceTier",
        match tier {
            Some(Tier::Standard) => Some("standard"),
            Some(Tier::Flex) => Some("flex"),
            Some(Tier::Priority) => Some("priority"),
            _ => None,
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::object;

    #[test]
    fn cached_tokens_are_part_of_the_prompt_and_thoughts_are_not_of_the_candidates() {
        let usage = Usage {
            input: 1000,
            cache_read: 300,
            cache_write: 200,
            output: 60,
            reasoning: 40,
            exact: true,
            ..Usage::default()
        };
        let mut out = Vec::new();
        object(&mut out, |o| write(o, &usage, None));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            r#"{"promptTokenCount":1000,"cachedContentTokenCount":300,"candidatesTokenCount":20,"thoughtsTokenCount":40,"totalTokenCount":1060}"#
        );
        let want = Usage {
            cache_write: 0,
            ..usage
        };
        assert_eq!(read(Node::trusted(&text)), Some(want));
    }

    #[test]
    fn tools_and_media_are_counted() {
        let text = r#"{"promptTokenCount":100,"toolUsePromptTokenCount":50,"totalTokenCount":9,"promptTokensDetails":[{"modality":"TEXT","tokenCount":60},{"modality":"AUDIO","tokenCount":30},{"modality":"IMAGE","tokenCount":10}]}"#;
        let usage = read(Node::trusted(text)).unwrap();
        assert_eq!((usage.input, usage.output, usage.tool_input), (150, 0, 50));
        let mut out = Vec::new();
        object(&mut out, |o| write(o, &usage, Some(Tier::Flex)));
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#""promptTokenCount":100"#), "{text}");
        assert!(text.contains(r#""totalTokenCount":150"#), "{text}");
        assert!(text.contains(r#""serviceTier":"flex""#), "{text}");
        assert_eq!(read(Node::trusted(&text)), Some(usage));
    }

    #[test]
    fn cached_sound_is_told_and_absurd_parts_do_not_overflow() {
        let text = r#"{"promptTokenCount":1000,"cachedContentTokenCount":400,"promptTokensDetails":[{"modality":"TEXT","tokenCount":300},{"modality":"AUDIO","tokenCount":700}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":400}]}"#;
        let usage = read(Node::trusted(text)).unwrap();
        assert_eq!(
            (usage.cache_read, usage.audio_input, usage.cached_audio),
            (400, 700, 400)
        );
        let most = u64::MAX;
        let text = format!(
            r#"{{"promptTokenCount":1,"promptTokensDetails":[{{"modality":"AUDIO","tokenCount":{most}}},{{"modality":"AUDIO","tokenCount":{most}}}]}}"#
        );
        assert_eq!(read(Node::trusted(&text)).unwrap().audio_input, most);
    }

    #[test]
    fn without_numbers_nobody_said_anything() {
        assert_eq!(read(Node::trusted(r#"{"trafficType":"ON_DEMAND"}"#)), None);
    }
}
