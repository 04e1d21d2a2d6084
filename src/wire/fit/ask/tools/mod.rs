//! Tools: what the target calls them, which of them it has, and whether it must use them.

mod choice;
mod history;
mod names;
mod provider;
mod typed;

pub(super) use choice::{choose, may_force};

use std::borrow::Cow;

use super::To;
use super::envelope;
use super::schema::Schemas;
use super::user::is_openai;
use crate::chat::{
    CallKind, Change, Common, CustomFormat, CustomTool, Extra, Fault, Format, Function, Json,
    Losses, Modality, Place, ProviderKind, ProviderTool, Request, Tool, ToolChoice, ToolKind,
};
use crate::wire::fit::Restore;
use crate::wire::fit::restore::{Known, Undo};
use crate::wire::json::object;
use names::{Names, Rule};
use provider::Fate;

/// A tool on its way to the target: what the client calls it, and how its calls are turned back.
struct Item<'a> {
    tool: Tool<'a>,
    /// The name that it would have if the target took all names.
    full: String,
    name: String,
    namespace: Option<String>,
    kind: CallKind,
}

/// Fits tools, their names everywhere, and the calls of the history.
pub(super) fn fit(
    request: &mut Request<'_>,
    to: To<'_>,
    losses: &mut Losses,
    restore: &mut Restore,
) -> Result<(), Fault> {
    let (mut items, kept) = collect(request, to, losses)?;
    let takes_custom = to.is(Format::OpenAiResponses)
        || (to.is(Format::OpenAiChat) && to.profile.chat.custom_tools);
    let names = Names::new(
        Rule::of(to),
        kept.iter().filter_map(|tool| provider::name(tool, to)),
        items
            .iter()
            .map(|item| Cow::Borrowed(&*item.full))
            .chain(history::names(request)),
    );
    let mut wrapped = Vec::new();
    let mut tools = Vec::with_capacity(items.len() + kept.len());
    for mut item in items.drain(..) {
        let sent = names.get(&item.full).to_owned();
        if sent != item.full {
            losses.note(item.tool.at, Change::Renamed);
        }
        let mut undo = Undo::Nothing;
        let at = item.tool.at;
        item.tool.kind = match item.tool.kind {
            ToolKind::Custom(custom) if !takes_custom => {
                undo = Undo::Input;
                losses.note(at, Change::Approximated);
                ToolKind::Function(as_function(custom, sent.clone()))
            }
            ToolKind::Custom(mut custom) => {
                custom.name = Cow::Owned(sent.clone());
                ToolKind::Custom(custom)
            }
            ToolKind::Function(mut function) => {
                function.name = Cow::Owned(sent.clone());
                ToolKind::Function(function)
            }
            other => other,
        };
        if let ToolKind::Function(function) = &mut item.tool.kind
            && fit_schema(function, request.origin, Schemas { to, at }, losses)?
        {
            undo = Undo::Value;
            wrapped.push(sent.clone());
        }
        if let ToolKind::Function(function) = &mut item.tool.kind
            && function.schema.is_none()
            && to.is(Format::Gemini)
            && to.profile.fronts_claude()
        {
            function.schema = Some(envelope::placeholder());
            undo = Undo::Without(envelope::PLACEHOLDER);
        }
        restore.know(Known {
            sent,
            name: item.name,
            namespace: item.namespace,
            kind: item.kind,
            undo,
        });
        tools.push(item.tool);
    }
    tools.extend(kept);
    request.tools = tools;
    history::fit(request, &names, takes_custom, &wrapped);
    rename_choice(request, &names, takes_custom);
    Ok(())
}

/// The client's tools one by one, and those that the target's provider runs.
fn collect<'a>(
    request: &mut Request<'a>,
    to: To<'_>,
    losses: &mut Losses,
) -> Result<(Vec<Item<'a>>, Vec<Tool<'a>>), Fault> {
    let all = std::mem::take(&mut request.tools);
    let has_functions = all
        .iter()
        .any(|tool| !matches!(&tool.kind, ToolKind::Provider(tool) if provider::runs_there(tool)));
    let mut items = Vec::new();
    let (mut kept, mut pages) = (Vec::new(), Vec::new());
    for mut tool in all {
        match tool.kind {
            ToolKind::Namespace {
                name: namespace,
                tools,
                ..
            } => {
                for inner in tools {
                    items.extend(own(inner, Some(&namespace)));
                }
            }
            ToolKind::Provider(mut ran) => {
                let at = tool.at;
                match provider::fate(&mut ran, at, to, has_functions, losses)? {
                    Fate::Keep => {
                        tool.kind = ToolKind::Provider(ran);
                        kept.push(tool);
                    }
                    Fate::Search => {
                        tool.kind = ToolKind::Provider(ran);
                        pages.push(tool);
                    }
                    Fate::Function(function, kind) => {
                        losses.note(at, Change::Approximated);
                        if let Some(ToolChoice::Provider { kind: chosen, .. }) =
                            &request.tool_choice
                            && *chosen == ran.kind
                        {
                            request.tool_choice = Some(ToolChoice::Named {
                                name: function.name.clone(),
                                kind: CallKind::Function,
                            });
                        }
                        let name = function.name.clone().into_owned();
                        tool.kind = ToolKind::Function(*function);
                        items.push(Item {
                            tool,
                            full: name.clone(),
                            name,
                            namespace: None,
                            kind,
                        });
                    }
                    Fate::Pictures => {
                        let wanted = &mut request.output.modalities;
                        for one in [Modality::Text, Modality::Image] {
                            if !wanted.contains(&one) {
                                wanted.push(one);
                            }
                        }
                        losses.note(at, Change::Approximated);
                    }
                    Fate::Drop => losses.dropped(at)?,
                }
            }
            _ => items.extend(own(tool, None)),
        }
    }
    for tool in pages {
        provider::merge(&mut kept, tool, losses)?;
    }
    Ok((items, kept))
}

