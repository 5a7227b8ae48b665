"""Stores that break what is promised of time: records that expire, and claims that end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anyio.lowlevel import checkpoint

from fireforget.local.memory import MemoryStore
from fireforget.testing.saboteurs.saboteur import Found

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fireforget.abc import Query, Record

found = Found("store")

_ALL: Final = 1000


@found("expired_records_are_never_returned")
class YieldsTheExpired(MemoryStore):
    """Expired records come until they are purged."""

    async def scan(self, query: Query) -> AsyncIterator[Record]:
        """Yield as of an hour ago."""
        clock = self._clock
        self._clock = _EarlierClock(clock)  # type: ignore[assignment]
        try:
            async for record in super().scan(query):
                yield record
        finally:
            self._clock = clock


class _EarlierClock:
    def __init__(self, clock: object) -> None:
        self._clock = clock

    def time_ns(self) -> int:
        return int(self._clock.time_ns()) - 3600 * 10**9  # type: ignore[attr-defined]


@found("purging_takes_expired_records_only")
class PurgesWhatLives(MemoryStore):
    """What expires some day is purged today."""

    async def purge(self, limit: int = 1000) -> int:
        """Delete what has an end."""
        await self._begin()
        doomed = [key for key, (_, expires_at) in self._shelf.events.items() if expires_at is not None][:limit]
        for key in doomed:
            del self._shelf.events[key]
        return len(doomed)


@found("purging_takes_expired_records_only")
class PurgesWithoutLimit(MemoryStore):
    """However little is asked for, all that is expired goes."""

    async def purge(self, limit: int = 1000) -> int:
        """Delete all."""
        return await super().purge(limit + _ALL)


@found(
    "a_claim_ends_with_its_lease",
    "a_holder_renews_its_claim",
    "of_many_that_claim_at_once_one_succeeds",
    "one_holder_has_a_claim",
)
class GrantsEveryClaim(MemoryStore):
    """Everybody gets the claim."""

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Grant it."""
        await super().claim(key, lease, holder=holder)
        return True


@found("a_claim_ends_with_its_lease")
class ClaimsForEver(MemoryStore):
    """A claim never ends."""

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Take it for good."""
        return await super().claim(key, lease * 1e6, holder=holder)


@found("a_holder_renews_its_claim")
class DoesNotRenew(MemoryStore):
    """Who has the claim is told so, and has it no longer than before."""

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Take it, if nobody has it."""
        await self._begin()
        held = self._shelf.claims.get(key)
        if held is not None and held[0] == holder and held[1] > self._now():
            return True
        return await super().claim(key, lease, holder=holder)


@found("of_many_that_claim_at_once_one_succeeds")
class LooksBeforeItClaims(MemoryStore):
    """Several that claim at the same time all find it free."""

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Look, wait, take."""
        await self._begin()
        held = self._shelf.claims.get(key)
        if held is not None and held[0] != holder and held[1] > self._now():
            return False
        await checkpoint()
        self._shelf.claims[key] = holder, self._now() + round(lease * 1e6)
        return True
