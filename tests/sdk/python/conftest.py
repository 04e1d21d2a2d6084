"""One provider and one gateway for all tests, and a gateway of its own for a test that makes keys rest."""

import base64
import re

import pytest

pytest.register_assert_rewrite("cells", "clients")

from processes import Gateway, Mock, Strict

#: The smallest PNG: one transparent pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="session")
def mock():
    mock = Mock()
    yield mock
    mock.stop()


@pytest.fixture(scope="session")
def strict():
    strict = Strict()
    yield strict
    strict.stop()


@pytest.fixture(scope="session")
def gateway(mock):
    gateway = Gateway(mock)
    yield gateway
    gateway.stop()


@pytest.fixture
def own_gateway(mock):
    gateway = Gateway(mock)
    yield gateway
    gateway.kill()


@pytest.fixture
def model(request):
    """A model of that scenario that no other test asks for."""
    test = re.sub(r"\W+", "-", request.node.nodeid).strip("-")
    return lambda family, scenario: f"{family}-mock-{scenario}.{test}"


@pytest.fixture(scope="session")
def png():
    return PNG
