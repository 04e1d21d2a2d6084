"""Whether a target answers a case soundly: looked at before anything is measured.

A wrong answer is often a fast one. So a plain and a streamed request have to come back right, and they
have to have reached the upstream; else the run fails.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request

from . import formats
from .cases import Case
from .load import Upstream
from .processes import Unfit
from .targets import Target

_CHUNKS = 7


def probe(target: Target, case: Case, upstream: Upstream) -> None:
    """Raises `Unfit` unless a plain and a streamed answer are right."""
    upstream.shape(chunks=_CHUNKS)
    before = upstream.quiet()
    for streamed in (False, True):
        status, kind, text = _ask(target, case, streamed)
        wrong = check_stream(case.client, kind, text) if streamed else check_whole(case.client, kind, text)
        if status != 200:
            wrong = f"status {status}"
        if wrong:
            what = "streamed" if streamed else "plain"
            raise Unfit(f"{target.name}, case {case.name}: the {what} answer is not sound: {wrong}\n{text[:600]}")
    if upstream.state()["requests"] - before != 2:
        raise Unfit(f"{target.name}, case {case.name}: two requests made a different number at the upstream")


def _ask(target: Target, case: Case, streamed: bool) -> tuple[int, str, str]:
    headers = dict(line.split(": ", 1) for line in target.headers_for(case))
    request = urllib.request.Request(
        target.url(case, streamed),
        formats.body(case.client, target.model(case), 1024, streamed),
        {**headers, "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers.get("content-type", ""), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, "", error.read().decode(errors="replace")
    except OSError as error:
        return 0, "", repr(error)


def check_whole(format: str, kind: str, text: str) -> str | None:
    """What is wrong with a whole answer."""
    if not kind.startswith("application/json"):
        return f"content-type {kind!r}"
    try:
        said = formats.answer_text(format, json.loads(text))
    except (ValueError, LookupError, TypeError, StopIteration) as error:
        return f"no answer of the format {format}: {error!r}"
    return None if said.startswith(formats.ANSWER) else "another text than the upstream's"


def check_stream(format: str, kind: str, text: str) -> str | None:
    """What is wrong with a streamed answer."""
    if not kind.startswith("text/event-stream"):
        return f"content-type {kind!r}"
    # Some formats repeat the text at the end.
    stamps = len(set(re.findall(r"~t\d{16}", text)))
    if stamps != _CHUNKS:
        return f"{stamps} of {_CHUNKS} chunks"
    end = formats.STREAM_END[format]
    return None if end in text.replace('": ', '":') else f"no {end} at the end"
