#!/usr/bin/env python3
"""Counts the instructions of the hot pieces and compares them with the recorded ones.

`make bench-instructions` runs it; `make bench-instructions UPDATE=1` records the counts of today. It ends
with 1 when a piece takes more than the tolerance above what was recorded, or is not recorded at all.

The pieces are those of benches/instructions. Callgrind counts what happens inside one function of that
program and writes a file each time that it returns; the program prints the pieces in the same order.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.machine import ROOT

BASELINE = ROOT / "benches/instructions/baseline.json"
COUNTED = "instructions::counted"
TOLERANCE = 0.03
Counts = dict[str, float]


def build() -> Path:
    """The program with the pieces, as optimised as the gateway."""
    command = ["cargo", "bench", "--no-run", "--bench", "instructions", "--message-format=json"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "instructions":
            return Path(message["executable"])
    raise SystemExit("cargo did not tell where the program is")


def count(program: Path) -> Counts:
    """Instructions of each piece."""
    with tempfile.TemporaryDirectory(prefix="ai-proxy-bench-") as folder:
        command = [
            "valgrind", "--tool=callgrind", "--quiet", f"--zero-before={COUNTED}", f"--dump-after={COUNTED}",
            f"--callgrind-out-file={folder}/out", str(program),
        ]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder)
        dumps = sorted(Path(folder).glob("out.[0-9]*"), key=lambda path: int(path.suffix[1:]))
        totals = [total(dump.read_text()) for dump in dumps]
    return pair(done.stdout, [number for number in totals if number is not None])


def total(dump: str) -> int | None:
    """What a file counts, if it was written when the function returned."""
    if "Trigger: --dump-after" not in dump:
        return None
    found = re.search(r"^(?:summary|totals): (\d+)", dump, re.MULTILINE)
    return int(found[1]) if found else None


def pair(printed: str, totals: list[int]) -> Counts:
    """The names that the program printed, each with its count."""
    rows = [line.split("\t") for line in printed.splitlines() if "\t" in line]
    if len(rows) != len(totals):
        raise SystemExit(f"{len(rows)} pieces ran, but callgrind counted {len(totals)}")
    return {name: round(number / int(per), 1) for (name, per), number in zip(rows, totals)}


def compare(now: Counts, recorded: Counts, tolerance: float) -> tuple[str, list[str]]:
    """A table, and what is wrong."""
    lines, wrong = ["| Piece | Instructions | Recorded | Change |", "|---|--:|--:|--:|"], []
    for name, number in now.items():
        before = recorded.get(name)
        if before is None:
            lines.append(f"| {name} | {number:,.0f} | – | – |")
            wrong.append(f"{name} is not recorded")
            continue
        change = number / before - 1
        lines.append(f"| {name} | {number:,.0f} | {before:,.0f} | {change:+.1%} |")
        if number > before * (1 + tolerance):
            wrong.append(f"{name}: {change:+.1%}, tolerance {tolerance:.0%}")
    wrong += [f"{name} is recorded, but is no piece any more" for name in recorded if name not in now]
    return "\n".join(lines), wrong


def main() -> int:
    """Counts, and compares or records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="record the counts of today")
    parser.add_argument("--program", type=Path, metavar="FILE", help="the built benches/instructions (default: it is built)")
    chosen = parser.parse_args()
    if not shutil.which("valgrind"):
        raise SystemExit("valgrind is missing; `make bench-instructions` installs it")
    now = count(chosen.program or build())
    old = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    table, wrong = compare(now, old.get("instructions", {}), old.get("tolerance", TOLERANCE))
    print(table)
    if chosen.update:
        rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        baseline = {"tolerance": old.get("tolerance", TOLERANCE), "rustc": rustc, "instructions": now}
        BASELINE.write_text(json.dumps(baseline, indent=1) + "\n")
        print(f"# recorded in {BASELINE.relative_to(ROOT)}", file=sys.stderr)
        return 0
    for line in wrong:
        print(f"# {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
