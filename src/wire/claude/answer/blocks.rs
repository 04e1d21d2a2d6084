//! Blocks as they are written: what comes all at once, state, links.

use super::super::{media, server};
use crate::chat::{
    Change, Citation, Content, Format, Losses, Native, Opaque, OpaqueKind, Part, Place, ServerCall,
    ServerResult, ServerTool, Source,
};
use crate::wire::carrier;
use crate::wire::json::{Node, object};

/// A block that is written all at once: as it stands in a whole answer, and in a stream.
#[derive(Debug)]
pub(super) struct Ready {
    /// In a whole answer.
    pub(super) whole: String,
    /// As a stream begins it, if not the same.
    pub(super) start: Option<String>,
    /// What follows in a stream.
    pub(super) deltas: Vec<String>,
}

impl Ready {
    /// A block that a stream begins with all it has.
    const fn plain(whole: String) -> Self {
        Self {
            whole,
            start: None,
            deltas: Vec::new(),
        }
    }

    /// A block of text.
    pub(super) fn text(text: &str) -> Self {
        Self {
            whole: json(|o| {
                o.str("type", "text");
                o.str("text", text);
            }),
            start: Some(TEXT_START.to_owned()),
            deltas: vec![json(|o| {
                o.str("type", "text_delta");
                o.str("text", text);
            })],
        }
    }

    /// State that may not be shown, or that the client only keeps for us.
    pub(super) fn redacted(data: &str) -> Self {
        Self::plain(json(|o| {
            o.str("type", "redacted_thinking");
            o.str("data", data);
        }))
    }

    /// A call of a server: clients take its input from a delta.
    fn server_call(whole: String) -> Self {
        let block = Node::trusted(&whole);
        let start = json(|o| {
            for (key, value) in block.members() {
                o.raw(&key, if key == "input" { "{}" } else { value.raw() });
            }
        });
        let delta = json(|o| {
            o.str("type", "input_json_delta");
            o.str("partial_json", block.get("input").map_or("{}", Node::raw));
        });
        Self {
            start: Some(start),
            deltas: vec![delta],
            whole,
        }
    }

    fn native(native: &Native<'_>) -> Self {
        let whole = native.json.as_str();
        let kind = Node::trusted(whole).get_str("type");
        if matches!(kind.as_deref(), Some("server_tool_use" | "mcp_tool_use")) {
            Self::server_call(whole.to_owned())
        } else {
            Self::plain(whole.to_owned())
        }
    }
}

/// How a text block begins in a stream.
pub(super) const TEXT_START: &str = r#"{"type":"text","text":""}"#;

/// An object as text.
pub(super) fn json(write: impl FnOnce(&mut crate::wire::json::ObjectWriter<'_>)) -> String {
    let mut out = Vec::new();
    object(&mut out, write);
    // Text and ASCII make text.
    String::from_utf8(out).unwrap_or_default()
}

/// Where something of an answer is lost.
fn lost(losses: &mut Losses) {
    losses.note(Place::field("content"), Change::Dropped);
}

/// Makes the blocks of the parts that come all at once, and gives every search its result.
#[derive(Debug, Default)]
pub(super) struct AllAtOnce {
    /// The search that has no result yet.
    search: Option<String>,
    /// Whether the conversation was compacted.
    pub(super) compaction: bool,
}

impl AllAtOnce {
    /// The result of a search that got none before something else came.
    pub(super) fn missing_result(&mut self) -> Option<Ready> {
        let id = self.search.take()?;
        Some(search_result(&id, &[], None))
    }

    /// The blocks of a part.
    pub(super) fn blocks(&mut self, part: &Part<'_>, losses: &mut Losses) -> Vec<Ready> {
        let mut blocks = Vec::new();
        let result_of = match &part.content {
            Content::ServerResult(result) => Some(search_id(&result.call)),
            _ => None,
        };
        if self.search.is_some() && self.search == result_of {
            self.search = None;
        } else {
            blocks.extend(self.missing_result());
        }
        match self.block(part) {
            Some(block) => blocks.push(block),
            None => lost(losses),
        }
        if is_medium(&part.content) {
            lost(losses);
        }
        blocks
    }

    fn block(&mut self, part: &Part<'_>) -> Option<Ready> {
        let own = |native: &Option<Native<'_>>| {
            let native = native.as_ref();
            native
                .filter(|native| native.format == Format::Claude)
                .map(Ready::native)
        };
        match &part.content {
            Content::ServerCall(call) => own(&call.native).or_else(|| {
                let block = search(call)?;
                self.search = Some(search_id(&call.id));
                Some(block)
            }),
            Content::ServerResult(result) => own(&result.native).or_else(|| found(result)),
            Content::Native(native) if native.format == Format::Claude => {
                let kind = Node::trusted(native.json.as_str()).get_str("type");
                self.compaction |= kind.as_deref() == Some("compaction");
                Some(Ready::native(native))
            }
            Content::Image(image) => Some(omitted("image", &image.source)),
            Content::Document(document) => Some(omitted("document", &document.source)),
            Content::Video(video) => Some(omitted("video", &video.source)),
            Content::Audio(audio) => Some(match audio.transcript.as_deref() {
                Some(words) if !words.trim().is_empty() => Ready::text(words),
                _ => omitted("audio", &audio.source),
            }),
            _ => None,
        }
    }
}

