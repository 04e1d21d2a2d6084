#!/usr/bin/env python3
"""A provider that speaks all four formats from recordings; the model's name says what it does.

    mock.py [--port PORT]       prints its port, then serves until its stdin closes

A model is called ANYTHING-mock-SCENARIO[.ANYTHING], so that the usual globs route it (`gpt-mock-text`,
`claude-mock-cut.7`). Scenarios, for whole answers and streams:

    text, tool, parallel        a recorded answer
    structured                  text that is a JSON object
    slow                        text, with silence before the first event and in the middle
    cut                         text that breaks off: in the middle of a stream, or of the document
    error-event                 a stream whose second half is an error event
    error-STATUS                that status; 429 with `retry-after: 7`
    first-key-STATUS            that status for a key that ends in `-1`, text for any other
    first-key-cut               with such a key, a stream that breaks off before any content
    first-key-error-event       with such a key, a stream that is an error event
    once-429                    429 with `retry-after: 1` for the first request of each key, then text

`GET /mock/requests/ID` answers what arrived under that `x-request-id`, so that a test can see what a
provider saw.
"""

import argparse
import copy
import json
import re
import sys
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

#: Long enough for two keep-alives when they are due every second.
SILENCE = 2.3
# Long enough for a gateway on a busy machine to have passed on what it got.
SEEN = 0.5

STRUCTURED = '{"city": "Paris", "population": 2102650}'


class Format:
    """How one format answers: its recordings, and where its answers hold text."""

    def __init__(self, name, whole, streams, errors):
        self.name = name
        self._whole = whole
        self._streams = streams
        self._errors = errors

    def whole(self, scenario):
        """A recorded answer, as a document."""
        document = json.loads(read(self.name, "responses", self._whole.get(scenario, self._whole["text"])))
        if scenario == "structured":
            self.put_text(document, STRUCTURED)
        return document

    def events(self, scenario):
        """A recorded stream, event by event."""
        name = self._streams.get(scenario)
        if name is None and scenario == "structured":
            return self.one_event(self.whole(scenario))
        return split(read(self.name, "streams", name or self._streams["text"]))

    def error(self, status):
        """A recorded error body of that status, else one in the same form."""
        if status in self._errors:
            return read(self.name, "errors", self._errors[status])
        return json.dumps(self.make_error(status, f"scripted error {status}")).encode()

    def one_event(self, document):
        """A whole answer as the events of a stream."""
        raise NotImplementedError

    def put_text(self, document, text):
        raise NotImplementedError

    def make_error(self, status, message):
        raise NotImplementedError

    def error_event(self):
        """An error in the middle of a stream."""
        raise NotImplementedError

    def tokens(self):
        """The answer to a request to count tokens."""
        raise NotImplementedError


class OpenAiChat(Format):
    def put_text(self, document, text):
        document["choices"][0]["message"]["content"] = text

    def one_event(self, document):
        chunk = {**document, "object": "chat.completion.chunk"}
        chunk["choices"] = [{**choice, "delta": choice["message"]} for choice in document["choices"]]
        return [sse(chunk), b"data: [DONE]\n\n"]

    def make_error(self, status, message):
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    def error_event(self):
        return sse(self.make_error(500, "scripted error event"))


class OpenAiResponses(OpenAiChat):
    def put_text(self, document, text):
        document["output"][0]["content"][0]["text"] = text

    def one_event(self, document):
        begun = {**document, "status": "in_progress", "output": []}
        item = document["output"][0]
        text = item["content"][0]["text"]
        place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        part = item["content"][0]
        events = [
            {"type": "response.created", "response": begun},
            {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
            {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
            {"type": "response.output_text.delta", **place, "delta": text, "logprobs": []},
            {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
            {"type": "response.content_part.done", **place, "part": part},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": document},
        ]
        return [sse({**event, "sequence_number": n}, event["type"]) for n, event in enumerate(events)]

    def error_event(self):
        error = {"type": "server_error", "code": "server_error", "message": "scripted error event", "param": None}
        return sse({"type": "error", "sequence_number": 99, **error, "error": error}, "error")

    def tokens(self):
        return {"object": "response.input_tokens", "input_tokens": 42}


class Anthropic(Format):
    KINDS = {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        529: "overloaded_error",
    }

    def put_text(self, document, text):
        document["content"][0]["text"] = text

    def one_event(self, document):
        block = document["content"][0]
        delta = {"type": "text_delta", "text": block["text"]}
        events = [
            {"type": "message_start", "message": {**document, "content": [], "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": {**block, "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": document["stop_reason"], "stop_sequence": None},
                "usage": {"output_tokens": document["usage"]["output_tokens"]},
            },
            {"type": "message_stop"},
        ]
        return [sse(event, event["type"]) for event in events]

    def make_error(self, status, message):
        kind = self.KINDS.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}

    def error_event(self):
        return sse(self.make_error(529, "scripted error event"), "error")

    def tokens(self):
        return {"input_tokens": 42}


class Gemini(Format):
    KINDS = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        413: "INVALID_ARGUMENT",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
    }

    def put_text(self, document, text):
        document["candidates"][0]["content"]["parts"] = [{"text": text}]

    def one_event(self, document):
        return [sse(document)]

    def events(self, scenario):
        # A Gemini stream may hold a whole answer in one event, as it does for parallel calls.
        if scenario == "parallel":
            return self.one_event(self.whole(scenario))
        return super().events(scenario)

    def make_error(self, status, message):
        return {"error": {"code": status, "message": message, "status": self.KINDS.get(status, "UNAVAILABLE")}}

    def error_event(self):
        return sse(self.make_error(500, "scripted error event"))

    def tokens(self):
        return {"totalTokens": 42, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 42}]}


