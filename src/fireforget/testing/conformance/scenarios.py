"""Random scenarios: hypothesis decides in a thread what is done, and it is done on the test's own event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import anyio.from_thread
import anyio.to_thread
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_STEPS = 30


class Scenario(RuleBasedStateMachine):
    """One run of a state machine whose rules call adapters."""

    def do(self, call: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
        """Make a call on the event loop of the test, and wait for it."""
        return anyio.from_thread.run(call, *arguments)


async def run_scenarios(make: Callable[[], Scenario], examples: int) -> None:
    """Run so many random scenarios, each on a machine of its own; the smallest one that fails is raised.

    Args:
        make: Makes a machine.
        examples: How many.
    """
    chosen = settings(
        max_examples=examples, stateful_step_count=_STEPS, deadline=None, suppress_health_check=list(HealthCheck)
    )

    def run() -> None:
        run_state_machine_as_test(make, settings=chosen)  # type: ignore[arg-type] # any function that makes one will do

    await anyio.to_thread.run_sync(run)
