"""Whether something works, and one line in the log for each change of that."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from fireforget.errors import AdapterError, EnricherTimeoutError

_logger: Final = logging.getLogger("fireforget")


class Condition:
    """Whether one part works. A failure that goes on is logged once, and so is its end.

    Args:
        failing: What to say when it begins to fail; what was raised is added.
        working: What to say when it works again.
    """

    __slots__ = ("_failing", "_working", "_works")

    def __init__(self, failing: str, working: str) -> None:
        self._failing = failing
        self._working = working
        self._works = True

    def failed(self, error: BaseException) -> None:
        """It failed."""
        if self._works:
            self._works = False
            _logger.warning("%s: %s", self._failing, describe(error))

    def works(self) -> None:
        """It worked."""
        if not self._works:
            self._works = True
            _logger.warning("%s", self._working)


def describe(error: BaseException) -> str:
    """What was raised, without a word of the events: only messages that cannot hold any are quoted."""
    name = type(error).__name__
    if isinstance(error, (AdapterError, EnricherTimeoutError)):
        return f"{name}: {error}"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return name
    return f"{name} in {Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}"
