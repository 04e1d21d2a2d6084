//! Writes tools and the choice among them.

use super::Writer;
use crate::chat::{
    CallKind, Common, CustomFormat, CustomTool, Format, Function, ProviderKind, ProviderTool, Tool,
    ToolChoice, ToolKind,
};
use crate::wire::json::{ArrayWriter, Node, ObjectWriter};

impl Writer<'_> {
    /// All members that are about tools. Without tools, neither a choice nor parallel calls may be
    /// spoken of.
    pub(super) fn tools(&mut self, o: &mut ObjectWriter<'_>) {
        let request = self.request;
        if !self.has_no_tools() {
            if self.is_legacy() {
                o.array("functions", |a| {
                    for tool in &request.tools {
                        if let ToolKind::Function(function) = &tool.kind {
                            a.object(|o| self.function(o, function));
                        }
                    }
                });
            } else {
                o.array("tools", |a| {
                    for tool in &request.tools {
                        self.tool(a, tool);
                    }
                });
            }
            if let Some(choice) = &request.tool_choice {
                self.choice(o, choice);
            }
            if self.chat.parallel_param {
                o.opt_bool("parallel_tool_calls", request.parallel_tools);
            }
        }
        for tool in &request.tools {
            if let ToolKind::Provider(provider) = &tool.kind
                && is_search(provider)
            {
                self.web_search(o, provider);
            }
        }
    }

    /// Whether `tools` would be empty.
    pub(super) fn has_no_tools(&self) -> bool {
        let mut tools = self.request.tools.iter();
        !tools.any(|tool| match &tool.kind {
            ToolKind::Function(_) | ToolKind::Custom(_) => true,
            ToolKind::Namespace { tools, .. } => !tools.is_empty(),
            ToolKind::Provider(provider) => is_native(provider),
        })
    }

    /// Whether the tools are written as `functions`, as the client wrote them.
    fn is_legacy(&self) -> bool {
        let mut tools = self.request.tools.iter();
        self.request.legacy_functions && tools.all(|tool| tool.at.root() == "functions")
    }

    fn tool(&mut self, a: &mut ArrayWriter<'_>, tool: &Tool<'_>) {
        match &tool.kind {
            ToolKind::Function(function) => a.object(|o| {
                o.str("type", "function");
                o.object("function", |o| {
                    self.function(o, function);
                    let rest = tool.extra.get("function").filter(|_| self.is_own);
                    let rest = rest.map(|rest| Node::trusted(rest.as_str()));
                    for (name, value) in rest.into_iter().flat_map(Node::members) {
                        o.raw(&name, value.raw());
                    }
                });
                self.tool_extra(o, tool);
            }),
            ToolKind::Custom(custom) => a.object(|o| {
                o.str("type", "custom");
                o.object("custom", |o| write_custom(o, custom));
                self.tool_extra(o, tool);
            }),
            ToolKind::Namespace { tools, .. } => {
                for tool in tools {
                    self.tool(a, tool);
                }
            }
            ToolKind::Provider(provider) if is_native(provider) => {
                a.raw(provider.native.as_str());
            }
            ToolKind::Provider(provider) if is_search(provider) => {}
            ToolKind::Provider(_) => self.dropped(tool.at),
        }
    }

    fn tool_extra(&self, o: &mut ObjectWriter<'_>, tool: &Tool<'_>) {
        if self.is_own {
            for (name, value) in tool.extra.0.iter().filter(|(name, _)| name != "function") {
                o.raw(name, value.as_str());
            }
        }
    }

    fn function(&self, o: &mut ObjectWriter<'_>, function: &Function<'_>) {
        o.str("name", &function.name);
        o.opt_str("description", function.description.as_deref());
        match &function.schema {
            Some(schema) => o.raw("parameters", schema.as_str()),
            None => o.raw("parameters", r#"{"type":"object","properties":{}}"#),
        }
        if self.chat.strict_param {
            o.opt_bool("strict", function.strict);
        }
    }

    fn choice(&mut self, o: &mut ObjectWriter<'_>, choice: &ToolChoice<'_>) {
        let member = if self.is_legacy() {
            "function_call"
        } else {
            "tool_choice"
        };
        match choice {
            ToolChoice::Auto => o.str(member, "auto"),
            ToolChoice::None => o.str(member, "none"),
            ToolChoice::Required => o.str(member, "required"),
            ToolChoice::Named { name, .. } if self.is_legacy() => {
                o.object(member, |o| o.str("name", name));
            }
            ToolChoice::Named { name, kind } => o.object(member, |o| named(o, name, *kind)),
            ToolChoice::Allowed { required, names } => o.object(member, |o| {
                o.str("type", "allowed_tools");
                o.object("allowed_tools", |o| {
                    o.str("mode", if *required { "required" } else { "auto" });
                    o.array("tools", |a| {
                        for name in names {
                            a.object(|o| named(o, name, self.kind_of(name)));
                        }
                    });
                });
            }),
            // There is no way to force a search here.
            ToolChoice::Provider { .. } => {
                o.str(member, "auto");
                self.approximated(crate::chat::Place::field("tool_choice"));
            }
        }
    }

    fn kind_of(&self, name: &str) -> CallKind {
        let is_custom =
            |tool: &Tool<'_>| matches!(&tool.kind, ToolKind::Custom(custom) if custom.name == name);
        if self.request.tools.iter().any(is_custom) {
            CallKind::Custom
        } else {
            CallKind::Function
        }
    }

    fn web_search(&self, o: &mut ObjectWriter<'_>, tool: &ProviderTool<'_>) {
        if tool.origin == Format::OpenAiChat {
            return o.raw("web_search_options", tool.native.as_str());
        }
        o.object("web_search_options", |o| search_options(o, &tool.common));
    }
}

/// A search that is no entry of `tools` here.
fn is_search(tool: &ProviderTool<'_>) -> bool {
    tool.kind == ProviderKind::WebSearch && !is_native(tool)
}

/// An entry of `tools` that some server of this format defines.
fn is_native(tool: &ProviderTool<'_>) -> bool {
    tool.origin == Format::OpenAiChat && tool.name.is_some()
}

fn named(o: &mut ObjectWriter<'_>, name: &str, kind: CallKind) {
    let kind = match kind {
        CallKind::Custom => "custom",
        CallKind::Function | CallKind::Typed(_) => "function",
    };
    o.str("type", kind);
    o.object(kind, |o| o.str("name", name));
}

fn write_custom(o: &mut ObjectWriter<'_>, custom: &CustomTool<'_>) {
    o.str("name", &custom.name);
    o.opt_str("description", custom.description.as_deref());
    if let CustomFormat::Grammar { syntax, definition } = &custom.format {
        o.object("format", |o| {
            o.str("type", "grammar");
            o.object("grammar", |o| {
                o.str("syntax", syntax);
                o.str("definition", definition);
            });
        });
    }
}

fn search_options(o: &mut ObjectWriter<'_>, common: &Common<'_>) {
    o.opt_str("search_context_size", common.context_size.as_deref());
    let Some(location) = &common.location else {
        return;
    };
    o.object("user_location", |o| {
        o.str("type", "approximate");
        o.object("approximate", |o| {
            o.opt_str("city", location.city.as_deref());
            o.opt_str("country", location.country.as_deref());
            o.opt_str("region", location.region.as_deref());
            o.opt_str("timezone", location.timezone.as_deref());
        });
    });
}
