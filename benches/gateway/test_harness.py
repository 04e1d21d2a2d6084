"""Tests of the benchmark's rules: tables, medians, ratios, probes, reports. Nothing is started."""

from __future__ import annotations

import json
import re
import tempfile
import unittest
from pathlib import Path

import bench
import instructions
from harness import figures, formats, growth, machine, probe, report, targets
from harness.cases import BUDGETS, CASES, CONFIGS, ENTRIES, MEASURES, Case, Figure
from harness.compare import Entry, Result, floor_entries, gateway_entries
from harness.load import figures_of

CHAT = Case("chat", "same", "chat", "chat", ("small",))


class Tables(unittest.TestCase):
    """The tables agree with each other."""

    def test_cases_name_what_exists(self) -> None:
        for case in CASES:
            self.assertLessEqual(set(case.measures), set(MEASURES), case.name)
            self.assertLessEqual({case.client, case.upstream}, set(formats.PATHS), case.name)
            self.assertIn(case.config, {**CONFIGS, **ENTRIES})
            self.assertNotIn(",", case.name, "--only could not name it")
        self.assertEqual(len({case.name for case in CASES}), len(CASES))

    def test_budgets_are_for_figures_that_are_measured(self) -> None:
        kinds = {case.kind for case in CASES}
        for (measure, figure), limits in BUDGETS.items():
            self.assertIn(figure, {one.name for one in MEASURES[measure].figures})
            self.assertLessEqual(set(limits), kinds)

    def test_peers_name_cases_and_files_that_exist(self) -> None:
        for peer in targets.PEERS:
            self.assertLessEqual(set(peer.cases), {case.name for case in CASES})
            self.assertTrue(peer.target("x").command)

    def test_the_floor_is_asked_for_all_that_others_are(self) -> None:
        entries = gateway_entries(lambda _: targets.gateway(Path("x")), lambda _: True, lambda _: True)
        floors = {one.case.client: one for one in floor_entries(targets.floor(Path("x")), entries)}
        for entry in entries:
            self.assertLessEqual(set(entry.measures), set(floors[entry.case.client].measures))

    def test_cases_with_the_same_config_share_a_process(self) -> None:
        entries = gateway_entries(lambda name: targets.gateway(Path("x"), name), lambda _: True, lambda _: True)
        made = {entry.case.config: {id(one.target) for one in entries if one.case.config == entry.case.config}
                for entry in entries}
        self.assertTrue(all(len(ids) == 1 for ids in made.values()))


class Rules(unittest.TestCase):
    """Medians, ratios and budgets."""

    def test_a_ratio_is_the_median_of_the_rounds_own(self) -> None:
        # The second round met a slow machine: both are slow, and their ratio is what it was.
        ours, floor = [{"x": 2}, {"x": 20}, {"x": 4}], [{"x": 2}, {"x": 10}, {"x": 2}]
        self.assertEqual(figures.compared(Figure("x", "", ""), ours, floor), 2)
        self.assertEqual(figures.compared(Figure("x", "", "", "added"), ours, floor), 2)
        self.assertEqual(figures.compared(Figure("x", "", "", "plain"), ours, floor), 4)
        self.assertIsNone(figures.compared(Figure("x", "", ""), ours, []))

    def test_only_what_is_above_its_budget_is_over(self) -> None:
        limit = BUDGETS[("small", "cpu_us")]["same"]
        for factor, over in ((0.99, False), (1.0, False), (1.01, True)):
            found = figures.compare(CHAT, "small", [{"cpu_us": limit * factor}], [{"cpu_us": 1.0}])
            self.assertEqual(found[0].over, over, factor)
        found = figures.compare(CHAT, "small", [{"cpu_us": 99}], [{"cpu_us": 1}], budgeted=False)
        self.assertFalse(found[0].over)

    def test_growth_is_told_against_the_first_point(self) -> None:
        self.assertEqual(figures.growth([(1, 2.0), (10, 3.0)]), [(1, 2.0, 1.0), (10, 3.0, 1.5)])
        self.assertEqual(figures.growth([]), [])

    def test_figures_of_a_report(self) -> None:
        told = {
            "seconds": 2.0, "answers": 100, "chunks": 400, "reconnects": 0, "queued": 0,
            "cpu": {"target": 0.5, "mock": 0.1, "loader": 0.3},
            "latency": {"p50": 1.0, "p99": 2.0, "p999": 3.0, "max": 4.0}, "first_byte": None, "chunk": None,
        }
        found = figures_of(told, MEASURES["small"])
        self.assertEqual((found["cpu_us"], found["per_core"], found["p99_us"]), (5000, 200, 2))
        self.assertEqual(figures_of(told, MEASURES["burst"])["cpu_us"], 1250)


