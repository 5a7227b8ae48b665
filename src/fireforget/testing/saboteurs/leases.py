"""Queues that break what is promised of leases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from fireforget.local.memory import MemoryQueue
from fireforget.testing.saboteurs.reaching import Reaching
from fireforget.testing.saboteurs.saboteur import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.abc import Delivery

found = Found("queue")


@found(
    "a_cancelled_extend_loses_nothing",
    "a_cancelled_nack_loses_nothing",
    "a_late_nack_does_nothing",
    "a_lost_lease_is_not_extended",
    "a_message_comes_again_when_its_lease_has_ended",
    "what_expired_comes_before_what_is_later",
)
class LeasesForEver(MemoryQueue):
    """What was taken never comes again."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take for as long as possible, and say otherwise."""
        longest = self.capabilities.max_lease_seconds
        deliveries = await super().receive(limit, wait=wait, lease=longest if 0 < lease <= longest else lease)
        return [
            msgspec.structs.replace(each, expires_at=each.expires_at - timedelta(seconds=longest - lease))
            for each in deliveries
        ]


@found(
    "a_lost_lease_is_not_extended", "a_message_comes_again_when_its_lease_has_ended", "an_extended_lease_lasts_longer"
)
class LeasesForTooShort(MemoryQueue):
    """What was taken comes again before its lease has ended."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take for half the time, and say otherwise."""
        deliveries = await super().receive(limit, wait=wait, lease=lease / 2 if lease < 1000 else lease)  # noqa: PLR2004
        return [
            msgspec.structs.replace(each, expires_at=each.expires_at + timedelta(seconds=lease / 2))
            for each in deliveries
        ]


@found("a_delivery_says_when_its_lease_ends", "an_extended_lease_lasts_longer")
class LiesAboutTheEnd(MemoryQueue):
    """Says that leases end an hour later than they do."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take, and lie."""
        deliveries = await super().receive(limit, wait=wait, lease=lease)
        return [msgspec.structs.replace(each, expires_at=each.expires_at + timedelta(hours=1)) for each in deliveries]


@found(
    "a_message_comes_again_when_its_lease_has_ended",
    "an_extended_lease_ends_too",
    "what_is_given_back_comes_again_at_once",
    "what_is_given_back_with_a_delay_comes_after_it",
)
class CountsNoAttempts(MemoryQueue):
    """Every delivery is the first, it thinks."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take, and count one."""
        deliveries = await super().receive(limit, wait=wait, lease=lease)
        return [msgspec.structs.replace(each, attempt=1) for each in deliveries]


@found(
    "a_key_has_one_consumer_at_a_time",
    "a_key_keeps_its_order_under_concurrency",
    "a_late_ack_does_no_harm",
    "a_late_nack_does_nothing",
    "a_lost_lease_is_not_extended",
    "a_second_message_with_an_id_is_dropped_for_a_while",
    "an_extended_lease_lasts_longer",
    "many_consumers_lose_and_duplicate_nothing",
    "one_call_may_take_several_of_a_key_in_order",
    "settling_again_after_a_cancelled_ack_is_for_good",
    "the_largest_batch_is_taken_at_once",
    "what_is_delayed_holds_back_what_is_later_only",
    "what_is_settled_never_comes_again",
)
class ForgetsToSettle(Reaching):
    """What was settled comes again after an hour's lease."""

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle nothing."""
        await self._begin()


@found("a_late_ack_does_no_harm")
class LateAckReleases(Reaching):
    """A late ack takes the message from whoever has it now."""

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle, or release."""
        await super().ack(deliveries)
        for _, entry in self.entries(deliveries):
            entry.due_at = 0
            entry.leased = False


@found(
    "a_cancelled_nack_loses_nothing",
    "depth_tells_what_it_knows",
    "what_is_delayed_holds_back_what_is_later_only",
    "what_is_delayed_is_not_overtaken",
    "what_is_given_back_comes_again_at_once",
    "what_is_given_back_with_a_delay_comes_after_it",
    "what_was_given_back_comes_before_what_is_later",
    "what_was_given_back_is_out_of_hand",
)
class GivesBackToNobody(MemoryQueue):
    """What is given back is lost."""

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Settle what should come again."""
        await self.ack(deliveries)


@found(
    "what_is_delayed_holds_back_what_is_later_only",
    "what_is_delayed_is_not_overtaken",
    "what_is_given_back_with_a_delay_comes_after_it",
    "what_was_given_back_is_out_of_hand",
)
class KnowsNoDelay(MemoryQueue):
    """What is given back with a delay comes at once, though it declares otherwise."""

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Give back at once."""
        await super().nack(deliveries, delay=min(delay, 0))


@found("what_is_given_back_comes_again_at_once")
class DelaysUnasked(MemoryQueue):
    """Honours a delay that it declares not to know."""

    capabilities = msgspec.structs.replace(MemoryQueue.capabilities, delayed_nack=False)


@found("a_late_nack_does_nothing", "what_was_given_back_is_out_of_hand")
class LateNackReleases(Reaching):
    """A late nack takes the message from whoever has it now."""

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Give back, whoever has it."""
        await super().nack(deliveries, delay=delay)
        for _, entry in self.entries(deliveries):
            entry.leased = False
            entry.due_at = min(entry.due_at, self._elapsed() + round(delay * 1e6))


@found("a_lost_lease_is_not_extended", "an_extended_lease_lasts_longer")
class ExtendsInWordsOnly(MemoryQueue):
    """Says that a lease is renewed."""

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        """Renew nothing."""
        ends = {id(entry): entry.due_at for _, entry in self._messages._found(deliveries)}
        renewed = await super().extend(deliveries, lease)
        for _, entry in self._messages._found(renewed):
            entry.due_at = ends[id(entry)]
        return renewed


@found("a_cancelled_extend_loses_nothing", "an_extended_lease_ends_too")
class ExtendsForTooLong(MemoryQueue):
    """A renewed lease lasts twice as long as was asked for."""

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        """Renew for longer."""
        return await super().extend(deliveries, 2 * lease if lease < 1000 else lease)  # noqa: PLR2004


@found("a_lost_lease_is_not_extended", "what_was_given_back_is_out_of_hand")
class ExtendsTheLost(MemoryQueue):
    """Says of every lease that it is renewed."""

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        """Renew, and count the lost ones among the renewed."""
        renewed = {each.receipt: each for each in await super().extend(deliveries, lease)}
        return [renewed.get(each.receipt, each) for each in deliveries]


@found("a_lease_below_the_shortest_becomes_the_shortest")
class ShortensTheShortest(MemoryQueue):
    """Declares a shortest lease, and gives shorter ones."""

    capabilities = msgspec.structs.replace(MemoryQueue.capabilities, min_lease_seconds=20.0)


@found("a_lease_that_nobody_can_hold_is_refused")
class TakesAnyLease(MemoryQueue):
    """A lease that nobody can hold becomes one that somebody can."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take for a possible time."""
        longest = self.capabilities.max_lease_seconds
        return await super().receive(limit, wait=wait, lease=min(max(lease, 1), longest))
