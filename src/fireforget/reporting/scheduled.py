"""The scheduled report: sent by one worker of many, claimed in the store."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from fireforget.errors import SettingsError
from fireforget.reporting.schedule import Schedule
from fireforget.reporting.sender import ReportSender, check_report

if TYPE_CHECKING:
    from fireforget._backends import Roles
    from fireforget._clock import Clock
    from fireforget._hooks import Hooks
    from fireforget._schema import EventTypes
    from fireforget._settings import ReportSettings, Settings
    from fireforget.abc import Mailer
    from fireforget.reporting.schedule import Due

LEASE_SECONDS: Final = 600.0
"""How long a worker that makes a report keeps others from it; should it die, another one begins after that."""

_LOOK_SECONDS: Final = 60.0
"""How often the clock is looked at: it may be set, and a machine may sleep."""
_RETRY_SECONDS: Final = 300.0
"""How long the first wait after a failure is; it doubles."""
_LONGEST_RETRY: Final = 3600.0
_LONGEST_PATIENCE: Final = 6 * 3600.0
"""The longest wait before a report that somebody else has claimed is looked after again."""

Outcome = Literal["done", "held", "failed"]

_logger: Final = logging.getLogger("fireforget")


def schedule_of(report: ReportSettings) -> Schedule:
    """When the report is sent, once it is known that it can be.

    Raises:
        SettingsError: As for `ScheduledReport.check`.
    """
    schedule = Schedule.parse(report.schedule, report.timezone)
    check_report(report)
    return schedule


class ScheduledReport:
    """Sends a report whenever one is due, as long as it runs.

    Of all workers on one store, the first to claim a report sends it. Who was down at its hour sends it when he comes
    up, if nobody has and the next is not due yet; so does the very first start. Where a worker dies while sending, or
    the mailer fails, `delivery` in ``[report]`` decides: ``"at_least_once"`` sends again, ``"at_most_once"`` does not.

    Args:
        roles: The queue to ask for its depth, and the store, where the claims are, too.
        settings: The whole configuration.
        types: Lifts events of older versions.
        hooks: Is told of failures.
        clock: Time and sleep.
        mailer: Where reports go; None for the mailer of the settings, made anew for each.
    """

    def __init__(
        self,
        roles: Roles,
        settings: Settings,
        types: EventTypes,
        hooks: Hooks,
        clock: Clock,
        mailer: Mailer | None = None,
    ) -> None:
        self._settings, self._hooks, self._clock = settings, hooks, clock
        self._sender = ReportSender(roles.store, roles.queue, settings, types, clock, mailer)

    def check(self) -> Schedule:
        """See whether the report could be sent.

        Raises:
            SettingsError: The schedule, the definition or an address cannot be used, nobody is named to whom the
                report goes, or the extra ``fireforget[report]`` is not installed.
        """
        return schedule_of(self._settings.report)

    async def run(self) -> None:
        """Send what is due, without end. Configuration that cannot be used is told, and ends it."""
        try:
            schedule = self.check()
        except SettingsError as error:
            _logger.error("no report will be sent: %s", error)  # noqa: TRY400 - its message is for who configures
            self._hooks.error(error)
            return
        due, again, wait = schedule.last(self._now()), 0.0, 0.0
        while True:
            last = schedule.last(self._now())
            if last.moment > due.moment:  # and not where the clock was put back: that one is done
                due, again, wait = last, 0.0, 0.0
            if self._clock.monotonic() >= again:
                outcome = await self._attempt(due)
                wait = _wait(outcome, wait)
                again = self._clock.monotonic() + wait
            ahead = (schedule.next(self._now()).moment - self._now()).total_seconds()
            await self._clock.sleep(max(0.0, min(ahead, _LOOK_SECONDS)))

    async def _attempt(self, due: Due) -> Outcome:
        """Send one report, unless somebody else does or has done so."""
        try:
            sent = await self._sender.send(due.period, LEASE_SECONDS)
        except Exception as error:  # noqa: BLE001 - of whatever kind, the next attempt may succeed
            self._tell(due, error)
            return "failed"
        return "done" if sent else "held"

    def _tell(self, due: Due, error: Exception) -> None:
        _logger.error("the report of %s is not sent: %s", due.period.label, error)
        self._hooks.error(error)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time_ns() / 1e9, UTC)


def _wait(outcome: Outcome, before: float) -> float:
    """How long a report is left alone after an attempt: for ever once it is done."""
    if outcome == "done":
        return float("inf")
    first, longest = (_RETRY_SECONDS, _LONGEST_RETRY) if outcome == "failed" else (LEASE_SECONDS, _LONGEST_PATIENCE)
    return min(max(2 * before, first), longest)
