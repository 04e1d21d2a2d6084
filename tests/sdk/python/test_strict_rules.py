"""What the strict provider refuses, and in which words: one request for each rule."""

import base64
import json
import urllib.error
import urllib.request

import pytest

HELLO = {"role": "user", "content": "hello"}
IMAGE = base64.b64encode(b"\x89PNG....").decode()
OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}


def post(strict, path, body):
    headers = {
        "content-type": "application/json",
        "authorization": "Bearer upstream-x",
        "x-goog-api-key": "upstream-x",
        "anthropic-version": "2023-06-01",
    }
    request = urllib.request.Request(strict.url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def refused(strict, path, body, words):
    status, answer = post(strict, path, body)
    assert status == 400, answer
    assert words in answer["error"]["message"]


def claude(messages=None, **more):
    return {"model": "claude-opus-4-8", "max_tokens": 100, "messages": messages or [HELLO], **more}


def use(id="toolu_1", name="a"):
    return {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": name, "input": {}}]}


def result(id="toolu_1", **more):
    return {"type": "tool_result", "tool_use_id": id, "content": "fine", **more}


def user(*content):
    return {"role": "user", "content": list(content)}


def assistant(*content):
    return {"role": "assistant", "content": list(content)}


TEXT = {"type": "text", "text": "more"}
TOOL = {"name": "a", "input_schema": OBJECT}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE}}

ANTHROPIC = {
    "unknown field": (claude(top_kk=1), "top_kk: Extra inputs are not permitted"),
    "no max_tokens": ({"model": "claude-opus-4-8", "messages": [HELLO]}, "max_tokens: Field required"),
    "wrong type": (claude(max_tokens="100"), "max_tokens"),
    "temperature": (claude(temperature=0.5), "`temperature` is deprecated"),
    "empty text": (claude([user({"type": "text", "text": ""})]), "must be non-empty"),
    "blank text": (claude([user({"type": "text", "text": " "})]), "non-whitespace"),
    "assistant first": (claude([assistant(TEXT), HELLO]), "first message"),
    "twice": (claude([HELLO, HELLO]), "roles must alternate"),
    "prefill": (claude([HELLO, assistant(TEXT)]), "prefill"),
    "system first": (claude([{"role": "system", "content": "x"}, HELLO]), "first message"),
    "system before user": (claude([HELLO, {"role": "system", "content": "x"}, HELLO]), "'system'"),
    "no result": (claude([HELLO, use(), user(TEXT)]), "without `tool_result` blocks"),
    "result not first": (claude([HELLO, use(), user(TEXT, result())]), "tool_result"),
    "orphan": (claude([HELLO, assistant(TEXT), user(result())]), "unexpected `tool_use_id`"),
    "two results": (claude([HELLO, use(), user(result(), result())]), "single result"),
    "image in an error": (claude([HELLO, use(), user(result(is_error=True, content=[PICTURE]))]), "`is_error`"),
    "bad id": (claude([HELLO, use("a.b"), user(result("a.b"))]), "tool_use.id"),
    "bad name": (claude(tools=[{**TOOL, "name": "a.b"}]), "should match pattern"),
    "schema of no object": (claude(tools=[{"name": "a", "input_schema": {"type": "string"}}]), "input_schema.type"),
    "schema with anyOf": (claude(tools=[{"name": "a", "input_schema": {**OBJECT, "anyOf": []}}]), "top level"),
    "choice without tools": (claude(tool_choice={"type": "any"}), "tool_choice"),
    "choice of another": (claude(tools=[TOOL], tool_choice={"type": "tool", "name": "b"}), "not found in provided"),
    "forged signature": (
        claude([HELLO, assistant({"type": "thinking", "thinking": "x", "signature": "y"}, TEXT), HELLO]),
        "Invalid `signature` in `thinking` block",
    ),
    "forged redaction": (
        claude([HELLO, assistant({"type": "redacted_thinking", "data": "y"}, TEXT), HELLO]),
        "Invalid `data`",
    ),
    "thinking enabled": (
        claude(max_tokens=4000, thinking={"type": "enabled", "budget_tokens": 2000}),
        "thinking.type.enabled",
    ),
    "budget over max": (
        {**claude(thinking={"type": "enabled", "budget_tokens": 2000}), "model": "claude-sonnet-4-5"},
        "must be greater than `thinking.budget_tokens`",
    ),
    "effort": (claude(output_config={"effort": "huge"}), "output_config.effort"),
    "effort of an older model": ({**claude(output_config={"effort": "xhigh"}), "model": "claude-opus-4-6"}, "xhigh"),
    "open schema": (claude(output_config={"format": {"type": "json_schema", "schema": OBJECT}}), "additionalProperties"),
    "blank stop": (claude(stop_sequences=[" "]), "non-whitespace"),
    "five marks": (
        claude([user(*[{**TEXT, "cache_control": {"type": "ephemeral"}} for _ in range(5)])]),
        "maximum of 4 blocks",
    ),
    "another image": (
        claude([user({**PICTURE, "source": {**PICTURE["source"], "media_type": "image/jpeg"}}), TEXT][:1]),
        "does not match",
    ),
}


