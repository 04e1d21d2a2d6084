"""Hours of mixed load in short: what is sent, what is sampled, and when a run has failed."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

from . import formats
from .cases import CLIENT_KEY, Case
from .load import Upstream
from .processes import Cores, memory_kib
from .targets import Target

FORMATS = ("chat", "messages", "responses", "gemini")
# Of a paced stream: so many events, so far apart.
PACED = {"chunks": 60, "delay_us": 25_000}
BURST = {"burst": 1}
# Bytes of the requests, by the number of the shift.
SIZES = (1024, 20_000, 1024, 200_000)

# What may grow between the first and the last third of the samples after the warm-up: this share of the
# first, or this much where that is more.
MEMORY_SHARE, MEMORY_KIB = 0.05, 3 * 1024
FILES_SHARE, FILES = 0.10, 20


def model(upstream: str, format: str) -> str:
    """The model of a format at one of the upstreams."""
    return f"{upstream}-{format}"


def cases(upstream: str) -> list[Case]:
    """All pairs of formats at an upstream, and an alias."""
    pairs = [Case(f"{client}->{at}", "same" if client == at else "translated", client, at, (), model=model(upstream, at))
             for client in FORMATS for at in FORMATS]
    return [*pairs, Case("chat alias", "aliased", "chat", "chat", (), model=f"{upstream}-alias")]


def config(paced: int, burst: int, trouble: dict[str, list[dict[str, object]]]) -> dict[str, Any]:
    """The gateway's config: two sound upstreams of all formats, and the one that fails."""
    lists: dict[str, list[dict[str, object]]] = {name: [] for name in (
        "openai-compatibility", "openai-api-key", "claude-api-key", "gemini-api-key")}
    for name, port in (("paced", paced), ("burst", burst)):
        entry = {"api-key": f"sk-{name}", "base-url": f"http://127.0.0.1:{port}"}
        chat = [{"id": model(name, "chat")}, {"id": model(name, "chat"), "alias": f"{name}-alias"}]
        lists["openai-compatibility"].append(
            {**entry, "name": f"{name}-chat", "base-url": f"http://127.0.0.1:{port}/v1", "models": chat})
        lists["openai-api-key"].append({**entry, "name": f"{name}-responses", "wire-api": "responses",
                                        "models": [{"id": model(name, "responses")}]})
        lists["claude-api-key"].append({**entry, "name": f"{name}-messages", "models": [{"id": model(name, "messages")}]})
        lists["gemini-api-key"].append({**entry, "name": f"{name}-gemini", "models": [{"id": model(name, "gemini")}]})
    for name, entries in trouble.items():
        lists[name] += entries
    # Short rests, so that the account that fails is asked again and again.
    return {"host": "127.0.0.1", "port": "{port}", "api-keys": [CLIENT_KEY], "cooldown": {"min": 1, "max": 2}, **lists}


@dataclass
class Sample:
    """The gateway, seen from outside."""

    seconds: float
    memory_kib: int
    files: int
    sockets: int
    # streams that the paced upstream is sending
    streams: int


@dataclass
class Totals:
    """What the loaders report, added up."""

    answers: int = 0
    chunks: int = 0
    bad: int = 0
    errors: int = 0
    complaints: list[str] = field(default_factory=list)


