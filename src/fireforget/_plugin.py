"""The user's module that registers event types: is it there, and its import."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def import_plugin(name: str) -> ModuleType | None:
    """Import the module, which registers its event types; None where none is named.

    Raises:
        SettingsError: It cannot be imported.
    """
    if not name:
        return None
    try:
        return importlib.import_module(name)
    except Exception as error:  # a user's module may raise anything while it is imported
        message = f"plugin = {name!r} cannot be imported: {type(error).__name__}: {error}"
        raise SettingsError(message) from error


def check_plugin(name: str) -> None:
    """Look for a module without importing it, nor the packages that it is in.

    Raises:
        SettingsError: There is no such module.
    """
    whole, places = "", None
    for depth, part in enumerate(name.split(".")):
        whole = f"{whole}.{part}" if depth else part
        if whole in sys.modules:
            places = getattr(sys.modules[whole], "__path__", None)
            continue
        try:
            spec = None if not part or (depth and places is None) else _find(whole, places)
        except KeyError:
            return  # a directory without __init__.py: only its parent could tell where it is, and is not imported
        if spec is None:
            message = f"plugin = {name!r} cannot be imported: there is no {whole!r}; write it as after `import`"
            raise SettingsError(message)
        places = spec.submodule_search_locations


def _find(name: str, places: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, places)
        if spec is not None:
            return spec
    return None
