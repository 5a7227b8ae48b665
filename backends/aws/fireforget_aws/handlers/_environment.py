"""An execution environment of Lambda: one event loop for all invocations, for adapters are bound to it, and one log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from fireforget_aws.handlers._lines import JsonLines, write_json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class Context(Protocol):
    """What Lambda says of an invocation, as far as it matters here."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Until the function is killed."""
        ...


class Invocation(msgspec.Struct, frozen=True):
    """One invocation.

    Args:
        seconds: What is left until the function is killed.
        cold: It is the first one of its environment.
    """

    seconds: float
    cold: bool


class Environment:
    """Runs one invocation after the other. The loop sleeps between them, as Lambda freezes the process."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._lines = JsonLines()

    def run(self, work: Callable[[Invocation], Coroutine[Any, Any, T]], context: Context) -> T:
        """Do the work of one invocation."""
        cold = self._runner is None
        if self._runner is None:
            self._runner = asyncio.Runner()
            write_json_lines(self._lines)
        self._lines.request_id = context.aws_request_id
        return self._runner.run(work(Invocation(context.get_remaining_time_in_millis() / 1000, cold)))

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Close the loop, after one thing more."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            with runner:
                if last is not None:
                    runner.run(last())
