//! Reads the parts of contents, which requests and answers share.

use std::borrow::Cow;

use super::super::json::{Kind, Node, Object, object, quote};
use super::members::{fields, inner_rest, native, native_member, present};
use crate::chat::{
    Audio, Content, Detail, Document, Extra, Format, Image, Json, LazyStr, ServerCall,
    ServerResult, ServerTool, Source, Video,
};
use crate::wire::json::compact;

/// One part, read.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    /// What it is.
    pub(super) kind: PieceKind<'a>,
    /// Its thought signature; not empty.
    pub(super) signature: Option<Cow<'a, str>>,
    /// Members that only Gemini has.
    pub(super) extra: Extra<'a>,
}

/// What a part is.
#[derive(Debug)]
pub(super) enum PieceKind<'a> {
    /// Text; empty for a part that has only a signature.
    Text(LazyStr<'a>),
    /// Text of a thought.
    Thought(Cow<'a, str>),
    /// The members of a `functionCall`.
    Call(Object<'a>),
    /// The members of a `functionResponse`.
    Response(Object<'a>),
    /// Something whole.
    Whole(Content<'a>),
    /// Nothing.
    Empty,
}

impl<'a> Piece<'a> {
    /// Reads a part.
    pub(super) fn read(node: Node<'a>) -> Self {
        let mut members = fields(node);
        let signature = members.take_str("thoughtSignature");
        let signature = signature.filter(|text| !text.is_empty());
        let is_thought = members.take_bool("thought").unwrap_or(false);
        let mut extra = Extra::default();
        let kind = Self::kind(&mut members, is_thought, &mut extra);
        let rest = present(members.rest());
        let (kind, rest) = match kind {
            None if rest.0.is_empty() && signature.is_none() => (PieceKind::Empty, rest),
            None if rest.0.is_empty() => (PieceKind::Text(LazyStr::default()), rest),
            None => (unknown(&rest), Extra::default()),
            Some(kind) => (kind, rest),
        };
        extra.0.extend(rest.0);
        Self {
            kind,
            signature,
            extra,
        }
    }

    fn kind(
        members: &mut Object<'a>,
        is_thought: bool,
        extra: &mut Extra<'a>,
    ) -> Option<PieceKind<'a>> {
        if let Some(text) = members.take("text") {
            let text = text.text().unwrap_or_else(|| text.raw().into());
            return Some(if is_thought {
                PieceKind::Thought(text.into_cow())
            } else {
                PieceKind::Text(text)
            });
        }
        if let Some(call) = members.take("functionCall") {
            return Some(PieceKind::Call(fields(call)));
        }
        if let Some(response) = members.take("functionResponse") {
            return Some(PieceKind::Response(fields(response)));
        }
        let content = media(members, extra).or_else(|| server(members))?;
        if is_thought {
            extra.0.push(("thought".into(), Json::trusted("true")));
        }
        if let Content::Image(image) = &content
            && image.detail.is_some()
        {
            members.take("mediaResolution");
        }
        Some(PieceKind::Whole(content))
    }
}

/// Reads `inlineData` or `fileData`.
pub(super) fn media<'a>(members: &mut Object<'a>, extra: &mut Extra<'a>) -> Option<Content<'a>> {
    if let Some(data) = members.take("inlineData") {
        let mut data = fields(data);
        let mime = data.take_str("mimeType").unwrap_or_default();
        let base64 = data.take_str("data").unwrap_or_default();
        inner_rest(extra, "inlineData", data);
        let kind = mime.clone();
        return Some(medium(Source::Bytes { mime, base64 }, &kind, members));
    }
    let mut data = fields(members.take("fileData")?);
    let url = data.take_str("fileUri").unwrap_or_default();
    let kind = match data.clone().take_str("mimeType") {
        Some(mime) => mime,
        None if is_video_site(&url) => "video/".into(),
        None => "".into(),
    };
    let source = if is_stored(&url) {
        // The type stays with the rest: a file at a provider has none in the neutral model.
        Source::File {
            id: url,
            origin: Format::Gemini,
        }
    } else {
        let mime = data.take_str("mimeType");
        Source::Url { url, mime }
    };
    inner_rest(extra, "fileData", data);
    Some(medium(source, &kind, members))
}

fn medium<'a>(source: Source<'a>, mime: &str, members: &Object<'a>) -> Content<'a> {
    match mime.split('/').next().unwrap_or_default() {
        "image" => Content::Image(Image {
            source,
            detail: detail(members),
        }),
        "audio" => Content::Audio(Audio {
            source,
            transcript: None,
            expires_at: None,
        }),
        "video" => Content::Video(Video { source }),
        _ => Content::Document(Document {
            source,
            title: None,
            context: None,
            filename: None,
            citations: None,
        }),
    }
}

fn detail(members: &Object<'_>) -> Option<Detail> {
    let resolution = members.clone().take("mediaResolution")?;
    let level = resolution.get_str("level").or_else(|| resolution.str())?;
    match &*level {
        "MEDIA_RESOLUTION_LOW" => Some(Detail::Low),
        "MEDIA_RESOLUTION_MEDIUM" => Some(Detail::Medium),
        "MEDIA_RESOLUTION_HIGH" => Some(Detail::High),
        _ => None,
    }
}

/// Whether an address is that of a file at Google.
fn is_stored(url: &str) -> bool {
    let host = url.split_once("://").map_or("", |(_, rest)| rest);
    !url.starts_with("http") || host.starts_with("generativelanguage.googleapis.com/")
}

fn is_video_site(url: &str) -> bool {
    ["youtube.com/", "youtu.be/"]
        .iter()
        .any(|host| url.contains(host))
}

/// Reads what the provider did itself.
fn server<'a>(members: &mut Object<'a>) -> Option<Content<'a>> {
    if let Some(code) = members.take("executableCode") {
        return Some(Content::ServerCall(ServerCall {
            id: code.get_str("id").unwrap_or_default(),
            tool: ServerTool::CodeExecution,
            input: code_input(code),
            native: Some(native_member("executableCode", code)),
        }));
    }
    if let Some(result) = members.take("codeExecutionResult") {
        let outcome = result.get_str("outcome");
        return Some(Content::ServerResult(ServerResult {
            call: result.get_str("id").unwrap_or_default(),
            tool: ServerTool::CodeExecution,
            error: outcome.filter(|outcome| outcome != "OUTCOME_OK"),
            sources: Vec::new(),
            output: result.get_str("output"),
            native: Some(native_member("codeExecutionResult", result)),
        }));
    }
    if let Some(call) = members.take("toolCall") {
        let input = call
            .get("args")
            .map_or(Cow::Borrowed("{}"), |args| compact(args.raw()));
        return Some(Content::ServerCall(ServerCall {
            id: call.get_str("id").unwrap_or_default(),
            tool: tool(call),
            input: Json::trusted(input),
            native: Some(native_member("toolCall", call)),
        }));
    }
    let result = members.take("toolResponse")?;
    let output = result.get("response").map(|output| compact(output.raw()));
    Some(Content::ServerResult(ServerResult {
        call: result.get_str("id").unwrap_or_default(),
        tool: tool(result),
        error: None,
        sources: Vec::new(),
        output,
        native: Some(native_member("toolResponse", result)),
    }))
}

fn code_input(code: Node<'_>) -> Json<'static> {
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.str("code", &code.get_str("code").unwrap_or_default());
        o.opt_str("language", code.get_str("language").as_deref());
    });
    Json::trusted(String::from_utf8(out).unwrap_or_default())
}