OPENAI_CHAT = OpenAiChat(
    "openai-chat",
    {
        "text": "pyd-openai-chat-prompt-cache-e2e-1.json",
        "tool": "pyd-tool-choice-matrix-tools-plus-output-openai-1.json",
        "parallel": "ollm-open-ai-function-calls-tools-parallel-with-events-with-no.json",
    },
    {
        "text": "ollm-chatcompletionsfinishreasons-test-chat-streaming-sets-top-1.sse",
        "tool": "llm-tool-use-basic.sse",
        "parallel": "ollm-open-ai-function-calls-tools-streaming-parallel.sse",
    },
    {
        400: "vai-reasoning-model-legacy-parameter-error.json",
        404: "pyd-model-name-suggestion-openai-chat.json",
        429: "auth-rate-limit.json",
        500: "auth-server-error.json",
    },
)
OPENAI_RESPONSES = OpenAiResponses(
    "openai-responses",
    {
        "text": "pyd-openai-native-tool-search-gpt-5-6-1.json",
        "tool": "pyd-cross-provider-capability-replay-openai-responses-gpt-5-4-1.json",
        "parallel": "pyd-openai-responses-model-retry.json",
    },
    {
        "text": "pyd-openai-include-raw-annotations-streaming-2.sse",
        "tool": "llm-responses-tool-use-streaming.sse",
        "parallel": "auth-parallel-tools.sse",
    },
    {
        400: "pyd-openai-responses-model-http-error.json",
        404: "pyd-model-name-suggestion-openai-responses.json",
        429: "auth-rate-limit.json",
    },
)
ANTHROPIC = Anthropic(
    "anthropic",
    {
        "text": "pyd-inline-system-prompt-cache-prefix-is-reused-1.json",
        "tool": "pyd-tool-choice-matrix-none-with-output-anthropic.json",
        "parallel": "pyd-mixed-tools-basemodel-output.json",
    },
    {
        "text": "ollm-async-anthropic-message-stream-manager-legacy.sse",
        "tool": "vai-anthropic-tool-no-args.sse",
        "parallel": "ollm-anthropic-tools-streaming-with-events-with-no-content.sse",
    },
    {
        400: "pyd-anthropic-explicit-effort-xhigh-unsupported-model-errors.json",
        401: "dd-anthropic-completion-invalid-api-key.json",
        404: "pyd-anthropic-count-tokens-error.json",
        429: "auth-rate-limit.json",
    },
)
GEMINI = Gemini(
    "gemini",
    {
        "text": "pyd-multimodal-tool-return-matrix-tool-return-content-url-imag-2.json",
        "tool": "pyd-multimodal-tool-return-matrix-direct-url-video-google-gemi-1.json",
        "parallel": "oi-response-with-multiple-tool-calls-false.json",
    },
    {
        "text": "oi-streaming-text-content.sse",
        "tool": "vai-google-tool-call-gemini3.sse",
    },
    {
        400: "otel-generate-content-invalid-temperature.json",
        404: "pyd-model-name-suggestion-google.json",
    },
)

#: What the paths of the four formats ask for: the format, and whether tokens are to be counted.
PATHS = [
    (r"/v1/chat/completions", OPENAI_CHAT, False),
    (r"/v1/responses", OPENAI_RESPONSES, False),
    (r"/v1/responses/input_tokens", OPENAI_RESPONSES, True),
    (r"/v1/messages", ANTHROPIC, False),
    (r"/v1/messages/count_tokens", ANTHROPIC, True),
    (r"/v1(?:alpha|beta)?/models/(?P<model>.+):(?P<action>generateContent|streamGenerateContent)", GEMINI, False),
    (r"/v1(?:alpha|beta)?/models/(?P<model>.+):countTokens", GEMINI, True),
]


def read(format, category, name):
    return (FIXTURES / format / category / name).read_bytes()


