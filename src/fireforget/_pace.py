"""The application comes first: how much of the interpreter's time the background thread takes.

Both need the interpreter's lock. What the application leaves of a processor, the background may have; where it leaves
nothing, a small share is taken all the same, so that delivery is slow but never starves. The rest of the time the
events are where they are safe, in the journal. It is not given way where somebody waits for the background, as a drain
does, nor where what is deferred has grown old, or so much that the journal would fill.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_logger: Final = logging.getLogger("fireforget")

LEAST_SHARE: Final = 0.02
"""Of a processor, for the background, however busy the application is."""

LOOK_SECONDS: Final = 0.05
"""How often it is looked how busy the application is, and whether it must be given way."""

MOST_PAUSE_SECONDS: Final = LOOK_SECONDS
"""The longest pause, after which it is looked again. A step of a millisecond is made up for by it; ours are shorter."""

_MOST_OWED_SECONDS: Final = 0.5
"""So much is made up for at most, should a step have been a long one."""


_TASKS: Final = Path("/proc/self/task")
"""Linux tells there of each thread for how many nanoseconds it ran, and for how many it was ready to."""

_OURS: Final = "fireforget-"
"""The names of the library's other threads begin so: what they do is the background's work, too."""


def wanted() -> float:
    """Processor time of the process without our other threads, in seconds; and what the main thread had to wait for it.

    Where the kernel does not tell of threads, it is that of the whole process.
    """
    _, waited = _times(os.getpid())
    ours = [thread.native_id for thread in threading.enumerate() if thread.name.startswith(_OURS)]
    return time.process_time() + waited - sum(_times(number)[0] for number in ours)


def _times(thread: int | None) -> tuple[float, float]:
    """For how long a thread ran and was ready to, in seconds."""
    try:
        ran, waited, _ = (_TASKS / str(thread) / "schedstat").read_bytes().split()
        return int(ran) / 1e9, int(waited) / 1e9
    except (OSError, ValueError):
        return 0.0, 0.0


def _asked(pressed: Callable[[], bool]) -> bool:
    try:
        return pressed()
    except Exception:  # whoever cannot tell is not made to wait, and the thread goes on
        _logger.debug("it cannot be told whether delivery must hurry", exc_info=True)
        return True


class Pace:
    """Tells the background thread when to pause. All but `hurry` and `relax` is for that thread alone.

    Args:
        now: The time, in seconds.
        own: Processor time of the thread that asks, in seconds.
        whole: Processor time of the process that is the application's or this thread's, in seconds.

    Attributes:
        pressed: Asked now and then whether what is deferred must be delivered now; any may say so.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.perf_counter,
        own: Callable[[], float] = time.thread_time,
        whole: Callable[[], float] = wanted,
    ) -> None:
        self._now, self._own, self._whole = now, own, whole
        self.pressed: list[Callable[[], bool]] = []
        self._waiting: set[object] = set()
        self._hurried = threading.Event()
        self._looked: tuple[float, float, float] | None = None
        self._at = self._worked = self._owed = 0.0
        self._earned = 0.0  # seconds of rest by a second of work

    def hurry(self, who: object) -> None:
        """Somebody waits for the background: give way no more, and end the pause. From any thread."""
        self._waiting.add(who)
        self._hurried.set()

    def relax(self, who: object) -> None:
        """Who waited waits no more. From any thread."""
        self._waiting.discard(who)
        if not self._waiting:
            self._hurried.clear()  # at worst somebody came just now, and a pause goes on to its end

    def rest(self, seconds: float) -> None:
        """Pause."""
        self._hurried.wait(seconds)

    def pause(self) -> float:
        """For how long to sleep before the next step, in seconds."""
        now, worked = self._now(), self._own()
        if self._looked is None:
            self._looked = now, worked, self._whole()
        else:
            work = worked - self._worked
            owed = self._owed + work * self._earned - (now - self._at - work)
            self._owed = min(max(owed, 0.0), _MOST_OWED_SECONDS)
        self._at, self._worked = now, worked
        if now - self._looked[0] >= LOOK_SECONDS:
            self._look(*self._looked, now, worked)
        return 0.0 if self._waiting else min(self._owed, MOST_PAUSE_SECONDS)

    def _look(self, before: float, worked_before: float, whole_before: float, now: float, worked: float) -> None:
        """Find out what the application leaves."""
        whole = self._whole()
        self._looked = now, worked, whole
        work = worked - worked_before
        elsewhere = whole - whole_before - work
        left = 1.0 - elsewhere / max(now - before - work, 1e-9)
        if self._waiting or any(map(_asked, self.pressed)):
            left = 1.0
        earned = 1.0 / min(max(left, LEAST_SHARE), 1.0) - 1.0
        if earned < self._earned:
            self._owed *= earned / self._earned  # it is owed to an application that needs it
        self._earned = earned
