"""One report on call: what a function does whose platform knows the hour."""

from __future__ import annotations

import logging
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from fireforget._backends import Adapters
from fireforget._clock import SystemClock
from fireforget._configuration import load_settings
from fireforget._plugin import import_plugin
from fireforget._schema import shared_types
from fireforget.errors import AdapterError, SettingsError
from fireforget.reporting.period import LAST, Period
from fireforget.reporting.sender import ReportSender, check_report

if TYPE_CHECKING:
    from fireforget._clock import Clock
    from fireforget._schema import EventTypes
    from fireforget._settings import Settings

_logger: Final = logging.getLogger("fireforget")

_LETTING_GO_SECONDS: Final = 5.0
_HELD: Final = "it has been sent already, or is being sent by somebody else"


class Sending(msgspec.Struct, frozen=True):
    """What came of a report that was to be sent.

    Args:
        period: What it is of.
        sent: Was it sent by this call?
        why: Why not; empty where it was.
    """

    period: Period
    sent: bool
    why: str = ""


async def send_report(
    settings: Settings | None = None,
    *,
    moment: datetime | None = None,
    every: str = "week",
    lease: float = 600.0,
    types: EventTypes = shared_types,
    clock: Clock | None = None,
) -> Sending:
    """Send the report of the last whole day, week or month before a moment, unless that has been done.

    For platforms that start a function at the hour; the worker's own schedule is not asked. Adapters are made for this
    call and closed with it. What it raises lets the platform try again; the claim on the report is given up before,
    so that the next try can send it, unless `delivery` in ``[report]`` is ``"at_most_once"`` and the mailer may have
    sent it.

    Args:
        settings: The configuration; None to read `fireforget.toml` and the ``FIREFORGET_*`` variables.
        moment: The hour of the schedule, aware; None for now. Whoever is late, or tries again, gives the same one.
        every: ``"day"``, ``"week"`` (an ISO week) or ``"month"``, by the calendar of `timezone` in ``[report]``.
        lease: Seconds after which this call has ended for certain. Others leave the report alone until then.
        types: Lifts events of older versions; by default those registered by `event_type`, as the plugin does.
        clock: Time; None for the machine's own.

    Raises:
        SettingsError: The configuration cannot be used, or nobody is named to whom the report goes.
        AdapterError: The store or the mailer failed.
    """
    settings, clock = settings or load_settings(), clock or SystemClock()
    if every not in LAST:
        message = f"a report is of the last {', '.join(LAST)}, not of the last {every!r:.40}: write one of these"
        raise SettingsError(message)
    check_report(settings.report)
    import_plugin(settings.plugin)
    when = moment or datetime.fromtimestamp(clock.time_ns() / 1e9, UTC)
    period = Period.parse(LAST[every], now=when, zone=settings.report.timezone)
    adapters = Adapters(settings)
    async with aclosing(adapters.queue()) as queue, aclosing(adapters.store()) as store:
        sender = ReportSender(store, queue, settings, types, clock)
        try:
            sent = await sender.send(period, lease)
        except BaseException:  # whatever it is, a cancellation too: the next try need not wait for the lease
            await _let_go(sender, period)
            raise
    return Sending(period, sent, "" if sent else _HELD)


async def _let_go(sender: ReportSender, period: Period) -> None:
    """Give up the claim, even while the call is cancelled. Where that fails, it ends with its lease."""
    with anyio.move_on_after(_LETTING_GO_SECONDS, shield=True):
        try:
            await sender.let_go(period)
        except AdapterError as error:
            _logger.warning("the report of %s stays claimed for a while: %s", period.label, error)
