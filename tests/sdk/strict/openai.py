"""What both OpenAI formats have in common."""

import re

from .model import Rejected, decode, json_schema_fault, openai_strict_fault, sniff
from .shape import Misshapen

_NAME = re.compile(r"[a-zA-Z0-9_-]+")
#: Parameters that reasoning models refuse, in both formats.
_UNREASONABLE = ("temperature", "top_p", "logprobs", "presence_penalty", "frequency_penalty", "logit_bias", "stop")


def error(status, message, param=None, code=None, **_):
    kind = {401: "invalid_request_error", 429: "requests"}.get(status)
    kind = kind or ("server_error" if status >= 500 else "invalid_request_error")
    code = code or {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}.get(status)
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def authenticate(headers, query):
    key = headers.get("authorization", "").removeprefix("Bearer ")
    if not key.startswith("upstream-"):
        raise Rejected(f"Incorrect API key provided: {key[:8]}. You can find your API key at …", status=401)


def is_reasoning(model):
    return bool(re.match(r"o\d|gpt-[5-9]", model)) and "-chat" not in model


def judge_shape(shape, body):
    try:
        shape.check(body)
    except Misshapen as wrong:
        place = wrong.bracketed()
        if wrong.kind == "unknown" and len(wrong.path) == 1:
            raise Rejected(f"Unrecognized request argument supplied: {place}", param=None) from None
        text, code = {
            "unknown": (f"Unknown parameter: '{place}'.", "unknown_parameter"),
            "missing": (f"Missing required parameter: '{place}'.", "missing_required_parameter"),
            "type": (f"Invalid type for '{place}': {wrong.message}.", "invalid_type"),
            "value": (f"Invalid value for '{place}': {wrong.message}.", "invalid_value"),
        }[wrong.kind]
        raise Rejected(text, param=place, code=code) from None


def judge_length(text, place, most, least=1):
    if len(text) < least:
        raise Rejected(f"Invalid '{place}': empty string.", param=place, code="empty_string")
    if len(text) > most:
        long = f"Expected a string with maximum length {most}, but got a string with length {len(text)} instead."
        raise Rejected(f"Invalid '{place}': string too long. {long}", param=place, code="string_above_max_length")


def judge_name(name, place):
    judge_length(name, place, 64)
    if not _NAME.fullmatch(name):
        must = "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        raise Rejected(f"Invalid '{place}': {must}", param=place, code="invalid_value")


def judge_range(body, name, least, most):
    value = body.get(name)
    if value is not None and value < least:
        text = f"Expected a value >= {least}, but got {value} instead."
        raise Rejected(f"Invalid '{name}': below minimum value. {text}", param=name, code="decimal_below_min_value")
    if value is not None and value > most:
        text = f"Expected a value <= {most}, but got {value} instead."
        raise Rejected(f"Invalid '{name}': above maximum value. {text}", param=name, code="decimal_above_max_value")


def judge_reasoning(body, effort, effort_param):
    """What depends on whether the model reasons."""
    model = body["model"]
    if not is_reasoning(model):
        if effort is not None:
            text = f"Unsupported parameter: '{effort_param}' is not supported with this model."
            raise Rejected(text, param=effort_param, code="unsupported_parameter")
        return
    levels = {"low", "medium", "high"}
    if model.startswith("gpt-5"):
        levels |= {"none", "xhigh"} if re.match(r"gpt-5\.[1-9]", model) else {"minimal"}
    if effort is not None and effort not in levels:
        known = ", ".join(f"'{level}'" for level in sorted(levels))
        text = f"Unsupported value: '{effort}' is not supported with the '{model}' model. Supported values are: {known}."
        raise Rejected(text, param=effort_param, code="unsupported_value")
    for name in _UNREASONABLE:
        if effort == "none" and name in ("temperature", "top_p", "logprobs"):
            continue
        # Their defaults pass.
        if body.get(name) not in (None, False) and body.get(name) != {"temperature": 1, "top_p": 1}.get(name):
            text = f"Unsupported parameter: '{name}' is not supported with this model."
            raise Rejected(text, param=name, code="unsupported_parameter")


def judge_function(function, place):
    judge_name(function["name"], f"{place}.name")
    schema = function.get("parameters")
    if schema is None:
        return
    name, param = function["name"], f"{place}.parameters"
    fault = json_schema_fault(schema)
    if not fault and schema.get("type") != "object":
        fault = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    if not fault and "properties" not in schema and function.get("strict"):
        fault = "In context=(), object schema missing properties."
    if not fault and function.get("strict"):
        fault = openai_strict_fault(schema)
    if fault:
        text = f"Invalid schema for function '{name}': {fault}"
        raise Rejected(text, param=param, code="invalid_function_parameters")


def judge_schema(format, place):
    judge_name(format["name"], f"{place}.name")
    schema = format.get("schema")
    if schema is None:
        return
    fault = json_schema_fault(schema)
    if not fault and schema.get("type") != "object":
        fault = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    if not fault and format.get("strict"):
        fault = openai_strict_fault(schema)
    if fault:
        raise Rejected(f"Invalid schema for response_format '{format['name']}': {fault}", param=place)


def judge_choice(body, names, name_of):
    """`tool_choice` and `parallel_tool_calls` make sense with tools only."""
    tools = body.get("tools")
    if tools == []:
        text = "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead."
        raise Rejected(text, param="tools", code="empty_array")
    if not tools:
        for name in ("tool_choice", "parallel_tool_calls"):
            if body.get(name) is not None:
                text = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
                raise Rejected(text, param=name)
    choice = body.get("tool_choice") or "auto"
    if isinstance(choice, str):
        return choice
    name = name_of(choice)
    if name is not None and name not in names:
        text = f"Tool choice '{name}' not found in 'tools' parameter."
        raise Rejected(text, param="tool_choice")
    return name or choice.get("mode", "auto")


def media(url, place):
    """The media type and the bytes of a data URL; a URL stays what it is."""
    if not url.startswith("data:"):
        return ("url", url.encode())
    head, _, data = url.partition(",")
    if not head.endswith(";base64"):
        raise Rejected("Invalid base64 image_url.", param=place, code="invalid_base64")
    mime = head.removeprefix("data:").removesuffix(";base64")
    decoded = decode(data, f"Invalid '{place}'", param=place)
    if sniff(decoded) not in (None, mime):
        text = f"The file at '{place}' is not of the type '{mime}'."
        raise Rejected(text, param=place, code="invalid_image_format")
    return (mime, decoded)
