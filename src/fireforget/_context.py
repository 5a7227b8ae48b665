"""The execution context: what one request shares, and the work that outlives its response."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from fireforget._attributes import Attributes, attributes_of
from fireforget._journal import Binding

if TYPE_CHECKING:
    from fireforget._work import Job


class ExecutionContext:
    """What the code of one request shares, whatever task or thread it runs in.

    Outside any request there is one such context for the process; each event emitted under it is a correlation of
    its own.

    Args:
        attributes: What its events share; None for the process's own context.
        loop: The asyncio loop or trio token that serves the request, for work handed over in a thread; None where there
            is neither.
        deadline: Monotonic moment at which the host ends this execution; None where it sets no limit.
        on_error: Called with what work handed to `wait_until` raised.

    Attributes:
        binding: What its events share, as the journal knows it. Replaced whole, for other threads emit meanwhile.
    """

    __slots__ = ("_deadline", "_held", "_jobs", "_loop", "_open", "binding", "on_error")

    def __init__(
        self,
        attributes: Attributes | None = None,
        loop: object = None,
        deadline: float | None = None,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._loop = loop
        self._deadline = deadline
        self.on_error = on_error
        self._open = False
        self._held: Sequence[Callable[[], None]] = ()
        self._jobs: Sequence[Job] = ()
        self.binding = Binding(b"", 0) if attributes is None else attributes.binding()

    @property
    def attributes(self) -> Attributes | None:
        """The shared attributes; None in the process's own context."""
        self.prepare()
        return attributes_of(self.binding)

    @property
    def correlationid(self) -> str | None:
        """UUIDv7 of the request; None in the process's own context."""
        attributes = self.attributes
        return attributes.correlationid if attributes else None

    @property
    def sessionid(self) -> str | None:
        """Whose visit the request belongs to. Set it where the application knows better; later events carry it."""
        attributes = self.attributes
        return attributes.sessionid if attributes else None

    @sessionid.setter
    def sessionid(self, value: str | None) -> None:
        attributes = self.attributes
        if attributes is None:
            message = "the process's own context has no session: use `with ff.context(sessionid=...)`"
            raise RuntimeError(message)
        self.binding = msgspec.structs.replace(attributes, sessionid=value).binding()

    @property
    def deadline(self) -> float | None:
        """Seconds left on this host; None where it sets no limit."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @property
    def unfinished(self) -> bool:
        """Is there work that has been handed over and has not ended?"""
        return any(not job.ended for job in self._jobs)

    def wait_until(self, awaitable: Awaitable[object], *, start: Literal["now", "after_response"] = "now") -> None:
        """Run an awaitable to its end, whatever becomes of the request.

        It goes on after the response, after the client has gone, after the handler raised. If it fails, that is
        logged, counted and given to the `on_error` hook, and nothing else is touched. A shutdown waits for it.

        Args:
            awaitable: A coroutine, a task or a future.
            start: ``"after_response"`` holds it back until the application has finished with the request.

        Raises:
            TypeError: It is not awaitable.
            ValueError: There is no such `start`.
        """
        from fireforget._work import Job

        if start not in {"now", "after_response"}:
            message = f"start is 'now' or 'after_response', not {start!r}"
            raise ValueError(message)
        if not isinstance(awaitable, Awaitable):
            message = f"wait_until takes an awaitable, not {type(awaitable).__name__}: call the function first"
            raise TypeError(message)
        job = Job(awaitable, self._loop, self.on_error)
        self._jobs = [*[known for known in self._jobs if not known.ended], job] if self._jobs else [job]
        if start == "after_response" and self._open:
            self._held = [*self._held, partial(copy_context().run, job.start)]
        else:
            job.start()

    async def drain(self, seconds: float | None = None) -> int:
        """Wait until the work of this context has ended; says how many pieces have not.

        Args:
            seconds: The most it may take; None for no limit. The `deadline` is one in any case.
        """
        if not self._jobs:
            return 0
        from fireforget._work import finish

        return await finish(self._jobs, earliest(seconds, self.deadline))

    def drain_blocking(self, seconds: float | None = None) -> int:
        """As `drain`, for a thread without an event loop; one that stands still is run on for the work on it."""
        if not self._jobs:
            return 0
        from fireforget._work import run_on, wait_for

        allowed = earliest(seconds, self.deadline)
        until = None if allowed is None else time.monotonic() + allowed
        run_on(lambda: [job for job in self._jobs if not job.ended], allowed)
        wait_for(self._jobs, None if until is None else max(0.0, until - time.monotonic()))
        return sum(not job.ended for job in self._jobs)

    def responded(self) -> None:
        """The application has finished with the request: start what was held back for it."""
        self._open = False
        if self._jobs:
            held, self._held = self._held, ()
            for start in held:
                start()

    def prepare(self) -> None:
        """Make what its events share, where that was left until it is needed."""

    def limit(self, seconds: float) -> None:
        """The host ends this execution so many seconds from now."""
        self._deadline = time.monotonic() + seconds

    def complete(self, requestid: str | None, traceparent: str | None) -> None:
        """Add what the host knows of the request, where the request itself has told nothing."""
        known = self.attributes
        if known is not None:
            self.binding = msgspec.structs.replace(
                known, requestid=known.requestid or requestid, traceparent=known.traceparent or traceparent
            ).binding()


def earliest(*seconds: float | None) -> float | None:
    """The least of some limits, of which None is none."""
    return min((limit for limit in seconds if limit is not None), default=None)


process_context: Final = ExecutionContext()
"""The context of code that runs outside any request."""
current: Final[ContextVar[ExecutionContext]] = ContextVar("fireforget.context", default=process_context)
"""The context of the code that runs now."""


def current_context() -> ExecutionContext:
    """The execution context of the request that runs this code; elsewhere the process's own, never None."""
    return current.get()
