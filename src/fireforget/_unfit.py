"""Why a table of settings is unfit, in the words of who wrote it: which key, what would fit, what is there instead.

Only called once something is known to be unfit. Texts that might be a secret, an address or a URL are not quoted.
"""

from __future__ import annotations

import difflib
import json
import re
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import inspect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_LONGEST_QUOTED: Final = 40
_CONFIDENTIAL: Final = re.compile(r"://|@")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_SORTS: Final[dict[type, str]] = {
    NoneType: "nothing",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    dict: "a table",
    list: "a list",
    tuple: "a list",
}


def explain(table: object, kind: type[msgspec.Struct], *, strict: bool, variables: Mapping[str, str]) -> str | None:
    """The first thing in a table that keeps it from being a `kind`, in one line; None where there is nothing.

    Args:
        table: What is unfit.
        kind: What it was to be.
        strict: Are numbers and truth values written as texts unfit, too?
        variables: The environment variables that values came from, by key, such as ``journal.durability``.
    """
    return next(_Reading(strict=strict, variables=variables).struct(table, kind, ""), None)


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is not known: what was probably meant, else what there is."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f": did you mean {close[0]!r}?" if close else f": known are {', '.join(names)}"


class _Reading:
    """One walk through a table, which yields what is unfit.

    Args:
        strict: As for `explain`.
        variables: As for `explain`.
    """

    def __init__(self, *, strict: bool, variables: Mapping[str, str]) -> None:
        self._strict = strict
        self._variables = variables

    def struct(self, table: object, kind: type[msgspec.Struct], path: str) -> Iterator[str]:
        """A table with known keys."""
        if not isinstance(table, dict):
            form = f"{kind.__name__}(...)" if self._strict else f"a table, its keys below [{path}]"
            yield f"{path} must be {form}, not {_shown(table)}"
            return
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for key in table:
            if key not in fields:
                yield f"unknown key {key!r} in {f'[{path}]' if path else 'the top level'}{suggest(str(key), fields)}"
        for key, field in fields.items():
            if key in table:
                yield from self._any(table[key], field.type, f"{path}.{key}" if path else key)
            elif field.required:
                yield f"[{path}] needs the key {key!r}"

    def _any(self, value: object, kind: Any, path: str) -> Iterator[str]:
        origin = get_origin(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from self.struct(value, kind, path)
        elif origin is dict and isinstance(value, dict):
            yield from self._mapping(value, get_args(kind)[1], path)
        elif origin is tuple and isinstance(value, (list, tuple)):
            for number, item in enumerate(value):
                yield from self._any(item, get_args(kind)[0], f"{path}[{number}]")
        else:
            yield from self._leaf(value, kind, path)

    def _mapping(self, table: dict[Any, object], kind: Any, path: str) -> Iterator[str]:
        """A table with names of the user's own, such as those of event types: they may have dots in them."""
        keys = getattr(kind, "__struct_fields__", ())
        for name, value in table.items():
            if not isinstance(name, str):
                yield f"the names in {path} must be texts, not {_shown(name)}"
                continue
            dotted = _dotted(name, value, keys)
            if dotted != name:
                yield f'{path}.{dotted}: a name with a dot stands in quotes: "{dotted}"'
            yield from self._any(value, kind, f"{path}.{name if _BARE.fullmatch(name) else json.dumps(name)}")

    def _leaf(self, value: object, kind: Any, path: str) -> Iterator[str]:
        try:
            msgspec.convert(value, kind, strict=self._strict)
        except msgspec.ValidationError:
            there = _sort(value) if kind is str else _shown(value)
            yield f"{self._variables.get(path, path)} must be {_fitting(kind)}, not {there}"


def _dotted(name: str, value: object, keys: Iterable[str]) -> str:
    """The whole name, where TOML took its dots for tables within tables."""
    while isinstance(value, dict):
        inner = next((key for key in value if key not in keys), None)
        if inner is None:
            break
        name, value = f"{name}.{inner}", value[inner]
    return name


def _fitting(kind: Any) -> str:
    """What would fit, in words."""
    if isinstance(kind, UnionType):
        return " or ".join(_fitting(one) for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) is Literal:
        *others, last = map(json.dumps, get_args(kind))
        return f"{', '.join(others)} or {last}"
    match inspect.type_info(kind):
        case inspect.Metadata(extra_json_schema={"description": str() as description}):
            words = description
        case inspect.BoolType():
            words = "true or false"
        case inspect.IntType() as info:
            words = f"a whole number{_bounds(info)}"
        case inspect.FloatType() as info:
            words = f"a number{_bounds(info)}"
        case inspect.VarTupleType():
            words = 'a list, such as ["a", "b"]'
        case inspect.DictType():
            words = "a table"
        case _:
            words = "a text"
    return words


def _bounds(info: inspect.IntType | inspect.FloatType) -> str:
    if info.gt is not None:
        return f" above {info.gt}"
    if info.ge is None:
        return ""
    return f" of at least {info.ge}" if info.le is None else f" from {info.ge} to {info.le}"


def _shown(value: object) -> str:
    """The value as the file would have it, where that is short and gives nothing away; else of what sort it is."""
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if isinstance(value, str):
        quoted = len(value) <= _LONGEST_QUOTED and not _CONFIDENTIAL.search(value)
        return json.dumps(value, ensure_ascii=False) if quoted else "this text"
    return _sort(value)


def _sort(value: object) -> str:
    return _SORTS.get(type(value), f"an object of the class {type(value).__name__}")
