"""Anthropic Messages: what it takes, and how it answers."""

import json
import re

from anthropic.types.beta.message_create_params import MessageCreateParamsBase as BetaCreate
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsBase

from .model import (
    Asked,
    Call,
    Refusal,
    Rejected,
    Result,
    Search,
    Text,
    Thinking,
    decode,
    json_schema_fault,
    random_id,
    schema_nodes,
    sniff,
)
from .shape import Misshapen, Shape, hints

NAME = "anthropic"
SAMPLING = {"temperature": float, "top_p": float, "top_k": int}
_CREATE = Shape(MessageCreateParamsBase, BetaCreate, more={"stream": bool, **SAMPLING})
_COUNT = Shape(MessageCountTokensParams, BetaCreate, optional=("max_tokens",))
_COUNT._required = {"messages", "model"}
_NOT_COUNTED = {"max_tokens", "stream", "metadata", "temperature", "top_p", "top_k", "stop_sequences", "service_tier"}
_BETA_ONLY = set(hints(BetaCreate)) - set(hints(MessageCreateParamsBase))
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ASSISTANT_ONLY = ("tool_use", "thinking", "redacted_thinking", "server_tool_use")
_USER_ONLY = ("tool_result", "image", "document", "search_result")
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
_STRUCTURED = {
    *("type", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "definitions", "properties", "required", "items"),
    *("description", "title", "default", "additionalProperties", "format", "minItems", "$schema"),
}


def version_of(model):
    """(4, 8) for `claude-opus-4-8`."""
    found = re.search(r"-(\d+)(?:-(\d{1,2}))?(?!\d)", model)
    return (int(found[1]), int(found[2] or 0)) if found else (5, 0)


def error(status, message, **_):
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
    kind = kinds.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": f"req_{random_id()}"}


def authenticate(headers, query):
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not key.startswith("upstream-"):
        raise Rejected("invalid x-api-key", status=401)
    if headers.get("anthropic-version") not in ("2023-06-01", "2026-10-21"):
        raise Rejected("anthropic-version: header is required")
    for beta in filter(None, headers.get("anthropic-beta", "").split(",")):
        if not re.fullmatch(r"[a-z0-9-]+-(\d{4}-\d{2}-\d{2}|\d{8})", beta.strip()):
            raise Rejected(f"Unexpected value(s) `{beta}` for the `anthropic-beta` header.")


def judge(body, headers, issued, counting):
    """Raises what the provider would answer; the request as scenarios see it otherwise."""
    shape = _COUNT if counting else _CREATE
    try:
        shape.check(body)
    except Misshapen as wrong:
        raise Rejected(f"{wrong.dotted()}: {wrong.message}") from None
    if counting:
        for name in sorted(_NOT_COUNTED & body.keys()):
            raise Rejected(f"{name}: Extra inputs are not permitted")
    if not headers.get("anthropic-beta"):
        for name in sorted(_BETA_ONLY & body.keys()):
            raise Rejected(f"{name}: Extra inputs are not permitted")
    if "betas" in body:
        raise Rejected("betas: Extra inputs are not permitted")
    _judge_sampling(body, headers)
    _judge_thinking(body)
    _judge_tools(body)
    _judge_format(body)
    _judge_cache(body)
    return _judge_messages(body, issued)


