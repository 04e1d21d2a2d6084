"""OpenAI Responses: what it takes, and how it answers."""

import json
import time

from openai.types.responses.input_token_count_params import InputTokenCountParams
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from . import openai
from .model import Asked, Call, Refusal, Rejected, Result, Search, Text, Thinking, random_id
from .openai import authenticate, error
from .shape import Shape

NAME = "responses"
__all__ = ["authenticate", "error"]
_OPTIONAL = ("id", "status", "annotations", "logprobs", "strict", "parameters", "detail")
#: In no type, but sent by OpenAI's own agent.
_MORE = {"stream": bool | None, "client_metadata": dict[str, str] | None}
_CREATE = Shape(ResponseCreateParamsBase, more=_MORE, optional=_OPTIONAL)
_COUNT = Shape(InputTokenCountParams, optional=_OPTIONAL)
_PREFIXES = {"message": "msg", "function_call": "fc", "reasoning": "rs", "web_search_call": "ws"}
_FOREIGN = {
    "assistant": ("input_text", "input_image", "input_file"),
    "user": ("output_text", "refusal"),
    "system": ("output_text", "refusal"),
    "developer": ("output_text", "refusal"),
}


def judge(body, headers, issued, counting):
    shaped = dict(body)
    if isinstance(body.get("input"), list):
        shaped["input"] = [_overlooked(item) for item in body["input"]]
    openai.judge_shape(_COUNT if counting else _CREATE, shaped)
    if not body.get("input") and not body.get("prompt"):
        text = "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided."
        raise Rejected(text, param="input", code="missing_required_parameter")
    reasoning = body.get("reasoning") or {}
    openai.judge_reasoning(body, reasoning.get("effort"), "reasoning.effort")
    for name, least, most in (
        ("temperature", 0, 2),
        ("top_p", 0, 1),
        ("max_output_tokens", 16, 128000),
        ("top_logprobs", 0, 20),
    ):
        openai.judge_range(body, name, least, most)
    if body.get("stream_options") is not None and not body.get("stream"):
        text = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Rejected(text, param="stream_options")
    if id := body.get("previous_response_id"):
        text = f"Previous response with id '{id}' not found."
        raise Rejected(text, param="previous_response_id", code="previous_response_not_found")
    tools = {}
    for index, tool in enumerate(body.get("tools") or []):
        if tool["type"] == "function":
            openai.judge_function(tool, f"tools[{index}]")
        if tool["type"] in ("function", "custom"):
            tools[tool["name"]] = tool.get("parameters") or {}
    choice = openai.judge_choice(body, tools, lambda choice: choice.get("name"))
    format = (body.get("text") or {}).get("format") or {"type": "text"}
    if format["type"] == "json_schema":
        openai.judge_schema(format, "text.format")
    asked = Asked(
        model=body["model"],
        stream=bool(body.get("stream")),
        tools=tools,
        search=any(tool["type"].startswith("web_search") for tool in body.get("tools") or []),
        choice=choice,
        schema=format.get("schema"),
        json=format["type"] == "json_object",
        reasoning=bool(reasoning.get("summary") or reasoning.get("effort")),
    )
    if body.get("instructions"):
        asked.instructions.append(body["instructions"])
    if isinstance(body["input"], str):
        asked.texts.append(body["input"])
    else:
        _judge_items(shaped["input"], body, asked, issued)
    if asked.json and "json" not in json.dumps(body["input"]).lower():
        word = "Response input messages must contain the word 'json' in some form"
        raise Rejected(f"{word} to use 'text.format' of type 'json_object'.", param="input")
    return asked


def _overlooked(item):
    """An item with the type that may be left out, and without an id where none is known but taken."""
    if not isinstance(item, dict) or "role" not in item:
        return item
    item = {"type": "message", **item}
    if item["role"] != "assistant":
        item.pop("id", None)
    return item


