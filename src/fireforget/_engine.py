"""The background thread with an event loop of its own, where the dispatcher and the cloud clients live.

It makes no difference to it whether the application runs on asyncio, on trio, in threads or without a loop, and
whether its loop stops. It is a daemon: nobody waits for it but a drain.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import sys
import threading
import time
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fireforget._pace import Pace

if TYPE_CHECKING:
    import asyncio
    import selectors
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

T = TypeVar("T")

_logger: Final = logging.getLogger("fireforget")

BREATH_SECONDS = 50e-6
"""A thread that polls with timeout 0 gives the GIL up and takes it again at once; the application's thread then waits
a whole switch interval for each of its turns. Sleeping this long before such a poll lets it in."""

_REST_SECONDS: Final = 1.0
"""How long a fork waits for the thread to come to rest."""


class Engine:
    """One daemon thread that runs one asyncio event loop. Its methods may be called from any thread.

    Args:
        name: Name of the thread.
        breathe: Sleep before every poll that would not block, and give way to a busy application. Off only to show
            what it prevents.

    Attributes:
        pace: How much of the interpreter's time the thread takes.
    """

    def __init__(self, name: str = "fireforget", *, breathe: bool = True) -> None:
        self._name = name
        self._breathe = breathe
        self._at_exit: list[Callable[[], None]] = []
        self._registered = False
        self.renew()

    def renew(self) -> None:
        """Begin with nothing, as after a fork: threads do not survive it."""
        self._lock = threading.RLock()
        self._resting = threading.local()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self.pace = Pace()
        self._calls: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()

    @property
    def running(self) -> bool:
        """Is the thread alive?"""
        return self._thread is not None and self._thread.is_alive()

    @property
    def current(self) -> bool:
        """Does it run the code that asks?"""
        return self._thread is threading.current_thread()

    def start(self) -> None:
        """Start the thread if it does not run. Does not wait for the loop.

        Raises:
            RuntimeError: Threads cannot be started any more.
        """
        if self.running:
            return
        if sys.is_finalizing():  # before Python 3.12 a start would wait for a thread that never comes up
            raise RuntimeError("the interpreter is ending: no thread can be started")
        with self._lock:
            self._register_exit()  # not by the thread itself: the program may end before it gets there
            if self.running:
                return
            self._ready.clear()
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T], context: Context | None = None) -> Future[T]:
        """Run a coroutine on the engine's loop, which is started if need be; to its end the thread gives way to nobody.

        Args:
            work: The coroutine.
            context: Its context variables; None for none, so that it belongs to no request and to no other loop.

        Raises:
            RuntimeError: The engine has been stopped, or threads cannot be started any more.
        """
        import asyncio

        try:
            self.start()
            self._ready.wait()
            loop = self._loop
            if loop is not None:
                pace = self.pace
                pace.hurry(work)
                future = (context or Context()).run(asyncio.run_coroutine_threadsafe, work, loop)
                future.add_done_callback(lambda _: pace.relax(work))
                return future
        except RuntimeError:
            self.pace.relax(work)
            work.close()
            raise
        work.close()
        message = "the background thread has no event loop: it could not be made, or has been stopped"
        raise RuntimeError(message)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function in the engine's thread soon, in the order of the calls; before the loop is up, they wait."""
        self._calls.append((function, arguments))
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(self._make_calls, loop)
        except RuntimeError:
            self._loop = None  # closed under us: interpreter exit, or a stop in another thread

    def _make_calls(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the engine's thread alone, so that no other one can overtake."""
        while self._calls:
            function, arguments = self._calls.popleft()
            loop.call_soon(function, *arguments, context=Context())

    def stop(self, timeout: float) -> bool:
        """Stop the loop and wait for the thread; says whether it ended within `timeout` seconds."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return True
        self._ready.wait()
        loop = self._loop
        if loop is not None:
            self.call(loop.stop)
        if thread is threading.current_thread():
            return False
        thread.join(timeout)
        return not thread.is_alive()

    def rest(self) -> None:
        """Before a fork: let the thread come to rest between two steps.

        The child inherits whatever state the thread is in, for good: a lock that it holds, a module half loaded.
        """
        if not self.running or self._thread is threading.current_thread() or not self._ready.wait(_REST_SECONDS):
            return
        at_rest, go_on = threading.Event(), threading.Event()
        self._resting.go_on = go_on

        def wait() -> None:
            at_rest.set()
            go_on.wait()

        self.call(wait)
        at_rest.wait(_REST_SECONDS)

    def go_on(self) -> None:
        """After a fork, in the parent: let the thread go on."""
        go_on: threading.Event | None = self._resting.__dict__.pop("go_on", None)
        if go_on is not None:
            go_on.set()

    def _run(self) -> None:
        try:
            import asyncio

            loop = asyncio.SelectorEventLoop(_breathing_selector(self.pace) if self._breathe else None)
        except BaseException:  # whatever it is: who waits for the loop must learn that none will come
            self._ready.set()
            raise
        asyncio.set_event_loop(loop)
        self._loop = loop
        loop.call_soon(self._make_calls, loop)  # after that: who saw no loop has left its call by now
        self._ready.set()
        try:
            _run_on(loop)
        finally:
            self._loop = None
            _finish(loop)

    def at_exit(self, function: Callable[[], None]) -> None:
        """Call a function when the interpreter exits, while threads, executors and name resolution still work."""
        self._at_exit.append(function)

    def _register_exit(self) -> None:
        """Be told of the interpreter's exit early.

        `atexit` is too late: `concurrent.futures` has shut its executors down by then, and from Python 3.12 on no
        thread can be started. The hook that `concurrent.futures` itself uses calls the last one registered first.
        """
        if self._registered:
            return
        self._registered = True
        register = getattr(threading, "_register_atexit", atexit.register)
        try:
            importlib.import_module("concurrent.futures.thread")  # its own callback must be registered before ours
            register(self._exit)
        except RuntimeError:
            _logger.debug("the interpreter is exiting already: what is pending stays in the journal")

    def _exit(self) -> None:
        for function in self._at_exit:
            function()


def _breathing_selector(pace: Pace) -> selectors.BaseSelector:
    """The platform's selector, with a real sleep before each poll that would not block, and where the pace says so."""
    import selectors

    class BreathingSelector(selectors.DefaultSelector):  # type: ignore[misc,valid-type,unused-ignore]
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            pause = pace.pause()
            if pause > BREATH_SECONDS:
                pace.rest(pause)
                timeout = None if timeout is None else max(0.0, timeout - pause)
            elif timeout is not None and timeout <= 0:
                time.sleep(BREATH_SECONDS)
            return super().select(timeout)

    return BreathingSelector()


def _run_on(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped. What somebody's code raises to end the program must not end this thread."""
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            _logger.exception("something in the background thread wanted to end the program: the thread goes on")
        else:
            return


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left and close the loop, as `asyncio.run` does."""
    import asyncio

    try:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


shared_engine: Final = Engine()
"""The engine of this process."""


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=shared_engine.rest, after_in_parent=shared_engine.go_on, after_in_child=shared_engine.renew
    )
