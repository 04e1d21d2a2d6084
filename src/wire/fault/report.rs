//! What an error body says, whatever its shape.

use std::borrow::Cow;
use std::time::Duration;

use crate::wire::json::{elements, pick, unquote};

use super::wait::go_duration;

/// What an error body says. Everything is optional: servers leave out what they like.
#[derive(Debug, Default)]
pub(super) struct Report<'a> {
    pub(super) message: Option<Cow<'a, str>>,
    /// OpenAI's and Anthropic's `type`.
    pub(super) class: Option<Cow<'a, str>>,
    /// OpenAI's `code`; Anthropic's `details.error_code`.
    pub(super) code: Option<Cow<'a, str>>,
    /// A `code` that is an HTTP status: Google's, and of some compatible servers.
    pub(super) number: Option<u16>,
    /// Google's `status`.
    pub(super) status: Option<Cow<'a, str>>,
    /// Google's `details[].reason`.
    pub(super) reason: Option<Cow<'a, str>>,
    pub(super) param: Option<Cow<'a, str>>,
    pub(super) retry_after: Option<Duration>,
    /// The quota that is used up is counted by the day.
    pub(super) is_daily_quota: bool,
}

impl<'a> Report<'a> {
    pub(super) fn read(body: &'a [u8]) -> Self {
        let body = body.trim_ascii();
        match body.first() {
            Some(b'{') => Self::read_document(body).unwrap_or_default(),
            // Gemini wraps the error of a stream without `alt=sse` in an array.
            Some(b'[') => elements(body)
                .and_then(|elements| Self::read_document(elements.first()?))
                .unwrap_or_default(),
            Some(b'"') => Self::of_message(text(body)),
            _ => Self::of_message(std::str::from_utf8(body).ok().map(Cow::Borrowed)),
        }
    }

    fn of_message(message: Option<Cow<'a, str>>) -> Self {
        Self {
            message: message.filter(|message| is_for_people(message)),
            ..Self::default()
        }
    }

    fn read_document(body: &'a [u8]) -> Option<Self> {
        let [error, message, detail] = pick(body, ["error", "message", "detail"])?;
        match error {
            Some(error @ [b'{', ..]) => Self::read_error(error),
            // `{"error":"Not Found","message":"No such route"}`: the longer story is the better one.
            Some(error @ [b'"', ..]) => {
                let mut report = Self::read_error(body)?;
                report.message = report
                    .message
                    .or_else(|| Self::of_message(text(error)).message);
                Some(report)
            }
            _ if message.is_some() => Self::read_error(body),
            _ => Some(Self::read_detail(detail?)),
        }
    }

    /// The object that holds the message.
    fn read_error(error: &'a [u8]) -> Option<Self> {
        let [message, class, code, param, status, details] = pick(
            error,
            ["message", "type", "code", "param", "status", "details"],
        )?;
        let mut report = Self {
            class: class.and_then(text),
            code: code
                .and_then(text)
                .filter(|code| code.parse::<u64>().is_err()),
            number: code.and_then(http_status),
            status: status.and_then(text),
            param: param.and_then(text),
            ..Self::of_message(message.and_then(text))
        };
        if let Some(details) = details {
            report.read_details(details);
        }
        Some(report)
    }

    /// Google's list of details, or Anthropic's object.
    fn read_details(&mut self, details: &'a [u8]) {
        if let Some([code]) = pick(details, ["error_code"]) {
            self.code = self.code.take().or_else(|| text(code?));
        }
        for detail in elements(details).unwrap_or_default() {
            self.read_google_detail(detail);
        }
    }

    fn read_google_detail(&mut self, detail: &'a [u8]) -> Option<()> {
        let [reason, delay, metadata, violations, fields] = pick(
            detail,
            [
                "reason",
                "retryDelay",
                "metadata",
                "violations",
                "fieldViolations",
            ],
        )?;
        self.reason = self.reason.take().or_else(|| text(reason?));
        let delay = delay.or_else(|| pick(metadata?, ["quotaResetDelay"])?[0]);
        self.retry_after = self.retry_after.or_else(|| go_duration(&text(delay?)?));
        for violation in violations.and_then(elements).unwrap_or_default() {
            let quota = pick(violation, ["quotaId"]).and_then(|[quota]| text(quota?));
            self.is_daily_quota |= quota.is_some_and(|quota| quota.contains("PerDay"));
        }
        let field = fields
            .and_then(elements)
            .and_then(|fields| fields.first().copied());
        self.param = self
            .param
            .take()
            .or_else(|| text(pick(field?, ["field"])?[0]?));
        Some(())
    }

    /// FastAPI's `detail`: text, an object with a message, or a list of fields that are wrong.
    fn read_detail(detail: &'a [u8]) -> Self {
        match detail.first() {
            Some(b'"') => Self::of_message(text(detail)),
            Some(b'{') => Self::read_error(detail).unwrap_or_default(),
            _ => elements(detail)
                .and_then(|problems| Self::read_problem(problems.first()?))
                .unwrap_or_default(),
        }
    }

    fn read_problem(problem: &'a [u8]) -> Option<Self> {
        let [message, place] = pick(problem, ["msg", "loc"])?;
        let path: Vec<String> = place
            .and_then(elements)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|step| text(step).map(Cow::into_owned).or_else(|| as_number(step)))
            .filter(|step| step != "body")
            .collect();
        Some(Self {
            param: (!path.is_empty()).then(|| Cow::Owned(path.join("."))),
            ..Self::of_message(message.and_then(text))
        })
    }
}

fn text(raw: &[u8]) -> Option<Cow<'_, str>> {
    unquote(raw).filter(|text| !text.is_empty())
}

fn as_number(raw: &[u8]) -> Option<String> {
    let number: u64 = std::str::from_utf8(raw).ok()?.parse().ok()?;
    Some(number.to_string())
}

fn http_status(raw: &[u8]) -> Option<u16> {
    let number = unquote(raw).unwrap_or_else(|| String::from_utf8_lossy(raw));
    number
        .parse()
        .ok()
        .filter(|status| (400..600).contains(status))
}

/// Whether a text can be shown: an HTML page is a provider's front door, not a message.
fn is_for_people(message: &str) -> bool {
    let message = message.trim();
    !message.is_empty()
        && !message.starts_with('<')
        && !message.to_ascii_lowercase().contains("<html")
        && !message.contains('\0')
}
