#!/usr/bin/env python3
"""Agents on the command line, each headless against the gateway with a scripted provider of each format.

    .venv/bin/python tests/agents/run.py [--direct] [--agent NAME]... [--upstream FORMAT]... [--keep]

The provider calls the tool for shell commands or files that the agent offers, so that it writes `hello.txt`; when the
result arrives, it says that it is done. A run passes when the file is there, the agent ended well, and the provider
found no fault with any request. `--direct` points each agent at the provider of its own format, without a gateway.

The agents come from npm, pinned in package.json, into target/agents. They see an environment of their own: a home
in a temporary directory, a key that is worth nothing, and no network but what the machine gives.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/sdk/python"))

from processes import Gateway, Strict  # noqa: E402

AGENTS_HOME = ROOT / "target/agents"
MODELS = {
    "anthropic": "claude-opus-4-8",
    "chat": "gpt-4o",
    "responses": "gpt-5.2",
    "gemini": "gemini-3-pro-preview",
}
PROMPT = "[[agent]] Write the word hello into the file hello.txt in the current directory. Do not ask."
PATIENCE = 120


class Agent:
    """One agent: what it speaks, and how it is started."""

    #: The format of its requests.
    format = ""

    def files(self, home, work, url, key, model):
        """Configuration: path to content."""
        return {}

    def variables(self, home, url, key, model):
        return {}

    def command(self, model):
        raise NotImplementedError


class ClaudeCode(Agent):
    format = "anthropic"

    def variables(self, home, url, key, model):
        return {
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": key,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
            "CLAUDE_CONFIG_DIR": f"{home}/claude",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            # What the smallest of the models gives.
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "16000",
            "API_TIMEOUT_MS": "60000",
            "CLAUDE_CODE_MAX_RETRIES": "0",
        }

    def command(self, model):
        allowed = ["--allowedTools", "Bash,Write,Edit"]
        return ["claude", "-p", PROMPT, "--model", model, "--output-format", "json", *allowed]


class Codex(Agent):
    format = "responses"

    def files(self, home, work, url, key, model):
        config = f"""
model = "{model}"
model_provider = "proxy"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.proxy]
name = "proxy"
base_url = "{url}/v1"
env_key = "PROXY_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
"""
        return {home / "codex/config.toml": config}

    def variables(self, home, url, key, model):
        return {"CODEX_HOME": f"{home}/codex", "PROXY_KEY": key}

    def command(self, model):
        # The sandbox of the agent needs rights that a container may not give; the script is the only model.
        loose = ["--skip-git-repo-check", "--sandbox", "danger-full-access"]
        return ["codex", "exec", *loose, PROMPT]


class GeminiCli(Agent):
    format = "gemini"

    def files(self, home, work, url, key, model):
        settings = {
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "privacy": {"usageStatisticsEnabled": False},
            "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False, "disableAutoUpdate": True},
            "telemetry": {"enabled": False},
        }
        return {home / ".gemini/settings.json": json.dumps(settings)}

    def variables(self, home, url, key, model):
        return {"GEMINI_API_KEY": key, "GOOGLE_GEMINI_BASE_URL": url}

    def command(self, model):
        return ["gemini", "-p", PROMPT, "-m", model, "--approval-mode", "yolo", "--skip-trust", "-o", "json"]


class OpenCode(Agent):
    format = "chat"

    def files(self, home, work, url, key, model):
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "name": "proxy",
            "options": {"baseURL": f"{url}/v1", "apiKey": key},
            "models": {model: {"name": model, "tool_call": True, "limit": {"context": 128000, "output": 16000}}},
        }
        config = {"provider": {"proxy": provider}, "autoupdate": False, "share": "disabled"}
        config |= {"model": f"proxy/{model}", "small_model": f"proxy/{model}"}
        return {work / "opencode.json": json.dumps(config)}

    def variables(self, home, url, key, model):
        return {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}

    def command(self, model):
        return ["opencode", "run", "--auto", "-m", f"proxy/{model}", PROMPT]


AGENTS = {"claude": ClaudeCode(), "codex": Codex(), "gemini": GeminiCli(), "opencode": OpenCode()}


def install():
    """The agents, from npm. Done again when their versions change."""
    AGENTS_HOME.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package.json").read_text()
    stamp = AGENTS_HOME / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("installing the agents into target/agents", flush=True)
    shutil.copy(HERE / "package.json", AGENTS_HOME)
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(["npm", "install", *quiet], cwd=AGENTS_HOME, check=True, timeout=600)
    stamp.write_text(wanted)


def run(agent, url, key, model, provider, keep):
    """Why it failed, or None."""
    directory = Path(tempfile.mkdtemp(prefix="ai-proxy-agent-"))
    home, work = directory / "home", directory / "work"
    home.mkdir()
    work.mkdir()
    for path, content in agent.files(home, work, url, key, model).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    path = f"{AGENTS_HOME}/node_modules/.bin:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(home), "TERM": "dumb", "NO_COLOR": "1", "CI": "1"}
    environment |= {"XDG_CONFIG_HOME": f"{home}/config", "XDG_DATA_HOME": f"{home}/data", "XDG_CACHE_HOME": f"{home}/cache"}
    environment |= agent.variables(home, url, key, model)
    log = directory / "log"
    try:
        with log.open("w") as output:
            process = subprocess.Popen(
                agent.command(model),
                cwd=work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                code = f"none after {PATIENCE} s"
            finally:
                # What it started goes with it.
                try:
                    os.killpg(process.pid, 9)
                except ProcessLookupError:
                    pass
                process.wait()
        faults = []
        written = work / "hello.txt"
        if not written.exists() or written.read_text().strip() != "hello":
            faults.append("hello.txt was not written")
        if code != 0:
            faults.append(f"exit code {code}")
        requests = provider.requests("")
        faults += [f"refused: {one['refused']}" for one in requests if one["refused"]]
        if not any(one["scenario"] == "agent" for one in requests):
            faults.append(f"the prompt never arrived ({len(requests)} requests)")
        if faults:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            return "; ".join(faults) + f"\n{tail[-3000:]}"
        return None
    finally:
        if keep:
            (directory / "requests.json").write_text(json.dumps(provider.requests(""), indent=1, ensure_ascii=False))
            print(f"  kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--direct", action="store_true")
    flags.add_argument("--agent", action="append", choices=AGENTS)
    flags.add_argument("--upstream", action="append", choices=MODELS)
    flags.add_argument("--keep", action="store_true", help="keep directories and requests")
    flags = flags.parse_args()
    install()
    failed = 0
    for name in flags.agent or AGENTS:
        agent = AGENTS[name]
        for upstream in [agent.format] if flags.direct else flags.upstream or MODELS:
            provider = Strict()
            gateway = None if flags.direct else Gateway(provider, "strict.yaml")
            url, key = (provider.url, "upstream-direct") if flags.direct else (gateway.url, "sdk-client-key")
            started = time.monotonic()
            try:
                fault = run(agent, url, key, MODELS[upstream], provider, flags.keep)
            finally:
                if gateway:
                    gateway.kill()
                provider.stop()
            took = time.monotonic() - started
            print(f"{'FAILED' if fault else 'ok':6} {name} -> {upstream} ({took:.1f} s)", flush=True)
            if fault:
                failed += 1
                print("       " + fault.replace("\n", "\n       "), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
