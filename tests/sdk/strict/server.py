"""The server: it takes requests apart, has them judged, and writes answers the way they are asked for.

`GET /__requests?text=TEXT` lists the requests whose bodies hold that text: path, headers, body, scenario, status
and why it was refused. `DELETE /__requests` forgets them.
"""

import argparse
import json
import re
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from . import anthropic, chat, gemini, play, responses
from .model import Rejected

#: How the paths say what is wanted: the format, and whether tokens are to be counted.
PATHS = [
    (r"(/v1)?/chat/completions", chat, False),
    (r"(/v1)?/responses", responses, False),
    (r"(/v1)?/responses/input_tokens", responses, True),
    (r"(/v1)?/messages", anthropic, False),
    (r"(/v1)?/messages/count_tokens", anthropic, True),
    (r"/v1(alpha|beta)?/models/(?P<model>[^:]+):(?P<action>generateContent|streamGenerateContent)", gemini, False),
    (r"/v1(alpha|beta)?/models/(?P<model>[^:]+):(?P<action>countTokens)", gemini, True),
]
#: Between two writes, so that they arrive apart.
PAUSE = 0.0005
#: Long enough for a gateway on a busy machine to have passed on what it got.
SEEN = 0.4
TOKENS = 42


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address):
        super().__init__(address, Handler)
        self.requests = []
        # What was handed out and may come back: signatures and encrypted contents.
        self.issued = {}
        self.lock = threading.Lock()

    def handle_error(self, request, client_address):
        """A client that leaves early is part of the play."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/__requests":
            wanted = parse_qs(url.query).get("text", [""])[0]
            with self.server.lock:
                found = [one for one in self.server.requests if wanted in json.dumps(one["body"], ensure_ascii=False)]
            return self.answer(200, found)
        self.answer(404, {"error": {"message": "no such path"}})

    def do_DELETE(self):
        with self.server.lock:
            self.server.requests.clear()
        self.answer(200, {})

    def do_HEAD(self):
        self.answer(200, {})

    def do_POST(self):
        raw = self.body()
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        record = {"path": self.path, "headers": headers, "body": None, "scenario": None, "status": 200, "refused": None}
        for pattern, format, counting in PATHS:
            if found := re.fullmatch(pattern, url.path):
                break
        else:
            return self.answer(404, {"error": {"message": f"no such path: {url.path}"}})
        try:
            try:
                record["body"] = body = json.loads(raw)
            except ValueError:
                raise Rejected("We could not parse the JSON body of your request.") from None
            finally:
                with self.server.lock:
                    self.server.requests.append(record)
            format.authenticate(headers, parse_qs(url.query))
            asked = self.judge(format, counting, body, headers, found.groupdict())
            if asked.stream and format is gemini:
                asked.array = parse_qs(url.query).get("alt") != ["sse"]
            record["scenario"] = scenario = play.scenario_of(asked)
            if found_error := re.fullmatch(r"error-(\d+)(\.context)?", scenario):
                status = int(found_error[1])
                record["status"] = status
                return self.error(format, status, found_error[2])
            if counting:
                return self.answer(200, format.counted(TOKENS))
            answer = play.answer(asked, self.server.issued, format.NAME)
        except Rejected as wrong:
            record |= {"status": wrong.status, "refused": wrong.message}
            return self.answer(
                wrong.status,
                format.error(wrong.status, wrong.message, param=wrong.param, code=wrong.code, reason=wrong.reason),
            )
        except Exception as error:
            # What is so odd that it was not thought of must be seen in a test's failure.
            traceback.print_exc()
            record |= {"status": 500, "refused": f"the strict provider failed: {error!r}"}
            return self.answer(500, format.error(500, record["refused"]))
        if asked.stream:
            self.stream(format, answer, asked, scenario)
        else:
            self.whole(format.whole(answer, asked, self.server.issued), scenario)

    def judge(self, format, counting, body, headers, named):
        if format is not gemini:
            if not isinstance(body, dict):
                raise Rejected("The body must be an object.")
            return format.judge(body, headers, self.server.issued, counting)
        asked = gemini.judge(body, headers, self.server.issued, counting, named["model"])
        asked.stream = named["action"] == "streamGenerateContent"
        return asked

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def error(self, format, status, context):
        message = play.CONTEXT[format.NAME] if context else play.ERRORS[status]
        code = "context_length_exceeded" if context else None
        told = {**({"retry-after": str(play.RETRY_AFTER)} if status == 429 else {})}
        if status == 529 and format is not anthropic:
            status = 503
        more = {"retry": play.RETRY_AFTER} if status == 429 and format is gemini else {}
        if status == 401 and format is gemini:
            # That is what Gemini says to a wrong key.
            return self.answer(400, format.error(400, "API key not valid.", reason="API_KEY_INVALID"))
        self.answer(status, format.error(status, message, code=code, **more), told)

    def whole(self, document, scenario):
        body = json.dumps(document, ensure_ascii=False).encode()
        if scenario in ("cut", "error-event"):
            self.start(200, {"content-type": "application/json", "content-length": str(len(body))})
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif scenario == "unicode":
            self.start(200, {"content-type": "application/json", "content-length": str(len(body))})
            self.dribble(body)
        else:
            self.answer(200, document)

    def dribble(self, data, wrap=lambda piece: piece):
        for byte in data:
            self.wfile.write(wrap(bytes([byte])))
            self.wfile.flush()

    def stream(self, format, answer, asked, scenario):
        events = list(format.events(answer, asked, self.server.issued))
        half = (len(events) + 1) // 2
        if scenario == "cut":
            events = [*events[:half], None]
        elif scenario == "error-event":
            events = [*events[:half], *format.error_event("scripted error event")]
        kind = "text/event-stream"
        if asked.array:
            events, kind = list(gemini.as_array(events)), "application/json"
        self.start(200, {"content-type": kind, "transfer-encoding": "chunked"})

        def chunk(data):
            return b"%x\r\n%s\r\n" % (len(data), data)

        for event in events:
            if event is None:
                # What comes in one read with the end never reaches a client.
                time.sleep(SEEN)
                self.close_connection = True
                return
            if scenario == "unicode":
                self.dribble(event, chunk)
            else:
                self.wfile.write(chunk(event))
                self.wfile.flush()
                time.sleep(PAUSE)
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, status, document, headers=None):
        body = json.dumps(document, ensure_ascii=False).encode()
        self.start(status, {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def start(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("x-request-id", "req_of_the_provider")
        self.send_header("request-id", "req_of_the_provider")
        self.end_headers()


def main():
    flags = argparse.ArgumentParser(prog="strict", description="A strict provider in all four formats.")
    flags.add_argument("--port", type=int, default=0)
    server = Server(("127.0.0.1", flags.parse_args().port))
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Whoever started this holds the other end: when they are gone, so is this.
    sys.stdin.read()
