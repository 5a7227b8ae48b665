"""A balance: what has become of everything that clients saw accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from fireforget._journal import Counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST_NAMED: Final = 5


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients, the store, the dead letters and the journals say of one trial.

    Args:
        accepted: Events whose ids clients were told.
        answered: Requests that were answered with success without the id of any event.
        refused: Answers that were no success: nothing was promised.
        turned_away: Requests without a whole answer: no client knows whether their events were accepted.
        stored: Events in the store, those that no client knows of included.
        dead_letters: Events among the dead letters, by reason.
        missing: Ids of accepted events that are neither stored nor among the dead letters.
        forgotten: Ids of answered requests of which no event is there.
        doubled: Ids of events that the store yields more than once.
        counts: What the journals count.
        unread: Journals that cannot be read, and why.
    """

    accepted: int = 0
    answered: int = 0
    refused: int = 0
    turned_away: int = 0
    stored: int = 0
    dead_letters: dict[str, int] = {}
    missing: list[str] = []
    forgotten: list[str] = []
    doubled: list[str] = []
    counts: Counts = msgspec.field(default_factory=Counts)
    unread: list[str] = []

    @property
    def given_up(self) -> int:
        """Accepted events that are gone, with their reasons in the counts: dropped, or lost to damage."""
        return sum(self.counts.dropped.values()) + self.counts.corrupt

    @property
    def problems(self) -> list[str]:
        """Why the books do not balance, a line each; empty where they do."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        counts = self.counts
        dead = sum(self.dead_letters.values())
        never = sum(counts.refused.values()) + counts.sampled_out + counts.filtered
        for reason in self.unread:
            yield f"a journal cannot be read: {reason}"
        if len(self.missing) > self.given_up:
            yield f"{len(self.missing)} of {self.accepted} accepted events are nowhere: {_named(self.missing)}"
        if len(self.forgotten) > self.given_up + never:
            yield f"{len(self.forgotten)} of {self.answered} requests have no event: {_named(self.forgotten)}"
        if self.doubled:
            yield f"{len(self.doubled)} events are stored more than once: {_named(self.doubled)}"
        if counts.pending:
            yield f"{counts.pending} events are still pending"
        if counts.accepted != self.stored + dead + self.given_up + counts.pending:
            yield (
                f"{counts.accepted} events were accepted, but {self.stored} are stored, {dead} among the dead letters, "
                f"{self.given_up} given up and {counts.pending} pending"
            )


def _named(ids: Sequence[str]) -> str:
    more = ", ..." if len(ids) > _MOST_NAMED else ""
    return ", ".join(ids[:_MOST_NAMED]) + more
