"""Cost per request as something grows: connections, accounts, names of models.

A series is a row in `SERIES`: sizes, and the settings of the gateway at each. Where the settings do not
depend on the size, one process serves all points.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from . import targets
from .cases import MODELS, Case, Measure, MEASURES, idle_rules
from .figures import compared, growth, median
from .load import Bench
from .probe import probe
from .targets import Target

CASE = Case("chat", "same", "chat", "chat", ("small",))
Settings = dict[str, Any]


@dataclass(frozen=True)
class Series:
    """Something that grows."""

    name: str
    title: str
    sizes: tuple[int, ...]
    settings: Callable[[int], Settings | None] = lambda _size: None
    # connections at a size
    connections: Callable[[int], int] = lambda _size: 64
    case: Callable[[int], Case] = lambda _size: CASE


@dataclass(frozen=True)
class Point:
    """Cost at a size."""

    size: int
    cpu_us: float
    ratio: float  # to the first point
    floor: float  # to the floor, measured in the same round

    def as_json(self) -> dict[str, Any]:
        """For the lines of results."""
        return {"size": self.size, "cpu_us": self.cpu_us, "ratio": self.ratio, "floor": self.floor}


def _entry(**more: Any) -> Settings:
    return {"api-key": "sk-upstream", "base-url": "http://{upstream}/v1", **more}


def _accounts(count: int) -> Settings:
    """So many credentials for one model, taking turns."""
    models = [{"id": MODELS["chat"]}]
    keys = [_entry(name=f"account-{n}", models=models) | {"api-key": f"sk-{n}"} for n in range(count)]
    return {"openai-compatibility": keys}


def _aliases(count: int) -> Settings:
    """One credential that serves so many names; the last one is asked for."""
    models = [{"id": MODELS["chat"], "alias": f"alias-{n}"} for n in range(count)]
    return {"openai-compatibility": [_entry(models=models)]}


def _last_alias(count: int) -> Case:
    return Case("chat alias", "aliased", "chat", "chat", ("small",), model=f"alias-{count - 1}")


SERIES = (
    Series("connections", "client connections", (1, 10, 100, 1_000, 5_000), connections=lambda size: size),
    Series("accounts", "accounts that can serve the model", (1, 10, 100, 1_000, 10_000), _accounts),
    Series("aliases", "names of models", (1, 10, 100, 1_000, 10_000), _aliases, case=_last_alias),
    Series("rules", "payload rules of which none applies", (1, 10, 100, 1_000), lambda size: {"payload": idle_rules(size)}),
)


def measure_series(bench: Bench, series: Series, gateway: Path, floor: Target, rounds: int) -> list[Point]:
    """Measures a series. The floor is running; the gateway is started with what each point needs."""
    points: list[tuple[int, float]] = []
    beside: list[float] = []
    shared: Target | None = None
    try:
        for size in series.sizes:
            settings, case = series.settings(size), series.case(size)
            if settings is not None and shared:
                shared.stop()
                shared = None
            if not shared:
                shared = targets.gateway(gateway, settings=settings or {})
                shared.seconds_to_start = 60
                shared.start(bench.folder, bench.upstream.port, bench.cores)
            probe(shared, case, bench.upstream)
            cost, ratio = _point(bench, shared, floor, case, at(series, size), rounds)
            print(f"# {series.title}: {size:,}: {cost:.1f} µs", file=sys.stderr, flush=True)
            points.append((size, cost))
            beside.append(ratio)
    finally:
        if shared:
            shared.stop()
    return [Point(size, cost, ratio, floor) for (size, cost, ratio), floor in zip(growth(points), beside)]


def at(series: Series, size: int) -> Measure:
    """The load at a size: small requests. Many connections are opened little by little."""
    small, connections = MEASURES["small"], series.connections(size)
    return Measure(small.name, small.title, small.figures, connections=connections, ramp=connections / 2_500)


def _point(
    bench: Bench, gateway: Target, floor: Target, case: Case, measure: Measure, rounds: int
) -> tuple[float, float]:
    """Cost, and its ratio to the floor's."""
    ours, base = [], []
    for _ in range(rounds):
        base.append(bench.measure(floor, CASE, measure))
        ours.append(bench.measure(gateway, case, measure))
    return median(ours, "cpu_us") or 0.0, compared(measure.figures[0], ours, base) or 0.0


def table(found: dict[str, list[Point]]) -> str:
    """The series as Markdown."""
    lines = ["| What grows | Size | CPU per request | Against the first | Against the floor |", "|---|--:|--:|--:|--:|"]
    titles = {series.name: series.title for series in SERIES}
    for name, points in found.items():
        for point in points:
            lines.append(
                f"| {titles[name]} | {point.size:,} | {point.cpu_us:.1f} µs | {point.ratio:.2f}× | {point.floor:.2f}× |"
            )
    return "\n".join(lines)
