"""Medians, ratios and budgets: the rules by which rounds become a verdict. Pure functions."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import Any, Sequence

from .cases import BUDGETS, MEASURES, Case, Figure

Rounds = Sequence[dict[str, float]]


@dataclass(frozen=True)
class Comparison:
    """A figure of a case, beside the floor's."""

    figure: str
    value: float
    floor: float | None
    # ratio to the floor, what was added to it, or the value itself
    against: str
    compared: float | None
    budget: float | None
    over: bool

    def as_json(self) -> dict[str, Any]:
        """For the lines of results."""
        return asdict(self)


def median(rounds: Rounds, figure: str) -> float | None:
    """The median of a figure over rounds."""
    values = [one[figure] for one in rounds if figure in one]
    return statistics.median(values) if values else None


def compared(figure: Figure, rounds: Rounds, floor: Rounds) -> float | None:
    """A figure against the floor: the median of what each round says, since the floor of the same
    round met the same mood of the machine."""
    if figure.against == "plain":
        return median(rounds, figure.name)
    pairs = [(one[figure.name], base[figure.name]) for one, base in zip(rounds, floor)
             if figure.name in one and figure.name in base]
    if figure.against == "added":
        each = [one - base for one, base in pairs]
    else:
        each = [one / base for one, base in pairs if base]
    return statistics.median(each) if each else None


def budget(case: Case, measure: str, figure: str) -> float | None:
    """The most that a figure may be."""
    return BUDGETS.get((measure, figure), {}).get(case.kind)


def compare(case: Case, measure: str, rounds: Rounds, floor: Rounds, budgeted: bool = True) -> list[Comparison]:
    """All figures of a measure, beside the floor's."""
    found = []
    for figure in MEASURES[measure].figures:
        value, result = median(rounds, figure.name), compared(figure, rounds, floor)
        if value is None:
            continue
        limit = budget(case, measure, figure.name) if budgeted else None
        over = limit is not None and result is not None and result > limit
        base = median(floor, figure.name)
        found.append(Comparison(figure.name, value, base, figure.against, result, limit, over))
    return found


def growth(series: Sequence[tuple[int, float]]) -> list[tuple[int, float, float]]:
    """A series of cost against size, with the ratio to its first point."""
    first = series[0][1] if series else 0
    return [(size, cost, cost / first if first else 0) for size, cost in series]