fn own<'a>(tool: Tool<'a>, namespace: Option<&str>) -> Option<Item<'a>> {
    let (name, kind) = match &tool.kind {
        ToolKind::Function(function) => (&function.name, CallKind::Function),
        ToolKind::Custom(custom) => (&custom.name, CallKind::Custom),
        ToolKind::Namespace { .. } | ToolKind::Provider(_) => return None,
    };
    let name = name.clone().into_owned();
    Some(Item {
        full: full_name(namespace, &name).into_owned(),
        name,
        namespace: namespace.map(str::to_owned),
        kind,
        tool,
    })
}

/// The name of a tool of a namespace where there are none.
fn full_name<'n>(namespace: Option<&str>, name: &'n str) -> Cow<'n, str> {
    match namespace {
        Some(namespace) if !namespace.is_empty() => Cow::Owned(format!("{namespace}__{name}")),
        _ => Cow::Borrowed(name),
    }
}

/// A free-form tool where there are only functions.
fn as_function(custom: CustomTool<'_>, name: String) -> Function<'_> {
    let about = match &custom.format {
        CustomFormat::Text => "The input, as free text.".to_owned(),
        CustomFormat::Grammar { syntax, definition } => {
            format!("The input, as text that this {syntax} grammar allows:\n{definition}")
        }
    };
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.str("type", "object");
        o.object("properties", |o| {
            o.object("input", |o| {
                o.str("type", "string");
                o.str("description", &about);
            });
        });
        o.raw("required", "[\"input\"]");
    });
    Function {
        name: Cow::Owned(name),
        description: custom.description,
        schema: Some(Json::trusted(String::from_utf8(out).unwrap_or_default())),
        strict: None,
    }
}

/// Puts the function's schema into the target's dialect. `true`: it was put into an object.
fn fit_schema(
    function: &mut Function<'_>,
    origin: Format,
    schemas: Schemas<'_>,
    losses: &mut Losses,
) -> Result<bool, Fault> {
    let strict = function.strict;
    let profile = schemas.to.profile;
    if schemas.to.is(Format::Claude) && !profile.claude.structured {
        function.strict = None;
    }
    if schemas.to.is(Format::OpenAiChat) && !profile.chat.strict_param {
        function.strict = None;
    }
    let Some(schema) = function.schema.take() else {
        return Ok(false);
    };
    let (fitted, is_wrapped) = match schemas.to.format {
        Format::OpenAiChat | Format::OpenAiResponses => {
            let (schema, is_wrapped) = if is_openai(origin) {
                (schema, false)
            } else {
                schemas.openai_input(&schema, losses)?
            };
            let schema = if strict == Some(true) || profile.chat.force_strict {
                let fitted = schemas.openai(origin, schema, strict, losses)?;
                function.strict = fitted.strict;
                fitted.schema
            } else {
                schema
            };
            (Some(schema), is_wrapped)
        }
        Format::Claude => {
            let (schema, is_wrapped) = schemas.claude_input(&schema, losses)?;
            let exact = if function.strict == Some(true) {
                schemas.claude_exact(&schema, losses)?
            } else {
                None
            };
            if exact.is_none() && function.strict == Some(true) {
                function.strict = None;
                losses.note(schemas.at, Change::Approximated);
            }
            (Some(exact.unwrap_or(schema)), is_wrapped)
        }
        Format::Gemini => schemas.gemini_input(&schema, losses)?,
    };
    function.schema = fitted;
    Ok(is_wrapped)
}

fn rename_choice(request: &mut Request<'_>, names: &Names, takes_custom: bool) {
    match &mut request.tool_choice {
        Some(ToolChoice::Named { name, kind }) => {
            *name = Cow::Owned(names.get(name).to_owned());
            if *kind == CallKind::Custom && !takes_custom {
                *kind = CallKind::Function;
            }
        }
        Some(ToolChoice::Allowed { names: all, .. }) => {
            for name in all {
                *name = Cow::Owned(names.get(name).to_owned());
            }
        }
        _ => {}
    }
}

/// The tool with which Responses makes pictures.
pub(super) fn image_generation<'a>(at: Place) -> Tool<'a> {
    Tool {
        at,
        kind: ToolKind::Provider(ProviderTool {
            origin: Format::OpenAiResponses,
            kind: ProviderKind::ImageGeneration,
            name: None,
            native: Json::trusted("{\"type\":\"image_generation\"}"),
            common: Common::default(),
        }),
        cache: None,
        extra: Extra::default(),
    }
}
