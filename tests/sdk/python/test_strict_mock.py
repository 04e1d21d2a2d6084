"""The strict provider by itself: every check passes between a client and its own provider."""

import inspect
import json
import sys

import pytest

import cells
from cells import CHECKS, FORMATS, Cell
from processes import ROOT

WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture
def cell(strict, format, stream):
    return Cell(format, format, stream, strict.url, "upstream-direct", strict, direct=True)


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("format", FORMATS)
@WAYS
def test_check(cell, name, png):
    check = CHECKS[name]
    check(cell, **({"png": png} if "png" in inspect.signature(check).parameters else {}))


@pytest.mark.parametrize("status", [*cells.ERRORS, *cells.TROUBLES])
@pytest.mark.parametrize("format", FORMATS)
@WAYS
def test_error(cell, status):
    cells.error(cell, status)


@pytest.mark.parametrize("scenario", ["cut", "error-event"])
@pytest.mark.parametrize("format", FORMATS)
@WAYS
def test_broken(cell, scenario):
    cells.broken(cell, scenario)


class Anything:
    """As if whatever comes back had been handed out here."""

    def get(self, key):
        return self

    def __getitem__(self, key):
        return self

    def __contains__(self, key):
        return True

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


RECORDED = [
    (folder, path)
    for folder in ("anthropic", "openai-chat", "openai-responses", "gemini")
    for path in sorted((ROOT / "tests/fixtures" / folder / "requests").glob("*.json"))
]


@pytest.mark.parametrize("folder, path", RECORDED, ids=[path.stem for _, path in RECORDED])
def test_what_a_provider_took_is_taken(folder, path):
    sys.path.insert(0, str(ROOT / "tests/sdk"))
    from strict import anthropic, chat, gemini, responses
    from strict.model import Rejected

    if path.stem == "auth-code-assist-envelope":
        pytest.skip("another dialect")
    body = json.loads(path.read_text())
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "any-2025-01-01"}
    module = {"anthropic": anthropic, "openai-chat": chat, "openai-responses": responses, "gemini": gemini}[folder]
    model = ("gemini-2.5-flash",) if module is gemini else ()
    try:
        module.judge(body, headers, Anything(), False, *model)
    except Rejected as wrong:
        # Stored state and another provider's files are known only to the provider.
        if not any(word in wrong.message for word in ("not found", "prefill")):
            raise
