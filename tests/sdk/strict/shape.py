"""Whether a JSON value is what a TypedDict of an SDK describes: no field unknown, none missing, every type right."""

import collections.abc
import functools
import types
import typing

import typing_extensions
from typing_extensions import is_typeddict

_QUALIFIERS = {
    typing.Required,
    typing.NotRequired,
    typing_extensions.Required,
    typing_extensions.NotRequired,
    typing_extensions.ReadOnly,
}
_LISTS = (list, collections.abc.Iterable, collections.abc.Sequence)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


class Misshapen(Exception):
    """What is wrong, and where; `kind` is `missing`, `unknown`, `type` or `value`."""

    def __init__(self, kind, path, message):
        super().__init__(message)
        self.kind = kind
        self.path = path
        self.message = message

    def dotted(self):
        """`messages.0.content.1.text`, as Anthropic writes it."""
        return ".".join(map(str, self.path))

    def bracketed(self):
        """`messages[0].content[1].text`, as OpenAI writes it."""
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return text.removeprefix(".")


class Shape:
    """The fields of a request, out of one or more TypedDicts."""

    def __init__(self, *params, more=(), optional=()):
        self._fields = {}
        self._required = set()
        for params_type in params:
            for name, field in hints(params_type).items():
                self._fields.setdefault(name, []).append(field)
                if required(params_type, name):
                    self._required.add(name)
        for name, field in dict(more).items():
            self._fields[name] = [field]
        self._optional = frozenset(optional)

    def check(self, body):
        if not isinstance(body, dict):
            raise Misshapen("type", (), "the body is not an object")
        for name in sorted(self._required - body.keys()):
            raise Misshapen("missing", (name,), "Field required")
        for name, value in body.items():
            if name not in self._fields:
                raise Misshapen("unknown", (name,), "Extra inputs are not permitted")
            first = None
            for field in self._fields[name]:
                try:
                    check(value, field, (name,), self._optional)
                    break
                except Misshapen as wrong:
                    first = first or wrong
            else:
                raise first


@functools.cache
def hints(typed_dict):
    return typing_extensions.get_type_hints(typed_dict, include_extras=True)


def required(typed_dict, name):
    """Whether the field is. `__required_keys__` is no help where annotations are strings."""
    field = hints(typed_dict)[name]
    while typing.get_origin(field) is typing.Annotated:
        field = typing.get_args(field)[0]
    origin = typing.get_origin(field)
    if origin in (typing.Required, typing_extensions.Required):
        return True
    if origin in (typing.NotRequired, typing_extensions.NotRequired):
        return False
    for base in typed_dict.__mro__ if hasattr(typed_dict, "__mro__") else ():
        if base is not typed_dict and name in getattr(base, "__annotations__", {}):
            return required(base, name)
    return typed_dict.__total__


def bare(kind):
    """A type without what only qualifies it."""
    while True:
        if isinstance(kind, typing_extensions.TypeAliasType):
            kind = kind.__value__
        elif typing.get_origin(kind) in _QUALIFIERS or typing.get_origin(kind) is typing.Annotated:
            kind = typing.get_args(kind)[0]
        else:
            return kind


def alternatives(kind):
    kind = bare(kind)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [inner for argument in typing.get_args(kind) for inner in alternatives(argument)]
    return [kind]


def check(value, kind, path, optional=frozenset()):
    choices = alternatives(kind)
    if typing.Any in choices or object in choices:
        return
    if isinstance(value, dict):
        return check_object(value, choices, path, optional)
    if isinstance(value, list):
        lists = [choice for choice in choices if typing.get_origin(choice) in _LISTS]
        if not lists:
            raise Misshapen("type", path, "Input should not be an array")
        return first_success(lists, lambda choice: check_list(value, choice, path, optional))
    if not any(scalar_fits(value, choice) for choice in choices):
        wanted = sorted({repr(one) for choice in choices if is_literal(choice) for one in typing.get_args(choice)})
        if wanted and type(value) is str:
            raise Misshapen("value", path, f"Input should be {' or '.join(wanted)}")
        raise Misshapen("type", path, f"Input should be a valid {names(choices)}")


def check_list(value, kind, path, optional):
    arguments = typing.get_args(kind)
    for index, item in enumerate(value):
        check(item, arguments[0] if arguments else object, (*path, index), optional)


def check_object(value, choices, path, optional):
    typed = [choice for choice in choices if is_typeddict(choice)]
    fitting = [choice for choice in typed if not contradicts(value, choice)]
    free = [choice for choice in choices if typing.get_origin(choice) in _DICTS or choice in _DICTS]
    if fitting:
        try:
            return first_success(fitting, lambda choice: check_fields(value, choice, path, optional))
        except Misshapen:
            if not free:
                raise
    if free:
        return first_success(free, lambda choice: check_values(value, choice, path, optional))
    if typed:
        tag = "type" if "type" in value else "role"
        raise Misshapen("value", (*path, tag), f"Input tag {value.get(tag)!r} does not match any of the expected tags")
    raise Misshapen("type", path, f"Input should be a valid {names(choices)}")


def check_fields(value, typed_dict, path, optional):
    fields = hints(typed_dict)
    for name in fields:
        if name not in value and name not in optional and required(typed_dict, name):
            raise Misshapen("missing", (*path, name), "Field required")
    for name, inner in value.items():
        if name not in fields:
            raise Misshapen("unknown", (*path, name), "Extra inputs are not permitted")
        check(inner, fields[name], (*path, name), optional)


def check_values(value, kind, path, optional):
    arguments = typing.get_args(kind)
    if len(arguments) == 2:
        for name, inner in value.items():
            check(inner, arguments[1], (*path, name), optional)


def first_success(choices, attempt):
    """Tries each; the complaint is the one that came furthest."""
    furthest = None
    for choice in choices:
        try:
            return attempt(choice)
        except Misshapen as wrong:
            if furthest is None or len(wrong.path) > len(furthest.path):
                furthest = wrong
    raise furthest


def contradicts(value, typed_dict):
    """Whether a tag of the value says that it is something else."""
    for tag in ("type", "role", "mode"):
        field = hints(typed_dict).get(tag)
        if field is None:
            continue
        if tag not in value:
            if tag != "mode" and required(typed_dict, tag):
                return True
            continue
        literals = [choice for choice in alternatives(field) if is_literal(choice)]
        if literals and not any(value[tag] in typing.get_args(choice) for choice in literals):
            if str not in alternatives(field):
                return True
    return False


def is_literal(kind):
    return typing.get_origin(kind) in (typing.Literal, typing_extensions.Literal)


def scalar_fits(value, kind):
    if is_literal(kind):
        return any(value == one and type(value) is type(one) for one in typing.get_args(kind))
    if value is None:
        return kind in (None, type(None))
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, int):
        return kind in (int, float)
    if isinstance(value, float):
        return kind is float
    # A file, a path or a date is a string on the wire.
    plain = kind in (int, float, bool, None, type(None)) or is_typeddict(kind)
    return not plain and typing.get_origin(kind) not in (*_LISTS, *_DICTS) and not hasattr(kind, "model_fields")


def names(choices):
    return " or ".join(getattr(choice, "__name__", str(choice)) for choice in choices)
