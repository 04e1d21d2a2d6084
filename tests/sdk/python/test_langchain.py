"""LangChain in all pairs: text, streams and a tool loop.

It wants older SDKs than the others under test, so it has an environment of its own.
"""

import uuid

import pytest

pytest.importorskip("langchain_openai")

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

from processes import Gateway

MODELS = {
    "anthropic": "claude-opus-4-8",
    "chat": "gpt-4o",
    "responses": "gpt-5.2",
    "gemini": "gemini-3-pro-preview",
}
HELLO = "Hello from the other side, with \"quotes\" and a\nsecond line."
KEY = "sdk-client-key"


@tool
def get_time(zone: str) -> str:
    """The time in a zone."""
    return "noon"


@tool
def get_weather(city: str, days: int = 1, detail: dict | None = None) -> str:
    """The weather in a city."""
    return "sunny"


TOOLS = {"get_time": get_time, "get_weather": get_weather}
MAKERS = {
    "chat": lambda url, key, model: ChatOpenAI(model=model, api_key=key, base_url=f"{url}/v1", max_retries=0),
    "responses": lambda url, key, model: ChatOpenAI(
        model=model, api_key=key, base_url=f"{url}/v1", max_retries=0, use_responses_api=True
    ),
    "anthropic": lambda url, key, model: ChatAnthropic(model=model, api_key=key, base_url=url, max_retries=0),
    "gemini": lambda url, key, model: ChatGoogleGenerativeAI(model=model, api_key=key, base_url=url, max_retries=1),
}
PAIRS = [(client, upstream) for client in MAKERS for upstream in MODELS]


@pytest.fixture(scope="module")
def shared_gateway(strict):
    gateway = Gateway(strict, "strict.yaml")
    yield gateway
    gateway.stop()


class Pair:
    def __init__(self, strict, url, key, client, upstream):
        self.strict = strict
        self.token = uuid.uuid4().hex[:12]
        self.model = MAKERS[client](url, key, MODELS[upstream])

    def prompt(self, scenario):
        return [SystemMessage("Be brief."), HumanMessage(f"[[{scenario}]] {self.token}")]

    def run(self, what):
        try:
            return what()
        finally:
            refused = [one["refused"] for one in self.strict.requests(self.token) if one["refused"]]
            assert not refused, refused


@pytest.fixture(params=PAIRS, ids=lambda pair: "-".join(pair))
def through_gateway(request, strict, shared_gateway):
    return Pair(strict, shared_gateway.url, KEY, *request.param)


@pytest.fixture(params=list(MAKERS))
def direct(request, strict):
    return Pair(strict, strict.url, "upstream-direct", request.param, request.param)


def check_text(pair):
    answer = pair.run(lambda: pair.model.invoke(pair.prompt("text")))
    assert answer.text == HELLO
    assert answer.usage_metadata["input_tokens"] == 25
    assert answer.usage_metadata["output_tokens"] == 12


def check_stream(pair):
    chunks = pair.run(lambda: list(pair.model.stream(pair.prompt("unicode"))))
    assert "".join(chunk.text for chunk in chunks) == "Grüße, 世界! 👩‍👩‍👧 𝄞 naïve – „Ende“"


def check_tools(pair, scenario, streamed, wanted):
    model = pair.model.bind_tools([get_weather, get_time])
    messages = pair.prompt(scenario)

    def ask():
        if not streamed:
            return model.invoke(messages)
        answer = None
        for chunk in model.stream(messages):
            answer = chunk if answer is None else answer + chunk
        return answer

    answer = pair.run(ask)
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == wanted
    messages.append(answer)
    for call in answer.tool_calls:
        result = TOOLS[call["name"]].invoke(call["args"])
        messages.append(ToolMessage(result, tool_call_id=call["id"], name=call["name"]))
    return pair.run(ask).text


WEATHER = ("get_weather", {"city": "São Paulo", "days": 2, "detail": {"format": "short", "default": None}})
TIME = ("get_time", {"zone": "Europe/Paris"})


def check_loop(pair, streamed):
    assert check_tools(pair, "tools", streamed, [WEATHER]) == "The tools said: get_weather: sunny"


def check_parallel(pair, streamed):
    told = check_tools(pair, "parallel", streamed, [WEATHER, TIME])
    assert told == "The tools said: get_weather: sunny; get_time: noon"


CHECKS = {
    "text": check_text,
    "stream": check_stream,
    "loop": lambda pair: check_loop(pair, False),
    "streamed-loop": lambda pair: check_loop(pair, True),
    "parallel": lambda pair: check_parallel(pair, False),
    "streamed-parallel": lambda pair: check_parallel(pair, True),
}


@pytest.mark.parametrize("name", CHECKS)
def test_direct(direct, name):
    CHECKS[name](direct)


@pytest.mark.parametrize("name", CHECKS)
def test_gateway(through_gateway, name):
    CHECKS[name](through_gateway)
