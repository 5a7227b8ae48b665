"""Queues that break what is promised of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fireforget.testing.saboteurs.reaching import Reaching
from fireforget.testing.saboteurs.saboteur import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.abc import Delivery, Message, Outcome

found = Found("queue")


@found(
    "a_key_has_one_consumer_at_a_time",
    "a_key_keeps_its_order_under_concurrency",
    "an_extended_lease_lasts_longer",
    "one_call_may_take_several_of_a_key_in_order",
    "what_is_delayed_holds_back_what_is_later_only",
    "what_is_delayed_is_not_overtaken",
)
class KnowsNoKeys(Reaching):
    """Every message has a key of its own, though it declares order."""

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Publish under another key."""
        return await super().publish([msgspec.structs.replace(each, key=f"{each.id}\0{each.key}") for each in messages])

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take, with the right key again."""
        deliveries = await super().receive(limit, wait=wait, lease=lease)
        return [
            msgspec.structs.replace(
                each, message=msgspec.structs.replace(each.message, key=each.message.key.rpartition("\0")[2])
            )
            for each in deliveries
        ]


@found(
    "one_call_may_take_several_of_a_key_in_order",
    "the_largest_batch_is_taken_at_once",
    "what_expired_comes_before_what_is_later",
    "what_is_delayed_holds_back_what_is_later_only",
    "what_is_delayed_is_not_overtaken",
    "what_was_given_back_comes_before_what_is_later",
)
class LastComesFirst(Reaching):
    """What is taken in one call comes the wrong way round."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take, and turn."""
        return list(reversed(await super().receive(limit, wait=wait, lease=lease)))


@found(
    "what_is_delayed_holds_back_what_is_later_only",
    "what_is_delayed_is_not_overtaken",
    "what_was_given_back_comes_before_what_is_later",
)
class GivesBackToTheEnd(Reaching):
    """What is given back comes after all others."""

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Give back, at the end."""
        await super().nack(deliveries, delay=delay)
        for place, entry in list(self.entries(deliveries)):
            if not entry.leased:
                del self._messages._entries[place]
                self._messages._entries[next(self._messages._places)] = entry


@found("what_is_delayed_holds_back_what_is_later_only", "what_is_delayed_is_not_overtaken")
class DelayedIsOvertaken(Reaching):
    """While a message is delayed, later ones of its key come."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take, as if nothing were delayed."""
        now = self._elapsed()
        with self.hidden(lambda entry: not entry.leased and entry.due_at > now):
            return await super().receive(limit, wait=wait, lease=lease)


@found("what_is_delayed_holds_back_what_is_later_only")
class DelayHoldsBackTheKey(Reaching):
    """While a message is delayed, its whole key waits, those before it too."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take of keys without a delay."""
        now = self._elapsed()
        entries = self._messages._entries.values()
        delayed = {entry.message.key for entry in entries if not entry.leased and entry.due_at > now}
        with self.hidden(lambda entry: entry.message.key in delayed):
            return await super().receive(limit, wait=wait, lease=lease)


@found("what_expired_comes_before_what_is_later")
class ExpiredGoesToTheEnd(Reaching):
    """What was taken and not settled comes after all others."""

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take, the expired last."""
        now = self._elapsed()
        entries = self._messages._entries
        expired = [place for place, entry in entries.items() if entry.leased and entry.due_at <= now]
        for place in expired:
            entries[next(self._messages._places)] = entries.pop(place)
        return await super().receive(limit, wait=wait, lease=lease)


@found(
    "a_late_ack_does_no_harm",
    "one_call_may_take_several_of_a_key_in_order",
    "what_is_delayed_holds_back_what_is_later_only",
)
class SettlesAKeyAtOnce(Reaching):
    """Settling one of several messages of a key lets go of the others."""

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle, and release the key."""
        await super().ack(deliveries)
        keys = {delivery.message.key for delivery in deliveries}
        for entry in self._messages._entries.values():
            if entry.message.key in keys:
                entry.due_at = 0
                entry.leased = False
