"""The URLs that name adapters, taken apart. No message repeats a URL: it may hold a password."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, urlsplit

from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def split_url(url: str) -> SplitResult:
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


def url_options(parts: SplitResult, known: Mapping[str, Iterable[str] | None]) -> dict[str, str]:
    """The options after the ``?``.

    Args:
        parts: The URL.
        known: All options that there are, each with its values; None where it takes any text.

    Raises:
        SettingsError: An option or its value is not among the known ones, or comes twice.
    """
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            names = ", ".join(known) or "none"
            raise SettingsError(f"the {parts.scheme} URL has an unknown option {name!r}: the known ones are: {names}")
        values = known[name]
        if name in found or not (value if values is None else value in values):
            fit = "a value" if values is None else f"one of the values: {', '.join(values)}"
            raise SettingsError(f"the {parts.scheme} URL needs {name} once, with {fit}")
        found[name] = value
    return found
