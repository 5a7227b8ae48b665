"""Queues that break what is promised of messages, batches and the end."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec

from fireforget.abc import Delivery, Depth, Message, Outcome
from fireforget.errors import ClosedError, TransientError
from fireforget.local.memory import MemoryQueue
from fireforget.testing.saboteurs.saboteur import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

found = Found("queue")
_numbers = itertools.count()

_MANY = 150
"""More messages than most tests have."""


class ChangesMessages(MemoryQueue):
    """The base of those that hand out something else than was published."""

    def changed(self, message: Message) -> Message:
        """What is handed out in the message's place."""
        return message

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take, and change."""
        deliveries = await super().receive(limit, wait=wait, lease=lease)
        return [msgspec.structs.replace(each, message=self.changed(each.message)) for each in deliveries]


@found("what_was_published_arrives_exactly")
class LosesTheCount(ChangesMessages):
    """A message holds one event, it thinks."""

    def changed(self, message: Message) -> Message:
        """Count one."""
        return msgspec.structs.replace(message, count=1)


@found("what_was_published_arrives_exactly")
class StripsBlanks(ChangesMessages):
    """Blanks at the end are nothing, it thinks."""

    def changed(self, message: Message) -> Message:
        """Strip."""
        return msgspec.structs.replace(message, body=message.body.strip())


@found("a_message_at_the_limit_arrives")
class CutsAtTheLimit(ChangesMessages):
    """What is as large as the limit loses its end."""

    def changed(self, message: Message) -> Message:
        """Cut."""
        largest = len(message.body.encode()) == self.capabilities.max_message_bytes
        return msgspec.structs.replace(message, body=message.body[:-1]) if largest else message


class JudgesBadly(MemoryQueue):
    """The base of those that answer a batch in their own way."""

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Publish what is liked, and answer as it is liked."""
        await super().publish([each for each in messages if self.outcome(each, messages).status == "delivered"])
        return [self.outcome(each, messages) for each in messages]

    def outcome(self, message: Message, batch: Sequence[Message]) -> Outcome:
        """What is said of a message."""
        right = bool(message.body) and len(message.body.encode()) <= self.capabilities.max_message_bytes
        limit = f"over {self.capabilities.max_message_bytes} bytes, or empty, in a batch of {len(batch)}"
        return Outcome("delivered") if right else Outcome("refused", limit)


@found("a_message_over_the_limit_is_refused_alone")
class TakesTheTooLarge(JudgesBadly):
    """Says that a message over the limit was delivered."""

    def outcome(self, message: Message, batch: Sequence[Message]) -> Outcome:
        """Delivered, unless it is empty."""
        return Outcome("delivered") if message.body else super().outcome(message, batch)


@found("a_message_over_the_limit_is_refused_alone", "an_empty_body_is_refused_alone")
class RefusesTheWholeBatch(JudgesBadly):
    """One message over the limit spoils its batch."""

    def outcome(self, message: Message, batch: Sequence[Message]) -> Outcome:
        """The worst of the batch."""
        outcomes = [super(RefusesTheWholeBatch, self).outcome(each, batch) for each in [message, *batch]]
        return max(outcomes, key=lambda outcome: outcome.status == "refused")


@found("an_empty_body_is_refused_alone")
class TakesTheEmpty(JudgesBadly):
    """Says that an empty message was delivered."""

    def outcome(self, message: Message, batch: Sequence[Message]) -> Outcome:
        """Delivered, unless it is too large."""
        return super().outcome(message, batch) if message.body else Outcome("delivered")


@found("what_is_declared_goes_together")
class PacksMoreThanItTakes(MemoryQueue):
    """Messages are to be packed up to a size that it refuses."""

    capabilities = msgspec.structs.replace(
        MemoryQueue.capabilities, pack_bytes=MemoryQueue.capabilities.max_message_bytes + 1
    )


@found("the_largest_batch_is_taken_at_once")
class TakesHalfABatch(JudgesBadly):
    """Takes fewer bytes at once than it declares."""

    def outcome(self, message: Message, batch: Sequence[Message]) -> Outcome:
        """Try again, with less."""
        most = self.capabilities.max_batch_bytes // 2
        too_much = sum(len(each.body) for each in batch) > most
        return Outcome("retry", "too much at once") if too_much else super().outcome(message, batch)


