"""Requests and answers of the four formats, as far as the benchmark makes and reads them."""

from __future__ import annotations

import json
from typing import Any, Callable

PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
    "gemini": "/v1beta/models/{model}:{call}",
}

# What the upstream says in whole answers.
ANSWER = "The quick brown fox jumps over the lazy dog"

_WORDS = (
    "the quick brown fox jumps over the lazy dog and writes a long report about gateways, tokens, "
    '"quotes", unicode café and line\nbreaks; '
)
_SYSTEM = "You are a helpful assistant."
# Long requests are conversations: this many characters a turn.
_TURN = 4000


def path(format: str, model: str, streamed: bool) -> str:
    """Where a request goes."""
    if format != "gemini":
        return PATHS[format]
    call = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    return PATHS[format].format(model=model, call=call)


def body(format: str, model: str, size: int, streamed: bool) -> bytes:
    """A request of about `size` bytes."""
    around = len(_body(format, model, 1, streamed))
    return _body(format, model, max(1, size - around), streamed)


def _body(format: str, model: str, fill: int, streamed: bool) -> bytes:
    count = max(1, fill // _TURN) | 1  # the last turn is the user's
    length = max(1, fill // count)
    text = (_WORDS * (length // len(_WORDS) + 1))[:length]
    turns = [("assistant" if n % 2 else "user", text) for n in range(count)]
    request = _REQUESTS[format](model, turns)
    if streamed and format != "gemini":
        request["stream"] = True
    if streamed and format == "chat":
        request["stream_options"] = {"include_usage": True}
    return json.dumps(request, ensure_ascii=False).encode()


def _chat(model: str, turns: list[tuple[str, str]]) -> dict[str, Any]:
    messages = [{"role": "system", "content": _SYSTEM}]
    messages += [{"role": role, "content": text} for role, text in turns]
    return {"model": model, "messages": messages, "temperature": 0.7, "max_tokens": 512}


def _messages(model: str, turns: list[tuple[str, str]]) -> dict[str, Any]:
    messages = [{"role": role, "content": text} for role, text in turns]
    return {"model": model, "max_tokens": 512, "system": _SYSTEM, "messages": messages, "temperature": 0.7}


def _responses(model: str, turns: list[tuple[str, str]]) -> dict[str, Any]:
    items = [{"role": role, "content": text} for role, text in turns]
    return {"model": model, "instructions": _SYSTEM, "max_output_tokens": 512, "input": items}


def _gemini(_model: str, turns: list[tuple[str, str]]) -> dict[str, Any]:
    role = {"user": "user", "assistant": "model"}
    contents = [{"role": role[who], "parts": [{"text": text}]} for who, text in turns]
    return {"contents": contents, "generationConfig": {"temperature": 0.7, "maxOutputTokens": 512}}


_REQUESTS: dict[str, Callable[[str, list[tuple[str, str]]], dict[str, Any]]] = {
    "chat": _chat, "messages": _messages, "responses": _responses, "gemini": _gemini,
}


def answer_text(format: str, answer: dict[str, Any]) -> str:
    """What the model said in a whole answer. Raises when it is none of the format."""
    if format == "chat":
        return answer["choices"][0]["message"]["content"]
    if format == "messages":
        return answer["content"][0]["text"]
    if format == "responses":
        return next(item for item in answer["output"] if item["type"] == "message")["content"][0]["text"]
    return answer["candidates"][0]["content"]["parts"][0]["text"]


# What a whole stream holds near its end.
STREAM_END = {
    "chat": "data: [DONE]",
    "messages": '"type":"message_stop"',
    "responses": '"type":"response.completed"',
    "gemini": '"finishReason":"STOP"',
}
