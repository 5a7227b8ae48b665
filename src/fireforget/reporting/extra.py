"""What the extra ``fireforget[report]`` brings, and what is said where it is missing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def report_extra() -> Iterator[None]:
    """Import within this what the extra brings.

    Raises:
        SettingsError: One of its packages is missing; the message says how to install them.
    """
    try:
        yield
    except ImportError as error:
        message = (
            f"the HTML report needs {error.name or 'packages'}, which is not installed: run "
            'pip install "fireforget[report]", or take the plain text'
        )
        raise SettingsError(message) from error
