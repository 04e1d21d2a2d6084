"""All pairs of a client and a provider, through the gateway."""

import inspect

import pytest

import cells
from cells import CHECKS, FORMATS, Cell
from processes import Gateway

PAIRS = pytest.mark.parametrize(
    "client, upstream", [(client, upstream) for client in FORMATS for upstream in FORMATS], ids=lambda name: name
)
WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
KEY = "sdk-client-key"


@pytest.fixture(scope="module")
def shared_gateway(strict):
    gateway = Gateway(strict, "strict.yaml")
    yield gateway
    gateway.stop()


@pytest.fixture
def cell(strict, shared_gateway, client, upstream, stream):
    return Cell(client, upstream, stream, shared_gateway.url, KEY, strict)


@pytest.fixture
def own_cell(strict, client, upstream, stream):
    """A gateway of its own for what makes accounts rest."""
    gateway = Gateway(strict, "strict.yaml")
    yield Cell(client, upstream, stream, gateway.url, KEY, strict)
    gateway.kill()


@pytest.mark.parametrize("name", CHECKS)
@PAIRS
@WAYS
def test_check(cell, name, png):
    check = CHECKS[name]
    check(cell, **({"png": png} if "png" in inspect.signature(check).parameters else {}))


@pytest.mark.parametrize("status", cells.ERRORS)
@PAIRS
@WAYS
def test_error(cell, status):
    cells.error(cell, status)


@pytest.mark.parametrize("status", cells.TROUBLES)
@PAIRS
@WAYS
def test_trouble(own_cell, status):
    cells.error(own_cell, status)


@pytest.mark.parametrize("scenario", ["cut", "error-event"])
@PAIRS
@WAYS
def test_broken(own_cell, scenario):
    cells.broken(own_cell, scenario)


# A request that is refused for what another provider sealed may be tried again without it: only answers count.
CHANGES = pytest.mark.parametrize(
    "client, upstream, then",
    [(client, one, other) for client in FORMATS for one in FORMATS for other in FORMATS if one != other],
    ids=lambda name: name,
)


@CHANGES
@WAYS
def test_the_provider_changes_between_turns(cell, then):
    """What one provider sealed is never shown to another."""
    talk = cell.talk("thinktools", thinking=True, tools=(cells.GET_TIME,))
    [call] = talk.ask(cell.stream).calls
    talk.give([(call, "noon")])
    talk.ask(cell.stream)
    talk.say(f"[[thinking]] {cell.token}")
    talk.ask(cell.stream)
    talk.model = cells.MODELS[then]
    talk.say(f"[[text]] {cell.token}")
    assert talk.ask(cell.stream).text == cells.HELLO
    # Nor is the first one confused when it gets the conversation back.
    talk.model = cells.MODELS[cell.upstream]
    talk.say(f"[[text]] {cell.token}")
    assert talk.ask(cell.stream).text == cells.HELLO


@CHANGES
@WAYS
def test_the_provider_changes_inside_a_tool_loop(cell, then):
    talk = cell.talk("thinktools", thinking=True, tools=(cells.GET_TIME,))
    [call] = talk.ask(cell.stream).calls
    talk.model = cells.MODELS[then]
    talk.give([(call, "noon")])
    assert talk.ask(cell.stream).text.startswith("Thoughts came back: ")