const fn is_medium(content: &Content<'_>) -> bool {
    matches!(
        content,
        Content::Image(_) | Content::Document(_) | Content::Video(_) | Content::Audio(_)
    )
}

/// What stands for media, which this format's answers cannot hold.
fn omitted(kind: &str, source: &Source<'_>) -> Ready {
    let words = match source {
        Source::Bytes { mime, base64 } => {
            let kind = if mime.is_empty() { kind } else { mime };
            let bytes = media::size(base64);
            format!("[{kind} output omitted: {bytes} bytes]")
        }
        _ => format!("[{kind} output omitted]"),
    };
    Ready::text(&words)
}

/// The id of another format's search as Anthropic's would be.
fn search_id(id: &str) -> String {
    let kept = |char: &char| char.is_ascii_alphanumeric() || *char == '_';
    let id: String = id.chars().filter(kept).collect();
    format!("srvtoolu_{id}")
}

/// Another format's search of the web. What else providers do has no shape here.
fn search(call: &ServerCall<'_>) -> Option<Ready> {
    (call.tool == ServerTool::WebSearch).then(|| {
        Ready::server_call(json(|o| {
            o.str("type", "server_tool_use");
            o.str("id", &search_id(&call.id));
            o.str("name", "web_search");
            o.raw("input", &server::input(call.input.as_str()));
        }))
    })
}

fn found(result: &ServerResult<'_>) -> Option<Ready> {
    (result.tool == ServerTool::WebSearch).then(|| {
        let id = search_id(&result.call);
        search_result(&id, &result.sources, result.error.as_deref())
    })
}

/// Pages without the content that only Anthropic can give: a request that brings them back has them
/// taken out.
fn search_result(id: &str, sources: &[crate::chat::WebSource<'_>], error: Option<&str>) -> Ready {
    Ready::plain(json(|o| {
        o.str("type", "web_search_tool_result");
        o.str("tool_use_id", id);
        if error.is_some() {
            o.object("content", |o| {
                o.str("type", "web_search_tool_result_error");
                o.str("error_code", "unavailable");
            });
            return;
        }
        o.array("content", |a| {
            for source in sources {
                a.object(|o| {
                    o.str("type", "web_search_result");
                    o.str("url", &source.url);
                    o.str("title", source.title.as_deref().unwrap_or(&source.url));
                    o.str("encrypted_content", "");
                    o.raw("page_age", "null");
                });
            }
        });
    }))
}

/// The state of one stretch of reasoning as this format's clients keep it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// `thinking.signature`
    pub(super) signature: Option<String>,
    /// `redacted_thinking.data`, one block each.
    pub(super) redacted: Vec<String>,
}

/// Where state goes. `shown`: there is a `thinking` block with text in it.
pub(super) fn keep(opaques: &[Opaque<'_>], shown: bool, family: &str) -> Kept {
    let mut kept = Kept::default();
    for opaque in opaques {
        let is_own = opaque.origin == Format::Claude;
        let data = if is_own {
            opaque.data.clone().into_owned()
        } else {
            carrier::wrap(opaque, family)
        };
        let signs = if is_own {
            opaque.kind == OpaqueKind::Signature
        } else {
            shown
        };
        if signs && kept.signature.is_none() {
            kept.signature = Some(data);
        } else {
            kept.redacted.push(data);
        }
    }
    kept
}

/// The pages that an answer cites and that this format cannot cite: a list of links, if it is wanted.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<(String, String)>);

impl Links {
    /// Takes a citation that is not Anthropic's own.
    pub(super) fn push(&mut self, citation: &Citation<'_>, losses: &mut Losses) {
        let Some(url) = citation.url.as_deref() else {
            return lost(losses);
        };
        if !self.0.iter().any(|(other, _)| other == url) {
            let title = citation.title.as_deref().unwrap_or(url);
            self.0.push((url.to_owned(), title.to_owned()));
        }
    }

    /// The list; nothing if nothing is cited.
    pub(super) fn block(&self) -> Option<Ready> {
        if self.0.is_empty() {
            return None;
        }
        let mut text = String::from("\n\nSources:");
        for (number, (url, title)) in (1..).zip(&self.0) {
            text.push_str(&format!("\n{number}. [{title}]({url})"));
        }
        Some(Ready::text(&text))
    }
}
