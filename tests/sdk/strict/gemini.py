"""Gemini generateContent: what it takes, and how it answers."""

import base64
import json
import re

import pydantic
from google.genai import types

from .model import Asked, Call, Refusal, Rejected, Result, Search, Text, Thinking, decode, random_id, sniff

NAME = "gemini"
SENTINEL = "skip_thought_signature_validator"
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_FIELDS = {
    "contents": list[types.Content],
    "systemInstruction": types.Content,
    "tools": list[types.Tool],
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
    "safetySettings": list[types.SafetySetting],
    "cachedContent": str,
    "serviceTier": str,
    "store": bool,
}
_ADAPTERS = {}
#: Fields of the types that only Vertex has.
_VERTEX = {"retrieval", "enterpriseWebSearch", "audioTimestamp", "routingConfig", "modelSelectionConfig"}
_SCHEMA = {
    *("type", "format", "title", "description", "nullable", "enum", "items", "minItems", "maxItems", "properties"),
    *("required", "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "minimum", "maximum"),
    *("example", "anyOf", "default", "propertyOrdering"),
}
_SCHEMAS = ("parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema")
_TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}
_STRING_FORMATS = {"enum", "date-time"}
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult")
_DATA = (*_DATA, "toolCall", "toolResponse")


def error(status, message, reason=None, retry=None, **_):
    status = 503 if status == 529 else status
    details = []
    if reason:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
        details.append({**info, "metadata": {"service": "generativelanguage.googleapis.com"}})
    if retry:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry}s"})
    error = {"code": status, "message": message, "status": _STATUS.get(status, "UNKNOWN")}
    return {"error": {**error, "details": details} if details else error}


def authenticate(headers, query):
    key = headers.get("x-goog-api-key") or query.get("key", [""])[0]
    if not key.startswith("upstream-"):
        raise Rejected("API key not valid. Please pass a valid API key.", reason="API_KEY_INVALID")


