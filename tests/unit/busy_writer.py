"""A writer thread that is kept busy, so that a test decides what waits together and what happens meanwhile."""

import asyncio
import sqlite3
import threading
from typing import Self

from anyio.lowlevel import checkpoint

from fireforget.local.sqlite._database import Database


class BusyWriter:
    """Holds the writer of a database from `async with` to its end; `statements` is what it executed afterwards."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begun = threading.Event()
        self._release = threading.Event()
        self.statements: list[str] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._database.write(self._hold))
        await asyncio.to_thread(self._begun.wait)
        return self

    async def waiting(self, count: int) -> None:
        """Wait until so many jobs wait for the writer."""
        while self._database._file.writer._jobs.qsize() < count:
            await checkpoint()

    async def __aexit__(self, *_: object) -> None:
        self._release.set()
        await self._task

    def _hold(self, connection: sqlite3.Connection) -> None:
        self._begun.set()
        self._release.wait()
        connection.set_trace_callback(self.statements.append)
