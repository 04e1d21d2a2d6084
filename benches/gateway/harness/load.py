"""The upstream and the loader: one measurement of one target."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import formats
from .cases import Case, Measure
from .processes import Cores, Running, Unfit, free_port, memory_kib, realtime, start, wait_for_port
from .targets import Target

_SHAPE = {"chunks": 200, "delay_us": 0, "chunk_bytes": 180, "burst": 0}
Figures = dict[str, float]


@dataclass
class Upstream:
    """The running mock."""

    port: int
    running: Running

    @classmethod
    def start(cls, binary: Path, folder: Path, cores: Cores) -> Upstream:
        """Starts it on the load's core."""
        port = free_port()
        running = start("mock", [str(binary), str(port)], cores.load, folder)
        wait_for_port(running, port, 10)
        return cls(port, running)

    def state(self, query: str = "") -> dict[str, Any]:
        """Its counters."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_mock{query}", timeout=10) as answer:
            return json.load(answer)

    def quiet(self) -> int:
        """Waits until nothing comes any more, and tells how many requests there were. A load that has
        ended leaves requests behind that the gateway still passes on."""
        before = -1
        for _ in range(100):
            requests = self.state()["requests"]
            if requests == before:
                return requests
            before = requests
            time.sleep(0.1)
        raise Unfit("the upstream is still asked, though nobody asks")

    def shape(self, **shape: int) -> dict[str, Any]:
        """Sets how streams look; what is not named is as usual."""
        return self.state("?" + "&".join(f"{name}={value}" for name, value in {**_SHAPE, **shape}.items()))


@dataclass
class Bench:
    """Makes measurements."""

    loader: Path
    upstream: Upstream
    folder: Path
    cores: Cores
    seconds: float
    rate: float = 500
    realtime: bool = False
    _bodies: dict[tuple[str, str, int, bool], Path] = field(default_factory=dict)

    def measure(self, target: Target, case: Case, measure: Measure) -> Figures:
        """Measures a running target once."""
        if not target.running:
            raise Unfit(f"{target.name} is not running")
        pids = target.running.pids
        if not measure.connections:
            return {"mib": memory_kib(pids) / 1024}
        shape = self.upstream.shape(**dict(measure.shape))["shape"]
        before = memory_kib(pids) if measure.fresh else 0
        with realtime(self.realtime and measure.tail, [*pids, self.upstream.running.process.pid]):
            report, peak = self._load(target, case, measure, shape["chunks"], pids)
        self._check(target, case, measure, report)
        target.running.forget_log()
        figures = figures_of(report, measure)
        if measure.fresh:
            figures["kib_per_stream"] = max(0, peak - before) / measure.connections
            time.sleep(1)  # the clients have left: what a gateway does not cancel now, it never will
            figures["left_open"] = self.upstream.state()["active_streams"]
        return figures

    def _load(
        self, target: Target, case: Case, measure: Measure, chunks: int, pids: list[int]
    ) -> tuple[dict[str, Any], int]:
        seconds = max(self.seconds, measure.at_least)
        plan = {
            "url": target.url(case, measure.streamed),
            "headers": target.headers_for(case),
            "body": str(self._body(case.client, target.model(case), measure.size, measure.streamed)),
            "load": {"rate": target.rate or self.rate} if measure.at_a_rate else "closed",
            "connections": measure.connections,
            "ramp": measure.ramp,
            "warmup": min(1.0, seconds / 2),
            "seconds": seconds,
            "expect": {"stamps": chunks} if measure.streamed else {"text": formats.ANSWER},
            "watch": {"target": pids, "mock": [self.upstream.running.process.pid]},
        }
        loader = subprocess.Popen(
            [str(self.loader), json.dumps(plan)], stdout=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, {self.cores.load}),
        )
        peak = 0
        while measure.fresh and loader.poll() is None:
            peak = max(peak, memory_kib(pids))
            time.sleep(0.5)
        out, _ = loader.communicate(timeout=seconds + measure.ramp + 60)
        if loader.returncode:
            raise Unfit(f"the loader failed with {loader.returncode}")
        return json.loads(out), peak

    def _body(self, format: str, model: str, size: int, streamed: bool) -> Path:
        key = (format, model, size, streamed)
        if key not in self._bodies:
            path = self.folder / f"body-{len(self._bodies)}.json"
            path.write_bytes(formats.body(format, model, size, streamed))
            self._bodies[key] = path
        return self._bodies[key]

    def _check(self, target: Target, case: Case, measure: Measure, report: dict[str, Any]) -> None:
        """Raises `Unfit` when anything went wrong under load."""
        where = f"{target.name}, case {case.name}, {measure.title}"
        if report["bad"] or report["errors"]:
            raise Unfit(
                f"{where}: {report['bad']} bad answers and {report['errors']} errors beside "
                f"{report['answers']} good ones; first: {report['complaint']}"
            )
        if not (report["chunks"] if measure.streamed else report["answers"]):
            raise Unfit(f"{where}: nothing was answered")
        if measure.fresh and report["open"] < measure.connections:
            raise Unfit(f"{where}: only {report['open']} streams were open at the end")


def figures_of(report: dict[str, Any], measure: Measure) -> Figures:
    """The figures of a loader's report."""
    cpu, seconds = report["cpu"]["target"], report["seconds"]
    done = report["chunks"] if measure.streamed else report["answers"]
    figures = {
        "cpu_us": cpu / done * 1e6,
        "per_core": done / cpu if cpu else 0.0,
        "per_second": done / seconds,
        "utilisation": cpu / seconds,
        "load_utilisation": (report["cpu"]["loader"] + report["cpu"]["mock"]) / seconds,
        "reconnects": report["reconnects"],
        "queued": report["queued"],
    }
    for source, prefix in (("latency", ""), ("first_byte", "first_byte_"), ("chunk", "chunk_")):
        for name in ("p50", "p99", "p999", "max"):
            if report[source]:
                figures[f"{prefix}{name}_us"] = report[source][name]
    return {name: round(value, 4) for name, value in figures.items()}
