//! What routing must know of a request body, and the two edits a relayed body may get.

use std::borrow::Cow;
use std::ops::Range;

use super::{JsonError, Outline, Survey, quote, shallow, survey, unquote};

/// Why a request body cannot be routed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not a readable JSON object.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Two values for one key: the gateway and the provider could each believe another one.
    #[error("'{0}' is given twice")]
    DuplicateKey(&'static str),
    /// `model` is there but not text.
    #[error("'model' must be a string")]
    ModelNotAString,
    /// `stream` is there but neither a boolean nor null.
    #[error("'stream' must be a boolean")]
    StreamNotABool,
}

impl HeadError {
    /// The request field at fault, if it is one field.
    pub const fn param(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) => None,
            Self::DuplicateKey(key) => Some(key),
            Self::ModelNotAString => Some("model"),
            Self::StreamNotABool => Some("stream"),
        }
    }
}

/// A member's value and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<T> {
    /// The value.
    pub value: T,
    /// Where the raw value stands in the body, quotes included.
    pub span: Range<usize>,
}

/// What routing must know of a request body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'a> {
    /// The model's name; may be empty.
    pub model: Option<Field<Cow<'a, str>>>,
    /// Whether a stream is asked for. An explicit null is false, its default in every format.
    pub stream: Option<Field<bool>>,
    close: usize,
    is_empty: bool,
}

impl Head<'_> {
    /// Whether the body asks for a stream.
    pub fn wants_stream(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.value)
    }
}

/// Reads the top-level `model` and `stream` of a request and checks that all of it is JSON.
pub fn request_head(body: &[u8], max_depth: usize) -> Result<Head<'_>, HeadError> {
    let mut members = Members::default();
    let outline = shallow(body, max_depth, |member| members.see(member))?;
    members.head(outline)
}

/// The same, with what else the walk has shown; `noted` as in [`survey`].
pub fn surveyed_head(
    body: &[u8],
    max_depth: usize,
    noted: bool,
) -> Result<(Head<'_>, Survey), HeadError> {
    let mut members = Members::default();
    let survey = survey(body, max_depth, noted, |member| members.see(member))?;
    Ok((members.head(survey.outline)?, survey))
}

/// The members that are looked for.
struct Members<'a> {
    model: Member<'a>,
    stream: Member<'a>,
}

impl Default for Members<'_> {
    fn default() -> Self {
        Self {
            model: Member::new("model"),
            stream: Member::new("stream"),
        }
    }
}

impl<'a> Members<'a> {
    fn see(&mut self, member: super::Member<'a>) {
        match &*member.key {
            "model" => self.model.see(member.raw, member.span),
            "stream" => self.stream.see(member.raw, member.span),
            _ => {}
        }
    }

    fn head(self, outline: Outline) -> Result<Head<'a>, HeadError> {
        Ok(Head {
            model: self.model.read(unquote, HeadError::ModelNotAString)?,
            stream: self.stream.read(boolean, HeadError::StreamNotABool)?,
            close: outline.close,
            is_empty: outline.is_empty,
        })
    }
}

/// The body with one more member at the end. The head must be that body's own.
pub fn insert_member(body: &[u8], head: &Head<'_>, key: &str, raw_value: &str) -> Vec<u8> {
    let separator = if head.is_empty { "" } else { "," };
    let member = format!("{separator}{}:{raw_value}", quote(key));
    replace(body, head.close..head.close, member.as_bytes())
}

/// The body with other bytes in one place.
pub fn replace(body: &[u8], span: Range<usize>, raw: &[u8]) -> Vec<u8> {
    [&body[..span.start], raw, &body[span.end..]].concat()
}

/// A member that may be given once.
struct Member<'a> {
    key: &'static str,
    seen: Option<(&'a [u8], Range<usize>)>,
    is_repeated: bool,
}

impl<'a> Member<'a> {
    const fn new(key: &'static str) -> Self {
        Self {
            key,
            seen: None,
            is_repeated: false,
        }
    }

    fn see(&mut self, raw: &'a [u8], span: Range<usize>) {
        self.is_repeated = self.seen.is_some();
        self.seen = Some((raw, span));
    }

