"""The directives ``settings`` and ``vocabulary``: the keys of a TOML table, one by one, from the class that reads it.

``.. settings::`` is the top level of `fireforget.toml`, ``.. settings:: journal`` its table ``[journal]``. Each key
becomes a `confval` with its type, its default, its environment variable and what the class's docstring says of it.

``.. vocabulary:: kinds.Count`` is what the class of that module of `fireforget.reporting` adds to the tables of a
report definition: its docstring, then its keys.

Where a class of the settings is described itself, its keys are left out: they stand in its table.
"""

from __future__ import annotations

import inspect
import types
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import msgspec
from sphinx.util.docutils import SphinxDirective

from fireforget import SettingsError, _environment, _settings
from fireforget._settings_file import meanings
from fireforget.reporting.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docutils import nodes
    from sphinx.application import Sphinx

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
        return self.parse_text_to_nodes("\n".join(_settings_lines(section)))


class VocabularyDirective(SphinxDirective):
    """Writes the keys of one table of a report definition."""

    required_arguments = 1
    has_content = False
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Write the keys as reStructuredText, and have it parsed."""
        module, _, name = self.arguments[0].rpartition(".")
        home = import_module(f"fireforget.reporting.{module}")
        self.env.note_dependency(str(home.__file__))
        return self.parse_text_to_nodes("\n".join(_vocabulary_lines(getattr(home, name))))


def _settings_lines(section: str) -> Iterator[str]:
    model: Any = SECTIONS[section] if section else _settings.Settings
    said = meanings(model)
    hints = get_type_hints(model, include_extras=True)
    for field in msgspec.structs.fields(model):
        if not section and field.name in SECTIONS:
            continue  # a table of its own
        yield f".. confval:: {section}.{field.name}" if section else f".. confval:: {field.name}"
        yield ""
        yield f"   {said[field.name]}"
        yield ""
        details = [_type(hints[field.name]), _default(field)]
        variable = f"{_environment.PREFIX}{section}_{field.name}" if section else f"{_environment.PREFIX}{field.name}"
        if _is_variable(variable.upper()):
            details.append(f"``{variable.upper()}``")
        yield f"   {' · '.join(details)}"
        yield ""


def _vocabulary_lines(model: Any) -> Iterator[str]:
    yield inspect.cleandoc(model.__doc__).partition("\nArgs:\n")[0].strip()
    yield ""
    said = meanings(model)
    hints = get_type_hints(model, include_extras=True)
    for field in msgspec.structs.fields(model):
        if field.name in model.__annotations__:  # what it inherits stands where that is described
            yield f"``{field.encode_name}``"
            yield f"   {said[field.name]}"
            yield ""
            yield f"   {_type(hints[field.name])} · {_default(field)}"
            yield ""


def _is_variable(name: str) -> bool:
    """Ask the one who reads the environment."""
    try:
        _environment.put({name: ""}, {}, _settings.Settings)
    except SettingsError:
        return False
    return True


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if value is None:
        return "default: none"
    if value in ((), {}, ""):
        return "default: empty"
    return f"default: ``{msgspec.json.encode(value).decode()}``"


def _type(kind: Any) -> str:  # noqa: PLR0911 - one for each form that a type has
    origin, arguments = get_origin(kind), get_args(kind)
    if kind == Condition:
        return "a condition"
    if origin is Annotated:
        return f"{_type(arguments[0])}{_bounds(arguments[1])}"
    if origin is Literal:
        return " or ".join(f'``"{value}"``' for value in arguments)
    if origin is tuple:
        return _list(*arguments)
    if origin is dict:
        return f"table by name, each {_type(arguments[1])}"
    if origin is types.UnionType:
        return _any_of(*(one for one in arguments if one is not type(None)))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"``{{ {', '.join(field.encode_name for field in msgspec.structs.fields(kind))} }}``"
    return _NAMES[kind]


def _list(*kinds: Any) -> str:
    if kinds[-1] is not ...:
        return f"list of {len(kinds)} {_type(kinds[0])}s"
    if _is_table(kinds[0]):
        return "list of tables"
    return f"list, each {_type(kinds[0])}" if get_origin(kinds[0]) is types.UnionType else f"list of {_type(kinds[0])}s"


def _any_of(*kinds: Any) -> str:
    return "table" if all(map(_is_table, kinds)) else " or ".join(map(_type, kinds))


def _is_table(kind: Any) -> bool:
    """It is a table, or one of several kinds of them."""
    if get_origin(kind) is types.UnionType:
        return all(map(_is_table, get_args(kind)))
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _bounds(meta: msgspec.Meta) -> str:
    said = [text.format(value) for name, text in _BOUNDS.items() if (value := getattr(meta, name)) is not None]
    if meta.description:
        said.append(meta.description)
    return "".join(f", {part}" for part in said)


def _without_keys(_app: Sphinx, _what: str, _name: str, described: object, _options: object, lines: list[str]) -> None:
    """Leave the keys of a table to its directive."""
    if described is _settings.Settings or described in SECTIONS.values():
        del lines[lines.index("Args:") :]


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", _without_keys, priority=400)  # before napoleon
    app.add_directive("settings", SettingsDirective)
    app.add_directive("vocabulary", VocabularyDirective)
    return {"parallel_read_safe": True}
