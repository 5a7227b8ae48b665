"""The pipeline's own counts, as far as they are known on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget._journal import totals
from fireforget.errors import AdapterError
from fireforget.reporting.report import Health

if TYPE_CHECKING:
    from fireforget._settings import Settings
    from fireforget.abc import Queue


async def pipeline_health(settings: Settings, queue: Queue) -> Health:
    """Ask the queue, and read the journals, if this machine has any.

    A report is of the store, and these counts are an extra: where the queue does not answer, its own is None.
    """
    try:
        waiting = (await queue.depth()).visible
    except AdapterError:
        waiting = None
    if not settings.journal_directory.is_dir():
        return Health(queue_depth=waiting)
    counts = totals(settings.journal_directory).counts
    return Health(
        accepted=counts.accepted,
        delivered=counts.delivered,
        pending=counts.pending,
        dead_lettered=counts.dead_lettered,
        dropped=sum(counts.dropped.values()),
        corrupt=counts.corrupt,
        refused=sum(counts.refused.values()),
        queue_depth=waiting,
    )