def _judge_items(items, body, asked, issued):
    calls, answered = {}, set()
    for index, item in enumerate(items):
        kind, place = item["type"], f"input[{index}]"
        if prefix := _PREFIXES.get(kind):
            id = item.get("id")
            if id is not None and not (id.startswith(f"{prefix}_") or (kind == "message" and item["role"] != "assistant")):
                must = f"Expected an ID that begins with '{prefix}'."
                raise Rejected(f"Invalid '{place}.id': '{id}'. {must}", param=f"{place}.id", code="invalid_value")
            if id is not None:
                openai.judge_length(id, f"{place}.id", 64)
        match kind:
            case "message":
                _judge_message(item, place, asked)
            case "function_call" | "custom_tool_call":
                openai.judge_length(item["call_id"], f"{place}.call_id", 64)
                openai.judge_name(item["name"], f"{place}.name")
                if item["call_id"] in calls:
                    raise Rejected(f"Duplicate call_id '{item['call_id']}'.", param="input")
                calls[item["call_id"]] = item["name"]
                if index == 0 or items[index - 1]["type"] not in ("function_call", "custom_tool_call"):
                    asked.steps += 1
                asked.results = []
            case "function_call_output" | "custom_tool_call_output":
                id = item["call_id"]
                openai.judge_length(id, f"{place}.call_id", 64)
                if id not in calls:
                    raise Rejected(f"No tool call found for function call output with call_id {id}.", param="input")
                if id in answered:
                    raise Rejected(f"Duplicate function call output with call_id {id}.", param="input")
                answered.add(id)
                asked.results.append(_result(item, calls[id], place))
            case "reasoning":
                _judge_reasoning_item(items, index, body, asked, issued)
    for id in calls:
        if id not in answered:
            raise Rejected(f"No tool output found for function call {id}.", param="input")


def _result(item, name, place):
    output = item["output"]
    if isinstance(output, str):
        return Result(item["call_id"], name, output)
    text = "".join(part["text"] for part in output if part["type"] == "input_text")
    media = [found for number, part in enumerate(output) for found in _media(part, f"{place}.output[{number}]")]
    return Result(item["call_id"], name, text, media)


def _judge_message(item, place, asked):
    role, content = item["role"], item["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    if role == "assistant":
        asked.results = []
    if role == "user":
        if not asked.results:
            asked.steps = 0
            asked.seals = []
    for number, part in enumerate(parts):
        where = f"{place}.content[{number}]"
        if part["type"] in _FOREIGN[role]:
            known = "'output_text' and 'refusal'" if role == "assistant" else "'input_text', 'input_image' and 'input_file'"
            text = f"Invalid value: '{part['type']}'. Supported values are: {known}."
            raise Rejected(text, param=where, code="invalid_value")
        if role == "user" and part["type"] in ("text", "input_text"):
            asked.texts.append(part["text"])
        elif role in ("system", "developer"):
            asked.instructions.append(part["text"])
        asked.media += _media(part, where)


def _media(part, where):
    if part["type"] == "input_image" and part.get("image_url"):
        return [openai.media(part["image_url"], f"{where}.image_url")]
    if part["type"] == "input_file" and part.get("file_data"):
        if not part.get("filename"):
            text = f"Missing required parameter: '{where}.filename'."
            raise Rejected(text, param=f"{where}.filename", code="missing_required_parameter")
        return [openai.media(part["file_data"], f"{where}.file_data")]
    return []


def _judge_reasoning_item(items, index, body, asked, issued):
    item, place = items[index], f"input[{index}]"
    sealed, id = item.get("encrypted_content"), item.get("id")
    if sealed:
        known = issued.get(sealed)
        if not known or (id is not None and id != known["id"]):
            text = "The encrypted content for item {} could not be verified. Reason: Encrypted content could not be decrypted or parsed."
            raise Rejected(text.format(id), param=f"{place}.encrypted_content", code="invalid_encrypted_content")
        asked.seals.append(sealed)
    elif id is not None and body.get("store") is False:
        kept = "Items are not persisted when `store` is set to false."
        raise Rejected(f"Item with id '{id}' not found. {kept}", status=404, param="input")
    follower = items[index + 1]["type"] if index + 1 < len(items) else None
    own = follower is not None and not follower.endswith("_output")
    if follower == "message":
        own = items[index + 1]["role"] == "assistant"
    if id is not None and not own:
        text = f"Item '{id}' of type 'reasoning' was provided without its required following item."
        raise Rejected(text, param="input")


def _usage(usage):
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.written},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def _items(answer, issued):
    items = []
    tail = random_id(40)
    for index, block in enumerate(answer.blocks):
        match block:
            case Text():
                annotations = [
                    {
                        "type": "url_citation",
                        "start_index": 0,
                        "end_index": len(block.text),
                        "title": source.title,
                        "url": source.url,
                    }
                    for source in block.sources
                ]
                part = {"type": "output_text", "annotations": annotations, "logprobs": [], "text": block.text}
                items.append(_message(tail, index, part))
            case Refusal():
                items.append(_message(tail, index, {"type": "refusal", "refusal": block.text}))
            case Thinking():
                id = f"rs_{tail}{index:02}"
                issued[block.seal]["id"] = id
                summary = [{"type": "summary_text", "text": block.text}]
                items.append({"id": id, "type": "reasoning", "encrypted_content": block.seal, "summary": summary})
            case Call():
                items.append(
                    {
                        "id": f"fc_{tail}{index:02}",
                        "type": "function_call",
                        "status": "completed",
                        "arguments": block.arguments or "{}",
                        "call_id": block.id or f"call_{random_id()}",
                        "name": block.name,
                    }
                )
            case Search():
                action = {"type": "search", "queries": [block.query], "query": block.query}
                item = {"id": f"ws_{tail}{index:02}", "type": "web_search_call", "status": "completed"}
                items.append({**item, "action": action})
    if answer.stop == "length" and items:
        items[-1] |= {"status": "incomplete"}
    return items


