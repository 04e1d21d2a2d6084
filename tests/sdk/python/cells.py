"""What has to hold in a cell of the matrix: a client's SDK, a provider's format, whole or streamed.

The same checks run against the strict provider itself in the four native cells (`test_strict_mock.py`), so that
what fails in the others (`test_matrix.py`) is the fault of the gateway.
"""

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass

import pytest

from clients import CLIENTS, Tool

FORMATS = ("anthropic", "chat", "responses", "gemini")
MODELS = {
    "anthropic": "claude-opus-4-8",
    "chat": "gpt-4o",
    "responses": "gpt-5.2",
    "gemini": "gemini-3-pro-preview",
}
HELLO = "Hello from the other side, with \"quotes\" and a\nsecond line."
UNICODE = "Grüße, 世界! 👩‍👩‍👧 𝄞 naïve – „Ende“"
THOUGHT = "**Weighing it up**\n\nThe user wants the weather, so a tool is called."
WEATHER = {"city": "São Paulo", "days": 2, "detail": {"format": "short", "default": None}}
TIME = {"zone": "Europe/Paris"}
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n\xe2\xe3\xcf\xd3"
PLACE = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "population": {"type": "integer"},
        "kind": {"type": "string", "enum": ["town", "village"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["city", "population", "kind", "tags"],
    "additionalProperties": False,
}
#: Schemas as generators write them: keywords that some provider does not take, and properties named like keywords.
GET_WEATHER = Tool(
    "get_weather",
    {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "city": {"type": "string", "minLength": 1, "format": "city-name"},
            "days": {"type": "integer", "exclusiveMinimum": 0, "enum": [1, 2, 3]},
            "detail": {"$ref": "#/$defs/Detail"},
            "unit": {"anyOf": [{"type": "string", "enum": ["C", "F"]}, {"type": "null"}], "default": None},
        },
        "required": ["city"],
        "additionalProperties": False,
        "$defs": {
            "Detail": {
                "type": "object",
                "properties": {"format": {"type": "string"}, "default": {"type": ["string", "null"]}},
            }
        },
    },
)
PLAIN_WEATHER = Tool(
    "get_weather",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "detail": {"type": "object", "properties": {"format": {"type": "string"}, "default": {"type": "string"}}},
        },
        "required": ["city"],
    },
)
GET_TIME = Tool("get_time", {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]})
PING = Tool("ping", {"type": "object", "properties": {}})


@dataclass
class Cell:
    client: str
    upstream: str
    stream: bool
    url: str
    key: str
    mock: object
    # Without a gateway.
    direct: bool = False

    def __post_init__(self):
        self.token = uuid.uuid4().hex[:12]

    @property
    def native(self):
        return self.client == self.upstream

    @property
    def stops(self):
        return CLIENTS[self.client].stops

    def talk(self, scenario, media=(), model=None, **options):
        """A conversation whose first message asks for the scenario."""
        talk = CLIENTS[self.client](self.url, self.key, model or MODELS[self.upstream], **options)
        talk.say(f"[[{scenario}]] {self.token}", media)
        return talk

    def ask(self, talk):
        reply = talk.ask(self.stream)
        refused = [one["refused"] for one in self.requests() if one["refused"]]
        assert not refused, refused
        return reply

    def requests(self):
        return self.mock.requests(self.token)

    def last_body(self):
        return self.requests()[-1]["body"]


CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


@check
def text(cell):
    reply = cell.ask(cell.talk("text"))
    assert reply.text == HELLO
    assert reply.stop == cell.stops["stop"]
    assert reply.usage == (25, 0, 0, 12, 0)
    assert reply.model == MODELS[cell.upstream]
    assert not reply.calls and not reply.thoughts


@check
def unicode(cell):
    assert cell.ask(cell.talk("unicode")).text == UNICODE


@check
def system_text(cell):
    reply = cell.ask(cell.talk("system", system="Be brief, ünd kind."))
    assert reply.text == "Be brief, ünd kind."


