"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int | None], None]
"""Called with how much is done, and of how much; None where that is not known."""


def silent(_done: int, _total: int | None) -> None:
    """Tell nobody."""
