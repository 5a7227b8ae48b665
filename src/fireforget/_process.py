"""The end of the process, and its forks: what then becomes of every `FireForget` with an open journal.

An exit finishes and delivers, within the configured time. A forked child leaves journals and work to its parent and
begins with nothing; the locks are held while the process forks, so that a child never inherits half of a change.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Final, Protocol

from fireforget._engine import shared_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from fireforget._settings import Settings

_logger: Final = logging.getLogger("fireforget")

_EXIT_SECONDS: Final = 10.0
"""How long the exit of a program without events waits for work handed to `wait_until`."""

_MOST_NAMES: Final = 5


class Member(Protocol):
    """What an exit closes."""

    settings: Settings

    def close(self) -> None:
        """Deliver what is pending, and let go of everything."""
        ...


members: Final[dict[Member, Callable[[], None]]] = {}
"""All that have an open journal, each with what makes it begin with nothing in a forked child."""

adopting: Final = threading.Lock()
"""Held by who takes over journals: a child has to know every lock file that its parent holds."""
changing: Final = threading.RLock()
"""Held by who opens or closes a journal; taken after `adopting` where both are needed."""


def finish_work(seconds: float) -> None:
    """Wait for the work handed to `wait_until`, if there ever was any."""
    work = sys.modules.get("fireforget._work")
    if work is not None:
        left = work.wait_for(work.Job.others(), seconds)
        if left:
            names = ", ".join(sorted({job.name for job in left})[:_MOST_NAMES])
            _logger.warning("work handed to wait_until has not ended within %g s: %s", seconds, names)


def end() -> None:
    """Finish the work, and close all members."""
    finish_work(max((member.settings.drain_seconds for member in members), default=_EXIT_SECONDS))
    _close_members()  # not before: that work may have been the first to emit


def _close_members() -> None:
    for member in list(members):
        try:
            member.close()
        except Exception:  # the others are closed all the same
            _logger.exception("cannot close: what is pending stays in the journal")


def _hold() -> None:
    adopting.acquire()
    changing.acquire()


def _let_go() -> None:
    changing.release()
    adopting.release()


def _forget_parent() -> None:
    work = sys.modules.get("fireforget._work")
    if work is not None:
        work.Job.unfinished.clear()
    for begin_anew in list(members.values()):
        begin_anew()
    members.clear()
    _let_go()


shared_engine.at_exit(end)
atexit.register(_close_members)
"""Once more when all threads have ended: what they emitted since then waits in new journals."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_forget_parent)
