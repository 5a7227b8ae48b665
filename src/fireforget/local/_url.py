"""The URLs of the embedded backend, taken apart."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def split(url: str) -> SplitResult:
    """The parts of a URL.

    Raises:
        SettingsError: It has no ``scheme://``, or a fragment. The message leaves the URL out: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it is what checks it
    except ValueError as error:
        raise SettingsError(f"this is not a URL ({error}): write scheme://...") from None
    if not url.startswith(f"{parts.scheme}://"):
        raise SettingsError("this is not a URL: write scheme://..., such as sqlite:///app.db")
    if "#" in url:
        raise SettingsError(f"the {parts.scheme} URL has a '#': write it as %23")
    return parts


def options(parts: SplitResult, known: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The options after the ``?``, of which `known` names all and their values.

    Raises:
        SettingsError: An option or its value is not among the known ones, or comes twice.
    """
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            names = ", ".join(known) or "none"
            raise SettingsError(f"the {parts.scheme} URL has an unknown option {name!r}: the known ones are: {names}")
        if value not in known[name] or name in found:
            values = ", ".join(known[name])
            raise SettingsError(f"the {parts.scheme} URL needs {name} once, with one of the values: {values}")
        found[name] = value
    return found


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
