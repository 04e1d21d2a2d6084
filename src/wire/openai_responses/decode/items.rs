//! The items of a request's input, gathered into turns.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::super::carrier;
use super::super::super::json::{Kind, Node, Object, object};
use super::super::content::{self, BY_ITEM, ITEM, LIST, MESSAGE, STRING, as_object, mark};
use super::super::hosted::{TYPED, hosted, typed_call};
use super::{tools, wrong_type};
use crate::chat::{
    CallKind, Content, Extra, Fault, Format, Level, Native, Opaque, OpaqueKind, Part, Place,
    ReasonKind, ReasonText, Reasoned, Request, Role, ToolCall, ToolResult, Turn,
};

/// Reads the input into `request`.
pub(super) fn input<'a>(input: Node<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let at = Place::field("input");
    match input.kind() {
        Kind::String => {
            let part = Part::text(input.text().unwrap_or_default()).at(at);
            let mut turn = Turn::new(Role::User, vec![part]).at(at);
            mark(&mut turn.extra, STRING);
            request.turns.push(turn);
        }
        Kind::Array => {
            let mut gathered = Gathered {
                request,
                signature: None,
                shells: HashMap::new(),
            };
            for (index, item) in input.items().enumerate() {
                gathered.item(item, at.item(index))?;
            }
            gathered.place_signature();
        }
        _ => return Err(wrong_type("input", "a string or a list of items")),
    }
    Ok(())
}

