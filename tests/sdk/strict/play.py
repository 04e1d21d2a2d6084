"""What is answered: the scenario is the last `[[name]]` that the user wrote, without one it is `text`.

    text, unicode               text; unicode is written byte by byte
    tools, parallel, noargs     calls of the first tools, then text that quotes the results
    interleaved                 like parallel, with the arguments of the calls in turns
    loop                        two steps of calls, then text
    forced                      the request must force the first tool, and it is called
    vision, pdf                 what arrived: media type, length and hash of each
    schema, json                a document that fits the schema that was asked for
    thinking, thinktools        thoughts; with tools they must come back exactly as they were
    cached, length, refusal     usage with cached tokens, and other ends
    stop                        text up to the stop sequence that was asked for
    n2                          two candidates
    search                      a web search, and text with citations
    system                      the instructions that arrived
    error-STATUS[.context]      an error
    error-event, cut            text that breaks off
    agent                       see `agent`
"""

import hashlib
import json

from . import agent
from .model import Answer, Call, Refusal, Rejected, Search, Source, Text, Thinking, Usage, fitting, marker, random_id, seal

HELLO = "Hello from the other side, with \"quotes\" and a\nsecond line."
UNICODE = "Grüße, 世界! 👩‍👩‍👧 𝄞 naïve – „Ende“"
THOUGHT = "**Weighing it up**\n\nThe user wants the weather, so a tool is called."
ARGUMENTS = {
    "get_weather": {"city": "São Paulo", "days": 2, "detail": {"format": "short", "default": None}},
    "get_time": {"zone": "Europe/Paris"},
}
SOURCES = [
    Source("https://example.com/tower", "The tower", "It opened in 1889."),
    Source("https://example.org/paris", "Paris", "It stands in Paris."),
]
ERRORS = {
    400: "The request was refused by the script.",
    401: "invalid x-api-key",
    404: "model: no-such-model",
    429: "This request would exceed the rate limit.",
    500: "Internal server error",
    529: "Overloaded",
}
#: How each provider says that the context is full.
CONTEXT = {
    "anthropic": "prompt is too long: 208345 tokens > 200000 maximum",
    "chat": "This model's maximum context length is 200000 tokens. However, your messages resulted in 208345 tokens.",
    "responses": "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "gemini": "The input token count (208345) exceeds the maximum number of tokens allowed (200000).",
}
RETRY_AFTER = 7


def scenario_of(asked):
    return marker(asked.texts)


def answer(asked, issued, format):
    """The answer to a request that was found to be right; `Rejected` is one as well."""
    name = scenario_of(asked)
    play = _SCENES.get(name.split(".")[0])
    if play is None:
        if name.startswith("error-") or name in ("cut",):
            return Answer([Text(HELLO)])
        raise Rejected(f"the script has no scenario {name!r}")
    return play(asked, issued, format)


def _text(asked, issued, format):
    return Answer([Text(HELLO)])


def _unicode(asked, issued, format):
    return Answer([Text(UNICODE)], piece=3)


def _first(asked, count=1):
    names = list(asked.tools)[:count]
    if len(names) < count:
        raise Rejected(f"the script needs {count} tools, and got {names}")
    return names


def _call(asked, name, format, sealed=None):
    prefix = {"anthropic": "toolu_", "chat": "call_", "responses": "call_", "gemini": "fc"}[format]
    arguments = json.dumps(ARGUMENTS.get(name, {"value": 1}), ensure_ascii=False)
    return Call(name, arguments, prefix + random_id(), sealed)


def _quote(asked):
    told = "; ".join(f"{result.name}: {'(error) ' if result.error else ''}{result.text}" for result in asked.results)
    return Answer([Text(f"The tools said: {told}")], usage=Usage(input=80, output=20))


def _tools(asked, issued, format):
    if asked.results:
        return _quote(asked)
    [name] = _first(asked)
    sealed = seal(issued, "", format) if format == "gemini" else None
    return Answer([Text("Let me look. "), _call(asked, name, format, sealed)], "tools")


def _parallel(asked, issued, format):
    if asked.results:
        return _quote(asked)
    sealed = seal(issued, "", format) if format == "gemini" else None
    one, two = (_call(asked, name, format) for name in _first(asked, 2))
    one.seal = sealed
    return Answer([one, two], "tools", interleaved="interleaved" in scenario_of(asked))


def _loop(asked, issued, format):
    if asked.steps >= 2:
        return _quote(asked)
    sealed = seal(issued, "", format) if format == "gemini" else None
    [name] = _first(asked)
    return Answer([_call(asked, name, format, sealed)], "tools")