def unknown(name, place=None):
    at = f" at '{place}'" if place else ""
    return Rejected(f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')


def camel(name):
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def is_3(model):
    return bool(re.match(r"gemini-([3-9]|\d\d)", model))


def judge(body, headers, issued, counting, model):
    body = {camel(name): value for name, value in body.items()}
    if counting and "generateContentRequest" in body:
        inner = dict(body["generateContentRequest"])
        if not inner.pop("model", "").startswith("models/"):
            raise Rejected("* CountTokensRequest.generate_content_request.model: model is required")
        return judge(inner, headers, issued, False, model)
    for name in body:
        if name not in _FIELDS or (counting and name != "contents"):
            raise unknown(name)
    if isinstance(body.get("tools"), dict):
        body["tools"] = [body["tools"]]
    _judge_types(body)
    asked = Asked(model=model)
    for content in [body.get("systemInstruction")] if body.get("systemInstruction") else []:
        asked.instructions += [part["text"] for part in content["parts"]]
    _judge_tools(body, asked)
    _judge_config(body.get("generationConfig") or {}, body, asked)
    _judge_contents(body.get("contents") or [], asked, issued)
    return asked


def _judge_types(body):
    for name, value in body.items():
        adapter = _ADAPTERS.setdefault(name, pydantic.TypeAdapter(_FIELDS[name]))
        try:
            adapter.validate_json(json.dumps(_without_schemas(value)))
        except pydantic.ValidationError as wrong:
            fault = wrong.errors()[0]
            steps = [name, *fault["loc"]]
            if fault["type"] == "extra_forbidden":
                raise unknown(steps[-1], place(steps[:-1])) from None
            raise Rejected(f"Invalid value at '{place(steps)}' ({fault['type']}), {fault['msg']}") from None
    for path, key in _keys(body):
        if key in _VERTEX:
            raise unknown(key, place(path))


def _without_schemas(value):
    """They are judged by themselves, in the provider's words."""
    if isinstance(value, list):
        return [_without_schemas(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_schemas(inner) for key, inner in value.items() if camel(key) not in _SCHEMAS}
    return value


def _keys(value, path=()):
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _keys(item, (*path, index))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield path, key
            if key not in ("args", "response", *_SCHEMAS):
                yield from _keys(inner, (*path, key))


def place(steps):
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else ("." if text else "") + str(step)
    return text


def _judge_schema(schema, where):
    if not isinstance(schema, dict):
        raise Rejected(f"Invalid value at '{where}' (type.googleapis.com/google.ai.generativelanguage.v1beta.Schema)")
    for key in schema:
        if key not in _SCHEMA:
            raise unknown(key, where)
    kind = str(schema.get("type", "")).upper()
    if "type" in schema and (not isinstance(schema["type"], str) or kind not in _TYPES):
        raise Rejected(f"Invalid value at '{where}.type' (TYPE_ENUM), {json.dumps(schema['type'])}")
    for index, value in enumerate(schema.get("enum", [])):
        if not isinstance(value, str):
            raise Rejected(f"Invalid value at '{where}.enum[{index}]' (TYPE_STRING), {json.dumps(value)}")
        if not value:
            raise Rejected(f"* {where}.enum[{index}]: cannot be empty")
    if "enum" in schema and kind not in ("STRING", ""):
        raise Rejected(f"* {where}.enum: only allowed for STRING type")
    if kind == "STRING" and schema.get("format", "enum") not in _STRING_FORMATS:
        raise Rejected(f"* {where}.format: only 'enum' and 'date-time' are supported for STRING type")
    if kind == "ARRAY" and "items" not in schema:
        raise Rejected(f"* {where}.items: missing field.")
    names = schema.get("properties", {})
    for index, name in enumerate(schema.get("required", [])):
        if name not in names:
            raise Rejected(f"* {where}.required[{index}]: property is not defined")
    for name, inner in names.items():
        _judge_schema(inner, f"{where}.properties[{name}]")
    if "items" in schema:
        _judge_schema(schema["items"], f"{where}.items")
    for index, inner in enumerate(schema.get("anyOf", [])):
        _judge_schema(inner, f"{where}.any_of[{index}]")


def _judge_tools(body, asked):
    built_in = False
    for index, tool in enumerate(body.get("tools") or []):
        tool = {camel(name): value for name, value in tool.items()}
        if not tool:
            raise Rejected(f"* GenerateContentRequest.tools[{index}].tool_type: required one_of 'tool_type' must have one initialized field")
        built_in |= bool(tool.keys() - {"functionDeclarations"})
        asked.search |= "googleSearch" in tool
        for number, function in enumerate(tool.get("functionDeclarations") or []):
            function = {camel(name): value for name, value in function.items()}
            where = f"GenerateContentRequest.tools[{index}].function_declarations[{number}]"
            if not _NAME.fullmatch(function["name"]):
                rules = "Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64."
                raise Rejected(f"* {where}.name: Invalid function name. {rules}")
            if function["name"] in asked.tools:
                raise Rejected(f"Duplicate function declaration found: {function['name']}")
            schema = function.get("parameters")
            if schema is not None and function.get("parametersJsonSchema") is not None:
                raise Rejected(f"* {where}: only one of parameters and parameters_json_schema may be set")
            if schema is not None:
                _judge_schema(schema, f"{where}.parameters")
                if str(schema.get("type", "OBJECT")).upper() == "OBJECT" and not schema.get("properties"):
                    raise Rejected(f"* {where}.parameters.properties: should be non-empty for OBJECT type")
            asked.tools[function["name"]] = schema or function.get("parametersJsonSchema") or {}
    config = body.get("toolConfig") or {}
    choice = config.get("functionCallingConfig") or {}
    mode = choice.get("mode", "AUTO").upper()
    allowed = choice.get("allowedFunctionNames")
    if choice and not asked.tools and mode != "NONE":
        raise Rejected("Function calling config is set without function_declarations.")
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise Rejected("allowed_function_names should only be set when function calling mode is ANY.")
    for name in allowed or []:
        if name not in asked.tools:
            raise Rejected(f"allowed_function_names contains {name}, which is not declared.")
    if built_in and asked.tools:
        if not is_3(asked.model):
            raise Rejected("Tool use with function calling is unsupported")
        if not config.get("includeServerSideToolInvocations"):
            raise Rejected("Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling.")
    if mode == "ANY":
        asked.choice = allowed[0] if allowed and len(allowed) == 1 else "required"
    elif mode == "NONE":
        asked.choice = "none"


def _judge_config(config, body, asked):
    config = {camel(name): value for name, value in config.items()}
    if "temperature" in config and not 0 <= config["temperature"] <= 2:
        raise Rejected(
            f"Unable to submit request because it has a temperature value of {config['temperature']} but the supported range is from 0 (inclusive) to 2.0001 (exclusive). Update the value and try again."
        )
    if len(config.get("stopSequences") or []) > 5:
        raise Rejected("* GenerateContentRequest.generation_config.stop_sequences: at most 5 stop sequences are allowed")
    if config.get("maxOutputTokens", 1) < 1:
        raise Rejected("* GenerateContentRequest.generation_config.max_output_tokens: max_output_tokens must be positive.")
    mime = config.get("responseMimeType", "text/plain")
    schema = config.get("responseSchema")
    standard = config.get("responseJsonSchema")
    if schema is not None:
        _judge_schema(schema, "GenerateContentRequest.generation_config.response_schema")
    if (schema or standard) and mime not in ("application/json", "text/x.enum"):
        raise Rejected("Response schema is only supported with response_mime_type application/json or text/x.enum")
    if mime == "application/json" and asked.tools and not is_3(asked.model):
        raise Rejected("Function calling with a response mime type: 'application/json' is unsupported")
    thinking = {camel(name): value for name, value in (config.get("thinkingConfig") or {}).items()}
    level, budget = thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
    if level is not None and budget is not None:
        raise Rejected("You can only set only one of thinking budget and thinking level.")
    if level is not None and not is_3(asked.model):
        raise Rejected("Thinking level is not supported for this model.")
    if level is not None and re.match(r"gemini-3(\.\d)?-pro", asked.model) and level.upper() not in ("LOW", "HIGH"):
        raise Rejected(f"Thinking level {level.upper()} is not supported for this model. Please retry with other thinking level.")
    if budget == 0 and "pro" in asked.model:
        raise Rejected("Budget 0 is invalid. This model only works in thinking mode.")
    asked.schema = schema or standard
    asked.json = mime == "application/json"
    asked.n = config.get("candidateCount", 1)
    asked.stops = config.get("stopSequences") or []
    asked.reasoning = bool(thinking.get("includeThoughts"))


def _judge_contents(contents, asked, issued):
    if not contents:
        raise Rejected("* GenerateContentRequest.contents: contents is not specified")
    contents = _merged(contents)
    calls = []
    before = None
    turn_start = 0
    for index, content in enumerate(contents):
        if content.get("role", "user") == "user" and not _of(content, "functionResponse"):
            turn_start = index
    for index, content in enumerate(contents):
        role, where = content.get("role", "user"), f"GenerateContentRequest.contents[{index}]"
        if role not in ("user", "model", "function"):
            raise Rejected("Please use a valid role: user, model.")
        parts = [{camel(name): value for name, value in part.items()} for part in content.get("parts") or []]
        if not parts:
            raise Rejected(f"* {where}.parts: contents.parts must not be empty.")
        for number, part in enumerate(parts):
            data = [name for name in _DATA if name in part]
            if len(data) != 1:
                raise Rejected(f"* {where}.parts[{number}].data: required oneof field 'data' must have one initialized field")
            if data == ["text"] and not part["text"] and "thoughtSignature" not in part:
                raise Rejected(f"Unable to submit request because it must have a text parameter: {where}.parts[{number}]")
            _judge_signature(part, f"contents[{index}].parts[{number}]", asked, issued)
        responses, made = _of(content, "functionResponse"), _of(content, "functionCall")
        if calls:
            if len(responses) != len(calls):
                raise Rejected(
                    "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn."
                )
            kinds = ["functionResponse" in part for part in parts]
            if kinds != sorted(kinds, reverse=True):
                raise Rejected("Please ensure that function response parts are not mixed with other parts.")
        elif responses:
            raise Rejected("Please ensure that function response turn comes immediately after a function call turn.")
        if role == "user":
            _user(parts, calls, where, asked)
            calls = []
        if made:
            if role != "model":
                raise Rejected("Function calls must be in model turns.")
            if before != "user":
                raise Rejected("Please ensure that function call turn comes immediately after a user turn or after a function response turn.")
            asked.steps += 1
            asked.results = []
            calls = made
            for call in made:
                if not _NAME.fullmatch(call["name"]):
                    raise Rejected(f"* {where}: Invalid function name {call['name']}.")
            first = next(number for number, part in enumerate(parts) if "functionCall" in part)
            if is_3(asked.model) and index > turn_start and "thoughtSignature" not in parts[first]:
                rest = "This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance."
                at = f"Additional data, function call `default_api:{made[0]['name']}`, position {index + 1}."
                raise Rejected(f"Function call is missing a thought_signature in functionCall parts. {rest} {at}")
        elif role == "model":
            asked.results = []
        before = "user" if role == "function" else role
    if calls:
        raise Rejected("Please ensure that function call turn is followed by a function response turn.")


def _merged(contents):
    """Neighbours of one role are one content."""
    merged = []
    for content in contents:
        if merged and merged[-1].get("role", "user") == content.get("role", "user"):
            merged[-1] = {**merged[-1], "parts": [*(merged[-1].get("parts") or []), *(content.get("parts") or [])]}
        else:
            merged.append(content)
    return merged


def _of(content, name):
    return [value for part in content.get("parts") or [] for key, value in part.items() if camel(key) == name]


def _judge_signature(part, where, asked, issued):
    sealed = part.get("thoughtSignature")
    if sealed is None:
        return
    if sealed == SENTINEL:
        asked.seals.append(sealed)
        return
    decode(sealed.replace("-", "+").replace("_", "/"), f"Invalid value at '{where}.thought_signature' (TYPE_BYTES)")
    standard = base64.b64encode(base64.b64decode(sealed.replace("-", "+").replace("_", "/"))).decode()
    if standard not in issued:
        raise Rejected("Corrupted thought signature.")
    if standard in asked.seals:
        raise Rejected("Thought signature is used more than once.")
    asked.seals.append(standard)


def _user(parts, calls, where, asked):
    results = []
    for number, part in enumerate(parts):
        if "text" in part:
            asked.texts.append(part["text"])
        elif "inlineData" in part:
            asked.media.append(_media(part["inlineData"], f"{where}.parts[{number}]"))
        elif "functionResponse" in part:
            response = {camel(name): value for name, value in part["functionResponse"].items()}
            call = _call_of(response, calls, len(results))
            media = [_media(blob, where) for inner in response.get("parts") or [] for blob in inner.values()]
            value = response["response"]
            text = value.get("output", value.get("result", value))
            error = "error" in value
            text = value["error"] if error else text
            text = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False, separators=(",", ":"))
            results.append(Result(response.get("id") or call.get("id") or "", response["name"], text, media, error))
    if results:
        asked.results = results
    else:
        asked.steps = 0
        asked.results = []
        asked.seals = []


def _call_of(response, calls, index):
    names = [call["name"] for call in calls]
    if response["name"] not in names:
        raise Rejected(f"Function response name {response['name']!r} does not match any function call of the turn before.")
    if response.get("id"):
        for call in calls:
            if call.get("id") == response["id"]:
                return call
        if any(call.get("id") for call in calls):
            raise Rejected(f"Function response id {response['id']!r} does not match any function call of the turn before.")
    elif calls[index]["name"] != response["name"]:
        raise Rejected("Function responses without ids must be in the order of their calls.")
    return calls[index]


def _media(blob, where):
    blob = {camel(name): value for name, value in blob.items()}
    data = decode(blob["data"].replace("-", "+").replace("_", "/"), f"Invalid value at '{where}.inline_data.data' (TYPE_BYTES)")
    if sniff(data) not in (None, blob["mimeType"]):
        raise Rejected("Provided image is not valid.")
    return (blob["mimeType"], data)


def _usage(usage):
    return {
        "promptTokenCount": usage.input,
        **({"cachedContentTokenCount": usage.cached} if usage.cached else {}),
        "candidatesTokenCount": usage.output - usage.reasoning,
        **({"thoughtsTokenCount": usage.reasoning} if usage.reasoning else {}),
        "totalTokenCount": usage.input + usage.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input}],
    }


