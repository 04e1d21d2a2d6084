#!/usr/bin/env python3
"""Builds the gateway with a profile of itself at work (PGO): `make release`.

    benches/gateway/pgo.py [--out target/pgo/ai-proxy]

Three steps: a build that counts where it goes, the traffic of the benchmark (every case, a second of each
measure), and a build that puts what is used together and what is not out of the way. rustc's own tool merges
the counts; rustup installs it with the component llvm-tools.

https://doc.rust-lang.org/rustc/profile-guided-optimization.html
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import targets
from harness.cases import MEASURES
from harness.compare import gateway_entries
from harness.load import Bench, Upstream
from harness.machine import ROOT
from harness.probe import probe
from harness.processes import Unfit, cores, raise_open_files

FOLDER = ROOT / "target/pgo"
# What a gateway does all day. Bodies of megabytes and thousands of streams run the same code.
TRAINING = ("small", "paced", "burst", "body_200k")
# Seconds that the gateway may take to end and to write down its counts.
PATIENCE = 30


def merger() -> Path:
    """llvm-profdata of the compiler in use, installed if need be."""
    found = _merger()
    if not found and shutil.which("rustup"):
        subprocess.run(["rustup", "component", "add", "llvm-tools"], cwd=ROOT, check=True)
        found = _merger()
    if not found:
        raise Unfit("llvm-profdata is missing: rustup component add llvm-tools")
    return found


def _merger() -> Path | None:
    sysroot = Path(_rustc("--print", "sysroot"))
    return next(iter(sysroot.glob(f"lib/rustlib/{host()}/bin/llvm-profdata")), None)


def host() -> str:
    """The machine that is built for."""
    lines = _rustc("-vV").splitlines()
    return next(line.removeprefix("host: ") for line in lines if line.startswith("host: "))


def _rustc(*arguments: str) -> str:
    return subprocess.run(["rustc", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def build(flag: str) -> Path:
    """The gateway, built with `flag`. Naming the machine keeps the flag away from build scripts."""
    flags = f"{os.environ.get('RUSTFLAGS', '')} {flag}".strip()
    command = ["cargo", "build", "--release", "--bin", "ai-proxy", "--target", host(), "--target-dir", str(FOLDER)]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "RUSTFLAGS": flags})
    return FOLDER / host() / "release/ai-proxy"


def tools() -> Path:
    """The folder with upstream and loader, built."""
    command = ["cargo", "build", "--release", "--bins", "--package", "ai-proxy-bench", "--no-default-features"]
    subprocess.run(command, cwd=ROOT, check=True)
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"


def train(gateway: Path, tools: Path) -> None:
    """Has the gateway serve all cases of the benchmark, and ends it as an operator would."""
    raise_open_files()
    entries = gateway_entries(
        lambda config: targets.gateway(gateway, config), lambda _: True, lambda measure: measure in TRAINING
    )
    who = cores()
    with tempfile.TemporaryDirectory(prefix="ai-proxy-pgo-") as folder:
        upstream = Upstream.start(tools / "mock", Path(folder), who)
        bench = Bench(tools / "loader", upstream, Path(folder), who, seconds=1)
        try:
            for entry in entries:
                if not entry.target.running:
                    entry.target.start(bench.folder, upstream.port, who)
                probe(entry.target, entry.case, upstream)
                print(f"# training: {entry.case.name}", file=sys.stderr, flush=True)
                for measure in entry.measures:
                    bench.measure(entry.target, entry.case, MEASURES[measure])
        finally:
            for entry in entries:
                entry.target.stop(PATIENCE)
            upstream.running.stop()


def main() -> int:
    """Builds, trains, builds again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER / "ai-proxy", help="where the gateway goes")
    out = parser.parse_args().out
    counts, profile = FOLDER / "counts", FOLDER / "merged.profdata"
    shutil.rmtree(counts, ignore_errors=True)
    merge = merger()
    train(build(f"-Cprofile-generate={counts}"), tools())
    subprocess.run([merge, "merge", "-o", profile, counts], check=True)
    built = build(f"-Cprofile-use={profile}")
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(built, out)
    print(out)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unfit as unfit:
        print(f"# {unfit}", file=sys.stderr)
        sys.exit(2)