@found(
    "a_key_keeps_its_order_under_concurrency",
    "an_empty_batch_is_no_error",
    "calls_may_be_made_at_the_same_time",
    "many_consumers_lose_and_duplicate_nothing",
)
class NeedsMessages(MemoryQueue):
    """Asks the service even for nothing, which the service refuses."""

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle, and fail for nothing."""
        if not deliveries:
            raise TransientError("the request has no entries")
        await super().ack(deliveries)


@found("an_empty_queue_gives_nothing", "who_waits_in_vain_gets_nothing")
class RaisesWhenEmpty(MemoryQueue):
    """A queue that never held anything is an error."""

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Publish; from now on it exists."""
        vars(self._messages)["exists"] = True
        return await super().publish(messages)

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take, if there ever was anything."""
        deliveries = await super().receive(limit, wait=wait, lease=lease)
        if not deliveries and "exists" not in vars(self._messages):
            raise TransientError("there is nothing here yet")
        return deliveries


@found("no_more_than_the_limit_is_taken", "one_call_may_take_several_of_a_key_in_order")
class TakesOneMore(MemoryQueue):
    """Takes four where three are asked for."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take as many as it likes."""
        return await super().receive(limit + (limit == 3), wait=wait, lease=lease)  # noqa: PLR2004 - any number will do


@found("who_waits_gets_a_message_that_comes", "closing_ends_a_receive_that_waits")
class NeverWaits(MemoryQueue):
    """Looks once and goes."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Look."""
        return await super().receive(limit, wait=0, lease=lease)


@found("who_waits_in_vain_gets_nothing")
class WaitsForEver(MemoryQueue):
    """Where it may wait, it waits for as long as it takes."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take, however long that takes."""
        return await super().receive(limit, wait=wait * 1e6, lease=lease)


@found("adapters_of_one_identity_share_the_messages", "what_is_constant_needs_no_connection")
class IsAlwaysAnother(MemoryQueue):
    """Every adapter has an identity of its own."""

    @property
    def identity(self) -> str:
        """Never the same."""
        return f"{super().identity}#{next(_numbers)}"


@found("what_is_constant_needs_no_connection")
class AsksForItsLimits(MemoryQueue):
    """Knows its limits only while it is connected."""

    @property
    def identity(self) -> str:
        """Known while it is open."""
        self._check_open()
        return super().identity


@found("a_second_message_with_an_id_is_dropped_for_a_while")
class ForgetsTheSettled(MemoryQueue):
    """Remembers an id only until its message is settled."""

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle, and forget."""
        await super().ack(deliveries)
        self._messages._settled.clear()


@found("an_id_is_forgotten_in_the_end")
class DropsWhatItDeclaresToTake(MemoryQueue):
    """Drops a second message with an id, and declares that it does not."""

    capabilities = msgspec.structs.replace(MemoryQueue.capabilities, deduplication_seconds=0)


@found("an_id_is_forgotten_in_the_end")
class RemembersForEver(MemoryQueue):
    """Never takes an id again."""

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Take what was never here."""
        now = self._elapsed()
        self._messages._settled.update(dict.fromkeys(self._messages._settled, now))
        return await super().publish(messages)


@found("depth_tells_what_it_knows")
class CountsBadly(MemoryQueue):
    """Counts what is under lease as if it could be had."""

    async def depth(self) -> Depth:
        """Count, badly."""
        depth = await super().depth()
        return msgspec.structs.replace(depth, visible=(depth.visible or 0) + (depth.in_flight or 0))


@found("depth_tells_what_it_knows")
class CountsMilliseconds(MemoryQueue):
    """Says the age of the oldest message in another unit."""

    async def depth(self) -> Depth:
        """Count, and tell milliseconds."""
        depth = await super().depth()
        return msgspec.structs.replace(depth, oldest_seconds=(depth.oldest_seconds or 0) * 1000)


@found("many_consumers_lose_and_duplicate_nothing")
class LosesOne(MemoryQueue):
    """One message of many vanishes."""

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Publish all but one, and say nothing of it."""
        kept = [each for each in messages if each.id != f"{_MANY}"]
        outcomes = list(await super().publish(kept))
        return [*outcomes, *[Outcome("delivered")] * (len(messages) - len(kept))]


@found("many_consumers_lose_and_duplicate_nothing")
class DeliversTwice(MemoryQueue):
    """One message of many is delivered twice."""

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle all but one."""
        first = [each for each in deliveries if each.message.id == f"{_MANY}" and each.attempt == 1]
        await super().ack([each for each in deliveries if each not in first])
        await super().nack(first)


@found("closing_ends_a_receive_that_waits")
class EndsWithNothing(MemoryQueue):
    """A `receive` that waits ends as if nothing had come."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take, and hide that it is closed."""
        was_open = not self._closed
        try:
            return await super().receive(limit, wait=wait, lease=lease)
        except ClosedError:
            if was_open:
                return ()
            raise
