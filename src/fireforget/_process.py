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
import time
from concurrent.futures import wait
from typing import TYPE_CHECKING, Final, Protocol

from fireforget._engine import shared_engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from fireforget._settings import Settings

_logger: Final = logging.getLogger("fireforget")

_EXIT_SECONDS: Final = 10.0
"""How long the exit of a program without events waits for work handed to `wait_until`."""

CALL_SECONDS: Final = 0.3
"""How much longer than a member's time is waited for the calls of its queue that are under way."""

_MOST_NAMES: Final = 5


class Member(Protocol):
    """What an exit closes."""

    settings: Settings

    def settle(self, seconds: float, *, rest: bool) -> Future[None]:
        """Deliver what is pending, unless the queue is down; then publish nothing more, if asked to."""
        ...

    def resume(self) -> None:
        """Publish again."""
        ...

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


def settle(seconds: float, *, run_loops: bool, rest: bool) -> None:
    """Finish the work and deliver what is pending, of all members side by side; see `fireforget.hosts.Process`."""
    until = time.monotonic() + seconds
    work = sys.modules.get("fireforget._work")
    if run_loops and work is not None:
        work.run_on(work.Job.others, seconds)
    finish_work(max(0.0, until - time.monotonic()))
    left = max(0.0, until - time.monotonic())
    settling = []
    for member in list(members):
        try:
            settling.append(member.settle(min(left, member.settings.drain_seconds), rest=rest))
        except RuntimeError as error:
            _logger.warning("cannot deliver (%s); what is pending stays in the journal", error)
    wait(settling, left + CALL_SECONDS)


def resume() -> None:
    """Publish again, and at once what waited for another try."""
    for member in list(members):
        member.resume()


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
