"""The scripted provider and the gateway, as child processes."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request
from pathlib import Path

SDK = Path(__file__).resolve().parent.parent
ROOT = SDK.parent.parent
BINARY = Path(os.environ.get("AI_PROXY_BIN", ROOT / "target/debug/ai-proxy")).resolve()
#: How long a process may take to start or to end.
PATIENCE = 30


class Mock:
    """The scripted provider; it ends when its stdin closes, whatever becomes of the tests."""

    COMMAND = [sys.executable, SDK / "mock.py"]

    def __init__(self):
        self._process = subprocess.Popen(
            self.COMMAND, cwd=SDK, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def requests(self, request_id):
        """What arrived under this request id: one entry for each try."""
        with urllib.request.urlopen(f"{self.url}/mock/requests/{request_id}", timeout=PATIENCE) as answer:
            return json.load(answer)

    def request(self, request_id):
        """The only request under this id."""
        [request] = self.requests(request_id)
        return request

    def stop(self):
        self._process.stdin.close()
        self._process.wait(PATIENCE)


class Strict(Mock):
    """The strict provider."""

    # It judges by the newest SDKs, whichever the tests use.
    COMMAND = [os.environ.get("STRICT_PYTHON", sys.executable), "-m", "strict"]

    def requests(self, text):
        """What arrived with this text in its body, in order."""
        query = urllib.parse.urlencode({"text": text})
        with urllib.request.urlopen(f"{self.url}/__requests?{query}", timeout=PATIENCE) as answer:
            return json.load(answer)


class Gateway:
    """The real binary in a directory of its own."""

    def __init__(self, mock, config="config.yaml"):
        self.mock = mock
        self._directory = tempfile.TemporaryDirectory(prefix="ai-proxy-sdk-")
        directory = Path(self._directory.name)
        config = (SDK / config).read_text().replace("MOCK", mock.url).replace("STRICT", mock.url)
        (directory / "config.yaml").write_text(config)
        (directory / "pingora.yaml").write_text(
            f"version: 1\nthreads: 2\npid_file: {directory}/pid\nupgrade_sock: {directory}/upgrade.sock\n"
        )
        self._keys = set(re.findall(r"upstream-[\w-]+|sdk-[\w-]+-key", config))
        self._process = subprocess.Popen(
            [BINARY, "run", "--config", "config.yaml", "--conf", "pingora.yaml"],
            cwd=directory,
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._log = []
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.url = self.wait_log(r"listening on (http://\S+)")[1]

    def _read(self):
        for line in self._process.stderr:
            with self._news:
                self._log.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._log.append("(the gateway has ended)")
            self._news.notify_all()

    def wait_log(self, pattern):
        """The match of the first line that has `pattern`, now or when it comes."""

        def find():
            return next(filter(None, (re.search(pattern, line) for line in self._log)), None)

        def ended():
            return self._log[-1:] == ["(the gateway has ended)"]

        with self._news:
            self._news.wait_for(lambda: find() or ended(), PATIENCE)
            if found := find():
                return found
            log = "\n".join(self._log)
        raise AssertionError(f"the gateway never logged {pattern!r}:\n{log}")

    def keep_alives(self, request_id):
        """How many keep-alives the client of this request was sent."""
        return int(self.wait_log(rf"request={request_id} .* keep_alives=(\d+)")[1])

    def stop(self):
        """Ends it the way a service manager does."""
        self._process.send_signal(signal.SIGTERM)
        self._end()

    def kill(self):
        """Ends it at once."""
        self._process.kill()
        self._end()

    def _end(self):
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            self._directory.cleanup()
        leaked = [line for line in self._log for key in self._keys if re.search(rf"{key}(?![\w-])", line)]
        assert not leaked, f"the gateway logged a key: {leaked}"
