"""The directive ``settings``: a table of `fireforget.toml`, key by key, from the class that reads it.

``.. settings::`` is the top level, ``.. settings:: journal`` the table ``[journal]``. Each key becomes a `confval` with
its type, its default, its environment variable and what the class's docstring says of it.
"""

from __future__ import annotations

import inspect
import re
import types
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import msgspec
from sphinx.util.docutils import SphinxDirective

from fireforget import SettingsError, _environment, _settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docutils import nodes
    from sphinx.application import Sphinx

_ARGUMENT = re.compile(r"^    (?P<name>\w+): (?P<text>.+(?:\n {8,}.+)*)", re.MULTILINE)
_NAMES = {str: "text", int: "integer", float: "number", bool: "true or false"}
_BOUNDS = {"ge": "at least {:,}", "gt": "more than {:,}", "le": "at most {:,}"}


SECTIONS: dict[str, Any] = {
    field.name: field.type
    for field in msgspec.structs.fields(_settings.Settings)
    if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
}
"""The tables of the file, by their names."""


class SettingsDirective(SphinxDirective):
    """Writes the keys of one table of the configuration."""

    optional_arguments = 1
    has_content = False
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Write the keys as reStructuredText, and have it parsed."""
        section = self.arguments[0] if self.arguments else ""
        self.env.note_dependency(_settings.__file__)
        return self.parse_text_to_nodes("\n".join(_lines(section)))


def _lines(section: str) -> Iterator[str]:
    model: Any = SECTIONS[section] if section else _settings.Settings
    meanings = {match["name"]: match["text"] for match in _ARGUMENT.finditer(inspect.getdoc(model) or "")}
    hints = get_type_hints(model, include_extras=True)
    for field in msgspec.structs.fields(model):
        if not section and field.name in SECTIONS:
            continue  # a table of its own
        yield f".. confval:: {section}.{field.name}" if section else f".. confval:: {field.name}"
        yield ""
        yield "   " + re.sub(r"\s+", " ", meanings[field.name])
        yield ""
        details = [_type(hints[field.name]), f"default: {_default(field)}"]
        variable = f"{_environment.PREFIX}{section}_{field.name}" if section else f"{_environment.PREFIX}{field.name}"
        if _is_variable(variable.upper()):
            details.append(f"``{variable.upper()}``")
        yield f"   {' · '.join(details)}"
        yield ""


def _is_variable(name: str) -> bool:
    """Ask the one who reads the environment."""
    try:
        _environment.put({name: ""}, {}, _settings.Settings)
    except SettingsError:
        return False
    return True


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if value is None:
        return "none"
    if value in ((), {}, ""):
        return "empty"
    return f"``{msgspec.json.encode(value).decode()}``"


def _type(kind: Any) -> str:  # noqa: PLR0911 - one for each form that a type has
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return f"{_type(arguments[0])}{_bounds(arguments[1])}"
    if origin is Literal:
        return " or ".join(f'``"{value}"``' for value in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}s"
    if origin is dict:
        return f"table of {_type(arguments[1])} by name"
    if origin is types.UnionType:
        return " or ".join(_type(one) for one in arguments if one is not type(None))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"``{{ {', '.join(field.name for field in msgspec.structs.fields(kind))} }}``"
    return _NAMES[kind]


def _bounds(meta: msgspec.Meta) -> str:
    said = [text.format(value) for name, text in _BOUNDS.items() if (value := getattr(meta, name)) is not None]
    if meta.pattern:
        said.append(f"matching ``{meta.pattern}``")
    return "".join(f", {part}" for part in said)


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx."""
    app.add_directive("settings", SettingsDirective)
    return {"parallel_read_safe": True}
