"""The configuration: `fireforget.toml`, then ``FIREFORGET_*`` variables, into one frozen `Settings`.

Only this module reads configuration from files and from the environment; ``FIREFORGET_CONFIG`` names another file.
What is misspelt is not ignored: an unknown key or variable is an error.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fireforget._environment import CONFIG, put
from fireforget._settings import Settings
from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_FILE: Final = "fireforget.toml"
"""What is read where nothing else is named."""


def load_settings(path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the file and the environment.

    Args:
        path: The file; None for ``FIREFORGET_CONFIG``, else `fireforget.toml` in the working directory if it is there.
        environ: The variables; None for those of the process.

    Raises:
        SettingsError: A key is unknown or a value unfit; the message names it and says what fits.
    """
    variables = os.environ if environ is None else environ
    file = settings_path(path, variables)
    table = {} if file is None else _read(file)
    return settings_from(table, put(variables, table, Settings))


def settings_path(path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None) -> Path | None:
    """Which file `load_settings` reads with the same arguments; None where it reads none."""
    variables = os.environ if environ is None else environ
    named = path if path is not None else variables.get(CONFIG)
    file = Path(named or DEFAULT_FILE)
    return file if named or file.is_file() else None


def settings_from(table: Mapping[str, Any], variables: Mapping[str, str] | None = None) -> Settings:
    """Make settings from a table, as it stands in the file.

    Args:
        table: The keys and their values.
        variables: The environment variables that some came from, by key, such as ``journal.durability``.

    Raises:
        SettingsError: As for `load_settings`.
    """
    return _convert(table, strict=False, variables=variables or {})


def checked(settings: Settings) -> Settings:
    """Settings that were made in code, once their values are known to fit.

    Raises:
        SettingsError: As for `load_settings`.
    """
    if not isinstance(settings, Settings):
        message = f"settings must be made by Settings(...) or load_settings(...), not {type(settings).__name__}"
        raise SettingsError(message)
    return _convert(_table(settings), strict=True, variables={})


def _convert(table: Mapping[str, Any], *, strict: bool, variables: Mapping[str, str]) -> Settings:
    try:
        settings = msgspec.convert(table, Settings, strict=strict)
    except msgspec.ValidationError as error:
        from fireforget._unfit import explain

        why = explain(table, Settings, strict=strict, variables=variables)
        raise SettingsError(why or f"unfit setting: {error}") from None
    if settings.secret_bytes:
        from fireforget._salt import DailySalt

        DailySalt(settings.secret_bytes)  # which refuses one that is too short
    journal = settings.journal
    if journal.max_bytes < 2 * journal.segment_bytes:
        ratio = f"{journal.segment_bytes} of {journal.max_bytes}"
        message = f"journal.segment_bytes must be at most half of journal.max_bytes, not {ratio}"
        raise SettingsError(message)
    return settings


def _table(value: Any) -> Any:
    """The table that a struct was made of, all the way down: what is in it already is checked again, too."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    return {key: _table(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _read(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"cannot read the configuration {file}: {error.strerror}"
        raise SettingsError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{file} is not valid TOML: {error}"
        raise SettingsError(message) from error
