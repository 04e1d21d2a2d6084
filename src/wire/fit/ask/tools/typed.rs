//! Tools that providers define and clients run, as functions with the documented input.

use std::borrow::Cow;

use crate::chat::{CallKind, Format, Function, Json, ProviderKind, ProviderTool};
use crate::wire::json::Node;

/// One tool as a function.
struct Typed {
    name: &'static str,
    /// How its calls look to the client.
    kind: CallKind,
    about: &'static str,
    schema: &'static str,
}

const BASH: Typed = Typed {
    name: "bash",
    kind: CallKind::Function,
    about: "Runs a command in a persistent bash session.",
    schema: r#"{"type":"object","properties":{"command":{"type":"string","description":"The command to run. Required unless the session is restarted."},"restart":{"type":"boolean","description":"Restarts the session."}}}"#,
};
const TEXT_EDITOR: Typed = Typed {
    name: "str_replace_based_edit_tool",
    kind: CallKind::Function,
    about: "Views, creates and edits text files.",
    schema: r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert"]},"path":{"type":"string","description":"The file or folder."},"file_text":{"type":"string","description":"For create: the content."},"old_str":{"type":"string","description":"For str_replace: the text to replace; it must be there exactly once."},"new_str":{"type":"string","description":"For str_replace: the new text."},"insert_line":{"type":"integer","description":"For insert: after which line; 0 is the beginning."},"insert_text":{"type":"string","description":"For insert: the text."},"view_range":{"type":"array","items":{"type":"integer"},"description":"For view: first and last line; -1 is the end."}},"required":["command","path"]}"#,
};
const MEMORY: Typed = Typed {
    name: "memory",
    kind: CallKind::Function,
    about: "Keeps notes in files below /memories across conversations. Look there before you begin.",
    schema: r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert","delete","rename"]},"path":{"type":"string","description":"The file or folder, below /memories."},"file_text":{"type":"string"},"old_str":{"type":"string"},"new_str":{"type":"string"},"insert_line":{"type":"integer"},"insert_text":{"type":"string"},"view_range":{"type":"array","items":{"type":"integer"}},"old_path":{"type":"string","description":"For rename."},"new_path":{"type":"string","description":"For rename."}},"required":["command"]}"#,
};
const CLAUDE_COMPUTER: Typed = Typed {
    name: "computer",
    kind: CallKind::Function,
    about: "Uses the screen, the mouse and the keyboard of a computer.",
    schema: r#"{"type":"object","properties":{"action":{"type":"string","enum":["key","type","mouse_move","left_click","left_click_drag","right_click","middle_click","double_click","triple_click","left_mouse_down","left_mouse_up","scroll","hold_key","wait","screenshot","cursor_position","zoom"]},"coordinate":{"type":"array","items":{"type":"integer"},"description":"x and y in pixels."},"start_coordinate":{"type":"array","items":{"type":"integer"},"description":"For left_click_drag: where it begins."},"text":{"type":"string","description":"What to type, or the keys."},"scroll_direction":{"type":"string","enum":["up","down","left","right"]},"scroll_amount":{"type":"integer"},"duration":{"type":"number","description":"Seconds."},"region":{"type":"array","items":{"type":"integer"},"description":"For zoom: x and y of two corners."}},"required":["action"]}"#,
};
const RESPONSES_COMPUTER: Typed = Typed {
    name: "computer",
    kind: CallKind::Typed("computer_call"),
    about: "Uses the screen, the mouse and the keyboard of a computer.",
    schema: r#"{"type":"object","properties":{"type":{"type":"string","enum":["click","double_click","drag","keypress","move","screenshot","scroll","type","wait"]},"x":{"type":"integer"},"y":{"type":"integer"},"button":{"type":"string","enum":["left","right","wheel","back","forward"]},"path":{"type":"array","items":{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"integer"}},"required":["x","y"]},"description":"For drag."},"keys":{"type":"array","items":{"type":"string"}},"scroll_x":{"type":"integer"},"scroll_y":{"type":"integer"},"text":{"type":"string","description":"For type."}},"required":["type"]}"#,
};
const SHELL: Typed = Typed {
    name: "shell",
    kind: CallKind::Typed("shell_call"),
    about: "Runs commands in a shell.",
    schema: r#"{"type":"object","properties":{"commands":{"type":"array","items":{"type":"string"}},"timeout_ms":{"type":"integer"},"max_output_length":{"type":"integer"}},"required":["commands"]}"#,
};
const LOCAL_SHELL: Typed = Typed {
    name: "local_shell",
    kind: CallKind::Typed("local_shell_call"),
    about: "Runs a command on the user's machine.",
    schema: r#"{"type":"object","properties":{"type":{"type":"string","enum":["exec"]},"command":{"type":"array","items":{"type":"string"},"description":"The program and its arguments."},"env":{"type":"object","description":"Environment variables."},"timeout_ms":{"type":"integer"},"working_directory":{"type":"string"},"user":{"type":"string"}},"required":["type","command","env"]}"#,
};
const APPLY_PATCH: Typed = Typed {
    name: "apply_patch",
    kind: CallKind::Typed("apply_patch_call"),
    about: "Creates, changes or deletes one file.",
    schema: r#"{"type":"object","properties":{"type":{"type":"string","enum":["create_file","update_file","delete_file"]},"path":{"type":"string"},"diff":{"type":"string","description":"For create_file and update_file: a V4A diff."}},"required":["type","path"]}"#,
};

/// The tool as a function, and how its calls look to the client. `None`: its input is not documented.
pub(super) fn function<'a>(tool: &ProviderTool<'a>) -> Option<(Function<'a>, CallKind)> {
    let native = Node::trusted(tool.native.as_str()).get_str("type");
    let native = native.as_deref().unwrap_or_default();
    // A toolset is many tools that only its provider knows.
    if native.contains("toolset") {
        return None;
    }
    let typed = match (tool.origin, tool.kind) {
        (Format::Claude, ProviderKind::Bash) => BASH,
        (Format::Claude, ProviderKind::TextEditor) => TEXT_EDITOR,
        (Format::Claude, ProviderKind::Memory) => MEMORY,
        (Format::Claude, ProviderKind::Computer) => CLAUDE_COMPUTER,
        (Format::OpenAiResponses, ProviderKind::Computer) => RESPONSES_COMPUTER,
        (Format::OpenAiResponses, ProviderKind::Shell) if native == "local_shell" => LOCAL_SHELL,
        (Format::OpenAiResponses, ProviderKind::Shell) => SHELL,
        (Format::OpenAiResponses, ProviderKind::ApplyPatch) => APPLY_PATCH,
        _ => return None,
    };
    let name = match typed.kind {
        // The client gives it.
        CallKind::Function => tool.name.clone().unwrap_or(Cow::Borrowed(typed.name)),
        _ => Cow::Borrowed(typed.name),
    };
    let function = Function {
        name,
        description: Some(Cow::Borrowed(typed.about)),
        schema: Some(Json::trusted(typed.schema)),
        strict: None,
    };
    Some((function, typed.kind))
}
