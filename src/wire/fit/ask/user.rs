//! Who asks, and how fast it should go.

use super::{To, place};
use crate::chat::{Change, Fault, Format, Losses, Request, Tier};
use crate::wire::fit::mapped_id;

/// Takes out what the target may not know about the user, and the tiers it does not have.
pub(super) fn fit(request: &mut Request<'_>, to: To<'_>, losses: &mut Losses) -> Result<(), Fault> {
    let user = &mut request.user;
    if !(to.is_openai() && is_openai(request.origin)) {
        user.metadata = None;
    }
    match to.format {
        Format::Gemini => {
            user.end_user = None;
            user.safety_id = None;
        }
        // Anthropic asks not to be told who it is.
        Format::Claude => {
            user.end_user = user.end_user.take().filter(|id| !names_a_person(id));
            user.safety_id = user.safety_id.take().filter(|id| !names_a_person(id));
        }
        Format::OpenAiChat | Format::OpenAiResponses => {}
    }
    for id in [&mut user.end_user, &mut user.safety_id]
        .into_iter()
        .flatten()
    {
        if !is_user_id(id, to.format) {
            *id = format!("user_{}", mapped_id(id).trim_start_matches("t_")).into();
            losses.note(place::USER.at(request.origin), Change::Renamed);
        }
    }
    if let Some(tier) = request.tier {
        let place = place::TIER.at(request.origin);
        request.tier = match (to.format, tier) {
            (Format::Claude, Tier::Flex) => {
                losses.dropped(place)?;
                Some(Tier::Standard)
            }
            (Format::Gemini, Tier::Auto) => None,
            (Format::Gemini, Tier::Scale | Tier::Ultrafast)
            | (Format::OpenAiChat, Tier::Ultrafast) => {
                losses.note(place, Change::Approximated);
                Some(Tier::Priority)
            }
            (Format::Claude, Tier::Scale | Tier::Ultrafast) => {
                losses.note(place, Change::Approximated);
                Some(Tier::Auto)
            }
            (_, tier) => Some(tier),
        };
    }
    Ok(())
}

/// Whether the target takes it as the name of a user. Coding agents send JSON of some hundred
/// characters, which OpenAI and those who do as it does refuse.
fn is_user_id(id: &str, target: Format) -> bool {
    let length = id.chars().count();
    if is_openai(target) {
        (1..=64).contains(&length)
            && !id.contains(|char: char| char.is_control() || "{}\"".contains(char))
    } else {
        length <= 256
    }
}

pub(super) const fn is_openai(format: Format) -> bool {
    matches!(format, Format::OpenAiChat | Format::OpenAiResponses)
}

/// Whether it looks like an email address or a telephone number.
fn names_a_person(id: &str) -> bool {
    let id = id.trim();
    let is_mail = id.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !host.contains([' ', '@'])
    });
    let digits = id.bytes().filter(u8::is_ascii_digit).count();
    let dialled = |byte: u8| byte.is_ascii_digit() || b" ()-./+".contains(&byte);
    // Numbers without any sign between or before are ids.
    let has_signs = id.starts_with('+') || id.contains([' ', '(', ')', '-', '.', '/']);
    let is_number = (7..=15).contains(&digits) && has_signs && id.bytes().all(dialled);
    is_mail || is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_session_is_one_short_name() {
        let session = r#"{"device_id":"abc","session_id":"s"}"#;
        let long = "user_0123456789_account__session_".repeat(4);
        for id in [session, long.as_str(), ""] {
            assert!(!is_user_id(id, Format::OpenAiChat), "{id}");
        }
        assert!(is_user_id(session, Format::Claude));
        assert!(is_user_id("ann@example.com", Format::OpenAiResponses));
        assert!(!is_user_id(&long.repeat(2), Format::Claude));
    }

    #[test]
    fn mail_addresses_and_numbers_name_a_person() {
        for id in ["ann@example.com", "+49 30 1234567", "(030) 123-4567"] {
            assert!(names_a_person(id), "{id}");
        }
        for id in ["user_123", "1234567890", "a@b", "5d41-402a", "team/ann", ""] {
            assert!(!names_a_person(id), "{id}");
        }
    }
}
