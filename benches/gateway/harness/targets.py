"""What is measured: the floor, the gateway, peers. How each is started and what it is sent."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

from . import formats
from .cases import ALIAS, BESIDE, CLIENT_KEY, CONFIGS, ENTRIES, MODELS, Case
from .processes import Cores, Running, free_port, start, wait_for_port

HERE = Path(__file__).resolve().parent.parent
FLOOR = "floor"
GATEWAY = "ai-proxy"


@dataclass(eq=False)
class Target:
    """Something that passes requests on, running or not."""

    name: str
    command: list[str]  # {port}, {upstream} and {folder} are filled in
    # file name -> content, with the same words filled in, written to the run's folder
    files: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = (f"authorization: Bearer {CLIENT_KEY}",)
    # by format of the upstream
    headers_to: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # model by format of the upstream; left out: the model of the case
    models: dict[str, str] = field(default_factory=dict)
    seconds_to_start: float = 20
    # requests per second that it is sent at a fixed rate, where that is more than it can serve
    rate: int | None = None
    port: int = 0
    running: Running | None = None
    # what it needs, with the same words and {beside}, a port
    needs: tuple[str, ...] = ()
    beside: Running | None = None
    _words: dict[str, str] = field(default_factory=dict)

    def start(self, folder: Path, upstream: int, cores: Cores) -> None:
        """Starts it on the gateway's core."""
        self.port = free_port()
        home = folder / f"{self.name}-{self.port}".replace(" ", "-")
        home.mkdir()
        words = {"port": str(self.port), "upstream": f"127.0.0.1:{upstream}", "folder": str(home)}
        if self.needs:
            port = free_port()
            words["beside"] = str(port)
            command = [fill(part, words) for part in self.needs]
            self.beside = start(self.needs[0], command, cores.load, home)
            wait_for_port(self.beside, port, self.seconds_to_start)
        self._words = words
        for name, content in self.files.items():
            (home / name).write_text(fill(content, words))
        command = [fill(part, words) for part in self.command]
        self.running = start(self.name.replace(" ", "-"), command, cores.gateway, home, self.environment)
        try:
            wait_for_port(self.running, self.port, self.seconds_to_start)
        except Exception:
            self.stop()
            raise

    def stop(self, patience: float = 1) -> None:
        """Ends it, by force after so many seconds."""
        if self.running:
            self.running.stop(patience)
            self.running = None
        if self.beside:
            self.beside.stop()
            self.beside = None

    def url(self, case: Case, streamed: bool) -> str:
        """Where a case's requests go."""
        return f"http://127.0.0.1:{self.port}{formats.path(case.client, self.model(case), streamed)}"

    def model(self, case: Case) -> str:
        """The model that a case's requests name."""
        return self.models.get(case.upstream, case.asked)

    def headers_for(self, case: Case) -> list[str]:
        """Head lines of a case's requests."""
        lines = [fill(line, self._words) for line in (*self.headers, *self.headers_to.get(case.upstream, ()))]
        if case.client == "messages":
            lines.append("anthropic-version: 2023-06-01")
        return lines


def fill(text: str, words: Mapping[str, str]) -> str:
    """Fills words into a text; other braces stay."""
    for word, value in words.items():
        text = text.replace("{" + word + "}", value)
    return text


def floor(binary: Path) -> Target:
    """Bare Pingora."""
    return Target(FLOOR, [str(binary), "127.0.0.1:{port}", "{upstream}"])


def gateway(binary: Path, config: str = "standard", settings: Mapping[str, Any] | None = None) -> Target:
    """The gateway, with one of `CONFIGS` or with settings of its own."""
    fragment = CONFIGS.get(config, {}) if settings is None else settings
    more = ENTRIES.get(config, {})
    name = GATEWAY if config == "standard" else f"{GATEWAY} {config}"
    return Target(
        name,
        [str(binary), "--config", "{folder}/config.yaml", "--conf", "{folder}/pingora.yaml"],
        {"config.yaml": _yaml({**gateway_config(more), **fragment}), "pingora.yaml": _PINGORA},
        needs=BESIDE.get(config, ()),
    )


def is_missing(case: Case) -> str | None:
    """The program that a case needs and that is not installed."""
    needs = BESIDE.get(case.config)
    return needs[0] if needs and not shutil.which(needs[0]) else None


