"""The report: the figures of a period beside those of the period before, and the pipeline's own counts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from fireforget.reporting.definition import Definition
from fireforget.reporting.figures import Figures
from fireforget.reporting.period import Period

if TYPE_CHECKING:
    from fireforget._journal import Counts
    from fireforget.abc import Depth


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The pipeline's own counts, since its journals were made; what is not known is None.

    Args:
        accepted: Events that `emit` returned an id for.
        delivered: Of these, events that the queue took.
        pending: Of these, events still in a journal.
        dead_lettered: Of these, events that the queue refused for good.
        dropped: Of these, events given up when the journal was full.
        corrupt: Of these, events whose record was damaged.
        refused: Events that were never accepted: too large, unserializable, or the journal was full.
        unread: Journals that could not be read, whose events are in none of these counts.
        queue_depth: Messages waiting in the queue now.
        dead_letters: Messages among the queue's dead letters now.
    """

    accepted: int | None = None
    delivered: int | None = None
    pending: int | None = None
    dead_lettered: int | None = None
    dropped: int | None = None
    corrupt: int | None = None
    refused: int | None = None
    unread: int | None = None
    queue_depth: int | None = None
    dead_letters: int | None = None

    @classmethod
    def of(cls, counts: Counts | None, depth: Depth | None = None, *, unread: int = 0) -> Health:
        """Make it of what is known.

        Args:
            counts: Of all journals, as `fireforget.site_counts` gives them; None where there are no journals.
            depth: What the queue says of itself; None where it says nothing.
            unread: Journals that are not in the counts, since they could not be read.
        """
        waiting, dead = (depth.visible, depth.dead) if depth is not None else (None, None)
        if counts is None:
            return cls(queue_depth=waiting, dead_letters=dead)
        return cls(
            accepted=counts.accepted,
            delivered=counts.delivered,
            pending=counts.pending,
            dead_lettered=counts.dead_lettered,
            dropped=sum(counts.dropped.values()),
            corrupt=counts.corrupt,
            refused=sum(counts.refused.values()),
            unread=unread,
            queue_depth=waiting,
            dead_letters=dead,
        )

    @property
    def counts(self) -> tuple[tuple[str, int | None], ...]:
        """Each count with its name for readers."""
        return (
            ("Accepted", self.accepted),
            ("Delivered", self.delivered),
            ("Pending", self.pending),
            ("Dead-lettered", self.dead_lettered),
            ("Dropped", self.dropped),
            ("Corrupt", self.corrupt),
            ("Refused, so never accepted", self.refused),
            ("Journals that could not be read", self.unread or None),
            ("Messages in the queue now", self.queue_depth),
            ("Messages in the dead letters now", self.dead_letters),
        )

    @property
    def unaccounted(self) -> int:
        """Accepted events that no other count explains; 0 where a count is not known."""
        fates = (self.delivered, self.pending, self.dead_lettered, self.dropped, self.corrupt)
        known = [count for count in fates if count is not None]
        return self.accepted - sum(known) if self.accepted is not None and len(known) == len(fates) else 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a period beside those of the period before.

    Args:
        title: What it is a report of.
        definition: What was measured and how it is shown.
        period: The period.
        figures: Its figures.
        before: The figures of ``period.previous()``.
        health: The pipeline's counts, where they are known.
        as_of: When the store was read; None where nobody said.
    """

    title: str
    definition: Definition
    period: Period
    figures: Figures
    before: Figures
    health: Health | None = None
    as_of: datetime | None = None

    @property
    def empty(self) -> bool:
        """The period has no event at all."""
        return self.figures.events.total == 0

    @property
    def unfinished(self) -> bool:
        """The store was read before the period ended."""
        return self.as_of is not None and self.as_of < self.period.end
