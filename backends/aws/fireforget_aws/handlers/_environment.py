"""An execution environment of Lambda: one event loop for all invocations, for adapters are bound to it, and one log."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec

from fireforget_aws.handlers._lines import JsonLines, write_json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

STARTS: Final = "AWS_LAMBDA_FUNCTION_NAME" in os.environ
"""Does Lambda start this environment? It gives it a whole processor for that, and later what its memory is worth."""


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
        self._cold = True

    def prepare(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do what can be done before the first invocation."""
        self._begun().run(work())

    def run(self, work: Callable[[Invocation], Coroutine[Any, Any, T]], context: Context) -> T:
        """Do the work of one invocation."""
        runner, cold, self._cold = self._begun(), self._cold, False
        self._lines.request_id = context.aws_request_id
        return runner.run(work(Invocation(context.get_remaining_time_in_millis() / 1000, cold)))

    def _begun(self) -> asyncio.Runner:
        if self._runner is None:
            self._runner = asyncio.Runner()
            write_json_lines(self._lines)
        return self._runner

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Close the loop, after one thing more."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            with runner:
                if last is not None:
                    runner.run(last())
