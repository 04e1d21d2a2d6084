"""Facts about the machine and the build, so that figures can be told apart later."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


def facts(binary: Path, built: bool, open_files: int) -> dict[str, Any]:
    """What was measured, and on what. Of a binary that was not built here, nobody knows the revision."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "kernel": platform.release(),
        "rustc": _said("rustc", "--version"),
        "revision": _revision() if built else f"unknown (a given binary, SHA-256 {_digest(binary)[:12]})",
        "binary_sha256": _digest(binary),
        "binary_bytes": binary.stat().st_size,
        "allocator": allocator((ROOT / "Cargo.toml").read_text()),
        "open_files": open_files,
        "load_average": round(os.getloadavg()[0], 2),
    }


def allocator(manifest: str) -> str:
    """The gateway's allocator, by its dependencies."""
    lines = [line.split("=")[0].strip() for line in manifest.splitlines()]
    known = [name for name in ("mimalloc", "tikv-jemallocator", "snmalloc-rs") if name in lines]
    return known[0] if known else "the system's"


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _revision() -> str:
    revision = _said("git", "rev-parse", "--short=10", "HEAD")
    return revision + (" with changes" if _said("git", "status", "--porcelain", "--untracked-files=no") else "")


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
