"""Processes of a run: started on a core of their own, stopped when the run ends, looked at from outside."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator


class Unfit(Exception):
    """The run cannot give figures that mean something."""


@dataclass(frozen=True)
class Cores:
    """Who runs where: the gateway alone, load and upstream together."""

    gateway: int
    load: int


def cores() -> Cores:
    """Shares out the cores that this process may use."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise Unfit("two cores are needed: one for the gateway, one for load and upstream")
    return Cores(gateway=allowed[0], load=allowed[1])


def raise_open_files() -> int:
    """Raises the limit of open files as far as possible, for all processes of the run; tells it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (65_536, hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, hard), max(wanted, hard)))
            break
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Running:
    """A process of the run, and what it printed."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    children: list[int] = field(default_factory=list)

    @property
    def pids(self) -> list[int]:
        """The process and all that it started."""
        return tree(self.process.pid)

    def said(self, most: int = 2000) -> str:
        """The end of its log."""
        return self.log.read_bytes()[-most:].decode(errors="replace")

    def forget_log(self) -> None:
        """Empties its log, which access lines would make large."""
        os.truncate(self.log, 0)

    def stop(self, patience: float = 1) -> None:
        """Ends it and what it started, by force after so many seconds."""
        pids = self.pids if self.process.poll() is None else []
        self.process.terminate()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            pass
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


def start(
    name: str, command: list[str], core: int, folder: Path, environment: dict[str, str] | None = None
) -> Running:
    """Starts a process on a core. Its output goes to a file in `folder`."""
    log = folder / f"{name}-{time.monotonic_ns()}.log"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor, cwd=folder,
            env={**os.environ, **(environment or {})},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    finally:
        os.close(descriptor)
    return Running(name, process, log)


def wait_for_port(running: Running, port: int, seconds: float) -> None:
    """Waits until the process accepts connections."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if running.process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise Unfit(f"{running.name} did not start:\n{running.said()}")


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            parent = int(stat.rsplit(")", 1)[1].split()[1])
            children.setdefault(parent, []).append(int(entry))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def memory_kib(pids: list[int]) -> int:
    """Proportional set size of processes: pages that several share count once."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


@contextmanager
def realtime(wanted: bool, pids: list[int]) -> Iterator[None]:
    """Runs all threads of processes, and this one, ahead of everything else on the machine."""
    threads = [int(task) for pid in [*pids, os.getpid()] for task in _threads(pid)] if wanted else []
    try:
        for thread in threads:
            _schedule(thread, os.SCHED_RR, 10)
        yield
    finally:
        for thread in threads:
            _schedule(thread, os.SCHED_OTHER, 0)


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def _schedule(thread: int, policy: int, priority: int) -> None:
    try:
        os.sched_setscheduler(thread, policy, os.sched_param(priority))
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise Unfit("--rt needs to be root, or CAP_SYS_NICE") from error
