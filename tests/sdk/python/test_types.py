"""Translated documents, judged by the types that the official SDKs are made of.

They are those of `tests/goldens`, which `cargo test --lib pairs_tests` keeps true: what is wrong here has been
written by the gateway. Requests are checked for members that the SDK does not know; answers may have more.
"""

import json
import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import get_args

import anthropic.types
import openai.types.chat
import openai.types.responses
import pytest
from google.genai import types as gemini
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic._internal._generate_schema import GenerateSchema
from pydantic_core import core_schema
from typing_extensions import is_typeddict

TESTS = Path(__file__).resolve().parents[2]
FORMATS = ["openai-chat", "openai-responses", "claude", "gemini"]


def list_of(generator, iterable):
    """Pydantic looks at the items of an `Iterable` when somebody iterates, and nobody would."""
    return core_schema.list_schema(generator.generate_schema(generator._get_first_arg_or_any(iterable)))


GenerateSchema._iterable_schema = list_of


@cache
def forbid_unknown_members():
    """Requests are typed dictionaries: one that is not told takes anything."""
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    for package in [openai.types, anthropic.types]:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for value in vars(import_module(module.name)).values():
                if is_typeddict(value):
                    value.__pydantic_config__ = config


@cache
def adapter(name):
    forbid_unknown_members()
    return TypeAdapter(
        {
            "openai-chat request": completion_create_params.CompletionCreateParams,
            "openai-chat response": openai.types.chat.ChatCompletion,
            "openai-chat event": openai.types.chat.ChatCompletionChunk,
            "openai-responses request": response_create_params.ResponseCreateParams,
            "openai-responses response": openai.types.responses.Response,
            "claude request": anthropic.types.MessageCreateParams,
            "claude response": anthropic.types.Message,
            "gemini response": gemini.GenerateContentResponse,
            "gemini event": gemini.GenerateContentResponse,
            "contents": list[gemini.Content],
            "systemInstruction": gemini.Content,
            "tools": list[gemini.Tool],
            "toolConfig": gemini.ToolConfig,
            "generationConfig": gemini.GenerationConfig,
            "safetySettings": list[gemini.SafetySetting],
            "serviceTier": str,
        }[name]
    )


#: A request has no type of its own there, only its members have.
GEMINI_REQUEST = {
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "serviceTier",
}


@cache
def events(union):
    """The members of a union of events by their types, so that a complaint is about the right one."""
    members = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0]: TypeAdapter(member) for member in members}


EVENTS = {
    "openai-responses": openai.types.responses.ResponseStreamEvent,
    "claude": anthropic.types.RawMessageStreamEvent,
}

#: What requests may have though the SDKs have no type for it: top_k is for compatible servers, and Anthropic's
#: newest SDK is for a version of the API without sampling.
EXTENSIONS = {
    "openai-chat": {"top_k"},
    "openai-responses": set(),
    "claude": {"temperature", "top_p", "top_k"},
}


def judge(name, document):
    """Complains like pydantic."""
    adapter(name).validate_python(document)


def judge_answer(to, answer, name="response"):
    if to == "gemini":
        # Google sends it, and its SDK drops what it has no type for before it looks.
        answer.get("usageMetadata", {}).pop("serviceTier", None)
    judge(f"{to} {name}", answer)


def judge_request(to, request):
    if to == "gemini":
        for member, value in request.items():
            assert member in GEMINI_REQUEST, f"no `{member}` in a request"
            judge(member, value)
    else:
        known = {key: value for key, value in request.items() if key not in EXTENSIONS[to]}
        for item in known.get("input", []):
            if item["type"] == "message" and item["role"] == "assistant":
                # OpenAI gives them, and refuses those that it has not given.
                item.update(id="msg_1", status="completed")
        judge(f"{to} request", known)


def judge_stream(to, text):
    for block in filter(None, text.split("\n\n")):
        for line in block.splitlines():
            data = line.removeprefix("data: ")
            if data in (line, "[DONE]"):
                continue
            event = json.loads(data)
            # Errors have no type of their own; SDKs look for the member.
            if "error" in event or event.get("type") in ("error", "ping"):
                continue
            if to in EVENTS:
                known = events(EVENTS[to])
                assert event["type"] in known, f"the {to} SDK knows no event {event['type']}"
                if event["type"] == "response.failed":
                    # OpenAI itself sends other codes than those of its types.
                    event["response"]["error"]["code"] = "server_error"
                known[event["type"]].validate_python(event)
            else:
                judge_answer(to, event, "event")


def goldens(kind, ending):
    """The files of one kind, each with the format that it is in; errors are named otherwise."""
    paths = sorted((TESTS / "goldens" / kind).glob(f"*/*.{ending}"))
    named = [(path.name.removesuffix(f".{ending}").rpartition(".")[2], path) for path in paths]
    return [pytest.param(to, path, id=f"{path.parent.name}/{path.name}") for to, path in named if to in FORMATS]


def complaints(error: ValidationError, most=12) -> Iterable[str]:
    # Of all that a document might have been, what it nearly is complains deepest inside.
    errors = sorted(error.errors(include_url=False), key=lambda each: -len(each["loc"]))
    for each in errors[:most]:
        # Unions name all their members.
        where = [str(step) for step in each["loc"] if "[" not in str(step)]
        yield f"{'.'.join(where)}: {each['msg']}: {str(each['input'])[:120]}"
    if len(errors) > most:
        yield f"and {len(errors) - most} more"


def run(judge, to, document, name):
    wrong = []
    try:
        judge(to, document)
    except ValidationError as error:
        wrong = list(complaints(error))
    if wrong:
        pytest.fail("\n".join([f"{name}: the {to} SDK would not have it", *wrong]), pytrace=False)


@pytest.mark.parametrize(("to", "path"), goldens("requests", "json"))
def test_requests_are_what_the_sdk_would_send(to, path):
    run(judge_request, to, json.loads(path.read_text()), path.name)


@pytest.mark.parametrize(("to", "path"), goldens("responses", "json"))
def test_answers_are_what_the_sdk_reads(to, path):
    run(judge_answer, to, json.loads(path.read_text()), path.name)


@pytest.mark.parametrize(("to", "path"), goldens("streams", "sse"))
def test_events_are_what_the_sdk_reads(to, path):
    run(judge_stream, to, path.read_text(), path.name)


def test_there_is_something_to_judge():
    assert goldens("requests", "json") and goldens("responses", "json") and goldens("streams", "sse")


@pytest.mark.parametrize("name", FORMATS)
def test_the_judge_would_notice(name):
    """A judge that takes everything judges nothing."""
    misspelt = {"contents": [{"parts": [{"txt": "Hi"}]}]} if name == "gemini" else {"modle": "m"}
    with pytest.raises(ValidationError):
        judge_request(name, misspelt)
    with pytest.raises(ValidationError):
        judge(f"{name} response", {"candidates": "none", "id": 7})
