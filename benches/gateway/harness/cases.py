"""What is compared: cases, measures and budgets, as data.

Adding a case is a row in `CASES`; if it needs the gateway set up differently, a row in `CONFIGS` and
its name in the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Names of models in the gateway's config, by the format that their provider speaks.
MODELS = {"chat": "mock-model", "messages": "mock-messages", "responses": "mock-responses", "gemini": "mock-gemini"}
ALIAS = "mock-alias"
CLIENT_KEY = "sk-client"


def idle_rules(count: int) -> dict[str, Any]:
    """So many payload rules, of which none is for the models that are asked for."""
    rules = [{"models": [{"name": f"other-{n}*"}], "params": {"temperature": 0}} for n in range(count)]
    return {"override": rules}


# What is merged over the gateway's basic config (see `targets.gateway_config`), by name. Each name that
# cases use is a gateway process of its own. Metrics and the ledger, on a SQLite file in the folder of the
# process, are always on, as they are for everybody who does not switch them off.
CONFIGS: dict[str, dict[str, Any]] = {
    "standard": {},
    "JSON log": {"log-format": "json"},
    "no log": {"log-level": "error"},
    "no ledger": {"usage": {"enabled": False}},
    "rules": {"payload": {
        "default": [{"params": {"temperature": 0.5}}],
        "override": [{"models": [{"name": "mock-*", "protocol": "openai"}], "params": {"metadata.team": "core"}}],
        "filter": [{"params": ["user"]}],
    }},
    "idle rules": {"payload": idle_rules(1_000)},
    "Redis": {"redis-url": "redis://127.0.0.1:{beside}"},
}


# What every entry of the gateway's config has more, by the name of the config.
ENTRIES: dict[str, dict[str, Any]] = {
    "shaping": {"cloak": {
        "mode": "always", "system-prompt": "Be brief.", "user-id": "hash", "sensitive-words": ["Falcon", "North"],
    }},
}


# What has to run beside the gateway, by the name of the config: on the core of the load, with a port of its own.
BESIDE: dict[str, tuple[str, ...]] = {
    "Redis": ("redis-server", "--port", "{beside}", "--bind", "127.0.0.1", "--save", "", "--dir", "{folder}"),
}


@dataclass(frozen=True)
class Case:
    """A client format, the format of the provider, and what of it is measured."""

    name: str
    kind: str  # "same", "aliased", "translated" or "more": budgets are given for kinds
    client: str
    upstream: str
    measures: tuple[str, ...]
    model: str = ""  # left out: the one of the upstream's format
    config: str = "standard"

    @property
    def asked(self) -> str:
        """The model that the client asks for."""
        return self.model or MODELS[self.upstream]


_COST = ("small", "paced", "burst", "body_200k")
_ALL = ("small", "rate", "paced", "burst", "body_200k", "body_2m", "idle", "hold_1000", "hold_5000")

CASES = (
    Case("chat", "same", "chat", "chat", _ALL),
    Case("messages", "same", "messages", "messages", _COST),
    Case("chat alias", "aliased", "chat", "chat", _COST, model=ALIAS),
    Case("chat->messages", "translated", "chat", "messages", (*_COST, "rate", "body_2m", "hold_1000")),
    Case("messages->chat", "translated", "messages", "chat", (*_COST, "rate", "hold_1000", "hold_5000")),
    Case("chat->gemini", "translated", "chat", "gemini", _COST),
    Case("responses->chat", "translated", "responses", "chat", _COST),
    Case("messages->gemini", "translated", "messages", "gemini", _COST),
    # What operators turn on; there is no budget for it.
    Case("chat with JSON log", "more", "chat", "chat", ("small",), config="JSON log"),
    Case("chat without log", "more", "chat", "chat", ("small",), config="no log"),
    Case("chat without ledger", "more", "chat", "chat", ("small", "burst"), config="no ledger"),
    Case("chat with rules", "more", "chat", "chat", ("small", "body_200k"), config="rules"),
    Case("chat with idle rules", "more", "chat", "chat", ("small",), config="idle rules"),
    Case("chat with Redis", "more", "chat", "chat", ("small", "paced", "rate"), config="Redis"),
    Case("chat with shaping", "more", "chat", "chat", _COST, config="shaping"),
)


@dataclass(frozen=True)
class Figure:
    """A number that a measure yields, and what it is compared with."""

    name: str
    title: str
    unit: str
    # "ratio" to the floor, "added" to the floor's, or "plain": the number itself
    against: str = "ratio"
    # whether the figure is worth a row of its own in the summary
    shown: bool = True


@dataclass(frozen=True)
class Measure:
    """One kind of load, and what is read from it."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    # requests begin at fixed times, and not when the one before is done
    at_a_rate: bool = False
    connections: int = 64
    size: int = 1024
    streamed: bool = False
    # what the upstream's streams look like
    shape: tuple[tuple[str, int], ...] = ()
    ramp: float = 0.0
    # seconds at least, whatever is asked for
    at_least: float = 0.0
    # measured on a process that has served nothing yet, once: it hardly varies
    fresh: bool = False
    # small load, where waiting for a core would be all that is seen: --rt applies
    tail: bool = False