def _message(tail, index, part):
    item = {"id": f"msg_{tail}{index:02}", "type": "message", "status": "completed", "content": [part]}
    return {**item, "role": "assistant"}


def _skeleton(asked):
    return {
        "id": f"resp_{random_id(50)}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": asked.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "auto",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }


def _ended(skeleton, answer, items):
    cut = answer.stop == "length"
    return {
        **skeleton,
        "status": "incomplete" if cut else "completed",
        "completed_at": None if cut else int(time.time()),
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "service_tier": "default",
        "output": items,
        "usage": _usage(answer.usage),
    }


def whole(answer, asked, issued):
    return _ended(_skeleton(asked), answer, _items(answer, issued))


def events(answer, asked, issued):
    skeleton = _skeleton(asked)
    items = _items(answer, issued)
    sequence = iter(range(1_000_000))

    def event(kind, **fields):
        data = {"type": kind, "sequence_number": next(sequence), **fields}
        return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()

    yield event("response.created", response=skeleton)
    yield event("response.in_progress", response=skeleton)
    streams = [_item_events(item, index, answer) for index, item in enumerate(items)]
    if answer.interleaved:
        streams = [_take_turns(streams)]
    for stream in streams:
        for kind, fields in stream:
            yield event(kind, **fields)
    ended = _ended(skeleton, answer, items)
    yield event(f"response.{ended['status']}", response=ended)


def _take_turns(streams):
    while streams:
        for stream in list(streams):
            step = next(stream, None)
            if step is None:
                streams.remove(stream)
            else:
                yield step


def _item_events(item, index, answer):
    place = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress"}
    match item["type"]:
        case "message":
            [part] = item["content"]
            name, text_key = ("output_text", "text") if part["type"] == "output_text" else ("refusal", "refusal")
            logprobs = {"logprobs": []} if name == "output_text" else {}
            at = {**place, "content_index": 0}
            yield "response.output_item.added", {"output_index": index, "item": {**begun, "content": []}}
            empty = {**part, text_key: "", **({"annotations": []} if logprobs else {})}
            yield "response.content_part.added", {**at, "part": empty}
            for piece in answer.pieces(part[text_key]):
                yield f"response.{name}.delta", {**at, "delta": piece, **logprobs, "obfuscation": random_id(7)}
            for number, annotation in enumerate(part.get("annotations", [])):
                found = {"annotation_index": number, "annotation": annotation}
                yield "response.output_text.annotation.added", {**at, **found}
            yield f"response.{name}.done", {**at, text_key: part[text_key], **logprobs}
            yield "response.content_part.done", {**at, "part": part}
        case "reasoning":
            yield "response.output_item.added", {"output_index": index, "item": {**item, "summary": []}}
            at = {**place, "summary_index": 0}
            [part] = item["summary"]
            yield "response.reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}
            for piece in answer.pieces(part["text"]):
                yield "response.reasoning_summary_text.delta", {**at, "delta": piece}
            yield "response.reasoning_summary_text.done", {**at, "text": part["text"]}
            yield "response.reasoning_summary_part.done", {**at, "part": part}
        case "function_call":
            yield "response.output_item.added", {"output_index": index, "item": {**begun, "arguments": ""}}
            for piece in answer.pieces(item["arguments"]):
                yield "response.function_call_arguments.delta", {**place, "delta": piece}
            yield "response.function_call_arguments.done", {**place, "arguments": item["arguments"]}
        case "web_search_call":
            begun.pop("action")
            yield "response.output_item.added", {"output_index": index, "item": begun}
            for step in ("in_progress", "searching", "completed"):
                yield f"response.web_search_call.{step}", place
    yield "response.output_item.done", {"output_index": index, "item": item}


def error_event(message):
    inner = {"type": "server_error", "code": "server_error", "message": message, "param": None}
    event = {"type": "error", "sequence_number": 99, "error": inner}
    failed = {"id": f"resp_{random_id(50)}", "object": "response", "created_at": int(time.time()), "status": "failed"}
    failed |= {"error": {"code": "server_error", "message": message}, "output": [], "model": "gpt-5.2"}
    failed |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    events = [event, {"type": "response.failed", "sequence_number": 100, "response": failed}]
    return [f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events]


def counted(tokens):
    return {"object": "response.input_tokens", "input_tokens": tokens}