def _finish(answer):
    return {"length": "MAX_TOKENS", "refusal": "SAFETY"}.get(answer.stop, "STOP")


def _parts(answer):
    parts, waiting = [], None
    for block in answer.blocks:
        match block:
            case Text():
                part = {"text": block.text}
                if waiting:
                    part["thoughtSignature"], waiting = waiting, None
                parts.append(part)
            case Thinking():
                parts.append({"text": block.text, "thought": True})
                waiting = block.seal
            case Call():
                call = {"name": block.name, "args": json.loads(block.arguments or "{}")}
                if block.id:
                    call["id"] = block.id
                part = {"functionCall": call}
                if sealed := waiting or block.seal:
                    part["thoughtSignature"], waiting = sealed, None
                parts.append(part)
    return parts


def _grounding(answer, parts):
    searches = [block for block in answer.blocks if isinstance(block, Search)]
    if not searches:
        return {}
    sources = searches[0].sources
    supports = []
    for block in answer.blocks:
        if isinstance(block, Text) and block.sources:
            before = "".join(part.text for part in answer.blocks[: answer.blocks.index(block)] if isinstance(part, Text))
            start = len(before.encode())
            end = start + len(block.text.encode())
            segment = {**({"startIndex": start} if start else {}), "endIndex": end, "text": block.text}
            indices = [sources.index(source) for source in block.sources]
            supports.append({"segment": segment, "groundingChunkIndices": indices})
    return {
        "groundingMetadata": {
            "searchEntryPoint": {"renderedContent": "<div></div>"},
            "webSearchQueries": [searches[0].query],
            "groundingChunks": [{"web": {"uri": source.url, "title": source.title}} for source in sources],
            "groundingSupports": supports,
        }
    }


