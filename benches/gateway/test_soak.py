"""Tests of the rules of `make soak`. Nothing is started but the upstream that fails."""

from __future__ import annotations

import http.client
import json
import os
import socket
import unittest
from collections import Counter

import soak
from harness import endurance, formats, targets, trouble
from harness.endurance import Sample, Totals

WHOLE = json.dumps({"choices": [{"message": {"content": "hello"}}]})


def samples(memory, files=lambda _: 50) -> list[Sample]:
    return [Sample(float(n), memory(n), files(n), 10, 0) for n in range(0, 400, 5)]


def result(found: list[Sample], **changed) -> soak.Result:
    failures = {kind: 5 for kind in trouble.KINDS}
    given = {"seconds": 400.0, "totals": Totals(), "seen": trouble.Seen(), "failures_of_the_upstream": failures,
             "samples": found, **changed}
    return soak.Result(**given)


class Flat(unittest.TestCase):
    """When memory and files count as flat."""

    def failed(self, found: list[Sample]) -> list[str]:
        judged = result(found)
        judged.judge()
        return judged.failed

    def test_even_load_passes_and_so_do_waves(self) -> None:
        self.assertEqual(self.failed(samples(lambda _: 40_000)), [])
        self.assertEqual(self.failed(samples(lambda n: 40_000 + 8_000 * (n % 30 == 0))), [])

    def test_growth_in_the_warm_up_is_none(self) -> None:
        self.assertEqual(self.failed(samples(lambda n: min(10_000 + 400 * n, 50_000))), [])

    def test_a_leak_fails(self) -> None:
        self.assertIn("memory (KiB) grew", self.failed(samples(lambda n: 40_000 + 40 * n))[0])
        self.assertIn("open files grew", self.failed(samples(lambda _: 40_000, lambda n: 50 + n // 4))[0])

    def test_a_run_too_short_says_nothing(self) -> None:
        with self.assertRaises(soak.Unfit):
            result(samples(lambda _: 1)[:4]).judge()


class Errors(unittest.TestCase):
    """Whose fault an error is."""

    def failed(self, **changed) -> str:
        judged = result(samples(lambda _: 40_000), **changed)
        judged.judge()
        self.assertEqual(bool(judged.failed), "**FAILED**" in judged.text())
        return "\n".join(judged.failed)

    def test_what_a_loader_complains_of_fails(self) -> None:
        self.assertIn("status 503", self.failed(totals=Totals(bad=1, complaints=["chat: status 503"])))

    def test_more_failures_than_the_upstream_made_fail(self) -> None:
        self.assertEqual(self.failed(seen=trouble.Seen(caused=Counter(stream_interrupted=5))), "")
        self.assertIn("6 times", self.failed(seen=trouble.Seen(caused=Counter(stream_interrupted=6))))

    def test_the_result_can_be_written_as_json(self) -> None:
        judged = result(samples(lambda _: 40_000), seen=trouble.Seen(caused=Counter({"400": 2})))
        judged.judge()
        found = json.loads(json.dumps(judged.as_json()))
        self.assertEqual((found["passed"], found["clients"]["caused"]), (True, {"400": 2}))
        self.assertEqual((found["growth"][0]["what"], len(found["samples"])), ("memory (KiB)", 80))

    def test_trouble_that_never_came_fails(self) -> None:
        self.assertIn("never asked to fail with 429", self.failed(failures_of_the_upstream={}))

    def test_an_answer_is_judged_by_what_its_trouble_allows(self) -> None:
        def judge(kind: str, status: int, text: str, streamed: bool = False) -> str | None:
            return trouble.judge(kind, "chat", streamed, status, None, text)

        self.assertIsNone(judge("429", 200, WHOLE))
        self.assertIsNone(judge("cut", 200, "data: {}\n\ndata: [DONE]\n\n", True))
        self.assertIn(judge("400", 400, "{}"), trouble.KINDS["400"])
        self.assertIn(judge("cut", 200, '{"error":{"code":"stream_interrupted"}}', True), trouble.KINDS["cut"])
        for kind, status, text, streamed in (("429", 429, "{}", False), ("cut", 200, "data: {}\n\n", True),
                                             ("500", 200, "", False), ("400", 503, "{}", False)):
            self.assertNotIn(judge(kind, status, text, streamed), (None, *trouble.KINDS[kind]), kind)


class Open(unittest.TestCase):
    """What counts as a client's connection that stays open."""

    def test_connections_at_the_port_are_counted_and_the_listener_is_not(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            self.assertEqual(endurance.clients_of(os.getpid(), port), 0)
            with socket.create_connection(("127.0.0.1", port)), listener.accept()[0]:
                self.assertEqual(endurance.clients_of(os.getpid(), port), 1)
            self.assertEqual(endurance.clients_of(os.getpid(), port), 0)


class Load(unittest.TestCase):
    """What is sent, and to whom."""

    def test_all_pairs_are_there_at_both_upstreams(self) -> None:
        for upstream in ("paced", "burst"):
            found = {(case.client, case.upstream) for case in endurance.cases(upstream)}
            self.assertEqual(found, {(one, other) for one in formats.PATHS for other in formats.PATHS})

    def test_every_model_that_is_asked_for_is_configured(self) -> None:
        config = endurance.config(1, 2, trouble.settings(3, 2))
        lists = [entry for value in config.values() if isinstance(value, list) for entry in value if isinstance(entry, dict)]
        known = {model.get("alias", model["id"]) for entry in lists for model in entry["models"]}
        asked = {case.asked for upstream in ("paced", "burst") for case in endurance.cases(upstream)}
        asked |= {f"trouble-{kind}-{at}" for kind in trouble.KINDS for at in trouble.UPSTREAMS}
        self.assertEqual(asked, known)
        self.assertIn("port: ", targets._yaml(config).replace('"port": ', "port: "))

    def test_the_upstream_fails_as_it_is_told(self) -> None:
        failing = trouble.Upstream()
        self.addCleanup(failing.server_close)
        self.addCleanup(failing.shutdown)

        def ask(kind: str, stream: bool) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", failing.port, timeout=10)
            self.addCleanup(connection.close)
            body = json.dumps({"model": f"trouble-{kind}-chat", "stream": stream})
            connection.request("POST", "/v1/chat/completions", body)
            answer = connection.getresponse()
            return answer.status, answer.read()

        self.assertEqual(ask("429", False)[0], 429)
        with self.assertRaises(http.client.RemoteDisconnected):
            ask("hangup", False)
        for kind, said in (("cut", b"half an "), ("early", b"overloaded_error")):
            with self.assertRaises(http.client.IncompleteRead) as cut:
                ask(kind, True)
            self.assertIn(said, cut.exception.partial)
        self.assertEqual(dict(failing.done), {"429": 1, "hangup": 1, "cut": 1, "early": 1})


if __name__ == "__main__":
    unittest.main()
