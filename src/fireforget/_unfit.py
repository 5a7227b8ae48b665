"""Why a table of settings is unfit, in the words of who wrote it: which key, what would fit, what is there instead.

Only called once something is known to be unfit. Texts that might be a secret, an address or a URL are not quoted.
"""

from __future__ import annotations

import difflib
import json
import re
from datetime import date, datetime
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args, get_origin

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
    date: "a date",
    datetime: "a moment",
}


def explain(
    table: object, kind: type[msgspec.Struct], *, strict: bool, variables: Mapping[str, str], place: str = ""
) -> str | None:
    """The first thing in a table that keeps it from being a `kind`, in one line; None where there is nothing.

    Args:
        table: What is unfit.
        kind: What it was to be.
        strict: Are numbers and truth values written as texts unfit, too?
        variables: The environment variables that values came from, by key, such as ``journal.durability``.
        place: Where the table stands in its file, such as ``[[tiles]] 2``; empty for the top level.
    """
    return next(_Reading(strict=strict, variables=variables, place=place).struct(table, kind, ""), None)


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
        place: As for `explain`.
    """

    def __init__(self, *, strict: bool, variables: Mapping[str, str], place: str) -> None:
        self._strict = strict
        self._variables = variables
        self._place = place

    def struct(self, table: object, kind: type[msgspec.Struct], path: str) -> Iterator[str]:
        """A table with known keys."""
        if not isinstance(table, dict):
            yield f"{self._at(path)} must be {self._form(kind, path)}, not {_shown(table)}"
            return
        tag = kind.__struct_config__.tag_field
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for key in table:
            if key not in fields and key != tag:
                known = [tag, *fields] if tag else fields
                yield f"unknown key {key!r} in {self._table(path)}{suggest(str(key), known)}"
        for key, field in fields.items():
            if key in table:
                yield from self._any(table[key], field.type, f"{path}.{key}" if path else key)
            elif field.required:
                yield f"{self._table(path)} needs the key {key!r}"

    def _table(self, path: str) -> str:
        """How a message calls the table at the path."""
        if self._place:
            return f"{path} of {self._place}" if path else self._place
        return f"[{path}]" if path else "the top level"

    def _at(self, path: str) -> str:
        """How a message calls the value at the path."""
        return self._table(path) if self._place else self._variables.get(path, path)

    def _form(self, kind: type[msgspec.Struct], path: str) -> str:
        if self._place:
            return "a table"
        return f"{kind.__name__}(...)" if self._strict else f"a table, its keys below [{path}]"

    def _any(self, value: object, kind: Any, path: str) -> Iterator[str]:
        bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        table = _struct_of(kind)
        if table is not None and (table is kind or isinstance(value, dict)):
            yield from self.struct(value, table, path)
        elif get_origin(kind) is dict and isinstance(value, dict):
            yield from self._mapping(value, get_args(kind)[1], path)
        elif get_origin(bare) is tuple and isinstance(value, (list, tuple)):
            for number, item in enumerate(value):
                yield from self._any(item, get_args(bare)[0], f"{path}[{number}]")
            yield from self._leaf(value, kind, path)  # the items may fit, and their number not
        else:
            yield from self._leaf(value, kind, path)

    def _mapping(self, table: dict[Any, object], kind: Any, path: str) -> Iterator[str]:
        """A table with names of the user's own, such as those of event types: they may have dots in them."""
        inner = _struct_of(kind)
        keys = inner.__struct_encode_fields__ if inner else ()
        for name, value in table.items():
            if not isinstance(name, str):
                yield f"the names in {self._at(path)} must be texts, not {_shown(name)}"
                continue
            dotted = _dotted(name, value, keys)
            if dotted != name:
                besides = f"; known keys are {', '.join(keys)}" if inner is not kind and keys else ""
                yield f'{self._at(f"{path}.{dotted}")}: a name with a dot stands in quotes: "{dotted}"{besides}'
            yield from self._any(value, kind, f"{path}.{name if _BARE.fullmatch(name) else json.dumps(name)}")

    def _leaf(self, value: object, kind: Any, path: str) -> Iterator[str]:
        try:
            msgspec.convert(value, kind, strict=self._strict)
        except msgspec.ValidationError:
            there = _sort(value) if kind is str else _shown(value)
            yield f"{self._at(path)} must be {_fitting(kind)}, not {there}"


def _struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that a table would be, where the value may be one."""
    for one in get_args(kind) if isinstance(kind, UnionType) else (kind,):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return one
    return None


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
        unsaid = {NoneType, int} if float in get_args(kind) else {NoneType}
        return " or ".join(_fitting(one) for one in get_args(kind) if one not in unsaid)
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
        case inspect.TupleType() | inspect.VarTupleType() as info:
            words = _listed(info)
        case inspect.DictType() | inspect.StructType():
            words = "a table"
        case inspect.StrType(min_length=1):
            words = "a text that is not empty"
        case _:
            words = "a text"
    return words


def _listed(info: inspect.TupleType | inspect.VarTupleType) -> str:
    if isinstance(info, inspect.TupleType):
        return f'a list of {len(info.item_types)}, such as ["a", "b"]'
    if info.min_length is None:
        return 'a list, such as ["a", "b"]'
    return f"a list of {info.min_length} {'or more' if info.max_length is None else f'to {info.max_length}'}"


def _bounds(info: inspect.IntType | inspect.FloatType) -> str:
    if info.gt is not None:
        return f" above {info.gt}" + ("" if info.le is None else f", up to {info.le}")
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
