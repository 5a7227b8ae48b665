"""The queue, its dead letters and the store in the memory of this process: the readable reference of the ports.

What the other adapters do with locks and indexes stands here in plain Python, for asyncio and for trio. Adapters of one
name share what they hold for as long as one of them exists; nothing outlives the process.
"""

from __future__ import annotations

from fireforget.local.memory._dead_letters import MemoryDeadLetters
from fireforget.local.memory._queue import MemoryQueue
from fireforget.local.memory._store import MemoryStore

__all__ = ["MemoryDeadLetters", "MemoryQueue", "MemoryStore"]
