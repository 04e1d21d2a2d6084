"""The model that an agent talks to: it writes `hello` into `hello.txt` with whatever tool it is offered."""

import json

from .model import Answer, Call, Rejected, Text, random_id, seal

FILE = "hello.txt"
COMMAND = f"printf hello > {FILE}"


def answer(asked, issued, format):
    if asked.results:
        return Answer([Text(f"Done: {asked.results[-1].text[:200]}")])
    call = call_for(asked.tools, asked.texts + asked.instructions)
    if call is None:
        # Agents ask for titles and summaries on the side, without tools.
        return Answer([Text("hello")])
    name, arguments = call
    prefix = {"anthropic": "toolu_", "chat": "call_", "responses": "call_", "gemini": "fc"}[format]
    sealed = seal(issued, "", format) if format == "gemini" else None
    return Answer([Text("I will write it. "), Call(name, json.dumps(arguments), prefix + random_id(), sealed)], "tools")


def call_for(tools, texts):
    """The name of a tool that can write the file, and its arguments."""
    for name, schema in tools.items():
        fields = schema.get("properties", {})
        lower = name.lower()
        if lower in ("bash", "shell", "exec_command", "shell_command", "local_shell", "run_shell_command"):
            return name, _shell(fields)
    for name, schema in tools.items():
        fields = schema.get("properties", {})
        path = next((field for field in ("file_path", "filePath", "path") if field in fields), None)
        if "write" in name.lower() and path and "content" in fields:
            return name, {path: FILE, "content": "hello"}
    if tools and "apply_patch" in tools:
        return "apply_patch", {"input": f"*** Begin Patch\n*** Add File: {FILE}\n+hello\n*** End Patch\n"}
    return None


def _shell(fields):
    key = "cmd" if "cmd" in fields else "command"
    if key not in fields:
        raise Rejected(f"the script does not know a shell with {sorted(fields)}")
    kind = fields[key].get("type", "string")
    value = ["bash", "-c", COMMAND] if str(kind).lower() == "array" else COMMAND
    arguments = {key: value}
    if "description" in fields:
        arguments["description"] = "Write the file"
    return arguments