class Shift:
    """All cases at once, for some seconds: whole answers, streams in one write, and paced streams."""

    def __init__(self, loader: Path, folder: Path, who: Cores, target: Target, load: float, seconds: float, number: int) -> None:
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []
        size = SIZES[number % len(SIZES)]
        rate = {"rate": (4 if size < 100_000 else 0.5) * load}
        streams: dict[str, Any] = {"rate": 1.5 * load}
        for case in cases("burst"):
            self._start(loader, folder, who, target, case, seconds, size, rate, {"text": formats.ANSWER})
            self._start(loader, folder, who, target, case, seconds, 1024, streams, {"stamps": 200})
        for case in cases("paced"):
            self._start(loader, folder, who, target, case, seconds, 1024, "closed", {"stamps": PACED["chunks"]})

    def _start(self, loader: Path, folder: Path, who: Cores, target: Target, case: Case, seconds: float, size: int,
               load: Any, expect: dict[str, Any]) -> None:
        streamed = "stamps" in expect
        body = folder / f"body-{case.client}-{case.asked}-{size}-{streamed}.json"
        if not body.exists():
            body.write_bytes(formats.body(case.client, case.asked, size, streamed))
        plan = {
            "url": target.url(case, streamed), "headers": target.headers_for(case), "body": str(body), "load": load,
            "connections": 2 if load == "closed" else 4, "warmup": 0, "seconds": seconds, "expect": expect,
        }
        process = subprocess.Popen(
            [str(loader), json.dumps(plan)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, {who.load}),
        )
        self._running.append((f"{case.name} at {case.asked}{', streamed' if streamed else ''}", process))

    def is_over(self) -> bool:
        """Whether all loaders have ended."""
        return all(process.poll() is not None for _, process in self._running)

    def end(self, totals: Totals) -> None:
        """Adds up what they report."""
        for name, process in self._running:
            try:
                out, complaint = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                out, complaint = process.communicate()
            if process.returncode:
                totals.errors += 1
                totals.complaints.append(f"{name}: the loader ended with {process.returncode}: {complaint.decode()[-200:]}")
                continue
            report = json.loads(out)
            totals.answers += report["answers"]
            totals.chunks += report["chunks"]
            totals.bad += report["bad"]
            totals.errors += report["errors"]
            if report["complaint"] or report["bad"] or report["errors"]:
                totals.complaints.append(f"{name}: {report['complaint'] or 'a broken connection'}")

    def kill(self) -> None:
        """Ends what still runs."""
        for _, process in self._running:
            if process.poll() is None:
                process.kill()
                process.communicate()


def sample(began: float, pids: Sequence[int], paced: Upstream) -> Sample:
    """Looks at the gateway."""
    names = [name for pid in pids for name in _open_files(pid)]
    return Sample(
        round(time.monotonic() - began, 1), memory_kib(list(pids)), len(names),
        sum(name.startswith("socket:") for name in names), paced.state()["active_streams"],
    )


def _open_files(pid: int) -> list[str]:
    names = []
    folder = Path(f"/proc/{pid}/fd")
    for entry in os.listdir(folder):
        try:
            names.append(os.readlink(folder / entry))
        except OSError:
            continue
    return names


def clients_of(pid: int, port: int) -> int:
    """Connections of clients that the process holds."""
    sockets = {match[1] for name in _open_files(pid) if (match := re.match(r"socket:\[(\d+)]", name))}
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    listening = "0A"
    return sum(at[9] in sockets and at[3] != listening and int(at[1].rsplit(":", 1)[1], 16) == port for at in fields)


@dataclass
class Growth:
    """The medians of the first and the last third of some samples, and what lies between them at most."""

    what: str
    first: float
    last: float
    most: float

    @property
    def is_flat(self) -> bool:
        """Whether it grew no more than it may."""
        return self.last - self.first <= self.most


def growth(what: str, values: Sequence[float], share: float, least: float) -> Growth:
    """Compares the ends of a series. Thirds, and medians, because load comes in waves."""
    third = max(1, len(values) // 3)
    first, last = statistics.median(values[:third]), statistics.median(values[-third:])
    return Growth(what, first, last, max(share * first, least))


def warm(samples: Sequence[Sample], seconds: float) -> list[Sample]:
    """The samples after the warm-up: a quarter of the run, five minutes at most."""
    begin = min(300.0, seconds / 4)
    return [one for one in samples if one.seconds >= begin]


def verdicts(samples: Sequence[Sample], seconds: float) -> list[Growth]:
    """Whether memory and open files stay as they are under even load."""
    after = warm(samples, seconds)
    if len(after) < 9:
        return []
    return [
        growth("memory (KiB)", [one.memory_kib for one in after], MEMORY_SHARE, MEMORY_KIB),
        growth("open files", [one.files for one in after], FILES_SHARE, FILES),
    ]
