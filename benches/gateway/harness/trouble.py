"""An upstream that fails on purpose, and clients that know how each failure has to look to them.

The model's name says what happens: `trouble-429`. Each such model has a second account at a sound upstream, so
nearly every failure has to be invisible. What a client may see instead is in `KINDS`.
"""

from __future__ import annotations

import http.client
import http.server
import json
import random
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from . import formats
from .cases import CLIENT_KEY

# What the upstream does -> what a client may see of it besides a whole, sound answer: a status, or the code of an
# error event in the stream.
KINDS: dict[str, tuple[str, ...]] = {
    "429": (),
    "500": (),
    "529": (),
    "hangup": (),
    "early": (),  # an error event before any content, in a stream that began with 200
    "400": ("400",),
    "cut": ("stream_interrupted",),
}
# The formats that the failing upstream speaks, and those of the clients.
UPSTREAMS = ("chat", "messages")
CLIENTS = ("chat", "messages", "responses", "gemini")

_ERRORS = {
    "chat": lambda kind: {"error": {"message": "mock trouble", "type": kind, "param": None, "code": None}},
    "messages": lambda kind: {"type": "error", "error": {"type": kind, "message": "mock trouble"}},
}
_TYPES = {400: "invalid_request_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
_BEGIN = {
    "chat": [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
              "choices": [{"index": 0, "delta": {"role": "assistant", "content": "half an "}, "finish_reason": None}]}],
    "messages": [
        {"type": "message_start", "message": {
            "id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
            "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "half an "}},
    ],
}


class Upstream(http.server.ThreadingHTTPServer):
    """Fails as the model's name asks for. Counts how often it did."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.done: Counter[str] = Counter()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """The gateway may leave whenever it likes."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_POST(self) -> None:  # noqa: N802, the name is the library's
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        kind = request["model"].removeprefix("trouble-").split("-")[0]
        format = "messages" if self.path.endswith("/messages") else "chat"
        with self.server.lock:
            self.server.done[kind] += 1
        if kind == "hangup":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif kind in ("cut", "early") and request.get("stream"):
            error = _ERRORS[format]("overloaded_error")
            self._stream(format, [error] if kind == "early" else _BEGIN[format])
        else:
            status = int(kind) if kind.isdigit() else 500
            self._whole(status, _ERRORS[format](_TYPES[status]))

    def _whole(self, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, format: str, events: list[dict[str, object]]) -> None:
        """Events, and then the connection's end in the middle of the body."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events:
            name = f"event: {event['type']}\n" if format == "messages" else ""
            data = f"{name}data: {json.dumps(event)}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()
        if len(events) > 1 or "choices" in events[0]:
            time.sleep(0.05)  # so that the content has reached the client before the end does
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Silence."""


@dataclass
class Seen:
    """What the clients saw."""

    asked: int = 0
    sound: int = 0
    # failures that the upstream had caused, by what the client saw
    caused: Counter[str] = field(default_factory=Counter)
    cancelled: int = 0
    wrong: list[str] = field(default_factory=list)


class Clients:
    """Ask for trouble, and leave streams in the middle, until they are stopped."""

    def __init__(self, port: int, paced: dict[str, str], pause: float) -> None:
        self._port = port
        self._paced = paced
        self._pause = pause
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.seen = Seen()
        self._threads = [threading.Thread(target=self._run, args=(work, n), daemon=True)
                         for n, work in enumerate((self._ask, self._ask, self._leave, self._leave))]
        for thread in self._threads:
            thread.start()

    def stop(self) -> Seen:
        """Ends them, and tells what they saw."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                self._wrong("a client got no answer within a minute")
        return self.seen

    def _run(self, work, seed: int) -> None:
        choice = random.Random(seed)
        while not self._stop.wait(self._pause):
            try:
                work(choice)
            except Exception as error:  # noqa: BLE001, whatever it is, it is the result
                self._wrong(f"{work.__name__.strip('_')}: {error!r}")

    def _wrong(self, what: str) -> None:
        with self._lock:
            self.seen.wrong.append(what)

    def _send(self, format: str, model: str, streamed: bool) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=50)
        headers = {"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json"}
        if format == "messages":
            headers["anthropic-version"] = "2023-06-01"
        connection.request("POST", formats.path(format, model, streamed), formats.body(format, model, 1024, streamed), headers)
        return connection, connection.getresponse()

    def _ask(self, choice: random.Random) -> None:
        kind, client, upstream = choice.choice(list(KINDS)), choice.choice(CLIENTS), choice.choice(UPSTREAMS)
        streamed = kind in ("cut", "early") or choice.random() < 0.5
        connection, answer = self._send(client, f"trouble-{kind}-{upstream}", streamed)
        try:
            text = answer.read().decode()
        except http.client.IncompleteRead as cut:
            text = cut.partial.decode(errors="replace")
        connection.close()
        verdict = judge(kind, client, streamed, answer.status, answer.headers.get("x-aiproxy-error"), text)
        with self._lock:
            self.seen.asked += 1
            if verdict is None:
                self.seen.sound += 1
            elif verdict in KINDS[kind]:
                self.seen.caused[verdict] += 1
            else:
                self.seen.wrong.append(f"{client} asked trouble-{kind}-{upstream}: {verdict}")

    def _leave(self, choice: random.Random) -> None:
        format = choice.choice(CLIENTS)
        connection, answer = self._send(format, self._paced[choice.choice(list(self._paced))], True)
        if answer.status != 200 or not answer.read(choice.randrange(1, 2000)):
            self._wrong(f"{format}: a stream to be left had status {answer.status}")
        # With data unread, this is a reset; else an orderly end.
        answer.close()
        connection.close()
        with self._lock:
            self.seen.cancelled += 1


def judge(kind: str, client: str, streamed: bool, status: int, code: str | None, text: str) -> str | None:
    """What is wrong with an answer, in a word that `KINDS` may know; `None`: it is sound and whole."""
    if status != 200:
        return str(status) if kind == str(status) else f"status {status} {code or ''}".strip()
    if not streamed:
        try:
            formats.answer_text(client, json.loads(text))
            return None
        except (ValueError, LookupError, TypeError, StopIteration) as error:
            return f"no answer of the format: {error!r}"
    squeezed = text.replace('": ', '":')
    if formats.STREAM_END[client] in squeezed:
        return None
    for known in ("stream_interrupted", "STREAM_INTERRUPTED"):
        if known in text:
            return known.lower()
    return f"a stream that ends in silence: …{text[-120:]!r}"


def settings(port: int, steady: int) -> dict[str, list[dict[str, object]]]:
    """Accounts at the failing upstream, each model with a spare one at a sound upstream."""
    lists = {"chat": "openai-compatibility", "messages": "claude-api-key"}
    found: dict[str, list[dict[str, object]]] = {}
    for format in UPSTREAMS:
        models = [{"id": f"trouble-{kind}-{format}"} for kind in KINDS]
        path = "/v1" if format == "chat" else ""
        found[lists[format]] = [
            {"name": f"trouble-{format}", "api-key": "sk-trouble", "priority": 1, "models": models,
             "base-url": f"http://127.0.0.1:{port}{path}"},
            {"name": f"spare-{format}", "api-key": "sk-spare", "priority": 0, "models": models,
             "base-url": f"http://127.0.0.1:{steady}{path}"},
        ]
    return found


def pause_for(load: float) -> float:
    """Seconds between two requests of a client."""
    return 0.1 / load


def wait_until(is_so, seconds: float) -> bool:
    """Whether it becomes so within this time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