def split(stream):
    """The events of a recorded stream, each with its blank line."""
    return [event + b"\n\n" for event in stream.replace(b"\r\n", b"\n").split(b"\n\n") if event.strip()]


def sse(data, event=None):
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()


class Seen:
    """The requests that arrived, by the id that the gateway gave them, and by model and key."""

    def __init__(self):
        self._lock = threading.Lock()
        self._by_id = defaultdict(list)
        self._counts = defaultdict(int)

    def add(self, request_id, model, request):
        """Notes a request; how many for its model came with its key before it."""
        with self._lock:
            self._by_id[request_id].append(request)
            place = (model, request["key"])
            before = self._counts[place]
            self._counts[place] += 1
            return before

    def of(self, request_id):
        with self._lock:
            return copy.copy(self._by_id[request_id])


class Mock(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address):
        super().__init__(address, Handler)
        self.seen = Seen()

    def handle_error(self, request, client_address):
        """A client that leaves early is part of the play."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Every write leaves at once: small events must not wait for each other.
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        prefix = "/mock/requests/"
        if self.path.startswith(prefix):
            return self.answer(200, json.dumps(self.server.seen.of(self.path[len(prefix) :])).encode())
        self.answer(404, b"{}")

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.split("?")[0]
        for pattern, format, counting in PATHS:
            if found := re.fullmatch(pattern, path):
                break
        else:
            return self.answer(404, b'{"error":{"message":"no such path"}}')
        body = json.loads(raw)
        named = found.groupdict()
        model = named.get("model") or body["model"]
        streamed = named["action"] == "streamGenerateContent" if "action" in named else body.get("stream", False)
        request = {"path": self.path, "key": self.key(), "headers": dict(self.headers), "body": body}
        before = self.server.seen.add(self.headers.get("x-request-id"), model, request)
        scenario = re.sub(r"^.*mock-|\..*$", "", model)
        if counting and not scenario.startswith("error-"):
            return self.answer(200, json.dumps(format.tokens()).encode())
        self.play(format, scenario, streamed, before)

    def key(self):
        """The key that the request brought."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return bearer or self.headers.get("x-api-key") or self.headers.get("x-goog-api-key") or ""

    def play(self, format, scenario, streamed, before):
        if scenario == "once-429":
            if before == 0:
                return self.answer(429, format.error(429), {"retry-after": "1"})
            scenario = "text"
        if scenario.startswith("first-key-"):
            trouble = scenario.removeprefix("first-key-")
            if not self.key().endswith("-1"):
                scenario = "text"
            elif trouble == "cut":
                return self.stream(format.events("text")[:1], broken=True)
            elif trouble == "error-event":
                return self.stream([format.error_event()])
            else:
                scenario = f"error-{trouble}"
        if status := re.fullmatch(r"error-(\d+)", scenario):
            status = int(status[1])
            return self.answer(status, format.error(status), {"retry-after": "7"} if status == 429 else {})
        if streamed:
            return self.play_stream(format, scenario)
        document = json.dumps(format.whole(scenario)).encode()
        if scenario == "slow":
            time.sleep(SILENCE)
        if scenario == "cut":
            return self.answer(200, document[: len(document) // 2], {"content-length": str(len(document))})
        self.answer(200, document)

    def play_stream(self, format, scenario):
        events = format.events(scenario)
        half = (len(events) + 1) // 2
        if scenario == "cut":
            # What comes in one read with the cut never reaches a client: it is tried elsewhere.
            return self.stream(events[:half] + [SEEN], broken=True)
        if scenario == "error-event":
            return self.stream(events[:half] + [format.error_event()])
        if scenario == "slow":
            return self.stream([SILENCE] + events[:half] + [SILENCE] + events[half:])
        self.stream(events)

    def stream(self, events, broken=False):
        """Sends events, sleeping where one is a number; a broken one has no end."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.provider_headers()
        self.end_headers()
        for event in events:
            if isinstance(event, float):
                time.sleep(event)
                continue
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
        if broken:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def answer(self, status, body, headers={}):
        headers = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.provider_headers()
        self.end_headers()
        self.wfile.write(body)
        if int(headers["content-length"]) != len(body):
            self.close_connection = True

    def provider_headers(self):
        """What a provider says about itself, and clients of a gateway must not see."""
        self.send_header("x-request-id", "req_of_the_provider")
        self.send_header("request-id", "req_of_the_provider")
        self.send_header("openai-organization", "org-of-the-operator")
        self.send_header("anthropic-organization-id", "org-of-the-operator")


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--port", type=int, default=0)
    server = Mock(("127.0.0.1", flags.parse_args().port))
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Whoever started this holds the other end: when they are gone, so is the mock.
    sys.stdin.read()


if __name__ == "__main__":
    main()