def _noargs(asked, issued, format):
    if asked.results:
        return _quote(asked)
    [name] = _first(asked)
    call = _call(asked, name, format, seal(issued, "", format) if format == "gemini" else None)
    call.arguments = None
    return Answer([call], "tools")


def _forced(asked, issued, format):
    [name] = _first(asked)
    if asked.choice != name:
        raise Rejected(f"the script wants {name} to be forced, and got {asked.choice}")
    return Answer([_call(asked, name, format)], "tools")


def _media(asked, issued, format):
    media = asked.media + [one for result in asked.results for one in result.media]
    told = [f"{mime} {len(data)} {hashlib.sha256(data).hexdigest()}" for mime, data in media]
    return Answer([Text("Saw " + ", ".join(told))])


def _schema(asked, issued, format):
    by_tool = asked.choice in asked.tools or (asked.choice == "required" and len(asked.tools) == 1)
    if asked.schema is None and by_tool:
        # Some clients ask for a document by a tool.
        [name] = _first(asked)
        call = _call(asked, name, format)
        call.arguments = json.dumps(fitting(asked.tools[name]))
        return Answer([call], "tools")
    if asked.schema is None and not asked.json:
        raise Rejected("the script wants a schema")
    document = fitting(asked.schema) if asked.schema else {"city": "Paris"}
    return Answer([Text(json.dumps(document))])


def _thinking(asked, issued, format):
    if format == "chat":
        return Answer([Text(HELLO)])
    usage = Usage(input=40, output=60, reasoning=33)
    return Answer([Thinking(THOUGHT, seal(issued, THOUGHT, format)), Text(HELLO)], usage=usage)


def _think_tools(asked, issued, format):
    usage = Usage(input=40, output=60, reasoning=33)
    if not asked.results:
        [name] = _first(asked)
        thoughts = [] if format == "chat" else [Thinking(THOUGHT, seal(issued, THOUGHT, format))]
        return Answer([*thoughts, _call(asked, name, format)], "tools", usage=usage)
    whole = format == "chat" or (len(asked.seals) == 1 and asked.seals[0] in issued)
    return Answer([Text(f"Thoughts came back: {'whole' if whole else asked.seals}")], usage=usage)


def _cached(asked, issued, format):
    # Gemini has no writes to its cache.
    written = 0 if format == "gemini" else 200
    return Answer([Text(HELLO)], usage=Usage(input=1000, cached=300, written=written, output=60, reasoning=40))


def _length(asked, issued, format):
    return Answer([Text("Once upon a")], "length")


def _refusal(asked, issued, format):
    return Answer([Refusal("I cannot help with that.")], "refusal")


def _stop(asked, issued, format):
    if format == "responses":
        # It has no stop sequences: whoever offers them has to cut.
        return Answer([Text("one two STOP three")])
    if asked.stops != ["STOP"]:
        raise Rejected(f"the script wants the stop sequence STOP, and got {asked.stops}")
    return Answer([Text("one two ")], "stop:STOP" if format == "anthropic" else "stop")


def _n2(asked, issued, format):
    if asked.n != 2:
        raise Rejected(f"the script wants to be asked for two, and got {asked.n}")
    return Answer([Text("First.")], others=[Answer([Text("Second.")])])


def _search(asked, issued, format):
    if not asked.search:
        raise Rejected("the script wants a web search")
    one, two = SOURCES
    blocks = [Search("tower paris", SOURCES), Text("Ça: ", []), Text(one.quote, [one]), Text(" "), Text(two.quote, [two])]
    if format == "responses":
        blocks = [blocks[0], Text(f"Ça: {one.quote} {two.quote}", SOURCES)]
    return Answer(blocks)


def _system(asked, issued, format):
    return Answer([Text(" | ".join(asked.instructions))])


_SCENES = {
    "text": _text,
    "unicode": _unicode,
    "tools": _tools,
    "parallel": _parallel,
    "interleaved": _parallel,
    "loop": _loop,
    "noargs": _noargs,
    "forced": _forced,
    "vision": _media,
    "pdf": _media,
    "schema": _schema,
    "json": _schema,
    "thinking": _thinking,
    "thinktools": _think_tools,
    "cached": _cached,
    "length": _length,
    "refusal": _refusal,
    "stop": _stop,
    "n2": _n2,
    "search": _search,
    "system": _system,
    "agent": agent.answer,
}