fn tool(node: Node<'_>) -> ServerTool {
    let name = node
        .get_str("toolType")
        .or_else(|| node.get_str("tool_type"));
    match name.as_deref().unwrap_or_default() {
        "GOOGLE_SEARCH_WEB" | "GOOGLE_SEARCH" => ServerTool::WebSearch,
        "URL_CONTEXT" => ServerTool::WebFetch,
        "FILE_SEARCH" => ServerTool::FileSearch,
        "CODE_EXECUTION" => ServerTool::CodeExecution,
        other => ServerTool::Other(other.to_owned()),
    }
}

fn unknown<'a>(members: &Extra<'_>) -> PieceKind<'a> {
    let members: Vec<String> = members
        .0
        .iter()
        .map(|(key, value)| format!("{}:{}", quote(key), value.as_str()))
        .collect();
    PieceKind::Whole(Content::Native(native(format!(
        "{{{}}}",
        members.join(",")
    ))))
}

/// The arguments of a call.
pub(super) fn arguments<'a>(call: &mut Object<'a>) -> Option<Cow<'a, str>> {
    let args = call.take("args")?;
    Some(match args.kind() {
        Kind::Object => compact(args.raw()),
        // Some servers write them like OpenAI.
        _ => args.str().unwrap_or_else(|| args.raw().into()),
    })
}
