"""A commented `fireforget.toml`: every setting with its meaning and its default, both from the classes of `Settings`.

The meaning is what the docstring of the class says under ``Args``. Every setting stands in a comment of its own, so
that the file as it is means the defaults, and goes on meaning them when a later version changes one.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget._environment import PREFIX
from fireforget._settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH: Final = 100

_HEAD: Final = f"""\
Configuration of fireforget. Every setting stands here with its default, as a comment: to change one, remove the '#'
before its name. Variables of the environment go before this file: {PREFIX}NAME for name,
{PREFIX}JOURNAL_DURABILITY for durability in [journal]; a list is separated by commas."""

_ENTRY: Final = re.compile(r"^(?P<name>\w+): (?P<text>(?:.|\n(?=\s+\S))*)", re.MULTILINE)


def settings_file() -> str:
    """The text of the file."""
    return "\n".join([*_comment(_HEAD), *_table(Settings, ())]) + "\n"


def meanings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """What the docstring of a class of settings says of each of them, by name, in one line each."""
    _, _, arguments = inspect.cleandoc(kind.__doc__ or "").partition("\nArgs:\n")
    described = textwrap.dedent(arguments.partition("\n\n")[0])
    return {found["name"]: " ".join(found["text"].split()) for found in _ENTRY.finditer(described)}


def _table(kind: type[msgspec.Struct], path: tuple[str, ...]) -> Iterator[str]:
    """A table: first its own settings, then the tables in it."""
    told, fields = meanings(kind), msgspec.structs.fields(kind)
    for field in fields:
        if _section(field) is None:
            yield ""
            yield from _comment(_plainly(told[field.name]))
            yield f"# {field.name} = {_value(field)}".rstrip()
    for field in fields:
        section = _section(field)
        if section is not None:
            inner = (*path, field.name)
            yield from ("", "", *_comment(_summary(section)), f"[{'.'.join(inner)}]", *_table(section, inner))


def _section(field: msgspec.structs.FieldInfo) -> type[msgspec.Struct] | None:
    """The class of a setting that is a table."""
    return type(field.default) if isinstance(field.default, msgspec.Struct) else None


def _summary(kind: type[msgspec.Struct]) -> str:
    """The first line of a docstring, without the name of the table."""
    first = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]
    return first.partition(": ")[2].capitalize() or first


def _plainly(text: str) -> str:
    """Without the marks of a docstring."""
    return text.replace("``", "").replace("`", "")


def _comment(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield from textwrap.wrap(" ".join(paragraph.split()), _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _value(field: msgspec.structs.FieldInfo) -> str:
    """The default as TOML has it. There is no null: a setting without default has an empty place for its value."""
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return "" if default is None else msgspec.json.encode(default).decode()
