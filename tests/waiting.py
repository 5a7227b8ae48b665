"""Waiting for what another thread or process does, for as long as a slow machine may take and not a moment longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import anyio

PATIENCE: Final = 30.0
"""Seconds after which what was waited for counts as missing."""

_STEP: Final = 1 / 500


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Block until the condition holds.

    Raises:
        TimeoutError: It did not in time.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(_STEP)


async def eventually(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until the condition holds, while the loop goes on.

    Raises:
        TimeoutError: It did not in time.
    """
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for belongs to another thread or process
            await anyio.sleep(_STEP)
