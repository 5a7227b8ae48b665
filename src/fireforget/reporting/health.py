"""The pipeline's own counts, as far as they are known on this machine."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from fireforget._journal import totals
from fireforget.errors import AdapterError, JournalError
from fireforget.reporting.report import Health

if TYPE_CHECKING:
    from fireforget._settings import Settings
    from fireforget.abc import Queue

_logger: Final = logging.getLogger("fireforget")


async def pipeline_health(settings: Settings, queue: Queue) -> Health:
    """Ask the queue, and read the journals, if this machine has any.

    A report is of the store, and these counts are an extra: where the queue does not answer, or the journals' ledger
    cannot be locked, theirs are None, which is logged.
    """
    depth, found = None, None
    try:
        depth = await queue.depth()
    except AdapterError as error:
        _logger.warning("the report goes without the queue's counts: %s", error)
    if settings.journal_directory.is_dir():
        try:
            found = await anyio.to_thread.run_sync(totals, settings.journal_directory)  # it reads every journal whole
        except JournalError as error:
            _logger.warning("the report goes without the journals' counts: %s", error)
    return Health.of(found.counts, depth, unread=len(found.unread)) if found else Health.of(None, depth)
