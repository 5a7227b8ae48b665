"""The sender of reports: of many who would send one, the first to claim it in the store does."""

from __future__ import annotations

import logging
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from fireforget._backends import Adapters
from fireforget._request import new_correlation_id
from fireforget.errors import TransientError
from fireforget.reporting.aggregate import ATTEMPTS, aggregate
from fireforget.reporting.definitions import load
from fireforget.reporting.deliver import check_people, message
from fireforget.reporting.extra import require_extra
from fireforget.reporting.health import pipeline_health
from fireforget.reporting.wording import plural

if TYPE_CHECKING:
    from email.message import EmailMessage

    from fireforget._clock import Clock
    from fireforget._schema import EventTypes
    from fireforget._settings import ReportSettings, Settings
    from fireforget.abc import Mailer, Queue, Store
    from fireforget.reporting.period import Period
    from fireforget.reporting.report import Report

_KEPT: Final = 2
"""So many times its own length a report stays claimed once it is sent: longer than it is the last one of its kind."""

_logger: Final = logging.getLogger("fireforget")


class ReportSender:
    """Sends reports, each once, whoever else would send it.

    Where the sender dies midway, or the mailer fails, `delivery` in ``[report]`` decides: ``"at_least_once"`` lets the
    report be sent again, ``"at_most_once"`` does not.

    Args:
        store: Where the events are, and the claims, too.
        queue: Is asked for its depth.
        settings: The whole configuration.
        types: Lifts events of older versions.
        clock: Time.
        mailer: Where reports go; None for the mailer of the settings, made anew for each.
    """

    def __init__(
        self,
        store: Store,
        queue: Queue,
        settings: Settings,
        types: EventTypes,
        clock: Clock,
        mailer: Mailer | None = None,
    ) -> None:
        self._store, self._queue = store, queue
        self._settings, self._types, self._clock, self._mailer = settings, types, clock, mailer
        self._holder = new_correlation_id()
        self._spent: Period | None = None

    async def send(self, period: Period, lease: float) -> bool:
        """Make the report of a period and send it; False where somebody else does so, or has done so.

        Raises what the store or the mailer raises; the report then stays claimed, for another try of this sender.

        Args:
            period: Which one.
            lease: How long others leave it alone while it is made and sent, in seconds.
        """
        for_good = _KEPT * (period.end - period.start).total_seconds()
        once = self._settings.report.delivery == "at_most_once"
        if period == self._spent or not await self._claim(period, lease):
            return False
        mail = await self._make(period)
        if not await self._claim(period, for_good if once else lease):
            return False  # making it took so long that somebody else has begun
        self._spent = period if once else None
        await self._deliver(mail)
        recipients = plural(len(self._settings.report.recipients), "recipient")
        _logger.info("the report of %s went to %s", period.label, recipients)
        try:
            await self._claim(period, for_good)
        except Exception as error:  # noqa: BLE001 - it is sent; at worst it is sent again
            _logger.warning("the report of %s is sent, and may be again: %s", period.label, error)
        return True

    async def let_go(self, period: Period) -> None:
        """After a failure: let others try at once, unless it may have been sent and is to be sent once at most."""
        if period != self._spent:
            await self._claim(period, 0.0)

    async def _claim(self, period: Period, lease: float) -> bool:
        """Take the report, or keep it. Raises what the store raises."""
        from stamina import retry_context

        settings = self._settings
        first, _ = period.calendar or (period.start.date(), None)
        key = f"report:{settings.name}:{Path(settings.report.definition).stem}:{period.noun}:{first}"
        taken = False
        async for attempt in retry_context(on=TransientError, attempts=ATTEMPTS, timeout=None):
            with attempt:
                taken = await self._store.claim(key, lease, holder=self._holder)
        return taken

    async def _make(self, period: Period) -> EmailMessage:
        now = datetime.fromtimestamp(self._clock.time_ns() / 1e9, UTC)
        report = await make_report(self._store, self._queue, self._settings, period, now, types=self._types)
        return await make_mail(report, self._settings)

    async def _deliver(self, mail: EmailMessage) -> None:
        if self._mailer is not None:
            await self._mailer.send(mail)
            return
        async with aclosing(Adapters(self._settings).mailer()) as mailer:
            await mailer.send(mail)


async def make_report(
    store: Store, queue: Queue, settings: Settings, period: Period, now: datetime, *, types: EventTypes
) -> Report:
    """The figures of a period as of now, with the pipeline's own counts beside them."""
    health = await pipeline_health(settings, queue)
    return await aggregate(store, period, settings, types=types, health=health, as_of=now)


async def make_mail(report: Report, settings: Settings) -> EmailMessage:
    """The report as a mail to those whom the settings name; in a thread, since drawing takes a second."""
    people = settings.report
    return await anyio.to_thread.run_sync(partial(message, report, people.sender, people.recipients))


def check_report(report: ReportSettings) -> None:
    """See whether a report could be sent.

    Raises:
        SettingsError: The definition or an address cannot be used, nobody is named to whom the report goes, or the
            extra ``fireforget[report]`` is not installed.
    """
    load(report.definition)
    check_people(report.sender, report.recipients)
    require_extra()
