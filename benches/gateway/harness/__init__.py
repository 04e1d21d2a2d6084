"""The Python part of the benchmark: starts, loads, compares and reports. Standard library only.

| Module | What it knows |
| --- | --- |
| `cases` | the tables: cases, measures, budgets |
| `formats` | requests and answers of the four formats |
| `processes` | starting pinned processes, their memory and scheduling |
| `targets` | the floor, the gateway, peers: how each is started and reached |
| `probe` | whether a target answers soundly |
| `load` | the loader and the upstream: one measurement |
| `figures` | medians, ratios, budgets: pure rules |
| `compare` | a run over cases and rounds |
| `growth` | cost against size |
| `machine` | facts about where it ran |
| `report` | JSON lines, Markdown, the generated part of the documentation |
"""
