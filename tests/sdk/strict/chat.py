"""OpenAI Chat Completions: what it takes, and how it answers."""

import json
import time

from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from . import openai
from .model import Asked, Call, Refusal, Rejected, Result, Search, Text, random_id
from .openai import authenticate, error
from .shape import Shape

NAME = "chat"
__all__ = ["authenticate", "error"]
_CREATE = Shape(CompletionCreateParamsBase, more={"stream": bool | None})


def judge(body, headers, issued, counting):
    openai.judge_shape(_CREATE, _returned(body))
    model = body["model"]
    if openai.is_reasoning(model) and body.get("max_tokens") is not None:
        text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        raise Rejected(text, param="max_tokens", code="unsupported_parameter")
    openai.judge_reasoning(body, body.get("reasoning_effort"), "reasoning_effort")
    for name, least, most in (
        ("temperature", 0, 2),
        ("top_p", 0, 1),
        ("presence_penalty", -2, 2),
        ("frequency_penalty", -2, 2),
        ("n", 1, 128),
        ("max_tokens", 1, 16384),
        ("max_completion_tokens", 1, 128000),
        ("top_logprobs", 0, 20),
    ):
        openai.judge_range(body, name, least, most)
    if isinstance(body.get("stop"), list) and len(body["stop"]) > 4:
        raise Rejected("Invalid 'stop': array too long.", param="stop", code="array_above_max_length")
    if body.get("stream_options") is not None and not body.get("stream"):
        text = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Rejected(text, param="stream_options")
    if body.get("metadata") is not None and not body.get("store"):
        raise Rejected("The 'metadata' parameter is only allowed when 'store' is enabled.", param="metadata")
    if body.get("web_search_options") is not None and "search" not in model:
        raise Rejected("Web search options not supported with this model.", param="web_search_options")
    tools = {}
    for index, tool in enumerate(body.get("tools") or []):
        inner = tool[tool["type"]]
        if tool["type"] == "function":
            openai.judge_function(inner, f"tools[{index}].function")
        tools[inner["name"]] = inner.get("parameters") or {}
    choice = openai.judge_choice(body, tools, lambda choice: choice.get("function", choice.get("custom", {})).get("name"))
    format = body.get("response_format") or {"type": "text"}
    if format["type"] == "json_schema":
        openai.judge_schema(format["json_schema"], "response_format")
    asked = Asked(
        model=model,
        stream=bool(body.get("stream")),
        tools=tools,
        search=body.get("web_search_options") is not None,
        choice=choice,
        schema=format.get("json_schema", {}).get("schema"),
        json=format["type"] == "json_object",
        n=body.get("n") or 1,
        stops=[body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop") or [],
        usage_wanted=bool((body.get("stream_options") or {}).get("include_usage")),
    )
    _judge_messages(body["messages"], asked)
    if asked.json and "json" not in json.dumps(body["messages"]).lower():
        word = "'messages' must contain the word 'json' in some form"
        raise Rejected(f"{word}, to use 'response_format' of type 'json_object'.", param="messages")
    return asked


def _returned(body):
    """The request without what clients send back with an answer and the provider overlooks."""
    if not isinstance(body.get("messages"), list):
        return body
    overlooked = {"assistant": "annotations", "tool": "name"}
    messages = [
        {name: value for name, value in message.items() if name != overlooked.get(message.get("role"))}
        if isinstance(message, dict)
        else message
        for message in body["messages"]
    ]
    return {**body, "messages": messages}


def _judge_messages(messages, asked):
    if not messages:
        text = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        raise Rejected(text, param="messages", code="empty_array")
    open_calls, names = {}, {}
    for index, message in enumerate(messages):
        role, place = message["role"], f"messages[{index}]"
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or [])
        if isinstance(content, list) and not content:
            raise Rejected(f"Invalid '{place}.content': empty array.", param=f"{place}.content", code="empty_array")
        if open_calls and role != "tool":
            missing = ", ".join(open_calls)
            text = "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
            text += f" The following tool_call_ids did not have response messages: {missing}"
            raise Rejected(text, param=f"messages.[{index}].role")
        if role == "tool":
            id = message["tool_call_id"]
            if id not in open_calls:
                text = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                raise Rejected(text, param=f"messages.[{index}].role")
            asked.results.append(Result(id, open_calls.pop(id), "".join(part["text"] for part in parts)))
            continue
        if role == "assistant":
            asked.results = []
            calls = message.get("tool_calls")
            if content is None and not calls and message.get("refusal") is None and not message.get("function_call"):
                text = "Invalid value for 'content': expected a string, got null."
                raise Rejected(text, param=f"messages.[{index}].content")
            if calls == []:
                text = f"Invalid '{place}.tool_calls': empty array. Expected an array with minimum length 1."
                raise Rejected(text, param=f"{place}.tool_calls", code="empty_array")
            for number, call in enumerate(calls or []):
                where = f"{place}.tool_calls[{number}]"
                openai.judge_length(call["id"], f"{where}.id", 40)
                if call["id"] in open_calls:
                    raise Rejected(f"Duplicate value for 'tool_call_id' of '{call['id']}'", param=f"{where}.id")
                inner = call[call["type"]]
                openai.judge_name(inner["name"], f"{where}.{call['type']}.name")
                open_calls[call["id"]] = inner["name"]
            asked.steps += bool(calls)
            continue
        if role == "user" and not asked.results:
            asked.steps = 0
        for number, part in enumerate(parts):
            where = f"{place}.content[{number}]"
            if part["type"] == "text" and role == "user":
                asked.texts.append(part["text"])
            elif part["type"] == "text":
                asked.instructions.append(part["text"])
            elif part["type"] == "image_url":
                asked.media.append(openai.media(part["image_url"]["url"], f"{where}.image_url.url"))
            elif part["type"] == "file" and "file_data" in part["file"]:
                if "filename" not in part["file"]:
                    text = f"Missing required parameter: '{where}.file.filename'."
                    raise Rejected(text, param=f"{where}.file.filename", code="missing_required_parameter")
                asked.media.append(openai.media(part["file"]["file_data"], f"{where}.file.file_data"))
    if open_calls:
        text = "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
        raise Rejected(f"{text} The following tool_call_ids did not have response messages: {', '.join(open_calls)}")


