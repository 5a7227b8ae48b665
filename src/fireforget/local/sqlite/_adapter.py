"""What the adapters of a file have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from fireforget.abc import Clock, Finding, SystemClock
from fireforget.local.sqlite._database import Database
from fireforget.local.sqlite._inspection import inspect

if TYPE_CHECKING:
    import os

    from fireforget.local.sqlite._connection import Synchronous


class SQLiteAdapter:
    """One use of a file.

    Args:
        path: The file; it is made when first used, with its directory.
        synchronous: ``"normal"`` (default) or ``"full"``: whether a commit waits for the disk.
        clock: Where time comes from; the system's by default.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = "normal",
        clock: Clock | None = None,
    ) -> None:
        self._database = Database(path, synchronous=synchronous)
        self._clock = clock or SystemClock()

    async def check(self) -> list[Finding]:
        """Look at the file without changing it. See `fireforget.abc.Checkable`."""
        self._database.check_open()
        return await anyio.to_thread.run_sync(inspect, self._database.path, self._now())

    async def aclose(self) -> None:
        """End this use of the file; the last one closes it. Idempotent."""
        await self._database.aclose()

    def _now(self) -> int:
        """Microseconds since 1970 UTC."""
        return self._clock.time_ns() // 1000