def gpt(messages=None, **more):
    return {"model": "gpt-4o", "messages": messages or [HELLO], **more}


def call(id="call_1"):
    function = {"name": "a", "arguments": "{}"}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": id, "type": "function", "function": function}]}


def told(id="call_1"):
    return {"role": "tool", "tool_call_id": id, "content": "fine"}


def function(**more):
    return {"type": "function", "function": {"name": "a", "parameters": OBJECT, **more}}


CHAT = {
    "unknown field": (gpt(top_k=1), "Unrecognized request argument supplied: top_k"),
    "unknown inner field": (gpt([{**HELLO, "cache": 1}]), "Unknown parameter: 'messages[0].cache'"),
    "max_tokens": ({**gpt(max_tokens=9), "model": "gpt-5.2"}, "'max_tokens' is not supported"),
    "temperature": ({**gpt(temperature=0.5), "model": "o3-mini"}, "'temperature' is not supported"),
    "effort": ({**gpt(reasoning_effort="max"), "model": "gpt-5.2"}, "Unsupported value"),
    "no result": (gpt([HELLO, call(), HELLO]), "must be followed by tool messages"),
    "orphan": (gpt([HELLO, told()]), "must be a response to a preceeding message"),
    "long id": (gpt([HELLO, call("c" * 41), told("c" * 41)]), "string too long"),
    "bad name": (gpt(tools=[function(name="a.b")]), "does not match pattern"),
    "long name": (gpt(tools=[function(name="a" * 65)]), "string too long"),
    "choice without tools": (gpt(tool_choice="auto"), "only allowed when 'tools'"),
    "parallel without tools": (gpt(parallel_tool_calls=True), "only allowed when 'tools'"),
    "strict schema": (gpt(tools=[function(strict=True)]), "'additionalProperties' is required"),
    "options of no stream": (gpt(stream_options={"include_usage": True}), "only allowed when 'stream'"),
    "json unsaid": (gpt(response_format={"type": "json_object"}), "must contain the word 'json'"),
    "image in a tool message": (
        gpt([HELLO, call(), {**told(), "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]),
        "messages[2]",
    ),
    "empty assistant": (gpt([HELLO, {"role": "assistant", "content": None}, HELLO]), "expected a string, got null"),
}


def gpt5(input="hello", **more):
    return {"model": "gpt-5.2", "input": input, **more}


FUNCTION_CALL = {"type": "function_call", "call_id": "call_1", "name": "a", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "fine"}
RESPONSES = {
    "unknown field": (gpt5(stop=["x"]), "Unrecognized request argument supplied: stop"),
    "temperature": (gpt5(temperature=0.5), "'temperature' is not supported"),
    "few tokens": (gpt5(max_output_tokens=5), ">= 16"),
    "no output": (gpt5([HELLO, FUNCTION_CALL]), "No tool output found"),
    "orphan": (gpt5([HELLO, OUTPUT]), "No tool call found"),
    "bad item id": (gpt5([HELLO, {**FUNCTION_CALL, "id": "call_1"}, OUTPUT]), "begins with 'fc'"),
    "long call id": (gpt5([{**FUNCTION_CALL, "call_id": "c" * 65}]), "string too long"),
    "wrong part": (gpt5([{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]), "'output_text'"),
    "forged reasoning": (
        gpt5([HELLO, {"type": "reasoning", "summary": [], "encrypted_content": "x"}]),
        "could not be verified",
    ),
    "reasoning alone": (gpt5([HELLO, {"type": "reasoning", "id": "rs_1", "summary": []}]), "required following item"),
    "chat's tools": (gpt5(tools=[function()]), "tools[0]"),
    "previous response": (gpt5(previous_response_id="resp_1"), "not found"),
}


def gemini(*contents, **more):
    return {"contents": list(contents) or [{"role": "user", "parts": [{"text": "hello"}]}], **more}


ASKED = {"role": "user", "parts": [{"text": "hello"}]}
CALLED = {"role": "model", "parts": [{"functionCall": {"name": "a", "args": {}}}]}
ANSWERED = {"role": "user", "parts": [{"functionResponse": {"name": "a", "response": {"output": "fine"}}}]}


def declared(schema):
    return gemini(tools=[{"functionDeclarations": [{"name": "a", "parameters": schema}]}])


GEMINI = {
    "unknown field": (gemini(model="x"), 'Unknown name "model"'),
    "unknown inner field": (gemini({"role": "user", "parts": [{"texts": "x"}]}), 'Unknown name "texts"'),
    "no contents": ({"contents": []}, "contents is not specified"),
    "bad role": (gemini({"role": "assistant", "parts": [{"text": "x"}]}), "valid role"),
    "empty part": (gemini({"role": "user", "parts": [{}]}), "required oneof field"),
    "no signature": (gemini(ASKED, CALLED, ANSWERED), "missing a thought_signature"),
    "forged signature": (
        gemini(ASKED, {"role": "model", "parts": [{"text": "x", "thoughtSignature": IMAGE}]}, ASKED),
        "Corrupted thought signature",
    ),
    "orphan": (gemini(ASKED, ANSWERED), "immediately after a function call turn"),
    "no response": (
        gemini(ASKED, {**CALLED, "parts": [{**CALLED["parts"][0], "thoughtSignature": "skip_thought_signature_validator"}]}, ASKED),
        "number of function response parts",
    ),
    "call first": (gemini(CALLED, ANSWERED), "immediately after a user turn"),
    "json schema": (declared({**OBJECT, "additionalProperties": False}), 'Unknown name "additionalProperties"'),
    "number enum": (declared({"type": "OBJECT", "properties": {"a": {"type": "INTEGER", "enum": [1]}}}), "TYPE_STRING"),
    "empty object": (declared({"type": "OBJECT", "properties": {}}), "should be non-empty"),
    "type list": (declared({"type": "OBJECT", "properties": {"a": {"type": ["STRING", "NULL"]}}}), "a].type"),
    "unknown required": (declared({**OBJECT, "required": ["b"]}), "property is not defined"),
    "format": (declared({"type": "OBJECT", "properties": {"a": {"type": "STRING", "format": "uri"}}}), "format"),
    "bad name": (gemini(tools=[{"functionDeclarations": [{"name": "1a"}]}]), "Invalid function name"),
    "config without tools": (
        gemini(toolConfig={"functionCallingConfig": {"mode": "ANY"}}),
        "without function_declarations",
    ),
    "level": (gemini(generationConfig={"thinkingConfig": {"thinkingLevel": "MEDIUM"}}), "not supported"),
    "level and budget": (
        gemini(generationConfig={"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 9}}),
        "only one of",
    ),
    "six stops": (gemini(generationConfig={"stopSequences": list("abcdef")}), "at most 5"),
    "built-in and functions": (
        gemini(tools=[{"googleSearch": {}}, {"functionDeclarations": [{"name": "a"}]}]),
        "include_server_side_tool_invocations",
    ),
}

RULES = [
    (path, format, name)
    for format, path, rules in (
        ("anthropic", "/v1/messages", ANTHROPIC),
        ("chat", "/v1/chat/completions", CHAT),
        ("responses", "/v1/responses", RESPONSES),
        ("gemini", "/v1beta/models/gemini-3-pro-preview:generateContent", GEMINI),
    )
    for name in rules
]
TABLES = {"anthropic": ANTHROPIC, "chat": CHAT, "responses": RESPONSES, "gemini": GEMINI}


@pytest.mark.parametrize("path, format, name", RULES, ids=[f"{format}: {name}" for _, format, name in RULES])
def test_it_is_refused(strict, path, format, name):
    body, words = TABLES[format][name]
    refused(strict, path, body, words)


@pytest.mark.parametrize(
    "path, body",
    [
        ("/v1/messages", claude()),
        ("/v1/messages", claude([HELLO, use(), user(result(), TEXT)], tools=[TOOL])),
        ("/v1/chat/completions", gpt([HELLO, call(), told(), HELLO], tools=[function()])),
        ("/v1/responses", gpt5([HELLO, FUNCTION_CALL, OUTPUT])),
        ("/v1beta/models/gemini-2.5-flash:generateContent", gemini(ASKED, CALLED, ANSWERED)),
    ],
)
def test_it_is_taken(strict, path, body):
    status, answer = post(strict, path, body)
    assert status == 200, answer


def test_a_stream_without_sse_is_an_array(strict):
    path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    status, answer = post(strict, path, gemini())
    assert status == 200
    assert answer[-1]["candidates"][0]["finishReason"] == "STOP"