    fn read<T>(
        self,
        parse: impl Fn(&'a [u8]) -> Option<T>,
        otherwise: HeadError,
    ) -> Result<Option<Field<T>>, HeadError> {
        if self.is_repeated {
            return Err(HeadError::DuplicateKey(self.key));
        }
        let Some((raw, span)) = self.seen else {
            return Ok(None);
        };
        let value = parse(raw).ok_or(otherwise)?;
        Ok(Some(Field { value, span }))
    }
}

fn boolean(raw: &[u8]) -> Option<bool> {
    match raw {
        b"true" => Some(true),
        b"false" | b"null" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(body: &str) -> Result<Head<'_>, HeadError> {
        request_head(body.as_bytes(), 16)
    }

    #[test]
    fn model_and_stream_are_found_where_they_stand() {
        let body =
            r#"{"messages":[{"model":"no","stream":1}], "model" : "gpt\u002d5" ,"stream":true}"#;
        let head = head(body).unwrap();
        let model = head.model.clone().unwrap();
        assert_eq!(model.value, "gpt-5");
        assert_eq!(&body[model.span], r#""gpt\u002d5""#);
        assert!(head.wants_stream());
        assert_eq!(&body[head.stream.unwrap().span], "true");
    }

    #[test]
    fn what_is_absent_is_none() {
        let head = head("{}").unwrap();
        assert_eq!((head.model.clone(), head.stream.clone()), (None, None));
        assert!(!head.wants_stream());
    }

    #[test]
    fn a_null_stream_is_no_stream_but_keeps_its_place() {
        let body = r#"{"stream":null}"#;
        let stream = head(body).unwrap().stream.unwrap();
        assert!(!stream.value);
        assert_eq!(
            replace(body.as_bytes(), stream.span, b"true"),
            br#"{"stream":true}"#
        );
    }

    #[test]
    fn an_empty_model_is_the_callers_to_judge() {
        assert_eq!(head(r#"{"model":""}"#).unwrap().model.unwrap().value, "");
    }

    #[test]
    fn wrong_fields_are_named() {
        for (body, error) in [
            (
                r#"{"model":"a","mod\u0065l":"b"}"#,
                HeadError::DuplicateKey("model"),
            ),
            (
                r#"{"stream":true,"stream":true}"#,
                HeadError::DuplicateKey("stream"),
            ),
            (r#"{"model":7}"#, HeadError::ModelNotAString),
            (r#"{"model":null}"#, HeadError::ModelNotAString),
            (r#"{"model":"\ud800"}"#, HeadError::ModelNotAString),
            (r#"{"stream":"true"}"#, HeadError::StreamNotABool),
            (r#"[]"#, HeadError::Json(JsonError::NotAnObject)),
        ] {
            assert_eq!(head(body).unwrap_err(), error, "{body}");
        }
        assert_eq!(head(r#"{"model":7}"#).unwrap_err().param(), Some("model"));
        assert_eq!(
            head("{\"model\":\"x\",}").unwrap_err().to_string(),
            "not JSON: expected a key at byte 13"
        );
    }

    #[test]
    fn the_model_is_replaced_and_nothing_else() {
        let body = "{ \"model\" :\"a\" ,\n\"n\":1.0}";
        let span = head(body).unwrap().model.unwrap().span;
        assert_eq!(
            replace(body.as_bytes(), span, quote("b\"").as_bytes()),
            b"{ \"model\" :\"b\\\"\" ,\n\"n\":1.0}"
        );
    }

    #[test]
    fn a_member_is_inserted_at_the_end() {
        for (body, expected) in [
            ("{}", r#"{"k":1}"#),
            (" { } \n", " { \"k\":1} \n"),
            ("{\"a\":{}\n}", "{\"a\":{}\n,\"k\":1}"),
        ] {
            let head = head(body).unwrap();
            let inserted = insert_member(body.as_bytes(), &head, "k", "1");
            assert_eq!(String::from_utf8(inserted).unwrap(), expected);
        }
    }
}
