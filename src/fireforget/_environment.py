"""``FIREFORGET_*`` variables, put where the file would have their values.

A variable is named like its key: ``FIREFORGET_NAME`` for ``name``, ``FIREFORGET_JOURNAL_DURABILITY`` for ``durability``
in ``[journal]``; a list is separated by commas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_origin

import msgspec

from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from msgspec.structs import FieldInfo

PREFIX: Final = "FIREFORGET_"
CONFIG: Final = f"{PREFIX}CONFIG"
"""Names the file itself."""


def put(environ: Mapping[str, str], table: dict[str, Any], kind: type[msgspec.Struct]) -> dict[str, str]:
    """Put the values of all variables into the table.

    Args:
        environ: The variables; those without the prefix are somebody else's.
        table: What the file holds. Not altered where it has something else in place of a table.
        kind: What the table describes.

    Returns:
        Which variable a value came from, by its key, such as ``journal.durability``.

    Raises:
        SettingsError: A variable is no setting.
    """
    given = [name for name in environ if name.startswith(PREFIX) and name != CONFIG]
    if not given:
        return {}
    fields = _fields(kind)
    origins = {}
    for name in given:
        path = fields.get(name.upper())
        if path is None or _is_table(path[-1]):
            raise SettingsError(_mend(name, fields))
        _set(table, path, environ[name])
        origins[".".join(field.name for field in path)] = name
    return origins


def _set(table: dict[str, Any], path: tuple[FieldInfo, ...], value: str) -> None:
    *sections, field = path
    for section in sections:
        table = table.setdefault(section.name, {})
        if not isinstance(table, dict):
            return  # which is said when the file is made to settings
    is_list = get_origin(field.type) is tuple
    table[field.name] = [part.strip() for part in value.split(",") if part.strip()] if is_list else value


def _fields(kind: type[msgspec.Struct]) -> dict[str, tuple[FieldInfo, ...]]:
    """Every key, with the section that it is in, by the name of its variable."""
    fields: dict[str, tuple[FieldInfo, ...]] = {}
    for field in msgspec.structs.fields(kind):
        fields[f"{PREFIX}{field.name}".upper()] = (field,)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            for inner in msgspec.structs.fields(field.type):
                fields[f"{PREFIX}{field.name}_{inner.name}".upper()] = (field, inner)
    return fields


def _is_table(field: FieldInfo) -> bool:
    kind = field.type
    return get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, msgspec.Struct))


def _mend(variable: str, fields: Mapping[str, tuple[FieldInfo, ...]]) -> str:
    """What to do about a variable that is no setting."""
    path = fields.get(variable.upper())
    if path is None:
        from fireforget._unfit import suggest

        known = [name for name, (*_, field) in fields.items() if not _is_table(field)]
        return f"{variable} is no setting; unset it or mend its name{suggest(variable, known)}"
    inner = next((name for name in fields if name.startswith(f"{variable.upper()}_")), None)
    if inner is not None:
        return f"{variable} is no setting, but a table: set its keys, such as {inner}"
    key = ".".join(field.name for field in path)
    return f"{variable} is no setting, but a table: only the file can hold it, below [{key}]"