def _yaml(settings: Mapping[str, Any]) -> str:
    """A config file: JSON is YAML. The port is a number once it is filled in."""
    return json.dumps(settings).replace('"{port}"', "{port}")


# One thread on its one core, and as many kept connections as the floor has.
_PINGORA = json.dumps({
    "version": 1, "threads": 1, "upstream_keepalive_pool_size": 8192,
    "pid_file": "{folder}/gateway.pid", "upgrade_sock": "{folder}/gateway.sock",
})


def gateway_config(more: Mapping[str, Any]) -> dict[str, Any]:
    """The gateway's config without a case's settings: a provider of each format, all the mock. Each entry
    has `more`."""
    entry = {"api-key": "sk-upstream", "base-url": "http://{upstream}", **more}
    chat = [{"id": MODELS["chat"]}, {"id": MODELS["chat"], "alias": ALIAS}]
    return {
        "host": "127.0.0.1",
        "port": "{port}",
        "api-keys": [CLIENT_KEY],
        "openai-compatibility": [{**entry, "base-url": "http://{upstream}/v1", "models": chat}],
        "openai-api-key": [{**entry, "base-url": "http://{upstream}/v1", "wire-api": "responses",
                            "models": [{"id": MODELS["responses"]}]}],
        "claude-api-key": [{**entry, "models": [{"id": MODELS["messages"]}]}],
        "gemini-api-key": [{**entry, "models": [{"id": MODELS["gemini"]}]}],
    }


@dataclass(frozen=True)
class Peer:
    """Another program that can be measured in the same run, when it is installed."""

    name: str
    # looked for on PATH, unless the variable names it
    program: str
    variable: str
    arguments: tuple[str, ...]
    config: str  # file in `peers/`
    cases: tuple[str, ...]
    runner: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    headers: tuple[str, ...] = (f"authorization: Bearer {CLIENT_KEY}",)
    headers_to: tuple[tuple[str, tuple[str, ...]], ...] = ()
    seconds_to_start: float = 20
    rate: int | None = None

    def find(self) -> str | None:
        """Its program, if it is installed."""
        return os.environ.get(self.variable) or shutil.which(self.program)

    def target(self, program: str) -> Target:
        """The target that it is."""
        files = {self.config: (HERE / "peers" / self.config).read_text()} if self.config else {}
        return Target(
            self.name, [*self.runner, program, *self.arguments], files, dict(self.environment), self.headers,
            dict(self.headers_to), seconds_to_start=self.seconds_to_start, rate=self.rate,
        )


_TRANSLATES = ("chat", "messages", "chat->messages", "messages->chat")


def _portkey(provider: str) -> tuple[str, ...]:
    return (f"x-portkey-provider: {provider}",)


PEERS = (
    Peer("nginx", "nginx", "AI_PROXY_BENCH_NGINX", ("-p", "{folder}", "-c", "{folder}/nginx.conf"), "nginx.conf",
         ("chat", "messages")),
    Peer("haproxy", "haproxy", "AI_PROXY_BENCH_HAPROXY", ("-db", "-f", "{folder}/haproxy.cfg"), "haproxy.cfg",
         ("chat", "messages")),
    Peer("litellm", "litellm", "AI_PROXY_BENCH_LITELLM",
         ("--config", "{folder}/litellm.yaml", "--host", "127.0.0.1", "--port", "{port}", "--num_workers", "1"),
         "litellm.yaml", _TRANSLATES, seconds_to_start=120, rate=50,
         environment=(("LITELLM_LOCAL_MODEL_COST_MAP", "True"), ("LITELLM_LOG", "ERROR"),
                      ("LITELLM_TELEMETRY", "False"), ("NO_DOCS", "True"))),
    # The variable names build/start-server.js of the npm package @portkey-ai/gateway.
    Peer("portkey", "portkey-gateway-start-server.js", "AI_PROXY_BENCH_PORTKEY", ("--port={port}", "--headless"), "",
         _TRANSLATES, runner=("node",), environment=(("NODE_ENV", "production"),),
         headers=("authorization: Bearer sk-upstream", "x-portkey-custom-host: http://{upstream}/v1"),
         headers_to=(("chat", _portkey("openai")), ("messages", _portkey("anthropic"))), seconds_to_start=60),
)
