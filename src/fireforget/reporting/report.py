"""The report: the figures of a period beside those of the period before, and the pipeline's own counts."""

from __future__ import annotations

from datetime import datetime

import msgspec

from fireforget.reporting.definition import Definition
from fireforget.reporting.figures import Figures
from fireforget.reporting.period import Period


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
        queue_depth: Messages waiting in the queue now.
    """

    accepted: int | None = None
    delivered: int | None = None
    pending: int | None = None
    dead_lettered: int | None = None
    dropped: int | None = None
    corrupt: int | None = None
    refused: int | None = None
    queue_depth: int | None = None

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
            ("Messages in the queue now", self.queue_depth),
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
