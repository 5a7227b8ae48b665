"""The dead letters of a queue."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from fireforget.abc.messages import Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class DeadLetter(msgspec.Struct, frozen=True):
    """One message that could not be processed.

    Args:
        id: The operator's handle for `redrive` and `discard`.
        message: The message as it was.
        reason: Why it is here.
        time: When it came here.
        attempts: How often it had been delivered; 0 where that is not known.
    """

    id: str
    message: Message
    reason: str
    time: datetime
    attempts: int = 0


@runtime_checkable
class DeadLetters(Protocol):
    """The operators' side of a queue. The cloud's own redrive policy leads here too."""

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        """Keep a message with its reason, whatever the queue takes. Idempotent by the message's id.

        What has no UTF-8 form in the reason is kept in another form. A letter is not delivered until it is redriven.
        """
        ...

    def list(self, ids: Sequence[str] = ()) -> AsyncIterator[DeadLetter]:
        """Yield the dead letters, oldest first; only those with the given ids, where any are given."""
        ...

    async def redrive(self, ids: Sequence[str]) -> int:
        """Send dead letters to the queue again, oldest first, with a fresh count of attempts; says how many there were.

        Ids that are not here count for nothing; no ids mean no letters. What dies again is kept again.
        """
        ...

    async def discard(self, ids: Sequence[str]) -> int:
        """Delete dead letters for good; says how many there were. Ids that are not here count for nothing."""
        ...

    async def aclose(self) -> None:
        """Free connections and threads. Idempotent."""
        ...
