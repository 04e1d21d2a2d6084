#!/usr/bin/env python3
"""Mixed load for half an hour, and whether the gateway is the same after it: `make soak`, or with options

    benches/gateway/soak.py --minutes 480 --out soak.json

All sixteen pairs of formats and an alias, whole and streamed, paced and in one write, bodies up to 200 KB, on
connections that come and go; clients that leave; an upstream that refuses, fails, hangs up and cuts streams.

Fails (1) when memory or open files are not flat after the warm-up, when a client sees an error that the upstream did
not cause, when something stays open at the end, or when the gateway does not end cleanly. Ends with 2 when the run was not
sound. docs/reference/soak.md says what the rules are.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable

from harness import endurance, trouble
from harness.endurance import Growth, Sample, Shift, Totals
from harness.load import Upstream
from harness.machine import ROOT, facts
from harness.probe import probe
from harness.processes import Unfit, cores, raise_open_files
from harness.targets import Target, gateway


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="how long (default: 30)")
    parser.add_argument("--load", type=float, default=1.0, help="how much of the usual load (default: 1)")
    parser.add_argument("--every", type=float, default=5, metavar="SECONDS", help="between two samples (default: 5)")
    parser.add_argument("--shift", type=float, default=30, metavar="SECONDS", help="after which all connections are new (default: 30)")
    parser.add_argument("--bin", type=Path, metavar="FILE", help="the gateway (default: it is built)")
    parser.add_argument("--tools", type=Path, metavar="FOLDER", help="where mock and loader are (default: they are built)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all samples and the result there, as JSON")
    chosen = parser.parse_args(arguments)
    for name in ("minutes", "load", "every", "shift"):
        if getattr(chosen, name) <= 0:
            parser.error(f"--{name} has to be more than 0")
    return chosen


def build(chosen: argparse.Namespace) -> tuple[Path, Path]:
    """The gateway and the folder of the tools, built unless they were given."""
    if not chosen.bin:
        subprocess.run(["cargo", "build", "--release", "--bin", "ai-proxy"], cwd=ROOT, check=True)
    if not chosen.tools:
        subprocess.run(["cargo", "build", "--release", "--package", "ai-proxy-bench", "--no-default-features",
                        "--bin", "mock", "--bin", "loader"], cwd=ROOT, check=True)
    folder = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
    return (chosen.bin or folder / "ai-proxy").resolve(), (chosen.tools or folder).resolve()


@dataclass
class Result:
    """What a run found."""

    seconds: float
    totals: Totals
    seen: trouble.Seen
    failures_of_the_upstream: dict[str, int]
    samples: list[Sample]
    growth: list[Growth] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Applies the rules."""
        self.growth = endurance.verdicts(self.samples, self.seconds)
        if not self.growth:
            raise Unfit("too few samples after the warm-up: --minutes more, or --every less")
        for one in self.growth:
            if not one.is_flat:
                self.failed.append(f"{one.what} grew from {one.first:,.0f} to {one.last:,.0f}, allowed: {one.most:,.0f}")
        for complaint in self.totals.complaints[:10] + self.seen.wrong[:10]:
            self.failed.append(f"an error that the upstream did not cause: {complaint}")
        for word, kind in (("stream_interrupted", "cut"), ("400", "400")):
            told, made = self.seen.caused[word], self.failures_of_the_upstream.get(kind, 0)
            if told > made:
                self.failed.append(f"clients saw {told} times {word}, the upstream did it {made} times")
        for kind in trouble.KINDS:
            if not self.failures_of_the_upstream.get(kind):
                self.failed.append(f"the upstream was never asked to fail with {kind}: the run proves less than it says")

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        seen = {**vars(self.seen), "caused": dict(self.seen.caused)}
        return {
            "passed": not self.failed, "failed": self.failed, "seconds": self.seconds, "totals": asdict(self.totals), "clients": seen,
            "failures_of_the_upstream": self.failures_of_the_upstream, "growth": [asdict(one) for one in self.growth],
            "samples": [asdict(one) for one in self.samples],
        }

    def text(self) -> str:
        """For people."""
        lines = [
            f"{self.seconds / 60:.1f} minutes: {self.totals.answers:,} whole answers of the loaders with "
            f"{self.totals.chunks:,} chunks of streams, {self.seen.cancelled:,} streams left by their client, "
            f"{self.seen.asked:,} requests to accounts that fail.",
            f"The upstream failed {sum(self.failures_of_the_upstream.values()):,} times: "
            + ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.failures_of_the_upstream.items()))
            + f". Clients saw of it: {', '.join(f'{word} {count:,}' for word, count in self.seen.caused.items()) or 'nothing'}.",
            "", "| After the warm-up | First third | Last third | May grow by | |", "|---|--:|--:|--:|---|",
        ]
        lines += [f"| {one.what} | {one.first:,.0f} | {one.last:,.0f} | {one.most:,.0f} | {'flat' if one.is_flat else '**GROWS**'} |"
                  for one in self.growth]
        lines += ["", "**FAILED**" if self.failed else "Passed.", *(f"- {what}" for what in self.failed)]
        return "\n".join(lines)