def _joined(parts):
    """Text parts next to each other are one part in a whole answer."""
    joined = []
    for part in parts:
        if joined and part.keys() == {"text"} and joined[-1].keys() == {"text"}:
            joined[-1] = {"text": joined[-1]["text"] + part["text"]}
        else:
            joined.append(part)
    return joined


def whole(answer, asked, issued):
    candidates = []
    for index, one in enumerate([answer, *answer.others]):
        parts = _joined(_parts(one))
        content = {"content": {"parts": parts, "role": "model"}} if parts else {}
        candidates.append({**content, "finishReason": _finish(one), "index": index, **_grounding(one, parts)})
    return {
        "candidates": candidates,
        "usageMetadata": _usage(answer.usage),
        "modelVersion": asked.model,
        "responseId": random_id(22),
    }


def events(answer, asked, issued):
    head = {"usageMetadata": _usage(answer.usage), "modelVersion": asked.model, "responseId": random_id(22)}
    chunks = []
    for index, one in enumerate([answer, *answer.others]):
        for part in _joined(_parts(one)):
            if "text" not in part:
                chunks.append({"candidates": [{"content": {"parts": [part], "role": "model"}, "index": index}], **head})
                continue
            for piece in [part["text"][start : start + 12] for start in range(0, len(part["text"]), 12)]:
                inner = {"text": piece, **({"thought": True} if part.get("thought") else {})}
                chunks.append({"candidates": [{"content": {"parts": [inner], "role": "model"}, "index": index}], **head})
            if "thoughtSignature" in part:
                # It comes on a part of its own at the end.
                inner = {"text": "", "thoughtSignature": part["thoughtSignature"]}
                chunks.append({"candidates": [{"content": {"parts": [inner], "role": "model"}, "index": index}], **head})
    for index, one in enumerate([answer, *answer.others]):
        text = {} if one.stop == "refusal" else {"content": {"parts": [{"text": ""}], "role": "model"}}
        last = {**text, "finishReason": _finish(one), "index": index, **_grounding(one, [])}
        chunks.append({"candidates": [last], **head})
    return [_event(chunk) for chunk in chunks]


def _event(chunk):
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\n".encode()


def as_array(events):
    """The events of a stream as the elements of the array that is sent without `alt=sse`."""
    for index, event in enumerate(events):
        element = event.removeprefix(b"data: ").strip()
        yield (b",\r\n" if index else b"[") + element
    yield b"]"


def error_event(message):
    return [_event(error(500, message))]


def counted(tokens):
    return {"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}