def _judge_sampling(body, headers):
    version = version_of(body["model"])
    for name in SAMPLING:
        if name in body and (version >= (4, 7) or headers["anthropic-version"] == "2026-10-21"):
            raise Rejected(f"`{name}` is deprecated for this model.")
    for name in ("temperature", "top_p"):
        if name in body and not 0 <= body[name] <= 1:
            raise Rejected(f"{name}: range: 0..1")
    if "temperature" in body and "top_p" in body and version >= (4, 1):
        raise Rejected("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    for text in body.get("stop_sequences") or []:
        if not text.strip():
            raise Rejected("stop_sequences: each stop sequence must contain non-whitespace")
    if "max_tokens" in body:
        most = 128000 if version >= (4, 6) else 64000
        if body["max_tokens"] > most:
            why = f"which is the maximum allowed number of output tokens for {body['model']}"
            raise Rejected(f"max_tokens: {body['max_tokens']} > {most}, {why}")
        if body["max_tokens"] < 0:
            raise Rejected("max_tokens: Input should be greater than or equal to 0")


def _judge_thinking(body):
    version = version_of(body["model"])
    thinking = body.get("thinking") or {}
    kind = thinking.get("type")
    if kind == "enabled":
        if version >= (4, 7):
            better = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
            raise Rejected(f'"thinking.type.enabled" is not supported for this model. {better}')
        if thinking["budget_tokens"] < 1024:
            raise Rejected("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if "max_tokens" in body and thinking["budget_tokens"] >= body["max_tokens"]:
            raise Rejected("`max_tokens` must be greater than `thinking.budget_tokens`.")
        if body.get("temperature", 1) != 1:
            raise Rejected("`temperature` may only be set to 1 when thinking is enabled.")
        if "top_k" in body:
            raise Rejected("`top_k` must be unset when thinking is enabled.")
        if body.get("tool_choice", {}).get("type") in ("any", "tool"):
            raise Rejected("Thinking may not be enabled when tool_choice forces tool use.")
    if kind == "adaptive" and version < (4, 6):
        raise Rejected("adaptive thinking is not supported on this model")
    effort = (body.get("output_config") or {}).get("effort")
    if effort is not None:
        levels = {"low", "medium", "high", "max"} if version >= (4, 6) else set()
        if version >= (4, 7):
            levels.add("xhigh")
        if not levels:
            raise Rejected("This model does not support the effort parameter.")
        if effort not in levels:
            known = ", ".join(sorted(levels))
            raise Rejected(f"This model does not support effort level '{effort}'. Supported levels: {known}.")


def _judge_tools(body):
    tools = body.get("tools") or []
    choice = body.get("tool_choice")
    if choice and not tools:
        raise Rejected("tool_choice: may only be specified while providing `tools`.")
    names = []
    for index, tool in enumerate(tools):
        names.append(tool.get("name"))
        if tool.get("type", "custom") != "custom":
            continue
        place = f"tools.{index}.custom"
        if not _TOOL_NAME.fullmatch(tool["name"]):
            raise Rejected(f"{place}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        schema = tool["input_schema"]
        if "type" not in schema:
            raise Rejected(f"{place}.input_schema.type: Field required")
        if schema["type"] != "object":
            raise Rejected(f"{place}.input_schema.type: Input should be 'object'")
        if {"anyOf", "oneOf", "allOf"} & schema.keys():
            raise Rejected(
                f"{place}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
            )
        if json_schema_fault(schema):
            draft = "It must match JSON Schema draft 2020-12 (https://json-schema.org/draft/2020-12)"
            raise Rejected(f"{place}.input_schema: JSON schema is invalid. {draft}.")
        if tool.get("strict"):
            _judge_structured(schema, f"{place}.input_schema")
    if len(set(names)) != len(names):
        raise Rejected("tools: Tool names must be unique.")
    if choice and choice["type"] == "tool" and choice["name"] not in names:
        raise Rejected(f"Tool '{choice['name']}' not found in provided tools")


def _judge_format(body):
    format = (body.get("output_config") or {}).get("format")
    if format:
        if version_of(body["model"]) < (4, 1):
            raise Rejected("output_config.format is not supported on this model")
        _judge_structured(format["schema"], "output_config.format.schema")


def _judge_structured(schema, place):
    for _, node in schema_nodes(schema):
        kind = node.get("type") if isinstance(node, dict) else None
        if not isinstance(node, dict):
            continue
        if kind == "object" and node.get("additionalProperties") is not False:
            raise Rejected(f"{place}: For 'object' type, 'additionalProperties' must be explicitly set to false")
        for keyword in node:
            if keyword not in _STRUCTURED:
                raise Rejected(f"{place}: For '{kind}' type, property '{keyword}' is not supported")
        if node.get("format", "date") not in _FORMATS:
            raise Rejected(f"{place}: String format '{node['format']}' is not supported")
        if node.get("minItems", 0) not in (0, 1):
            raise Rejected(f"{place}: For 'array' type, 'minItems' values other than 0 or 1 are not supported")


def _judge_cache(body):
    marks = 0
    messages = [block for message in body["messages"] for block in _blocks(message["content"])]
    system = _blocks(body.get("system") or [])
    for block in [*(body.get("tools") or []), *system, *messages]:
        marks += bool(block.get("cache_control"))
        if block.get("cache_control") and block.get("type") == "text" and not block["text"]:
            raise Rejected("cache_control cannot be set for empty text blocks")
    marks += bool(body.get("cache_control"))
    if marks > 4:
        raise Rejected(f"A maximum of 4 blocks with cache_control may be provided. Found {marks}.")
    for index, block in enumerate(system):
        if not block["text"].strip():
            raise Rejected(f"system.{index}: text content blocks must contain non-whitespace text")


def _blocks(content):
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _judge_messages(body, issued):
    messages = body["messages"]
    choice = body.get("tool_choice") or {"type": "auto"}
    format = (body.get("output_config") or {}).get("format") or {}
    asked = Asked(
        model=body["model"],
        stream=bool(body.get("stream")),
        instructions=[block["text"] for block in _blocks(body.get("system") or [])],
        tools={tool["name"]: tool["input_schema"] for tool in body.get("tools") or [] if "input_schema" in tool},
        search=any(tool.get("type", "").startswith("web_search") for tool in body.get("tools") or []),
        choice={"any": "required", "tool": choice.get("name")}.get(choice["type"], choice["type"]),
        schema=format.get("schema"),
        stops=body.get("stop_sequences") or [],
        reasoning=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
    )
    if not messages:
        raise Rejected("messages: at least one message is required")
    if messages[0]["role"] != "user":
        raise Rejected('messages: first message must use the "user" role')
    before = None
    calls = {}
    for index, message in enumerate(messages):
        role, place = message["role"], f"messages.{index}"
        blocks = _blocks(message["content"])
        last = index == len(messages) - 1
        if role == "system":
            _judge_mid_system(messages, index)
            asked.texts += [block["text"] for block in blocks]
        elif role == before:
            wanted = 'roles must alternate between "user" and "assistant"'
            raise Rejected(f'messages: {wanted}, but found multiple "{role}" roles in a row')
        if not blocks and not (last and role == "assistant"):
            raise Rejected(f"{place}: all messages must have non-empty content except for the optional final assistant message")
        results = _judge_results(blocks, place, calls) if role != "system" else []
        if role == "user":
            asked.results = results
            if any(block["type"] == "text" for block in blocks) and not results:
                asked.seals = []
                asked.steps = 0
        if role == "assistant":
            if last:
                if version_of(body["model"]) >= (4, 6):
                    must = "The conversation must end with a user message."
                    raise Rejected(f"This model does not support assistant message prefill. {must}")
                if blocks and blocks[-1].get("text", "x") != blocks[-1].get("text", "x").rstrip():
                    raise Rejected("messages: final assistant content cannot end with trailing whitespace")
            if blocks and blocks[-1]["type"] in ("thinking", "redacted_thinking"):
                raise Rejected(f"{place}: The final block in an assistant message cannot be `{blocks[-1]['type']}`.")
            calls = {}
            asked.steps += any(block["type"] == "tool_use" for block in blocks)
        for number, block in enumerate(blocks):
            _judge_block(block, role, f"{place}.content.{number}", issued, asked, calls)
        if role != "system":
            before = role
        if role == "assistant" and calls and last:
            raise Rejected(f"{place}: `tool_use` ids were found without `tool_result` blocks immediately after")
    _judge_thinking_history(body, messages)
    return asked


def _judge_mid_system(messages, index):
    place = f"messages.{index}"
    if version_of_any(messages, index):
        raise Rejected(f"{place}: role 'system' must follow a user message and precede an assistant message or the end")


def version_of_any(messages, index):
    """Whether the system message stands where none may."""
    after = messages[index + 1]["role"] if index + 1 < len(messages) else "assistant"
    return index == 0 or messages[index - 1]["role"] not in ("user", "system") or after == "user"


def _judge_results(blocks, place, calls):
    """The results of a user message, which must answer all calls of the assistant message before it."""
    results, ids, other = [], [], False
    for number, block in enumerate(blocks):
        if block["type"] != "tool_result":
            other = True
            continue
        id = block["tool_use_id"]
        if id not in calls:
            must = "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            raise Rejected(
                f"{place}.content.{number}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. {must}"
            )
        if id in ids:
            raise Rejected(f"each tool_use must have a single result. Found multiple `tool_result` blocks with id: {id}")
        if other:
            raise Rejected(
                f"{place}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}. "
                "`tool_result` blocks must come first in the content."
            )
        ids.append(id)
        inner = _blocks(block.get("content") or [])
        if block.get("is_error") and any(part["type"] != "text" for part in inner):
            raise Rejected(f"{place}.content.{number}: all content must be type `text` if `is_error` is true")
        for part in inner:
            if part["type"] == "text" and not part["text"] and not isinstance(block.get("content"), str):
                raise Rejected("messages: text content blocks must be non-empty")
        text = "".join(part.get("text", "") for part in inner)
        media = [_media(part, f"{place}.content.{number}") for part in inner if part["type"] in ("image", "document")]
        results.append(Result(id, calls[id], text, media, bool(block.get("is_error"))))
    missing = [id for id in calls if id not in ids]
    if missing:
        must = "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
        raise Rejected(
            f"{place}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. {must}"
        )
    calls.clear()
    return results


def _judge_block(block, role, place, issued, asked, calls):
    kind = block["type"]
    if role == "user" and kind in _ASSISTANT_ONLY:
        raise Rejected(f"{place}: `{kind}` blocks can only be in `assistant` messages")
    if role == "assistant" and kind in _USER_ONLY:
        raise Rejected(f"{place}: `{kind}` blocks can only be in `user` messages")
    if kind == "text":
        if not block["text"]:
            raise Rejected("messages: text content blocks must be non-empty")
        if not block["text"].strip():
            raise Rejected("messages: text content blocks must contain non-whitespace text")
        if role == "user":
            asked.texts.append(block["text"])
    elif kind in ("image", "document"):
        asked.media.append(_media(block, place))
    elif kind == "tool_use":
        if not _ID.fullmatch(block["id"]):
            raise Rejected(f"{place}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
        if not _TOOL_NAME.fullmatch(block["name"]):
            raise Rejected(f"{place}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if not isinstance(block["input"], dict):
            raise Rejected(f"{place}.tool_use.input: Input should be a valid dictionary")
        if block["id"] in calls:
            raise Rejected("messages: `tool_use` ids must be unique")
        calls[block["id"]] = block["name"]
    elif kind == "thinking":
        known = issued.get(block["signature"])
        if not known or block["thinking"] not in (known["text"], ""):
            raise Rejected(f"{place}: Invalid `signature` in `thinking` block")
        asked.seals.append(block["signature"])
    elif kind == "redacted_thinking":
        if block["data"] not in issued:
            raise Rejected(f"{place}: Invalid `data` in `redacted_thinking` block")
        asked.seals.append(block["data"])
    elif kind == "web_search_tool_result" and isinstance(block["content"], list):
        for found in block["content"]:
            if found["encrypted_content"] not in issued:
                raise Rejected(f"{place}: Invalid `encrypted_content` in `search_result` block")


def _media(block, place):
    source = block["source"]
    if source["type"] == "text":
        return ("text/plain", source["data"].encode())
    if source["type"] != "base64":
        return (source["type"], json.dumps(source).encode())
    data = decode(source["data"], f"{place}.{block['type']}.source.base64")
    if sniff(data) not in (None, source["media_type"]):
        raise Rejected(f"{place}.{block['type']}.source.base64.data: The data does not match {source['media_type']}")
    return (source["media_type"], data)


def _judge_thinking_history(body, messages):
    """With a thinking budget, an open tool loop must begin with what was thought."""
    if (body.get("thinking") or {}).get("type") != "enabled" or len(messages) < 2:
        return
    answer, after = messages[-2], messages[-1]
    if answer["role"] != "assistant" or isinstance(answer["content"], str) or isinstance(after["content"], str):
        return
    if any(block["type"] == "tool_result" for block in after["content"]):
        kind = answer["content"][0]["type"]
        if kind not in ("thinking", "redacted_thinking"):
            place = f"messages.{len(messages) - 2}.content.0.type"
            raise Rejected(f"{place}: Expected `thinking` or `redacted_thinking`, but found `{kind}`.")


def _usage(usage, output=None):
    return {
        "input_tokens": usage.input - usage.cached - usage.written,
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output if output is None else output,
        "service_tier": "standard",
        **({"output_tokens_details": {"thinking_tokens": usage.reasoning}} if usage.reasoning and output is None else {}),
    }


def _stop(answer):
    kind, _, sequence = answer.stop.partition(":")
    reason = {"stop": "end_turn", "tools": "tool_use", "length": "max_tokens", "refusal": "refusal"}[kind]
    if sequence:
        return {"stop_reason": "stop_sequence", "stop_sequence": sequence}
    stop = {"stop_reason": reason, "stop_sequence": None}
    if reason == "refusal":
        [text] = [block.text for block in answer.blocks if isinstance(block, Refusal)]
        stop["stop_details"] = {"type": "refusal", "category": "cyber", "explanation": text}
    return stop


def _content(answer, issued):
    """The blocks as whole ones."""
    content = []
    for block in answer.blocks:
        match block:
            case Text():
                written = {"type": "text", "text": block.text}
                if block.sources:
                    written["citations"] = [_citation(source) for source in block.sources]
                content.append(written)
            case Thinking():
                content.append({"type": "thinking", "thinking": block.text, "signature": block.seal})
            case Call():
                content.append(
                    {
                        "type": "tool_use",
                        "id": block.id or f"toolu_{random_id()}",
                        "name": block.name,
                        "input": json.loads(block.arguments or "{}"),
                    }
                )
            case Search():
                content += _searched(block, issued)
    return content


def _searched(block, issued):
    id = f"srvtoolu_{random_id()}"
    found = []
    for source in block.sources:
        sealed = random_id(80)
        issued[sealed] = {"text": source.url}
        page = {"type": "web_search_result", "url": source.url, "title": source.title}
        found.append({**page, "encrypted_content": sealed, "page_age": None})
    return [
        {"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": block.query}},
        {"type": "web_search_tool_result", "tool_use_id": id, "content": found},
    ]


def _citation(source):
    return {
        "type": "web_search_result_location",
        "url": source.url,
        "title": source.title,
        "encrypted_index": random_id(40),
        "cited_text": source.quote,
    }


def whole(answer, asked, issued):
    return {
        "id": f"msg_01{random_id(22)}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": _content(answer, issued),
        **_stop(answer),
        "usage": _usage(answer.usage),
    }


def events(answer, asked, issued):
    message = {**whole(answer, asked, issued), "content": [], "stop_reason": None, "stop_sequence": None}
    message.pop("stop_details", None)
    message["usage"] = _usage(answer.usage, output=1)
    yield _event({"type": "message_start", "message": message})
    for index, block in enumerate(_content(answer, issued)):
        start = dict(block)
        deltas = []
        match block["type"]:
            case "text":
                start["text"] = ""
                start.pop("citations", None)
                deltas = [{"type": "text_delta", "text": piece} for piece in answer.pieces(block["text"])]
                for citation in block.get("citations", []):
                    start["citations"] = []
                    deltas.append({"type": "citations_delta", "citation": citation})
            case "thinking":
                start |= {"thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": piece} for piece in answer.pieces(block["thinking"])]
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            case "tool_use" | "server_tool_use":
                start["input"] = {}
                text = json.dumps(block["input"], ensure_ascii=False) if block["input"] else ""
                pieces = ["", *answer.pieces(text)]
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        yield _event({"type": "content_block_start", "index": index, "content_block": start})
        if index == 0:
            yield b'event: ping\ndata: {"type": "ping"}\n\n'
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    usage = _usage(answer.usage)
    for name in ("cache_creation", "service_tier"):
        usage.pop(name)
    yield _event({"type": "message_delta", "delta": _stop(answer), "usage": usage})
    yield _event({"type": "message_stop"})


def _event(data):
    # Recorded lines are padded like this.
    return f"event: {data['type']}\ndata: {json.dumps(data, ensure_ascii=False)}   \n\n".encode()


def error_event(message):
    return [_event(error(529, message))]


def counted(tokens):
    return {"input_tokens": tokens}