def _usage(usage):
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached,
            "audio_tokens": 0,
            **({"cache_write_tokens": usage.written} if usage.written else {}),
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _finish(answer):
    return {"tools": "tool_calls", "length": "length"}.get(answer.stop, "stop")


def _message(answer):
    text = "".join(block.text for block in answer.blocks if isinstance(block, Text))
    refusals = [block.text for block in answer.blocks if isinstance(block, Refusal)]
    message = {
        "role": "assistant",
        "content": text or None,
        "refusal": refusals[0] if refusals else None,
        "annotations": _annotations(answer),
    }
    if calls := _calls(answer):
        message["tool_calls"] = calls
    return message


def _calls(answer):
    return [
        {
            "id": block.id or f"call_{random_id()}",
            "type": "function",
            "function": {"name": block.name, "arguments": block.arguments or "{}"},
        }
        for block in answer.blocks
        if isinstance(block, Call)
    ]


def _annotations(answer):
    annotations, at = [], 0
    for block in answer.blocks:
        if isinstance(block, Text):
            end = at + len(block.text)
            for source in block.sources:
                place = {"start_index": at, "end_index": end, "title": source.title, "url": source.url}
                annotations.append({"type": "url_citation", "url_citation": place})
            at = end
        elif isinstance(block, Search):
            continue
    return annotations


def _head(asked, kind):
    return {
        "id": f"chatcmpl-{random_id(29)}",
        "object": kind,
        "created": int(time.time()),
        "model": asked.model,
        "service_tier": "default",
        "system_fingerprint": "fp_dbaca60df0",
    }


def whole(answer, asked, issued):
    choices = [
        {"index": index, "message": _message(one), "logprobs": None, "finish_reason": _finish(one)}
        for index, one in enumerate([answer, *answer.others])
    ]
    return {**_head(asked, "chat.completion"), "choices": choices, "usage": _usage(answer.usage)}


def events(answer, asked, issued):
    head = _head(asked, "chat.completion.chunk")

    def chunk(index, delta, finish=None):
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if asked.usage_wanted else {}
        return _event({**head, "choices": [choice], **usage, "obfuscation": random_id(5)})

    for index, one in enumerate([answer, *answer.others]):
        message = _message(one)
        first = None if message["content"] is None else ""
        yield chunk(index, {"role": "assistant", "content": first, "refusal": None})
        for piece in one.pieces(message["content"] or ""):
            yield chunk(index, {"content": piece})
        for piece in one.pieces(message["refusal"] or ""):
            yield chunk(index, {"refusal": piece})
        if message["annotations"]:
            yield chunk(index, {"annotations": message["annotations"]})
        for delta in _call_deltas(one, message.get("tool_calls", [])):
            yield chunk(index, {"tool_calls": [delta]})
    for index, one in enumerate([answer, *answer.others]):
        yield chunk(index, {}, _finish(one))
    if asked.usage_wanted:
        yield _event({**head, "choices": [], "usage": _usage(answer.usage), "obfuscation": ""})
    yield b"data: [DONE]\n\n"


def _call_deltas(answer, calls):
    starts, rests = [], []
    for index, call in enumerate(calls):
        pieces = answer.pieces(call["function"]["arguments"])
        starts.append({"index": index, **call, "function": {"name": call["function"]["name"], "arguments": ""}})
        rests.append([{"index": index, "function": {"arguments": piece}} for piece in pieces])
    if not answer.interleaved:
        for start, rest in zip(starts, rests):
            yield start
            yield from rest
        return
    yield from starts
    while any(rests):
        for rest in rests:
            if rest:
                yield rest.pop(0)


def _event(data):
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def error_event(message):
    return [_event(error(500, message))]