struct Gathered<'r, 'a> {
    request: &'r mut Request<'a>,
    /// State that waits for the call it belongs to.
    signature: Option<(Opaque<'a>, Place)>,
    /// The ids of items that call the local shell, and those of their calls.
    shells: HashMap<Cow<'a, str>, Cow<'a, str>>,
}

impl<'a> Gathered<'_, 'a> {
    fn item(&mut self, item: Node<'a>, at: Place) -> Result<(), Fault> {
        match item.kind() {
            Kind::Object => {}
            // A bare text among the items.
            Kind::String => {
                let part = Part::text(item.text().unwrap_or_default()).at(at);
                self.push(Role::User, at, vec![part]);
                return Ok(());
            }
            _ => return Err(wrong_type(at.to_string(), "an object")),
        }
        let kind = item.get_str("type").unwrap_or_default();
        match &*kind {
            "message" => self.message(item, at)?,
            "" if item.get("role").is_some() => self.message(item, at)?,
            "reasoning" => self.reasoning(item, at),
            "function_call" => self.call(item, at, CallKind::Function),
            "custom_tool_call" => self.call(item, at, CallKind::Custom),
            "function_call_output" => self.output(item, at, CallKind::Function),
            "custom_tool_call_output" => self.output(item, at, CallKind::Custom),
            "additional_tools" => self.additional_tools(item, at),
            kind => {
                if let Some((call, extra)) = typed_call(item) {
                    self.called(call, extra, at);
                } else if let Some((typed, _)) = TYPED
                    .into_iter()
                    .find(|(typed, _)| is_output_of(kind, typed))
                {
                    self.output(item, at, CallKind::Typed(typed));
                } else {
                    self.other(item, kind, at);
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, role: Role, at: Place, parts: Vec<Part<'a>>) {
        self.place_signature();
        self.append(role, at, parts);
    }

    fn append(&mut self, role: Role, at: Place, parts: Vec<Part<'a>>) {
        let grouped = matches!(role, Role::User | Role::Assistant);
        match self.request.turns.last_mut() {
            Some(turn) if grouped && turn.role == role => turn.parts.extend(parts),
            _ => self.request.turns.push(Turn::new(role, parts).at(at)),
        }
    }

    /// State for a call that does not follow is reasoning of its own.
    fn place_signature(&mut self) {
        if let Some((opaque, at)) = self.signature.take() {
            let reasoned = Reasoned {
                opaque: vec![opaque],
                ..Reasoned::default()
            };
            let part = Part::new(Content::Reasoning(reasoned)).at(at);
            self.append(Role::Assistant, at, vec![part]);
        }
    }

    fn message(&mut self, item: Node<'a>, at: Place) -> Result<(), Fault> {
        let mut members = item.object();
        let role = match members.take_str("role").as_deref() {
            Some("user") | None => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::Instruction(Level::System),
            Some("developer") => Role::Instruction(Level::Developer),
            Some(_) => {
                let path = at.of("role").to_string();
                return Err(wrong_type(
                    path,
                    "one of user, assistant, system, developer",
                ));
            }
        };
        let content = members.take("content");
        let mut parts = content.map_or_else(Vec::new, |node| content::parts(node, at, "content"));
        let phase = item.get_str("phase");
        if let Some(first) = parts.first_mut() {
            first
                .extra
                .0
                .push((MESSAGE.into(), as_object(&members.rest())));
        }
        self.place_signature();
        let leading = self.request.turns.is_empty();
        if leading && matches!(role, Role::Instruction(_)) {
            self.request
                .instructions
                .push(Turn::new(role, parts).at(at));
            return Ok(());
        }
        self.append(role, at, parts);
        if let (Some(turn), Some(phase)) = (self.request.turns.last_mut(), phase) {
            turn.phase = Some(phase);
        }
        Ok(())
    }

    fn reasoning(&mut self, item: Node<'a>, at: Place) {
        self.place_signature();
        let mut members = item.object();
        members.take("type");
        // An id that was made here means nothing to any provider.
        let id = members.take_str("id");
        let id = id.filter(|id| !id.starts_with(carrier::REASONING_ID));
        let state = members.take_str("encrypted_content");
        let mut texts = texts(members.take("summary"), ReasonKind::Summary);
        texts.extend(self::texts(members.take("content"), ReasonKind::Raw));
        let mut reasoned = Reasoned {
            texts,
            opaque: Vec::new(),
            id: None,
        };
        match state.as_deref().map(carrier::unwrap) {
            Some(Some(opaque)) => {
                if opaque.kind == OpaqueKind::Thought && reasoned.texts.is_empty() {
                    self.signature = Some((opaque, at));
                    return;
                }
                // The id is ours then, and means nothing to anybody else.
                let opaque = exact_text(opaque, &mut reasoned.texts);
                reasoned.opaque.push(opaque);
            }
            _ => {
                if let Some(state) = state.filter(|state| !state.is_empty()) {
                    reasoned.opaque.push(native_state(id.as_deref(), &state));
                }
                reasoned.id = id;
            }
        }
        let mut part = Part::new(Content::Reasoning(reasoned)).at(at);
        part.extra = members.rest();
        self.push(Role::Assistant, at, vec![part]);
    }

    fn call(&mut self, item: Node<'a>, at: Place, kind: CallKind) {
        let mut members = item.object();
        members.take("type");
        let item_id = members.take_str("id");
        let written = match kind {
            CallKind::Custom => members.take("input"),
            _ => members.take("arguments"),
        };
        let call = ToolCall {
            id: members.take_str("call_id").unwrap_or_default(),
            name: members.take_str("name").unwrap_or_default(),
            arguments: written.map_or(Cow::Borrowed(""), string_or_json),
            kind,
            namespace: members.take_str("namespace"),
            item_id,
        };
        self.called(call, members.rest(), at);
    }

    fn called(&mut self, call: ToolCall<'a>, extra: Extra<'a>, at: Place) {
        if call.kind == CallKind::Typed("local_shell_call")
            && let Some(item) = &call.item_id
        {
            self.shells.insert(item.clone(), call.id.clone());
        }
        let mut part = Part::new(Content::ToolCall(call)).at(at);
        part.extra = extra;
        part.signature = self.signature.take().map(|(opaque, _)| opaque);
        self.append(Role::Assistant, at, vec![part]);
    }

    fn output(&mut self, item: Node<'a>, at: Place, kind: CallKind) {
        let mut members = item.object();
        members.take("type");
        let by_call = members.take_str("call_id");
        let is_by_item = by_call.is_none();
        // A local shell's output has the id of its call, or of its call's item, as its own.
        let by_item = || {
            let id = item.get_str("id").unwrap_or_default();
            self.shells.get(&id).cloned().unwrap_or(id)
        };
        let call = by_call.unwrap_or_else(by_item);
        let output = members.take("output");
        let content = match output {
            None => Vec::new(),
            // Lists of what commands printed.
            Some(output) if kind == CallKind::Typed("shell_call") => {
                vec![Part::text(output.raw()).at(at.of("output"))]
            }
            Some(output) => content::parts(output, at, "output"),
        };
        let mut extra = members.rest();
        if is_by_item {
            mark(&mut extra, BY_ITEM);
        }
        if output.is_some_and(|output| output.kind() == Kind::Array) {
            mark(&mut extra, LIST);
        }
        let failed = extra
            .get("status")
            .is_some_and(|status| status.as_str() == "\"failed\"");
        let mut part = Part::new(Content::ToolResult(ToolResult {
            call,
            name: None,
            content,
            is_error: failed.then_some(true),
            kind,
        }))
        .at(at);
        part.extra = extra;
        self.push(Role::User, at, vec![part]);
    }

    /// Its tools are tools; where they were offered is kept for its own format.
    fn additional_tools(&mut self, item: Node<'a>, at: Place) {
        self.place_signature();
        for (index, tool) in item
            .get("tools")
            .into_iter()
            .flat_map(Node::items)
            .enumerate()
        {
            self.request
                .tools
                .push(tools::tool(tool, at.of("tools").part(index)));
        }
        let mut turn = Turn::new(Role::Instruction(Level::Developer), Vec::new()).at(at);
        turn.extra.0.push((ITEM.into(), item.json()));
        if self.request.turns.is_empty() {
            self.request.instructions.push(turn);
        } else {
            self.request.turns.push(turn);
        }
    }

    fn other(&mut self, item: Node<'a>, kind: &str, at: Place) {
        let by_client = match kind {
            "mcp_approval_response" | "compaction_trigger" | "configuration_update" => true,
            "tool_search_output" => item.get_str("execution").as_deref() == Some("client"),
            _ => false,
        };
        let role = if by_client {
            Role::User
        } else {
            Role::Assistant
        };
        let parts = hosted(item, at).unwrap_or_else(|| {
            let native = Native {
                format: Format::OpenAiResponses,
                json: item.json(),
            };
            vec![Part::new(Content::Native(native)).at(at)]
        });
        self.push(role, at, parts);
    }
}

fn is_output_of(kind: &str, call: &str) -> bool {
    kind.strip_suffix("_output") == Some(call)
}

fn string_or_json(node: Node<'_>) -> Cow<'_, str> {
    node.str().unwrap_or_else(|| Cow::Borrowed(node.raw()))
}

fn texts(list: Option<Node<'_>>, kind: ReasonKind) -> Vec<ReasonText<'_>> {
    list.into_iter()
        .flat_map(Node::items)
        .filter_map(|part| {
            let text = part.get_str("text")?;
            Some(ReasonText { kind, text })
        })
        .collect()
}

/// The state of a reasoning item: what [`carrier`] holds of it.
pub(in super::super) fn native_state(id: Option<&str>, state: &str) -> Opaque<'static> {
    let mut data = Vec::new();
    object(&mut data, |o| {
        o.opt_str("id", id);
        o.str("encrypted_content", state);
    });
    Opaque {
        origin: Format::OpenAiResponses,
        kind: OpaqueKind::Encrypted,
        family: Cow::Borrowed(""),
        data: String::from_utf8(data).unwrap_or_default().into(),
    }
}

/// A signature that came with the very text it signs.
fn exact_text<'a>(opaque: Opaque<'a>, texts: &mut Vec<ReasonText<'a>>) -> Opaque<'a> {
    if opaque.kind != OpaqueKind::Signature || !opaque.data.starts_with("{\"t\":") {
        return opaque;
    }
    let (text, signature) = match Node::parse(opaque.data.as_bytes(), 2) {
        Ok(node) => (owned(node, "t"), owned(node, "s")),
        Err(_) => return opaque,
    };
    let (Some(text), Some(signature)) = (text, signature) else {
        return opaque;
    };
    *texts = vec![ReasonText {
        kind: ReasonKind::Raw,
        text: text.into(),
    }];
    Opaque {
        data: signature.into(),
        ..opaque
    }
}

fn owned(node: Node<'_>, key: &str) -> Option<String> {
    Some(Object::of(node).take_str(key)?.into_owned())
}
