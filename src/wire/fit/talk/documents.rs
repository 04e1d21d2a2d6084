//! Documents: files for those who take files, text for the others.

use std::borrow::Cow;

use super::base64;
use super::media::{Where, foreign_file, is_openai, kind, not_fetched, refused};
use crate::chat::{Content, Document, Fault, Format, Losses, Part, Source, Text};

/// Fits a document and appends what becomes of it.
pub(super) fn fit<'a>(
    place: Where<'_>,
    mut part: Part<'a>,
    out: &mut Vec<Part<'a>>,
    losses: &mut Losses,
) -> Result<(), Fault> {
    let (at, target) = (part.at, place.target);
    let Content::Document(document) = &mut part.content else {
        return Ok(());
    };
    if document.citations == Some(true) && target != Format::Claude {
        losses.dropped(at)?;
        document.citations = None;
    }
    base64::normalise(&mut document.source);
    if let Some(text) = plain_text(&document.source) {
        if target == Format::Claude {
            document.source = Source::Text(text);
            out.push(part);
        } else {
            let text = titled(document, &text);
            part.content = Content::Text(Text::new(text));
            out.push(part);
        }
        return Ok(());
    }
    match (&mut document.source, target) {
        (Source::Parts(parts), Format::Claude) => place.fit(parts, losses)?,
        (Source::Parts(parts), _) => {
            let mut parts = std::mem::take(parts);
            place.fit(&mut parts, losses)?;
            if let Some(last) = parts.last_mut() {
                last.cache = last.cache.or(part.cache);
            }
            let title = title(document);
            out.extend(title.map(|title| Part::text(format!("Document: {title}")).at(at)));
            out.extend(parts);
            return Ok(());
        }
        (Source::Bytes { mime, .. }, Format::Claude) if mime != "application/pdf" => {
            return Err(refused(
                at,
                format!(
                    "is of {}; the provider takes application/pdf and text",
                    kind(mime)
                ),
            ));
        }
        (Source::Url { .. }, Format::OpenAiChat) => return Err(not_fetched(at)),
        (Source::Url { .. }, _) => place.address(at)?,
        (Source::File { origin, .. }, Format::OpenAiChat | Format::OpenAiResponses)
            if is_openai(*origin) => {}
        (Source::File { .. }, _) => return Err(foreign_file(at)),
        (Source::Bytes { .. } | Source::Text(_), _) => {}
    }
    out.push(part);
    Ok(())
}

/// The text of a document that is nothing but text.
fn plain_text<'a>(source: &Source<'a>) -> Option<Cow<'a, str>> {
    match source {
        Source::Text(text) => Some(text.clone()),
        Source::Bytes { mime, base64 } if mime.starts_with("text/") => {
            base64::text(base64).map(Cow::Owned)
        }
        _ => None,
    }
}

fn title<'d>(document: &'d Document<'_>) -> Option<&'d str> {
    document.title.as_deref().or(document.filename.as_deref())
}

/// A document as words of the conversation.
fn titled(document: &Document<'_>, text: &str) -> String {
    match title(document) {
        Some(title) => {
            let title = title.replace('&', "&amp;").replace('"', "&quot;");
            format!("<document title=\"{title}\">\n{text}\n</document>")
        }
        None => format!("<document>\n{text}\n</document>"),
    }
}
