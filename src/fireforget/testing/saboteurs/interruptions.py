"""Queues that break what is promised of cancelled calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from fireforget.abc import Outcome
from fireforget.local.memory import MemoryQueue
from fireforget.testing.saboteurs.reaching import Reaching
from fireforget.testing.saboteurs.saboteur import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.abc import Delivery, Message

found = Found("queue")


@found("cancelling_a_receive_loses_nothing")
class DropsWhatItTook(MemoryQueue):
    """A `receive` that is cancelled has settled what it took."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take, settle, and tell."""
        deliveries = await super().receive(limit, wait=wait, lease=lease)
        try:
            await checkpoint()
        except BaseException:  # a cancellation is none of `Exception`
            self._messages.settle(deliveries, self._elapsed())
            raise
        return deliveries


@found("cancelling_a_receive_that_waits_loses_nothing")
class WaitsOnWhenCancelled(MemoryQueue):
    """A `receive` that was cancelled while it waited takes the next message with it."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take; cancelled, leave a ghost."""
        try:
            return await super().receive(limit, wait=wait, lease=lease)
        except BaseException:  # the same
            if wait:
                vars(self._messages)["ghost"] = True
            raise

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Publish, for the ghost first."""
        outcomes = await super().publish(messages)
        if vars(self._messages).pop("ghost", False):
            self._messages._entries.clear()
        return outcomes


@found("publishing_again_after_a_cancelled_publish_loses_nothing")
class RemembersBeforeItPublishes(MemoryQueue):
    """A cancelled publish has noted the ids, and takes the messages for known ones the next time."""

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Note, wait, publish what was new."""
        noted = vars(self._messages).setdefault("noted", set())
        fresh = [each for each in messages if each.id not in noted or len(messages) == 1]
        noted.update(each.id for each in messages)
        outcomes = {each.id: outcome for each, outcome in zip(fresh, await super().publish(fresh), strict=True)}
        return [outcomes.get(each.id, Outcome("delivered")) for each in messages]


@found("settling_again_after_a_cancelled_ack_is_for_good")
class SettlesOnlyOnce(MemoryQueue):
    """A cancelled ack is never made again: its receipt was used."""

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle what was not tried before."""
        tried = vars(self._messages).setdefault("tried", set())
        fresh = [each for each in deliveries if each.receipt not in tried]
        tried.update(each.receipt for each in fresh)
        await super().ack(fresh)


class LosesWhatItMoves(Reaching):
    """The base of those that take a message out, wait, and put it back."""

    async def move(self, deliveries: Sequence[Delivery]) -> None:
        """Lose it, if cancelled now."""
        away = dict(self.entries(deliveries))
        for place in away:
            del self._messages._entries[place]
        await checkpoint()
        self._messages._entries.update(away)


@found(
    "a_cancelled_nack_loses_nothing",
    "what_is_delayed_holds_back_what_is_later_only",
    "what_is_delayed_is_not_overtaken",
    "what_was_given_back_comes_before_what_is_later",
)
class LosesWhatItGivesBack(LosesWhatItMoves):
    """A nack that is cancelled loses its messages."""

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Take out, put back."""
        await super().nack(deliveries, delay=delay)
        await self.move(deliveries)


@found("a_cancelled_extend_loses_nothing")
class LosesWhatItExtends(LosesWhatItMoves):
    """An extend that is cancelled loses its messages."""

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        """Take out, put back."""
        renewed = await super().extend(deliveries, lease)
        await self.move(renewed)
        return renewed
