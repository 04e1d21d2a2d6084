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