class Requests(unittest.TestCase):
    """What is sent, and what counts as an answer."""

    def test_bodies_have_the_size_that_was_asked_for(self) -> None:
        for format in formats.PATHS:
            for size in (1024, 200_000, 2_000_000):
                body = formats.body(format, "m", size, True)
                self.assertAlmostEqual(len(body) / size, 1, delta=0.1, msg=f"{format} {size}")
                json.loads(body)

    def test_a_conversation_ends_with_the_user(self) -> None:
        for size in (1024, 50_000):
            self.assertEqual(json.loads(formats.body("chat", "m", size, False))["messages"][-1]["role"], "user")

    def test_wrong_answers_are_told(self) -> None:
        answer = json.dumps({"choices": [{"message": {"content": formats.ANSWER + "."}}]})
        self.assertIsNone(probe.check_whole("chat", "application/json", answer))
        for kind, text in (("text/html", answer), ("application/json", "{}"), ("application/json", "nothing"),
                           ("application/json", answer.replace("fox", "cat"))):
            self.assertIsNotNone(probe.check_whole("chat", kind, text))

    def test_streams_that_lack_something_are_told(self) -> None:
        chunks = [f"data: ~t{n:016}\n\n" for n in range(7)]
        whole = "".join(chunks) + "data: [DONE]\n\n"
        self.assertIsNone(probe.check_stream("chat", "text/event-stream", whole))
        self.assertIsNotNone(probe.check_stream("chat", "application/json", whole))
        self.assertIsNotNone(probe.check_stream("chat", "text/event-stream", "".join(chunks)))
        self.assertIsNotNone(probe.check_stream("chat", "text/event-stream", "".join(chunks[1:]) + "data: [DONE]"))

    def test_the_gateway_config_is_json_with_a_port(self) -> None:
        config = targets.gateway(Path("x")).files["config.yaml"]
        self.assertEqual(json.loads(targets.fill(config, {"port": "80"}))["port"], 80)

    def test_growth_makes_as_many_as_it_says(self) -> None:
        for series in growth.SERIES:
            settings = series.settings(10)
            if series.name == "accounts" and settings:
                self.assertEqual(len({one["api-key"] for one in settings["openai-compatibility"]}), 10)
            if series.name == "aliases" and settings:
                aliases = [one["alias"] for one in settings["openai-compatibility"][0]["models"]]
                self.assertIn(series.case(10).asked, aliases)


class Reports(unittest.TestCase):
    """What is told."""

    def result(self, target: str = "ai-proxy") -> Result:
        rounds, floor = [{"cpu_us": 200.0}], [{"cpu_us": 100.0}]
        return Result(target, CHAT, "small", rounds, figures.compare(CHAT, "small", rounds, floor))

    def test_the_table_tells_ratio_budget_and_verdict(self) -> None:
        table = report.table([self.result(), self.result(targets.FLOOR)])
        self.assertEqual(len(table.splitlines()), 3)
        self.assertIn("| 200 µs | 100 µs | 2.00× | 1.00× | **OVER** |", table)
        self.assertEqual(len(report.over([self.result()])), 1)

    def test_a_result_is_a_line_of_json(self) -> None:
        line = json.loads(json.dumps(self.result().as_json()))
        self.assertEqual((line["target"], line["figures"][0]["compared"]), ("ai-proxy", 2))

    def test_a_generated_section_is_replaced_and_nothing_else(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text("a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n")
            report.replace_section(page, "x", "new")
            self.assertEqual(page.read_text(), "a\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nb\n")
            with self.assertRaises(ValueError):
                report.replace_section(page, "y", "new")

    def test_the_page_has_the_generated_sections(self) -> None:
        page = bench.PAGE.read_text()
        for name in ("figures", "growth"):
            self.assertRegex(page, re.compile(f"<!-- {name}: begin -->.*<!-- {name}: end -->", re.DOTALL))

    def test_the_allocator_is_read_off_the_dependencies(self) -> None:
        self.assertEqual(machine.allocator('[dependencies]\nmimalloc = { version = "0.1" }'), "mimalloc")
        self.assertEqual(machine.allocator("[dependencies]"), "the system's")

    def test_options_refuse_what_does_not_exist(self) -> None:
        self.assertEqual(bench.options(["--quick"]).rounds, 1)
        self.assertEqual(bench.options(["--only", "chat, messages"]).only, ["chat", "messages"])


class Instructions(unittest.TestCase):
    """Counts and their baseline."""

    def test_counts_are_paired_with_names_in_order(self) -> None:
        self.assertEqual(instructions.pair("a\t1\nb\t10\n", [5, 25]), {"a": 5, "b": 2.5})
        with self.assertRaises(SystemExit):
            instructions.pair("a\t1\n", [])

    def test_a_dump_is_read_when_it_is_one_of_a_piece(self) -> None:
        self.assertEqual(instructions.total("desc: Trigger: --dump-after=x\nsummary: 42\n"), 42)
        self.assertIsNone(instructions.total("desc: Trigger: Program termination\nsummary: 42\n"))

    def test_more_than_the_tolerance_is_wrong(self) -> None:
        for now, wrong in ((100, 0), (103, 0), (104, 1), (50, 0)):
            self.assertEqual(len(instructions.compare({"a": now}, {"a": 100}, 0.03)[1]), wrong, now)
        self.assertEqual(len(instructions.compare({"a": 1}, {"b": 1}, 0.03)[1]), 2)


if __name__ == "__main__":
    unittest.main()
