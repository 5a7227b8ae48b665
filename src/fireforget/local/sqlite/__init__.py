"""The queue, its dead letters and the store in a SQLite file, for all processes of one machine.

What the three have in common: a file is opened by the first call, made if need be, and shared by all adapters of the
process that name it. One thread writes: whatever waits for it goes into one transaction, so that many callers pay for
one commit. Another reads beside it. Both end with the last adapter's `aclose`, which empties the log into the file.
What is made, file and directory, is for this user alone; the mode of a file that is there stays as it is. A file is
safe to use across `fork` and from any number of processes, but not on a network file system, where SQLite's locks do
not hold. Python's `asyncio` carries it; trio does not.
"""

from __future__ import annotations

from fireforget.local.sqlite._connection import Synchronous
from fireforget.local.sqlite._dead_letters import SQLiteDeadLetters
from fireforget.local.sqlite._inspection import steps
from fireforget.local.sqlite._queue import SQLiteQueue
from fireforget.local.sqlite._store import SQLiteStore

__all__ = ["SQLiteDeadLetters", "SQLiteQueue", "SQLiteStore", "Synchronous", "steps"]
