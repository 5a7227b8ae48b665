"""The internal extension: Lambda freezes the environment only when the runtime and this, too, ask for the next event.

It is registered while the function is initialised, for Lambda accepts none later. A thread of its own then waits for
each invocation, until the function is through with it, and until what it left behind is done, but never beyond the
deadline: an extension that has not asked by then makes the invocation a failed one.
"""

from __future__ import annotations

import logging
import os
import threading
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget.abc import Clock, SystemClock

if TYPE_CHECKING:
    from fireforget.hosts import Process

_logger: Final = logging.getLogger("fireforget")

BEGIN_SECONDS: Final = 0.5
"""How long an invocation is waited for after Lambda has told of it. Of one that has not begun by then it is supposed
that nothing in the function tells of it."""
MARGIN_SECONDS: Final = 0.5
"""Before the deadline nothing is begun any more for so long: the calls under way end meanwhile, and Lambda is asked for
the next event."""

_PATH: Final = "/2020-01-01/extension/"
"""Lambda, "Extensions API"."""
_REGISTER_SECONDS: Final = 2.0
_MOST_FAILURES: Final = 5
_RETRY_SECONDS: Final = 0.1


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """What Lambda answers to an extension that asks for the next event.

    Args:
        event_type: ``"INVOKE"``: internal extensions are told of nothing else.
        deadline_ms: When the invocation ends at the latest, in milliseconds of Unix time.
        request_id: Its id, the one that the function sees, too.
    """

    event_type: str
    deadline_ms: int = 0
    request_id: str = ""


class ExtensionsApi:
    """Lambda's Extensions API, as far as an internal extension needs it.

    Args:
        address: Host and port, from ``AWS_LAMBDA_RUNTIME_API``.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._identifier = ""

    def register(self, name: str) -> None:
        """Register an extension.

        Raises:
            OSError: Lambda cannot be reached.
            HTTPException: It refuses, as after the initialisation, or knows no extensions.
        """
        connection = HTTPConnection(self._address, timeout=_REGISTER_SECONDS)
        try:
            connection.request("POST", f"{_PATH}register", b'{"events":["INVOKE"]}', {"Lambda-Extension-Name": name})
            response = connection.getresponse()
            told = response.read()
            if response.status != 200:  # noqa: PLR2004 - OK
                raise HTTPException(f"{response.status}: {told[:200].decode(errors='replace')}")
            identifier = response.headers["Lambda-Extension-Identifier"]
            if not identifier:
                raise HTTPException("it gave no Lambda-Extension-Identifier")
            self._identifier = identifier
        finally:
            connection.close()

    def next(self) -> Event:
        """Say that this extension is through, and wait for the next event, however long the environment is frozen.

        Raises:
            OSError: Lambda cannot be reached.
            HTTPException: It refuses.
            DecodeError: The event cannot be read.
        """
        connection = HTTPConnection(self._address)
        try:
            connection.request("GET", f"{_PATH}event/next", headers={"Lambda-Extension-Identifier": self._identifier})
            response = connection.getresponse()
            told = response.read()
            if response.status != 200:  # noqa: PLR2004 - OK
                raise HTTPException(f"{response.status}: {told[:200].decode(errors='replace')}")
            return msgspec.json.decode(told, type=Event)
        finally:
            connection.close()


class Extension:
    """The extension of one process.

    Args:
        api: Where it is registered.
        clock: Time.
    """

    def __init__(self, api: ExtensionsApi, clock: Clock | None = None) -> None:
        self._api = api
        self._clock = clock or SystemClock()
        self._tried = False
        self.forget()

    def forget(self) -> None:
        """Be no extension any more, as after a fork: the parent's thread goes on in the parent alone."""
        self._changed = threading.Condition()
        self._process: Process | None = None
        self._begun: dict[str, bool] = {}
        self._open: set[str] = set()
        self._passed = ""
        self._rests = False

    def join(self, process: Process) -> bool:
        """Register, once in a process; says whether that succeeded."""
        with self._changed:
            if not self._tried:
                self._tried = True
                try:
                    self._api.register(f"fireforget-{os.getpid()}")
                except (OSError, HTTPException) as error:
                    _logger.warning(
                        "cannot keep the environment alive after a response (%s), so the end of each is held: "
                        "make FireForget() where the module is imported, not in the function",
                        error,
                    )
                else:
                    self._process = process
                    threading.Thread(target=self._run, args=(process,), name="fireforget-lambda", daemon=True).start()
            return self._process is not None

    def begin(self, invocation: str, *, called: bool) -> None:
        """An invocation has reached the application.

        Args:
            invocation: Its id.
            called: It is known when the function will have returned.
        """
        with self._changed:
            process = self._process
            if process is None:
                return
            self._begun[invocation] = called
            self._open.add(invocation)
            rests, self._rests = self._rests, False
            self._changed.notify_all()
        if rests:
            process.resume()

    def keeps(self, invocation: str | None) -> bool:
        """Does the environment stay alive after it?"""
        with self._changed:
            return self._process is not None and bool(invocation) and invocation != self._passed

    def end(self, invocation: str) -> None:
        """The application is through with it."""
        with self._changed:
            self._open.discard(invocation)
            self._changed.notify_all()

    def _run(self, process: Process) -> None:
        failures = 0
        while failures < _MOST_FAILURES:
            try:
                event = self._api.next()
            except (OSError, HTTPException, msgspec.DecodeError) as error:
                failures += 1
                _logger.warning("cannot ask Lambda for the next event: %s", error)
                with self._changed:
                    self._changed.wait(_RETRY_SECONDS)
                continue
            failures = 0
            if event.event_type == "INVOKE":
                try:
                    self._accompany(process, event)
                except Exception:  # Lambda has to be asked for the next event, or the function hangs
                    _logger.exception("cannot finish what an invocation leaves behind: it goes on with the next one")
        _logger.error("the environment is not kept alive after responses any more: the end of each waits instead")
        with self._changed:
            self._process = None

    def _accompany(self, process: Process, event: Event) -> None:
        """Stay until an invocation is through and what it left behind is done, or its time is up."""
        process.resume()
        begun, called = self._wait(event)
        process.settle(max(0.0, self._left(event)), run_loops=called, rest=begun)
        with self._changed:
            self._rests = begun
            self._begun.clear()

    def _wait(self, event: Event) -> tuple[bool, bool]:
        """Wait until an invocation is through; says whether it has begun at all, and as the call of a function."""
        invocation = event.request_id
        with self._changed:
            self._changed.wait_for(lambda: invocation in self._begun, min(BEGIN_SECONDS, max(0.0, self._left(event))))
            begun = invocation in self._begun
            if not begun or not self._changed.wait_for(
                lambda: invocation not in self._open, max(0.0, self._left(event))
            ):
                self._passed = invocation
                return False, False
            return True, self._begun[invocation]

    def _left(self, event: Event) -> float:
        """Seconds until nothing should be begun any more."""
        return event.deadline_ms / 1e3 - self._clock.time_ns() / 1e9 - MARGIN_SECONDS
