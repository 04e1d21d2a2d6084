"""What the formats share: a request as far as scenarios look at it, and an answer before it is written."""

import base64
import binascii
import re
import secrets
from dataclasses import dataclass, field


class Rejected(Exception):
    """The request is not what the provider takes."""

    def __init__(self, message, status=400, param=None, code=None, reason=None):
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code
        self.reason = reason


@dataclass
class Result:
    """What a tool gave back."""

    id: str
    name: str
    text: str
    media: list = field(default_factory=list)
    error: bool = False


@dataclass
class Asked:
    """A request."""

    model: str
    stream: bool = False
    # All texts of the user and of instructions, in order.
    texts: list = field(default_factory=list)
    instructions: list = field(default_factory=list)
    # The results that came since the last answer, and all results so far.
    results: list = field(default_factory=list)
    steps: int = 0
    media: list = field(default_factory=list)
    # Name to schema, in order.
    tools: dict = field(default_factory=dict)
    search: bool = False
    # auto, none, required or the name of a tool.
    choice: str = "auto"
    schema: dict | None = None
    json: bool = False
    n: int = 1
    stops: list = field(default_factory=list)
    # What was handed out as thinking and came back since the last text of the user.
    seals: list = field(default_factory=list)
    reasoning: bool = False
    usage_wanted: bool = True
    array: bool = False


@dataclass
class Text:
    text: str
    # Of `Source`s, for the whole text.
    sources: list = field(default_factory=list)


@dataclass
class Thinking:
    text: str
    seal: str


@dataclass
class Call:
    name: str
    # As the model wrote them; None: it wrote none.
    arguments: str | None
    id: str = ""
    seal: str | None = None


@dataclass
class Source:
    url: str
    title: str
    quote: str


@dataclass
class Search:
    query: str
    sources: list


@dataclass
class Refusal:
    text: str


@dataclass
class Usage:
    """Totals: input counts what was cached, output counts reasoning."""

    input: int = 25
    cached: int = 0
    written: int = 0
    output: int = 12
    reasoning: int = 0


@dataclass
class Answer:
    blocks: list
    # stop, tools, length, refusal, or stop:SEQUENCE
    stop: str = "stop"
    usage: Usage = field(default_factory=Usage)
    # More answers, where several were asked for.
    others: list = field(default_factory=list)
    # Whether calls are written piece by piece in turns.
    interleaved: bool = False
    # Longest piece of text in one event.
    piece: int = 6

    def pieces(self, text):
        return [text[start : start + self.piece] for start in range(0, len(text), self.piece)]


def random_id(length=24):
    return "".join(secrets.choice("ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz0123456789") for _ in range(length))


def seal(issued, text, format):
    """Something unforgeable to hand out."""
    raw = secrets.token_bytes(180)
    sealed = base64.b64encode(raw).decode()
    if format == "responses":
        sealed = "gAAAAAB" + base64.urlsafe_b64encode(raw).decode()
    issued[sealed] = {"text": text}
    return sealed


def decode(data, what, param=None):
    """The bytes of base64 that must be standard and padded."""
    try:
        decoded = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Rejected(f"{what}: invalid base64 data", param=param) from None
    if not decoded:
        raise Rejected(f"{what}: empty data", param=param)
    return decoded


def sniff(data):
    """The media type that the bytes are of, as far as tests need it."""
    for start, mime in (
        (b"\x89PNG", "image/png"),
        (b"\xff\xd8", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"%PDF", "application/pdf"),
    ):
        if data.startswith(start):
            return mime
    return None


#: Keywords that JSON Schema has and a strict schema of OpenAI has not.
NOT_STRICT = {"allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties"}
TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}


def schema_nodes(schema, path=()):
    """All subschemas with their paths; names of properties are no keywords."""
    yield path, schema
    if not isinstance(schema, dict):
        return
    for keyword in ("properties", "$defs", "definitions", "patternProperties"):
        if isinstance(inner := schema.get(keyword), dict):
            for name, node in inner.items():
                yield from schema_nodes(node, (*path, keyword, name))
    for keyword in ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"):
        if isinstance(inner := schema.get(keyword), dict):
            yield from schema_nodes(inner, (*path, keyword))
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems", "items"):
        if isinstance(inner := schema.get(keyword), list):
            for index, node in enumerate(inner):
                yield from schema_nodes(node, (*path, keyword, str(index)))


def json_schema_fault(schema):
    """What is no JSON Schema about it, or None."""
    for path, node in schema_nodes(schema):
        where = "/".join(path) or "(root)"
        if isinstance(node, bool):
            continue
        if not isinstance(node, dict):
            return f"{where} is not a schema"
        kinds = node.get("type", [])
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if kind not in TYPES:
                return f"{where}: {kind!r} is not valid under any of the given schemas"
        names = node.get("required", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return f"{where}: required is not an array of strings"
        if "enum" in node and not isinstance(node["enum"], list):
            return f"{where}: enum is not an array"
        if "properties" in node and not isinstance(node["properties"], dict):
            return f"{where}: properties is not an object"
    return None


def openai_strict_fault(schema):
    """Why OpenAI does not take the schema as strict, or None."""
    if schema.get("type") != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    for path, node in schema_nodes(schema):
        if not isinstance(node, dict):
            continue
        context = f"In context={path!r}"
        for keyword in sorted(NOT_STRICT & node.keys()):
            return f"{context}, '{keyword}' is not permitted."
        kinds = node.get("type")
        if kinds == "object" or "properties" in node or (isinstance(kinds, list) and "object" in kinds):
            if node.get("additionalProperties") is not False:
                return f"{context}, 'additionalProperties' is required to be supplied and to be false."
            for name in node.get("properties", {}):
                if name not in node.get("required", []):
                    wanted = "'required' is required to be supplied and to be an array including every key in properties"
                    return f"{context}, {wanted}. Missing '{name}'."
    return None


def fitting(schema, root=None, name="value"):
    """A value that fits the schema."""
    root = root if root is not None else schema
    schema = {key: value for key, value in schema.items()}
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return fitting(target, root, name)
    known = {"city": "Paris", "population": 2102650}
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return fitting(schema["anyOf"][0], root, name)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = (kind[0] if isinstance(kind, list) else kind).lower()
    if kind == "object":
        return {key: fitting(node, root, key) for key, node in schema.get("properties", {}).items()}
    if kind == "array":
        return [fitting(schema.get("items", {"type": "string"}), root, name)]
    if name in known:
        return known[name]
    return {"string": "text", "integer": 3, "number": 1.5, "boolean": True}.get(kind)


def marker(texts):
    """The scenario that the last text with `[[…]]` names."""
    for text in reversed(texts):
        if found := re.findall(r"\[\[([\w.:=-]+)\]\]", text):
            return found[-1]
    return "text"
