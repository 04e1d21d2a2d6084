"""The run: all targets and cases, measure by measure, round by round."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable

from .cases import CASES, MEASURES, Case, Measure
from .figures import Comparison, compare
from .load import Bench, Figures
from .probe import probe
from .targets import FLOOR, Target


@dataclass
class Entry:
    """A target with one of its cases, and what was measured of it."""

    target: Target
    case: Case
    measures: tuple[str, ...]
    rounds: dict[str, list[Figures]] = field(default_factory=dict)

    @property
    def is_floor(self) -> bool:
        """Whether others are compared with it."""
        return self.target.name == FLOOR


@dataclass(frozen=True)
class Result:
    """A measure of an entry, over all rounds."""

    target: str
    case: Case
    measure: str
    rounds: list[Figures]
    comparisons: list[Comparison]

    def as_json(self) -> dict[str, Any]:
        """A line of results."""
        return {
            "kind": "result", "target": self.target, "case": self.case.name, "measure": self.measure,
            "rounds": self.rounds, "figures": [one.as_json() for one in self.comparisons],
        }


def floor_entries(target: Target, entries: Iterable[Entry]) -> list[Entry]:
    """What the floor has to be asked so that every entry can be compared: what a client of each
    format costs when its request is passed through."""
    wanted: dict[str, dict[str, None]] = {}
    for entry in entries:
        wanted.setdefault(entry.case.client, {}).update(dict.fromkeys(entry.measures))
    return [
        Entry(target, Case(client, "same", client, client, tuple(measures)), tuple(measures))
        for client, measures in wanted.items()
    ]


def gateway_entries(
    make: Callable[[str], Target], only: Callable[[str], bool], measures: Callable[[str], bool]
) -> list[Entry]:
    """The gateway's cases. Those with the same config share a process."""
    targets: dict[str, Target] = {}
    entries = []
    for case in CASES:
        wanted = tuple(name for name in case.measures if measures(name))
        if only(case.name) and wanted:
            target = targets.setdefault(case.config, make(case.config))
            entries.append(Entry(target, case, wanted))
    return entries


def run(bench: Bench, entries: list[Entry], rounds: int) -> list[Result]:
    """Measures everything. Raises `Unfit` as soon as anything is not sound."""
    steady = {name: one for name, one in MEASURES.items() if not one.fresh}
    targets = list({id(entry.target): entry.target for entry in entries}.values())
    try:
        if any(name in steady for entry in entries for name in entry.measures):
            for target in targets:
                target.start(bench.folder, bench.upstream.port, bench.cores)
            for entry in entries:
                probe(entry.target, entry.case, bench.upstream)
        for measure in steady.values():
            _rounds(bench, entries, measure, rounds)
    finally:
        for target in targets:
            target.stop()
    for measure in MEASURES.values():
        if measure.fresh:
            _fresh(bench, entries, measure)
    return _results(entries)


def _rounds(bench: Bench, entries: list[Entry], measure: Measure, rounds: int) -> None:
    """One target straight after the other, so that what else goes on hits all; every second round
    backwards, so that nobody always comes behind the same."""
    taking_part = [entry for entry in entries if measure.name in entry.measures]
    for number in range(rounds if taking_part else 0):
        _tell(f"{measure.title}: round {number + 1} of {rounds}, {len(taking_part)} cases")
        for entry in taking_part if number % 2 == 0 else reversed(taking_part):
            figures = bench.measure(entry.target, entry.case, measure)
            entry.rounds.setdefault(measure.name, []).append(figures)


def _fresh(bench: Bench, entries: list[Entry], measure: Measure) -> None:
    """A measure on processes that have served nothing but the probe."""
    for entry in entries:
        if measure.name not in entry.measures:
            continue
        _tell(f"{measure.title}: {entry.target.name}, {entry.case.name}")
        entry.target.start(bench.folder, bench.upstream.port, bench.cores)
        try:
            probe(entry.target, entry.case, bench.upstream)
            figures = bench.measure(entry.target, entry.case, measure)
        finally:
            entry.target.stop()
        entry.rounds[measure.name] = [figures]


def _results(entries: list[Entry]) -> list[Result]:
    floors = {entry.case.client: entry for entry in entries if entry.is_floor}
    results = []
    for measure in MEASURES:
        for entry in entries:
            rounds = entry.rounds.get(measure)
            if not rounds:
                continue
            base = floors.get(entry.case.client)
            base_rounds = base.rounds.get(measure, []) if base else []
            ours = entry.target.name.startswith("ai-proxy")
            comparisons = compare(entry.case, measure, rounds, base_rounds, budgeted=ours)
            results.append(Result(entry.target.name, entry.case, measure, rounds, comparisons))
    return results


def _tell(what: str) -> None:
    print(f"# {what}", file=sys.stderr, flush=True)
