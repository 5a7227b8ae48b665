"""Where the URLs of the embedded backend point to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from urllib.parse import SplitResult


def sqlite_path(parts: SplitResult) -> str:
    """The file that ``sqlite:///relative`` or ``sqlite:////absolute`` names.

    Raises:
        SettingsError: It names a host, or no file.
    """
    path = unquote(parts.path[1:])
    if parts.netloc or not path or path.endswith("/") or path == ":memory:":
        raise SettingsError(
            "a sqlite URL names a file: write sqlite:///relative/path.db or sqlite:////absolute/path.db; "
            "for memory write memory://name"
        )
    return path


def sqlite_url(path: str) -> str:
    """The URL of a file."""
    return f"sqlite:///{quote(path)}"


def directory_path(parts: SplitResult) -> str:
    """The directory that ``file:///absolute`` names.

    Raises:
        SettingsError: It names a host, or no directory.
    """
    if parts.netloc not in {"", "localhost"} or not parts.path.strip("/"):
        raise SettingsError("a file URL names a directory by its absolute path: write file:///var/lib/app/mail")
    return unquote(parts.path)


def directory_url(path: str) -> str:
    """The URL of a directory; a relative path counts from where the process is now."""
    return f"file://{quote(os.path.abspath(path))}"  # noqa: PTH100 - `Path.resolve` reads the disk
