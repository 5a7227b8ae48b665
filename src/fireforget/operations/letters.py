"""Dead letters wherever they are: among the queue's own, and in the file of what the queue refused."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from fireforget._backends import Adapters
from fireforget._clock import SystemClock
from fireforget._refused import RefusedFile
from fireforget._secrets import without_secrets
from fireforget.abc import DeadLetter
from fireforget.errors import PermanentError
from fireforget.operations.progress import Progress, silent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from fireforget._settings import Settings
    from fireforget.abc import DeadLetters, Queue

_BATCH: Final = 100
"""Letters of the queue that go back to it in one call."""


class Found(msgspec.Struct, frozen=True):
    """A dead letter, and where it is.

    Args:
        where: ``"queue"``: among its dead letters. ``"file"``: beside the journals, since the queue never took it.
        letter: The letter.
    """

    where: Literal["queue", "file"]
    letter: DeadLetter

    @property
    def reason(self) -> str:
        """Why it is here; a traceback may quote a URL with credentials, and they are left out."""
        return "\n".join(map(without_secrets, self.letter.reason.splitlines()))

    def as_json(self) -> dict[str, Any]:
        """All of it, flat."""
        fields: dict[str, Any] = msgspec.to_builtins(self.letter)
        return {"where": self.where, **fields, "reason": self.reason}


class Redriven(msgspec.Struct):
    """What came of redriving.

    Args:
        count: How many letters are in the queue again.
        failures: Why the others are not, by their ids.
    """

    count: int = 0
    failures: dict[str, str] = {}


class Letters:
    """The dead letters of a configuration.

    Args:
        own: Those of the queue.
        queue: Where those of the file go when they are redriven.
        file: What the queue refused.
    """

    def __init__(self, own: DeadLetters, queue: Queue, file: RefusedFile) -> None:
        self._own = own
        self._queue = queue
        self._file = file

    async def find(self, ids: Sequence[str] = ()) -> AsyncIterator[Found]:
        """Yield the letters, the queue's own first, each place's oldest first; with ids, only those."""
        async for letter in self._own.list(ids):
            yield Found("queue", letter)
        for letter in self._file.read():
            if not ids or letter.id in ids:
                yield Found("file", letter)

    async def redrive(self, ids: Sequence[str], progress: Progress = silent) -> Redriven:
        """Send letters to the queue again; without ids, all of them.

        Args:
            ids: Which.
            progress: Told how many letters have been tried.

        Raises:
            PermanentError: There is none of such an id; nothing has been done.
        """
        own, filed = await self._divide(ids)
        total = len(own) + len(filed)
        done = Redriven()
        for begin in range(0, len(own), _BATCH):
            done.count += await self._own.redrive(own[begin : begin + _BATCH])
            progress(min(begin + _BATCH, len(own)), total)
        if filed:
            await self._redrive_filed(set(filed), done, lambda tried: progress(len(own) + tried, total))
        return done

    async def _redrive_filed(self, ids: set[str], done: Redriven, progress: Callable[[int], None]) -> None:
        """Publish letters of the file; those that the queue takes leave it."""
        delivered: list[str] = []
        try:
            for tried, letter in enumerate((each for each in self._file.read() if each.id in ids), start=1):
                (outcome,) = await self._queue.publish([letter.message])
                if outcome.status == "delivered":
                    delivered.append(letter.id)
                else:
                    done.failures[letter.id] = outcome.reason or outcome.status
                progress(tried)
        finally:
            done.count += self._file.remove(delivered) if delivered else 0

    async def discard(self, ids: Sequence[str]) -> int:
        """Delete letters for good, without ids all of them; says how many there were.

        Raises:
            PermanentError: There is none of such an id; nothing has been done.
        """
        own, filed = await self._divide(ids)
        count = await self._own.discard(own) if own else 0
        return count + (self._file.remove(filed) if filed else 0)

    async def _divide(self, ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """The ids of the queue's own letters, and those of the file's."""
        places: dict[str, list[str]] = {"queue": [], "file": []}
        async for found in self.find(ids):
            places[found.where].append(found.letter.id)
        unknown = set(ids).difference(*places.values())
        if unknown:
            raise no_such_letter(min(unknown))
        return places["queue"], places["file"]


def no_such_letter(id_: str) -> PermanentError:
    """The error for an id that no letter has."""
    return PermanentError(f"there is no dead letter {id_!r}: 'fireforget dead-letters list' shows which there are")


@asynccontextmanager
async def dead_letters_of(settings: Settings) -> AsyncIterator[Letters]:
    """Open the dead letters of a configuration."""
    adapters = Adapters(settings)
    file = refused_file(settings)
    async with aclosing(adapters.queue()) as queue, aclosing(adapters.dead_letters()) as own:
        yield Letters(own, queue, file)


def refused_file(settings: Settings) -> RefusedFile:
    """What the queue refused, in its file beside the journals."""
    return RefusedFile(settings.journal_directory.parent, SystemClock())
