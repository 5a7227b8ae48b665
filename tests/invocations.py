"""A host that is told of each invocation, and only remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fireforget.hosts import Invocation, Process


class RememberingLifecycle:
    """Stands where that of a host does.

    Args:
        invocation: What it tells of each.
        keeps: Whether the process stays alive.
    """

    def __init__(self, invocation: Invocation | None = None, *, keeps: bool = True) -> None:
        self.invocation = invocation or Invocation(id="one", seconds=60.0, traceparent=f"00-{1:032x}-{2:016x}-01")
        self.kept = keeps
        self.log: list[str] = []
        self.process: Process | None = None

    def join(self, process: Process) -> bool:
        self.process = process
        return self.kept

    def begin_request(self, scope: Mapping[str, Any]) -> Invocation:
        self.log.append(f"request {scope['path']}")
        return self.invocation

    def begin_call(self, arguments: Sequence[object]) -> Invocation:
        self.log.append(f"call {arguments}")
        return self.invocation

    def keeps(self, invocation: Invocation) -> bool:
        return self.kept

    def end(self, invocation: Invocation) -> None:
        self.log.append("end")