def soak(chosen: argparse.Namespace, binary: Path, tools: Path, folder: Path) -> Result:
    """The whole run."""
    who, started = cores(), []
    os.sched_setaffinity(0, {who.load})
    try:
        paced, burst = (Upstream.start(tools / "mock", folder, who) for _ in range(2))
        started += [paced.running, burst.running]
        failing = trouble.Upstream()
        target = gateway(binary, settings=endurance.config(paced.port, burst.port, trouble.settings(failing.port, burst.port)))
        target.environment["RUST_LOG"] = "info,access=off"
        target.start(folder, burst.port, who)
        if not target.running:
            raise Unfit("the gateway is not running")
        started.append(target.running)
        for case in endurance.cases("burst"):
            probe(target, case, burst)
        paced.shape(**endurance.PACED)
        burst.shape(**endurance.BURST)
        result = under_load(chosen, lambda *when: Shift(tools / "loader", folder, who, target, chosen.load, *when),
                            target, paced, failing)
        result.failed += at_the_end(target, [paced, burst])
        result.judge()
        return result
    finally:
        for running in started:
            if running.process.poll() is None:
                running.stop()


def under_load(chosen: argparse.Namespace, begin: Callable[[float, int], Shift], target: Target, paced: Upstream,
               failing: trouble.Upstream) -> Result:
    """Load in shifts, and samples all the while."""
    models = {format: endurance.model("paced", format) for format in endurance.FORMATS}
    clients = trouble.Clients(target.port, models, trouble.pause_for(chosen.load))
    totals, samples = Totals(), []
    pids = [target.running.process.pid] if target.running else []
    began = due = time.monotonic()
    end, number = began + 60 * chosen.minutes, 0
    try:
        while (left := end - time.monotonic()) > 0:
            shift = begin(min(chosen.shift, max(1.0, left)), number)
            try:
                while not shift.is_over():
                    if time.monotonic() >= due:
                        samples.append(endurance.sample(began, pids, paced))
                        due += chosen.every
                    time.sleep(0.1)
                shift.end(totals)
            finally:
                shift.kill()
            number += 1
            if samples:
                last = samples[-1]
                print(f"# {last.seconds / 60:5.1f} min  {last.memory_kib / 1024:6.1f} MiB  {last.files:4} files  {last.streams:4} "
                      f"streams  {totals.answers:,} answers  {totals.bad + totals.errors} errors", file=sys.stderr, flush=True)
    finally:
        seen = clients.stop()
    return Result(time.monotonic() - began, totals, seen, dict(failing.done), samples)


def at_the_end(target: Target, upstreams: list[Upstream]) -> list[str]:
    """What is still there when nobody asks any more, and how the gateway ends."""
    wrong = []
    running = target.running
    if not running:
        return ["the gateway is gone"]
    process = running.process
    if process.poll() is not None:
        return [f"the gateway ended by itself with {process.returncode}:\n{running.said()}"]
    for upstream in upstreams:
        if not trouble.wait_until(lambda: not upstream.state()["active_streams"], 10):
            wrong.append(f"{upstream.state()['active_streams']} streams of the upstream are still open")
    if not trouble.wait_until(lambda: not endurance.clients_of(process.pid, target.port), 10):
        wrong.append(f"{endurance.clients_of(process.pid, target.port)} connections of clients are still open")
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(20)
        if code:
            wrong.append(f"the gateway ended with {code}")
    except subprocess.TimeoutExpired:
        wrong.append("the gateway did not end within 20 seconds of SIGTERM")
    log = running.log.read_text(errors="replace")
    if "finishing 0 requests" not in log:
        wrong.append("the gateway still had requests to finish")
    wrong += [f"the gateway's log says: {line}" for line in log.splitlines() if "internal error" in line or "panicked" in line][:5]
    return wrong


def main() -> int:
    """Runs it."""
    chosen = options()
    binary, tools = build(chosen)
    machine = facts(binary, not chosen.bin, raise_open_files())
    with tempfile.TemporaryDirectory(prefix="ai-proxy-soak-") as folder:
        result = soak(chosen, binary, tools, Path(folder))
    print(result.text())
    if chosen.out:
        how = {"minutes": chosen.minutes, "load": chosen.load, "every": chosen.every, "shift": chosen.shift}
        found = {"facts": machine, "options": how, **result.as_json()}
        chosen.out.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if result.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unfit as unfit:
        print(f"# the run is not sound: {unfit}", file=sys.stderr)
        sys.exit(2)
