#!/usr/bin/env python3
"""ai-proxy against bare Pingora, in one run on this machine: `make bench`, or with options

    benches/gateway/bench.py --quick --only chat --measures small,paced
    benches/gateway/bench.py --growth

Builds what is measured, starts it privately (free ports, a temporary folder, one core for the gateway
and one for load and upstream), makes sure that answers are right, and measures round by round. Ends with
1 when a budget is exceeded and --check was given, with 2 when the run was not sound.

docs/reference/performance.md says how to read the figures.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from harness import growth, report, targets
from harness.cases import CASES, MEASURES
from harness.compare import Entry, floor_entries, gateway_entries, run
from harness.load import Bench, Upstream
from harness.machine import ROOT, facts
from harness.processes import Unfit, cores, raise_open_files

PAGE = ROOT / "docs/reference/performance-figures.md"


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts (default: 5)")
    parser.add_argument("--seconds", type=float, default=3, help="length of a measurement (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one round of one second: a trial, no verdict")
    parser.add_argument("--only", type=_list, default=[], metavar="CASE,…", help="cases: " + "; ".join(c.name for c in CASES))
    parser.add_argument("--measures", type=_list, default=[], metavar="MEASURE,…", help=", ".join(MEASURES))
    parser.add_argument("--rate", type=float, default=500, help="requests per second of the measure at a fixed rate (default: 500)")
    parser.add_argument("--peers", type=_list, default=[], metavar="PEER,…", help="only these, or none; default: all that are installed")
    parser.add_argument("--bin", type=Path, metavar="FILE", help="the gateway to measure (default: it is built)")
    parser.add_argument("--tools", type=Path, metavar="FOLDER", help="where mock, loader and floor are (default: they are built)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures there, as JSON lines")
    parser.add_argument("--check", action="store_true", help="end with 1 when a budget is exceeded")
    parser.add_argument("--rt", action="store_true", help="real-time scheduling for measures of the tail (as root): for machines with other work")
    parser.add_argument("--write-docs", action="store_true", help=f"write what was found into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--growth", action="store_true", help="measure how cost grows with connections, accounts and names instead")
    chosen = parser.parse_args(arguments)
    known = {"case": {case.name for case in CASES}, "measure": set(MEASURES),
             "peer": {peer.name for peer in targets.PEERS} | {"none"}}
    for kind, names in (("case", chosen.only), ("measure", chosen.measures), ("peer", chosen.peers)):
        for name in set(names) - known[kind]:
            parser.error(f"no {kind} is called {name!r}; there are: {'; '.join(sorted(known[kind]))}")
    chosen.measures = chosen.measures or list(MEASURES)
    if chosen.quick:
        chosen.rounds, chosen.seconds = 1, 1.0
    return chosen


def _list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def build(chosen: argparse.Namespace) -> tuple[Path, Path]:
    """The gateway and the folder of the tools, built unless they were given."""
    packages = [name for name, given in (("ai-proxy", chosen.bin), ("ai-proxy-bench", chosen.tools)) if not given]
    if packages:
        # In one command: so the floor gets the very same Pingora as the gateway.
        command = ["cargo", "build", "--release", "--bins"]
        for package in packages:
            command += ["--package", package]
        subprocess.run(command, cwd=ROOT, check=True)
    folder = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
    return (chosen.bin or folder / "ai-proxy").resolve(), (chosen.tools or folder).resolve()


def peers(chosen: argparse.Namespace) -> list[Entry]:
    """Peers that are installed, with their cases. Says which are not."""
    entries = []
    for peer in targets.PEERS:
        if chosen.peers and peer.name not in chosen.peers:
            continue
        program = peer.find()
        if not program:
            print(f"# {peer.name}: skipped, not installed ({peer.program} on PATH, or {peer.variable})", file=sys.stderr)
            continue
        target = peer.target(program)
        for case in CASES:
            measures = tuple(name for name in case.measures if name in chosen.measures)
            if case.name in peer.cases and measures and (not chosen.only or case.name in chosen.only):
                entries.append(Entry(target, case, measures, optional=True))
    return entries


@contextmanager
def bench(chosen: argparse.Namespace, tools: Path) -> Iterator[Bench]:
    """The upstream, started, and what measures with it. All is gone when the run ends."""
    with tempfile.TemporaryDirectory(prefix="ai-proxy-bench-") as folder:
        who = cores()
        os.sched_setaffinity(0, {who.load})
        upstream = Upstream.start(tools / "mock", Path(folder), who)
        try:
            yield Bench(tools / "loader", upstream, Path(folder), who, chosen.seconds, chosen.rate, chosen.rt)
        finally:
            upstream.running.stop()


def compare(chosen: argparse.Namespace, gateway: Path, tools: Path) -> int:
    """All cases against the floor."""
    limit = raise_open_files()
    machine = facts(gateway, not chosen.bin, limit)
    skip_what_needs_more_files(chosen, limit)
    missing = {case.name: program for case in CASES if (program := targets.is_missing(case))}
    for case, program in missing.items():
        print(f"# {case}: skipped, {program} is not installed", file=sys.stderr)
    entries = gateway_entries(
        lambda config: targets.gateway(gateway, config),
        lambda case: case not in missing and (not chosen.only or case in chosen.only),
        lambda measure: measure in chosen.measures,
    ) + peers(chosen)
    entries = floor_entries(targets.floor(tools / "floor"), entries) + entries
    with bench(chosen, tools) as running:
        results = run(running, entries, chosen.rounds)
    about = report.about(machine, chosen.rounds, chosen.seconds)
    tell(chosen, "figures", about, f"{report.table(results)}\n\n{report.NOT_MEASURED}")
    if chosen.out:
        with chosen.out.open("w") as out:
            report.write_lines(out, machine, (result.as_json() for result in results))
    exceeded = report.over(results)
    for line in exceeded:
        print(f"# over budget: {line}", file=sys.stderr)
    return 1 if exceeded and chosen.check else 0


def skip_what_needs_more_files(chosen: argparse.Namespace, limit: int) -> None:
    """Leaves out what the limit of open files does not allow: two connections a stream."""
    for name in list(chosen.measures):
        if 2 * MEASURES[name].connections + 200 > limit:
            print(f"# {MEASURES[name].title}: skipped, only {limit} open files are allowed (ulimit -Hn)", file=sys.stderr)
            chosen.measures.remove(name)


def grow(chosen: argparse.Namespace, gateway: Path, tools: Path) -> int:
    """Cost against size."""
    machine = facts(gateway, not chosen.bin, raise_open_files())
    floor = targets.floor(tools / "floor")
    found = {}
    with bench(chosen, tools) as running:
        floor.start(running.folder, running.upstream.port, running.cores)
        try:
            for series in growth.SERIES:
                found[series.name] = growth.measure_series(running, series, gateway, floor, chosen.rounds)
        finally:
            floor.stop()
    tell(chosen, "growth", report.about(machine, chosen.rounds, chosen.seconds), growth.table(found))
    if chosen.out:
        with chosen.out.open("w") as out:
            lines = ({"kind": "growth", "series": name, "points": [one.as_json() for one in points]}
                     for name, points in found.items())
            report.write_lines(out, machine, lines)
    return 0


def tell(chosen: argparse.Namespace, section: str, about: str, text: str) -> None:
    """Prints what was found, and writes it into the documentation if asked to."""
    if chosen.rt:
        about += " Tails under `--rt`."
    if chosen.quick:
        about += " **A trial run: one short round, no verdict.**"
    print(f"{about}\n\n{text}")
    if chosen.write_docs:
        report.replace_section(PAGE, section, f"{about}\n\n{text}")


def main() -> int:
    """Runs the benchmark."""
    chosen = options()
    gateway, tools = build(chosen)
    return (grow if chosen.growth else compare)(chosen, gateway, tools)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unfit as unfit:
        print(f"# the run is not sound: {unfit}", file=sys.stderr)
        sys.exit(2)
