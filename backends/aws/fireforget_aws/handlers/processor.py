"""The function behind the queue: SQS → Lambda → the store.

Its handler is ``fireforget_aws.handlers.processor.handler``. What it answers makes Lambda delete what is done and leave
in the queue what must come again; the event source mapping needs ``ReportBatchItemFailures`` for that.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import aiobotocore.session  # noqa: F401 - loads while Lambda starts the environment, not while a message waits

from fireforget.errors import FireForgetError
from fireforget.processing import Function, make_function
from fireforget_aws.handlers._environment import STARTS, Environment
from fireforget_aws.handlers._records import read_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from fireforget_aws.handlers._environment import Context, Invocation

_logger: Final = logging.getLogger("fireforget")


class ProcessorHandler:
    """Processes the messages of SQS. What was made for the first ones is kept for the next.

    An exception makes the whole batch come again, so what is our own fault loses nothing.

    Args:
        make: Makes what processes; by default what the settings describe.
    """

    def __init__(self, make: Callable[[], Function] = make_function) -> None:
        self._make = make
        self._environment = Environment()
        self._function: Function | None = None

    def __call__(self, event: object, context: Context) -> dict[str, Any]:
        """Process one batch.

        Raises:
            SettingsError: The configuration cannot be used, or it is no event of SQS; the message says the mend.
        """
        return self._environment.run(partial(self._process, event), context)

    def prepare(self) -> None:
        """Make what the first batch needs. What cannot be made is made, or said, when it comes."""
        self._environment.prepare(self._prepare)

    def close(self) -> None:
        """Free what is kept."""
        self._environment.close(self._free)

    async def _prepare(self) -> None:
        with suppress(FireForgetError):
            self._function = self._make()
            await self._function.prepare()

    async def _process(self, event: object, invocation: Invocation) -> dict[str, Any]:
        records = read_records(event, datetime.now(UTC) + timedelta(seconds=invocation.seconds))
        if self._function is None:
            self._function = self._make()
        handled = await self._function.process(records.deliveries, invocation.seconds)
        counts = {
            "cold_start": invocation.cold,
            "messages": len(records.ids),
            "stored": handled.stored,
            "dead_lettered": handled.dead_lettered,
            "given_back": handled.returned,
            "milliseconds": round(handled.seconds * 1000, 1),
        }
        if handled.returned:
            _logger.warning("messages come again", extra=counts | {"reasons": handled.reasons})
        else:
            _logger.info("messages processed", extra=counts)
        return records.answer(handled.verdicts)

    async def _free(self) -> None:
        if self._function is not None:
            function, self._function = self._function, None
            await function.aclose()


handler: Final = ProcessorHandler()
"""What Lambda calls."""

if STARTS:
    handler.prepare()
