"""The run: all targets and cases, measure by measure, round by round."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Iterator

from .cases import CASES, MEASURES, Case, Measure
from .figures import Comparison, compare
from .load import Bench, Figures
from .probe import probe
from .processes import Unfit
from .targets import FLOOR, GATEWAY, Target


@dataclass
class Entry:
    """A target with one of its cases, and what was measured of it."""

    target: Target
    case: Case
    measures: tuple[str, ...]
    # of a program that is not ours: when it is not sound it is left out, and the run goes on
    optional: bool = False
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
    """Measures everything. Raises `Unfit` as soon as anything of ours is not sound."""
    try:
        _start(bench, entries)
        for measure in MEASURES.values():
            if not measure.fresh:
                _rounds(bench, entries, measure, rounds)
    finally:
        for entry in entries:
            entry.target.stop()
    for measure in MEASURES.values():
        if measure.fresh:
            _fresh(bench, entries, measure)
    return _results(entries)


@contextmanager
def _or_without(entry: Entry) -> Iterator[None]:
    """Measures no more of an entry that is optional when it proves unfit. What it did so far counts."""
    try:
        yield
    except Unfit as unfit:
        if not entry.optional:
            raise
        _tell(f"LEFT OUT from here on: {unfit}")
        entry.measures = ()


def _start(bench: Bench, entries: list[Entry]) -> None:
    """Starts what is measured while it runs, and makes sure that it answers."""
    failed: list[Target] = []
    for entry in entries:
        if entry.target in failed:
            entry.measures = ()
        if all(MEASURES[name].fresh for name in entry.measures):
            continue
        with _or_without(entry):
            if not entry.target.running:
                failed.append(entry.target)
                entry.target.start(bench.folder, bench.upstream.port, bench.cores)
                failed.remove(entry.target)
            probe(entry.target, entry.case, bench.upstream)


def _rounds(bench: Bench, entries: list[Entry], measure: Measure, rounds: int) -> None:
    """One target straight after the other, so that what else goes on hits all; every second round
    backwards, so that nobody always comes behind the same."""
    for number in range(rounds):
        taking_part = [entry for entry in entries if measure.name in entry.measures]
        if not taking_part:
            return
        _tell(f"{measure.title}: round {number + 1} of {rounds}, {len(taking_part)} cases")
        for entry in taking_part if number % 2 == 0 else reversed(taking_part):
            with _or_without(entry):
                figures = bench.measure(entry.target, entry.case, measure)
                entry.rounds.setdefault(measure.name, []).append(figures)


def _fresh(bench: Bench, entries: list[Entry], measure: Measure) -> None:
    """A measure on processes that have served nothing but the probe."""
    for entry in [entry for entry in entries if measure.name in entry.measures]:
        _tell(f"{measure.title}: {entry.target.name}, {entry.case.name}")
        with _or_without(entry):
            try:
                entry.target.start(bench.folder, bench.upstream.port, bench.cores)
                probe(entry.target, entry.case, bench.upstream)
                entry.rounds[measure.name] = [bench.measure(entry.target, entry.case, measure)]
            finally:
                entry.target.stop()


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
            ours = entry.target.name.startswith(GATEWAY)
            comparisons = compare(entry.case, measure, rounds, base_rounds, budgeted=ours)
            results.append(Result(entry.target.name, entry.case, measure, rounds, comparisons))
    return results


def _tell(what: str) -> None:
    print(f"# {what}", file=sys.stderr, flush=True)