@check
def second_turn(cell):
    talk = cell.talk("text")
    cell.ask(talk)
    talk.say(f"[[unicode]] {cell.token}")
    assert cell.ask(talk).text == UNICODE


def weather(cell):
    """Gemini itself does not take every schema."""
    return PLAIN_WEATHER if cell.direct and cell.client == "gemini" else GET_WEATHER


def used(cell, call):
    """The id with which a call can be answered."""
    assert cell.client == "gemini" or call.id
    return call


@check
def tool_loop(cell):
    talk = cell.talk("tools", tools=(weather(cell), GET_TIME))
    reply = cell.ask(talk)
    [call] = reply.calls
    assert (call.name, call.arguments) == ("get_weather", WEATHER)
    assert reply.text.strip() == "Let me look."
    assert reply.stop == cell.stops["tools"]
    talk.give([(used(cell, call), "18 °C,\n\"clear\"")])
    reply = cell.ask(talk)
    assert reply.text == 'The tools said: get_weather: 18 °C,\n"clear"'
    assert reply.stop == cell.stops["stop"]
    talk.say(f"[[text]] {cell.token}")
    assert cell.ask(talk).text == HELLO


@check
def long_loop(cell):
    talk = cell.talk("loop", tools=(GET_TIME,))
    for step in range(2):
        [call] = cell.ask(talk).calls
        assert call.arguments == TIME
        talk.give([(used(cell, call), f"step {step}")])
    assert cell.ask(talk).text == "The tools said: get_time: step 1"


def both_calls(cell, scenario):
    talk = cell.talk(scenario, tools=(weather(cell), GET_TIME))
    reply = cell.ask(talk)
    assert [(call.name, call.arguments) for call in reply.calls] == [("get_weather", WEATHER), ("get_time", TIME)]
    ids = [call.id for call in reply.calls]
    assert len(set(ids)) == 2 or ids == [None, None]
    assert reply.stop == cell.stops["tools"]
    talk.give([(reply.calls[0], "sunny"), (reply.calls[1], "noon")])
    assert cell.ask(talk).text == "The tools said: get_weather: sunny; get_time: noon"


@check
def parallel_tools(cell):
    both_calls(cell, "parallel")


@check
def interleaved_tools(cell):
    both_calls(cell, "interleaved")


@check
def no_arguments(cell):
    talk = cell.talk("noargs", tools=(PING,))
    [call] = cell.ask(talk).calls
    assert (call.name, call.arguments or {}) == ("ping", {})
    talk.give([(call, "pong")])
    assert cell.ask(talk).text == "The tools said: ping: pong"


@check
def forced_tool(cell):
    talk = cell.talk("forced", tools=(GET_TIME, weather(cell)), force="get_time")
    [call] = cell.ask(talk).calls
    assert (call.name, call.arguments) == ("get_time", TIME)


@check
def odd_tool_name(cell):
    """A name that only some providers take comes back as it was."""
    name = "mcp__server__" + "x" * 51
    if cell.client in ("anthropic", "gemini") and not cell.direct and not cell.native:
        name = "mcp__server__" + "x" * 70 if cell.client == "anthropic" else "mcp.server:tool"
    talk = cell.talk("tools", tools=(Tool(name, GET_TIME.schema),))
    [call] = cell.ask(talk).calls
    assert call.name == name
    talk.give([(used(cell, call), "fine")])
    assert cell.ask(talk).text.endswith(": fine")


def seen(mime, data):
    return f"Saw {mime} {len(data)} {hashlib.sha256(data).hexdigest()}"


@check
def image(cell, png):
    assert cell.ask(cell.talk("vision", [("image/png", png)])).text == seen("image/png", png)


@check
def pdf(cell):
    assert cell.ask(cell.talk("pdf", [("application/pdf", PDF)])).text == seen("application/pdf", PDF)


