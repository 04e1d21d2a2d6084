//! The question what would become of a request: as a document that holds it, or as the request itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::proxy::desk::Asked;
use crate::proxy::explain;

/// A request in a document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    /// With its query.
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// The request that `asked` is about, or what is wrong with the question.
pub(super) fn request(asked: &Asked<'_>, body: &Bytes) -> Result<explain::Asked, String> {
    match parameter(asked.query, "path") {
        Some(path) => Ok(explain::Asked {
            uri: uri(&path?)?,
            headers: without_keys(asked.headers),
            body: body.clone(),
        }),
        None => in_document(body),
    }
}

fn in_document(body: &Bytes) -> Result<explain::Asked, String> {
    let document: Document<'_> =
        serde_json::from_slice(body).map_err(|error| format!("the question: {error}"))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &document.headers {
        let known: HeaderName = name
            .parse()
            .map_err(|_| format!("headers: '{name}' is no header's name"))?;
        // The value may be a key.
        let value = HeaderValue::from_str(value)
            .map_err(|_| format!("headers.{known}: is no header's value"))?;
        headers
            .try_append(known, value)
            .map_err(|_| "headers: too many of them".to_owned())?;
    }
    let inner = document.body.map_or("", |body| body.get());
    Ok(explain::Asked {
        uri: uri(&document.path)?,
        headers,
        body: body.slice_ref(inner.as_bytes()),
    })
}

/// The key in them is the operator's.
fn without_keys(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(header::AUTHORIZATION);
    headers.remove("x-api-key");
    headers.remove("x-goog-api-key");
    headers
}

fn uri(path: &str) -> Result<Uri, String> {
    let uri = path.parse::<Uri>().ok();
    uri.filter(|_| path.starts_with('/'))
        .ok_or_else(|| "path: must be a path like /v1/messages".to_owned())
}

/// A parameter of a query, decoded.
pub(super) fn parameter(query: &str, name: &str) -> Option<Result<String, String>> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    let decoded = percent_decode_str(value).decode_utf8();
    Some(
        decoded
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| format!("{name}: is not UTF-8")),
    )
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn read(
        query: &str,
        headers: &HeaderMap,
        body: &'static str,
    ) -> Result<explain::Asked, String> {
        let asked = Asked {
            method: &Method::POST,
            path: "/admin/explain",
            query,
            headers,
            peer: None,
        };
        request(&asked, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn a_document_holds_the_request_byte_for_byte() {
        let document =
            r#"{"path":"/v1/messages?beta=true","headers":{"X-Api-Key":"k"},"body":{ "a":1.0 }}"#;
        let asked = read("", &HeaderMap::new(), document).unwrap();
        assert_eq!(asked.uri, "/v1/messages?beta=true");
        assert_eq!(asked.headers["x-api-key"], "k");
        assert_eq!(&asked.body[..], b"{ \"a\":1.0 }");
    }

    #[test]
    fn the_request_itself_goes_without_the_operators_key() {
        let headers: HeaderMap = [
            (header::AUTHORIZATION, HeaderValue::from_static("Bearer k")),
            (header::ACCEPT, HeaderValue::from_static("*/*")),
        ]
        .into_iter()
        .collect();
        let asked = read(
            "path=%2Fv1%2Fmodels%2Fm%3AgenerateContent%3Falt%3Dsse",
            &headers,
            "{}",
        );
        let asked = asked.unwrap();
        assert_eq!(asked.uri, "/v1/models/m:generateContent?alt=sse");
        assert_eq!(asked.headers.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, body, wanted) in [
            ("", "no", "the question: "),
            ("", r#"{"body":{}}"#, "missing field `path`"),
            ("", r#"{"path":"/","bodie":{}}"#, "unknown field `bodie`"),
            ("", r#"{"path":"v1"}"#, "path: "),
            ("", r#"{"path":"/","headers":{"a b":"c"}}"#, "'a b'"),
            ("", r#"{"path":"/","headers":{"a":"\n"}}"#, "headers.a: "),
            ("path=v1", "", "path: "),
            ("path=%ff", "", "path: is not UTF-8"),
        ] {
            let error = read(query, &HeaderMap::new(), body).err().unwrap();
            assert!(error.contains(wanted), "{query} {body}: {error}");
        }
    }
}
