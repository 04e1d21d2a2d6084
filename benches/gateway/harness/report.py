"""What is told of a run: JSON lines, a Markdown table, the generated part of the documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterable, Sequence, TextIO

from .cases import MEASURES
from .compare import Result
from .figures import Comparison
from .targets import FLOOR

NOT_MEASURED = (
    "Not measured: TLS on either side, HTTP/2, several cores, real networks. Client, gateway and upstream share "
    "one machine."
)


def write_lines(out: TextIO, facts: dict[str, Any], lines: Iterable[dict[str, Any]]) -> None:
    """All that was measured, one JSON object a line; the first one is about the machine."""
    out.write(json.dumps({"kind": "facts", **facts}) + "\n")
    for line in lines:
        out.write(json.dumps(line) + "\n")


def table(results: Sequence[Result]) -> str:
    """The figures of everything but the floor, beside the floor's."""
    lines = ["| Measure | Target | Case | Figure | Value | Floor | Against the floor | Budget | |",
             "|---|---|---|---|--:|--:|--:|--:|---|"]
    for result in results:
        if result.target == FLOOR:
            continue
        measure = MEASURES[result.measure]
        shown = {figure.name: figure for figure in measure.figures if figure.shown}
        for one in result.comparisons:
            if one.figure in shown:
                figure = shown[one.figure]
                cells = [measure.title, result.target, result.case.name, figure.title,
                         with_unit(one.value, figure.unit),
                         with_unit(one.floor, figure.unit), _against(one, figure.unit), _budget(one, figure.unit),
                         verdict(one)]
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def over(results: Iterable[Result]) -> list[str]:
    """What is over its budget."""
    return [
        f"{result.case.name}, {MEASURES[result.measure].title}: {one.figure} {one.compared:.2f}, budget {one.budget:.2f}"
        for result in results for one in result.comparisons if one.over and one.compared is not None
        and one.budget is not None
    ]


def about(facts: dict[str, Any], rounds: int, seconds: float) -> str:
    """A line about machine and run."""
    return (
        f"{facts['date']}, {facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}, {facts['rustc']}, "
        f"revision {facts['revision']}, allocator: {facts['allocator']}. "
        f"Rounds: {rounds}, {seconds:g} s each; load average at the start {facts['load_average']}."
    )


def verdict(one: Comparison) -> str:
    """Whether a figure keeps its budget."""
    if one.budget is None:
        return ""
    return "**OVER**" if one.over else "OK"


def with_unit(value: float | None, unit: str) -> str:
    """A number as people read it."""
    if value is None:
        return "–"
    return f"{number(value)} {unit}".strip()


def number(value: float) -> str:
    """Three digits that count, or all before the point."""
    size = abs(value)
    places = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value:,.{places}f}"


def _against(one: Comparison, unit: str) -> str:
    if one.compared is None or one.against == "plain":
        return "–"
    if one.against == "added":
        return f"{'+' if one.compared >= 0 else ''}{with_unit(one.compared, unit)}"
    return f"{one.compared:.2f}×"


def _budget(one: Comparison, unit: str) -> str:
    if one.budget is None:
        return "–"
    return f"{one.budget:.2f}×" if one.against == "ratio" else with_unit(one.budget, unit)


def replace_section(page: Path, name: str, text: str) -> None:
    """Puts text between the markers of a generated section."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = page.read_text()
    before, found, rest = old.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page} has no section {name!r}")
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