@check
def image_of_a_tool(cell, png):
    if cell.client == "chat":
        pytest.skip("Chat Completions has text in tool messages only")
    talk = cell.talk("tools", tools=(GET_TIME,))
    [call] = cell.ask(talk).calls
    talk.give([(call, ("image/png", png))])
    cell.ask(talk)
    arrived = json.dumps(cell.last_body())
    data = base64.b64encode(png).decode()
    assert data in arrived or data.replace("+", "-").replace("/", "_") in arrived


@check
def json_schema(cell):
    reply = cell.ask(cell.talk("schema", schema=PLACE))
    place = json.loads(reply.text)
    assert place == {"city": "Paris", "population": 2102650, "kind": "town", "tags": ["text"]}
    assert reply.stop == cell.stops["stop"]


@check
def thinking(cell):
    talk = cell.talk("thinking", thinking=True)
    reply = cell.ask(talk)
    assert reply.text == HELLO
    if cell.upstream != "chat":
        assert reply.thoughts == THOUGHT
        assert reply.usage == (40, 0, 0, 60, 33)
    talk.say(f"[[text]] {cell.token}")
    assert cell.ask(talk).text == HELLO


@check
def thinking_comes_back(cell):
    """Inside a tool loop the provider gets its own thoughts, signed, exactly as they were."""
    talk = cell.talk("thinktools", thinking=True, tools=(GET_TIME,))
    reply = cell.ask(talk)
    [call] = reply.calls
    if cell.upstream != "chat":
        assert reply.thoughts == THOUGHT
    talk.give([(call, "noon")])
    assert cell.ask(talk).text == "Thoughts came back: whole"


@check
def budget_thinking_comes_back(cell):
    """The same with a model that refuses a tool loop without its thoughts."""
    if cell.upstream != "anthropic":
        pytest.skip("only some models of Anthropic do")
    talk = cell.talk("thinktools", model="claude-sonnet-4-5", thinking=True, tools=(GET_TIME,), max_tokens=32000)
    [call] = cell.ask(talk).calls
    talk.give([(call, "noon")])
    assert cell.ask(talk).text == "Thoughts came back: whole"


@check
def cached_tokens(cell):
    reply = cell.ask(cell.talk("cached"))
    written = 0 if "gemini" in (cell.client, cell.upstream) else 200
    assert reply.usage == (1000, 300, written, 60, 40)


@check
def token_limit(cell):
    reply = cell.ask(cell.talk("length", max_tokens=64))
    assert (reply.text, reply.stop) == ("Once upon a", cell.stops["length"])
    assert "64" in json.dumps(cell.last_body())


@check
def refusal(cell):
    reply = cell.ask(cell.talk("refusal"))
    if cell.upstream == "gemini" or cell.client == "gemini" or not cell.native:
        # What Gemini refuses is filtered, and other formats say so in their own ways.
        words = {
            "anthropic": {"refusal"},
            "chat": {"stop", "content_filter"},
            "responses": {"completed", "content_filter"},
            "gemini": {"SAFETY"},
        }
        assert reply.stop in words[cell.client]
    else:
        assert reply.stop == cell.stops["refusal"]
    if cell.upstream in ("chat", "responses", "anthropic") and cell.client in ("chat", "responses"):
        assert "cannot help" in reply.refusal


@check
def stop_sequence(cell):
    if cell.client == "responses":
        pytest.skip("Responses has no stop sequences")
    reply = cell.ask(cell.talk("stop", stop="STOP"))
    assert reply.text.strip() == "one two"
    if cell.client != "anthropic" or cell.upstream in ("anthropic", "responses"):
        assert reply.stop == cell.stops["sequence"]
    if cell.client == "anthropic" and cell.upstream in ("anthropic", "responses"):
        assert reply.raw.stop_sequence == "STOP"
    if not cell.stream:
        assert reply.usage == (25, 0, 0, 12, 0)


