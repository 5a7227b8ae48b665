"""Dead letters that break their promises."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
from anyio.lowlevel import checkpoint

from fireforget.errors import PermanentError
from fireforget.local.memory import MemoryDeadLetters
from fireforget.testing.saboteurs.saboteur import Found

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fireforget.abc import DeadLetter, Message

found = Found("dead_letters")

_LARGE = 1024 * 1024


@found("a_letter_is_kept_as_it_was")
class KeepsOneLine(MemoryDeadLetters):
    """Of a reason it keeps the first line."""

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        """Keep a part."""
        await super().put(message, reason.partition("\n")[0], attempts=attempts)


@found("a_letter_is_kept_as_it_was")
class LosesTheKey(MemoryDeadLetters):
    """A letter has no key any more."""

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        """Keep a part."""
        await super().put(msgspec.structs.replace(message, key="key"), reason, attempts=attempts)


@found("a_letter_says_when_it_came")
class LosesTheTime(MemoryDeadLetters):
    """A letter came an hour ago."""

    async def list(self, ids: Sequence[str] = ()) -> AsyncIterator[DeadLetter]:
        """Yield letters that are older."""
        async for letter in super().list(ids):
            yield msgspec.structs.replace(letter, time=letter.time - timedelta(hours=1))


@found("a_letter_at_the_limit_is_kept")
class HasNoRoomForLarge(MemoryDeadLetters):
    """What the queue took is too large for its dead letters."""

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        """Keep what is small."""
        if len(message.body) >= _LARGE:
            raise PermanentError("too large")
        await super().put(message, reason, attempts=attempts)


@found("a_reason_that_is_no_text_is_kept_all_the_same")
class NeedsText(MemoryDeadLetters):
    """A reason that is no text raises."""

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        """Encode, and keep."""
        reason.encode()
        await super().put(message, reason, attempts=attempts)


@found("cancelled_calls_lose_nothing_when_made_again", "putting_twice_keeps_one")
class KeepsEach(MemoryDeadLetters):
    """What is put twice is kept twice."""

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        """Keep, under a name of its own."""
        dead = self._messages.dead
        if message.id in dead:
            dead[f"{message.id} "] = msgspec.structs.replace(dead[message.id], id=f"{message.id} ")
        await super().put(message, reason, attempts=attempts)


@found("letters_are_listed_oldest_first")
class ListsTheNewestFirst(MemoryDeadLetters):
    """The order is the wrong way round."""

    async def list(self, ids: Sequence[str] = ()) -> AsyncIterator[DeadLetter]:
        """Yield backwards."""
        letters = [letter async for letter in super().list(ids)]
        for letter in reversed(letters):
            yield letter


@found("letters_are_listed_by_id")
class ListsAll(MemoryDeadLetters):
    """Whatever is asked for, all letters come."""

    async def list(self, ids: Sequence[str] = ()) -> AsyncIterator[DeadLetter]:
        """Yield all."""
        async for letter in super().list():
            yield letter


@found("cancelled_calls_lose_nothing_when_made_again", "letters_are_not_delivered", "what_is_discarded_is_gone")
class DeliversTheDead(MemoryDeadLetters):
    """What is put among the dead letters is queued, too."""

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        """Keep, and queue."""
        await super().put(message, reason, attempts=attempts)
        self._messages.add([message], self._now())


@found("what_is_redriven_and_dies_again_is_kept_again", "what_is_redriven_is_delivered_afresh")
class RemembersTheSettled(MemoryDeadLetters):
    """What is redriven is dropped, since its id was here before."""

    async def redrive(self, ids: Sequence[str]) -> int:
        """Send again, and let deduplication eat it."""
        known = dict(self._messages._settled)
        await self._begin()
        letters = [self._messages.dead.pop(id_) for id_ in list(self._messages.dead) if id_ in ids]
        self._messages.add((letter.message for letter in letters if letter.message.id not in known), self._now())
        return len(letters)


@found(
    "cancelled_calls_lose_nothing_when_made_again",
    "what_is_redriven_and_dies_again_is_kept_again",
    "what_is_redriven_is_delivered_afresh",
)
class KeepsTheRedriven(MemoryDeadLetters):
    """What is redriven is among the dead letters still."""

    async def redrive(self, ids: Sequence[str]) -> int:
        """Send again, and keep."""
        kept = dict(self._messages.dead)
        count = await super().redrive(ids)
        self._messages.dead.update(kept)
        return count


@found("what_is_redriven_and_dies_again_is_kept_again")
class BuriesOnlyOnce(MemoryDeadLetters):
    """What was redriven cannot be buried again."""

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        """Keep what was never redriven."""
        if message.id not in vars(self._messages).get("redriven", ()):
            await super().put(message, reason, attempts=attempts)

    async def redrive(self, ids: Sequence[str]) -> int:
        """Send again, and note."""
        vars(self._messages).setdefault("redriven", set()).update(ids)
        return await super().redrive(ids)


@found("letters_are_redriven_in_their_order")
class RedrivesAsAsked(MemoryDeadLetters):
    """Letters are redriven in the order of the ids, not in their own."""

    async def redrive(self, ids: Sequence[str]) -> int:
        """Send one by one."""
        return sum([await super(RedrivesAsAsked, self).redrive([id_]) for id_ in ids])


@found("what_is_discarded_is_gone")
class CountsTheAsked(MemoryDeadLetters):
    """Says how many ids it was given."""

    async def discard(self, ids: Sequence[str]) -> int:
        """Delete, and count the ids."""
        await super().discard(ids)
        return len(ids)


@found("nothing_is_done_for_no_ids")
class DoesAllForNone(MemoryDeadLetters):
    """No ids mean all letters, as they do for `list`."""

    async def discard(self, ids: Sequence[str]) -> int:
        """Delete those or all."""
        return await super().discard(ids or list(self._messages.dead))


@found("cancelled_calls_lose_nothing_when_made_again")
class LosesWhatItRedrives(MemoryDeadLetters):
    """A redrive that is cancelled loses its letters."""

    async def redrive(self, ids: Sequence[str]) -> int:
        """Take out, wait, queue."""
        await self._begin()
        letters = {id_: self._messages.dead.pop(id_) for id_ in list(self._messages.dead) if id_ in ids}
        await checkpoint()
        self._messages.dead |= letters
        return await super().redrive(ids)
