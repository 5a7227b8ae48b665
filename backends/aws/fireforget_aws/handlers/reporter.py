"""The function behind the schedule: EventBridge → Lambda → the report by mail.

Its handler is ``fireforget_aws.handlers.reporter.handler``. The report is of the last whole week before the hour of the
schedule; an event with ``"period": "day"`` or ``"month"`` asks for another one.
"""

from __future__ import annotations

import logging
import os
import tempfile
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiobotocore.session  # noqa: F401 - loads while Lambda starts the environment, not in an invocation

from fireforget.errors import SettingsError
from fireforget.reporting import load_extra, send_report
from fireforget_aws.handlers._environment import Environment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fireforget.reporting import Sending
    from fireforget_aws.handlers._environment import Context, Invocation

_logger: Final = logging.getLogger("fireforget")

_HOURS: Final = ("scheduled-time", "time")
"""Where an event may say the hour of the schedule: the first is for an input of one's own."""
_AFTER_SECONDS: Final = 5.0
"""So long after an invocation has been killed at the latest, its claim on a report ends."""

os.environ.setdefault("MPLCONFIGDIR", str(Path(tempfile.gettempdir(), "matplotlib")))  # its usual place is read-only
load_extra()


class ReporterHandler:
    """Sends the report, once: of several invocations for one period, the first to claim it in the store.

    What is raised lets Lambda try again.

    Args:
        send: Sends one report; by default as the settings describe.
    """

    def __init__(self, send: Callable[..., Awaitable[Sending]] = send_report) -> None:
        self._send = send
        self._environment = Environment()

    def __call__(self, event: object, context: Context) -> dict[str, Any]:
        """Send one report, unless that has been done.

        Raises:
            SettingsError: The configuration or the event cannot be used; the message says the mend.
            AdapterError: The store or the mailer failed.
        """
        return self._environment.run(partial(self._report, event), context)

    def close(self) -> None:
        """Free what is kept."""
        self._environment.close()

    async def _report(self, event: object, invocation: Invocation) -> dict[str, Any]:
        said = event if isinstance(event, dict) else {}
        lease = invocation.seconds + _AFTER_SECONDS
        sending = await self._send(moment=_moment(said), every=str(said.get("period", "week")), lease=lease)
        answer = {"sent": sending.sent, "period": sending.period.label} | ({"why": sending.why} if sending.why else {})
        _logger.info(
            "report sent" if sending.sent else "report not sent", extra={"cold_start": invocation.cold} | answer
        )
        return answer


def _moment(event: dict[str, Any]) -> datetime | None:
    """The hour of the schedule, which is the same when it tries again; None where the event does not say it."""
    for name in _HOURS:
        if name in event:
            try:
                moment = datetime.fromisoformat(str(event[name]))
            except ValueError:
                moment = None
            if moment is None or moment.tzinfo is None:
                message = (
                    f"{name!r} of the event is {event[name]!r:.40}, which is no moment: let the schedule write it, as "
                    '"<aws.scheduler.scheduled-time>", or write one with its offset, such as "2026-11-23T07:00:00Z"'
                )
                raise SettingsError(message)
            return moment
    return None


handler: Final = ReporterHandler()
"""What Lambda calls."""