@check
def sampling(cell):
    """A temperature reaches the models that have one, and is kept from the others."""
    if cell.direct and cell.upstream in ("anthropic", "responses"):
        pytest.skip("the model has no temperature")
    if cell.native and cell.upstream in ("anthropic", "responses"):
        pytest.skip("what a provider's own client says goes through as it is")
    # Only Gemini's client sends `top_k`: nobody else may be sent it.
    cell.ask(cell.talk("text", temperature=0.5, top_k=5))
    body = cell.last_body()
    found = body.get("temperature", body.get("generationConfig", {}).get("temperature"))
    assert found == (0.5 if cell.upstream in ("chat", "gemini") else None)


@check
def two_candidates(cell):
    if cell.client not in ("chat", "gemini"):
        pytest.skip("the client cannot ask for several")
    talk = cell.talk("n2", n=2)
    if cell.upstream in ("chat", "gemini"):
        reply = cell.ask(talk)
        assert [reply.text, *(other.text for other in reply.others)] == ["First.", "Second."]
    else:
        with pytest.raises(CLIENTS[cell.client].errors) as raised:
            cell.ask(talk)
        assert status_of(raised.value) == 400


@check
def web_search(cell):
    model = "gpt-4o-search-preview" if cell.upstream == "chat" else None
    reply = cell.ask(cell.talk("search", search=True, model=model))
    assert "It opened in 1889." in reply.text
    if cell.client == "anthropic" and not cell.native:
        # Anthropic's citations cannot be made by others; what is shown as a search need not have results.
        assert set(reply.urls) <= {"https://example.com/tower", "https://example.org/paris"}
        return
    assert set(reply.urls) == {"https://example.com/tower", "https://example.org/paris"}


@check
def counted_tokens(cell):
    if cell.stream or not hasattr(CLIENTS[cell.client], "counts"):
        pytest.skip("nothing to count")
    counted = cell.talk("text").count()
    assert counted == 42 if cell.upstream != "chat" else counted > 0


def status_of(error):
    return getattr(error, "status_code", None) or getattr(error, "code", None)


#: Errors that say something about the request; the others make an account rest.
ERRORS = {"400": {400}, "404": {404}, "400.context": {400}}
#: Those that do: what the client may be told, and whether it may try again.
TROUBLES = {"401": {500, 502, 503, 529}, "429": {429}, "500": {500, 502, 503, 529}, "529": {503, 529}}
TROUBLES_DIRECT = {"401": {400, 401}, "429": {429}, "500": {500}, "529": {503, 529}}


def error(cell, status):
    wanted = ERRORS.get(status) or (TROUBLES_DIRECT if cell.direct else TROUBLES)[status]
    if status == "404" and cell.client == "responses":
        wanted = {400, 404}
    talk = cell.talk(f"error-{status}")
    with pytest.raises(CLIENTS[cell.client].errors) as raised:
        talk.ask(cell.stream)
    error = raised.value
    assert status_of(error) in wanted, error
    if status == "429" and cell.client != "gemini":
        assert 1 <= int(error.response.headers["retry-after"]) <= 7
    if status == "429" and cell.client == "gemini":
        assert "RetryInfo" in str(error.details)
    if status == "400":
        assert "refused by the script" in str(error)
    if status == "400.context":
        said = str(error)
        if cell.client == "anthropic":
            assert "prompt is too long" in said
        elif cell.client == "gemini":
            assert "exceeds the maximum number of tokens" in said
        else:
            assert error.code == "context_length_exceeded"


def broken(cell, scenario):
    """An answer that breaks off is never taken for a whole one."""
    talk = cell.talk(scenario)
    kinds = Exception if cell.direct else CLIENTS[cell.client].errors
    with pytest.raises(kinds) as raised:
        talk.ask(cell.stream)
    assert not isinstance(raised.value, AssertionError) or cell.direct, raised.value
    if scenario == "error-event" and cell.stream:
        assert "scripted error event" in str(raised.value)
