"""Report definitions from files: built-in ones by their name, the user's own by their path."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

import msgspec

from fireforget._unfit import explain, suggest
from fireforget.errors import SettingsError
from fireforget.reporting.checks import check
from fireforget.reporting.definition import AnyBlock, Definition, Headline, Notice, SectionShown, Shown
from fireforget.reporting.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE: Final = "questions"
"""The definition that counts where none is named: events ``query`` and ``response`` of a chatbot."""

BUILT_IN: Final = (REFERENCE, "http")

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")

S = TypeVar("S", bound=msgspec.Struct)


def load(source: str) -> Definition:
    """Read a definition.

    Args:
        source: ``questions``, ``http``, or the path of a TOML file, which has a point or a slash in it.

    Raises:
        SettingsError: There is no such definition, or it cannot be used; the message says where and what fits.
    """
    if source in BUILT_IN:
        return _built_in(source)
    if not {".", "/", "\\"} & set(source):
        message = f"there is no report definition {source!r}, and no file without .toml{suggest(source, BUILT_IN)}"
        raise SettingsError(message)
    try:
        return parse(Path(source).read_text(encoding="utf-8-sig"), source)
    except OSError as error:
        message = f"cannot read the report definition {source}: {error.strerror}"
        raise SettingsError(message) from error
    except UnicodeDecodeError as error:
        message = f"{source} is not valid TOML: {error}"
        raise SettingsError(message) from error


def parse(text: str, source: str) -> Definition:
    """Make a definition of a TOML text.

    Args:
        text: The text.
        source: What messages call it.

    Raises:
        SettingsError: As for `load`.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{source} is not valid TOML: {error}"
        raise SettingsError(message) from error
    try:
        definition = _definition(table)
        check(definition)
    except SettingsError as error:
        message = f"{source}: {error}"
        raise SettingsError(message) from None
    return definition


@cache
def _built_in(name: str) -> Definition:
    text = files("fireforget.reporting").joinpath("builtin", f"{name}.toml").read_text(encoding="utf-8")
    return parse(text, name)


def _definition(table: dict[str, Any]) -> Definition:
    """Piece by piece, so that a message can name the piece."""
    for key in table:
        if key not in Definition.__struct_fields__:
            message = f"unknown key {key!r}{suggest(key, Definition.__struct_fields__)}"
            raise SettingsError(message)
    if "headline" not in table:
        raise SettingsError("[headline] is missing: write at least count = the name of a measure")
    measures = _table(table.get("measures", {}), "measures")
    for name in measures:
        if not _NAME.fullmatch(name):
            message = f"{name!r} cannot name a measure: use small letters, digits and '_', beginning with a letter"
            raise SettingsError(message)
    return Definition(
        headline=_convert(table["headline"], Headline, "[headline]"),
        measures={name: _tagged(known, Kind, "kind", f"[measures.{name}]") for name, known in measures.items()},
        notices=tuple(_convert(known, Notice, place) for known, place in _listed(table, "notices", "[[notices]]")),
        tiles=tuple(_convert(known, Shown, place) for known, place in _listed(table, "tiles", "[[tiles]]")),
        sections=tuple(_section(known, place) for known, place in _listed(table, "sections", "[[sections]]")),
    )


def _section(known: object, place: str) -> SectionShown:
    table = _table(known, place)
    for block, where in _listed(table, "blocks", f"{place} blocks"):
        _tagged(block, AnyBlock, "show", where)
    return _convert(table, SectionShown, place)


def _tagged(known: object, union: Any, tag: str, place: str) -> Any:
    """One table of which a key says which kind it is."""
    table = _table(known, place)
    by_tag = {kind.__struct_config__.tag: kind for kind in get_args(union)}
    said = table.get(tag)
    if not isinstance(said, str) or said not in by_tag:
        problem = f"{tag} = {said!r} is not known" if tag in table else f"{tag} is missing"
        message = f"{place}: {problem}{suggest(str(said), by_tag)}"
        raise SettingsError(message)
    return _convert(table, by_tag[said], place)


def _convert(known: object, kind: type[S], place: str) -> S:
    try:
        return msgspec.convert(known, kind)
    except msgspec.ValidationError as error:
        why = explain(known, kind, strict=True, variables={}, place=place)
        raise SettingsError(why or f"{place}: {str(error).partition(' - at ')[0]}") from None


def _listed(table: Mapping[str, Any], key: str, place: str) -> list[tuple[object, str]]:
    """The tables of a list, each with its place for a message."""
    known = table.get(key, [])
    if not isinstance(known, list):
        written = place if place.startswith("[[") and place.endswith("]]") else f"{key} = [{{ ... }}]"
        message = f"{place} is not a list of tables: write {written}"
        raise SettingsError(message)
    return [(item, f"{place} {number}") for number, item in enumerate(known, start=1)]


def _table(known: object, place: str) -> dict[str, Any]:
    if not isinstance(known, dict):
        message = f"{place} is not a table"
        raise SettingsError(message)
    return known
