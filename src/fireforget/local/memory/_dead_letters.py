"""The dead letters in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget.abc import Clock, DeadLetter, Message
from fireforget.adapters import moment
from fireforget.local.memory._adapter import MemoryAdapter
from fireforget.local.memory._messages import messages_named

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class MemoryDeadLetters(MemoryAdapter):
    """The messages of a `MemoryQueue` that could not be processed.

    Args:
        name: The queue's name.
        clock: Where time comes from.
    """

    def __init__(self, name: str = "", *, clock: Clock | None = None) -> None:
        self._messages = messages_named(name)
        super().__init__(clock)

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        """Keep a message with its reason; one that is here already stays as it is."""
        await self._begin()
        with self._messages.lock:
            letter = DeadLetter(message.id, message, reason, moment(self._now()), attempts)
            self._messages.dead.setdefault(message.id, letter)

    async def list(self, ids: Sequence[str] = ()) -> AsyncIterator[DeadLetter]:
        """Yield the dead letters as they are now, oldest first. See `fireforget.abc.DeadLetters`."""
        await self._begin()
        with self._messages.lock:
            letters = tuple(self._messages.dead.values())
        for letter in letters:
            self._check_open()
            if not ids or letter.id in ids:
                yield letter

    async def redrive(self, ids: Sequence[str]) -> int:
        """Send dead letters to the queue again, whether or not it remembers them; says how many there were."""
        await self._begin()
        with self._messages.lock:
            count = self._messages.redrive(ids, self._elapsed())
        self._messages.bell.ring()
        return count

    async def discard(self, ids: Sequence[str]) -> int:
        """Delete dead letters for good; says how many there were."""
        await self._begin()
        with self._messages.lock:
            return sum(self._messages.dead.pop(id_, None) is not None for id_ in ids)