_CPU = Figure("cpu_us", "CPU per request", "µs")
_CHUNK = Figure("cpu_us", "CPU per chunk", "µs")
_MEMORY = (
    Figure("kib_per_stream", "memory per open stream", "KiB", "plain"),
    Figure("left_open", "upstream streams left open", "", "plain", shown=False),
)
_LATENCY = (
    Figure("p50_us", "p50", "µs", "added"),
    Figure("p99_us", "p99", "µs", "added"),
    Figure("p999_us", "p99.9", "µs", "added"),
)
_CHUNK_LATENCY = (
    Figure("chunk_p50_us", "chunk p50", "µs", "added", shown=False),
    Figure("chunk_p99_us", "chunk p99", "µs", "added", shown=False),
)


def hold(streams: int) -> Measure:
    """Memory with so many streams open, a chunk every 100 ms in each."""
    return Measure(
        f"hold_{streams}", f"{streams:,} open streams", _MEMORY, connections=streams, streamed=True,
        shape=(("chunks", 600), ("delay_us", 100_000)), ramp=max(2.0, streams / 500), at_least=3, fresh=True,
    )


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("small", "1 KB request", (_CPU, Figure("per_core", "requests/s per core", ""))),
        Measure("rate", "1 KB at a fixed rate", _LATENCY, at_a_rate=True, at_least=3, tail=True),
        Measure("paced", "paced stream", (_CHUNK, *_CHUNK_LATENCY), connections=100, streamed=True,
                shape=(("delay_us", 20_000),), ramp=1, tail=True),
        Measure("burst", "stream in one write", (_CHUNK,), streamed=True, shape=(("burst", 1),)),
        Measure("body_200k", "200 KB request", (_CPU,), connections=16, size=200_000),
        Measure("body_2m", "2 MB request", (_CPU,), connections=4, size=2_000_000),
        Measure("idle", "idle", (Figure("mib", "memory", "MiB", "plain"),), connections=0, fresh=True),
        hold(1000),
        hold(5000),
    )
}

# Most that a figure may be, by kind of case: (measure, figure) -> kind -> limit.
BUDGETS: dict[tuple[str, str], dict[str, float]] = {
    ("small", "cpu_us"): {"same": 1.00, "aliased": 1.02, "translated": 1.10},
    ("paced", "cpu_us"): {"same": 1.05, "aliased": 1.05, "translated": 1.15},
    ("burst", "cpu_us"): {"same": 0.90, "aliased": 0.90, "translated": 1.10},
    ("body_200k", "cpu_us"): {"same": 1.20, "aliased": 1.20, "translated": 1.35},
    ("idle", "mib"): {"same": 40},
    ("hold_1000", "kib_per_stream"): {"same": 80, "translated": 90},
    ("hold_5000", "kib_per_stream"): {"same": 80, "translated": 90},
}
