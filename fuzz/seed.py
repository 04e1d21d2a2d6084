"""Makes a corpus for the fuzz targets from the recorded traffic and from what earlier runs have found:
python3 fuzz/seed.py"""

import hashlib
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "tests" / "fixtures"
# As in `Format::ALL`.
FORMATS = ["openai-chat", "openai-responses", "anthropic", "gemini"]
LONGEST = 8_000


def write(target: str, data: bytes) -> None:
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def recorded(name: str, category: str):
    for path in sorted((FIXTURES / name / category).iterdir()):
        body = path.read_bytes()
        if len(body) <= LONGEST:
            yield path, body


for number, name in enumerate(FORMATS):
    others = [other for other in range(len(FORMATS)) if other != number]
    for _, body in recorded(name, "requests"):
        for other in others:
            write("request", bytes([number, other]) + body)
    for path, body in recorded(name, "streams"):
        if path.suffix != ".sse":
            continue
        events = [event + b"\n" for event in body.replace(b"\r\n", b"\n").split(b"\n\n") if event]
        for other in others:
            write("answer", bytes([number, other, 1 | 1 << 2]) + b"\xff".join(events))
        write("sse", b"\x07" + body)
    for _, body in recorded(name, "responses"):
        for other in others:
            write("answer", bytes([number, other, 0]) + body)
    for _, body in recorded(name, "errors"):
        write("relay", bytes([number]) + body)
for target in (HERE / "seeds").iterdir():
    shutil.copytree(target, HERE / "corpus" / target.name, dirs_exist_ok=True)
