"""After the server's end: bring what is left into the store, see what is there, and write the report."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import msgspec

from examples.cv_chatbot.serve import local_queue, settings_for
from fireforget import FireForget, site_counts
from fireforget.abc import Query
from fireforget.local import backend
from fireforget.reporting import Health, Period, aggregate, render_html, render_text

if TYPE_CHECKING:
    from pathlib import Path

    from fireforget import Settings
    from fireforget.abc import Store

PATIENCE_SECONDS = 60
PAUSE_SECONDS = 0.1
REPORT_SPAN = timedelta(days=7)


class SettlingError(RuntimeError):
    """What was left behind could not be settled."""


class Settled(msgspec.Struct, frozen=True):
    """The end of a run.

    Args:
        stored: The ids of the events in the store.
        counts: fireforget's own counts of all journals of the run.
    """

    stored: list[str]
    counts: Health


class Written(msgspec.Struct, frozen=True):
    """A report: its text, and the path of its page."""

    text: str
    page: str


async def settle(directory: Path) -> Settled:
    """Deliver and process what the server left in journals and queue, then look into the store."""
    settings = settings_for(directory, {})
    queue = local_queue(settings)
    async with FireForget(settings, queue=queue) as ff:  # it adopts journals, and a worker runs in it
        with anyio.move_on_after(PATIENCE_SECONDS) as patience:
            while True:
                left = await ff.drain()
                depth = await queue.depth()
                if not (left or depth.visible or depth.in_flight):
                    break
                await anyio.sleep(PAUSE_SECONDS)
    if patience.cancelled_caught:
        raise SettlingError(f"{directory}: events were left after {PATIENCE_SECONDS} seconds")
    async with aclosing(_store(settings)) as store:
        stored = [record.event.id async for record in store.scan(Query())]
    return Settled(stored=stored, counts=Health.of(site_counts(settings), depth))


async def write_report(directory: Path, counts: Health) -> Written:
    """Report the last seven days of the store in `directory`; the page is written beside the store."""
    settings = settings_for(directory, {})
    now = datetime.now(UTC)
    async with aclosing(_store(settings)) as store:
        report = await aggregate(store, Period(now - REPORT_SPAN, now), settings, health=counts, as_of=now)
    page = anyio.Path(directory) / "report.html"
    await page.write_text(render_html(report), encoding="utf-8")
    return Written(text=render_text(report), page=str(page))


def _store(settings: Settings) -> Store:
    return backend.store(settings.store or backend.url("store", name=settings.name, directory=settings.directory))
