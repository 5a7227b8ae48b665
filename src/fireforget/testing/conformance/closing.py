"""What every adapter promises of its end, and of a service that cannot be reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from fireforget.errors import AdapterError, ClosedError, PermanentError, TransientError
from fireforget.testing.conformance.awaits import cancelled_at
from fireforget.testing.conformance.base import Conformance

if TYPE_CHECKING:
    from fireforget.testing.place import Place

Calls: TypeAlias = Mapping[str, Callable[[Any], Awaitable[object]]]
"""Every call of a port, by its name, to be made on any adapter of it; the first is one that always has an effect."""


class ClosingConformance(Conformance):
    """Closes adapters, those in use and others, and makes every call where it cannot succeed."""

    _may_be_idle = frozenset[str]()
    """Calls for which an adapter need not ask its service."""

    async def calls(self, place: Place) -> Calls:
        """The calls of the port."""
        raise NotImplementedError

    async def test_closing_twice_is_no_error(self, place: Place) -> None:
        adapter = place.open(self.port)
        await _use(adapter, await self.calls(place))
        await adapter.aclose()
        await adapter.aclose()

    async def test_what_was_never_used_can_be_closed(self, place: Place) -> None:
        for each in filter(None, (place, place.unreachable)):
            await each.open(self.port).aclose()

    async def test_a_cancelled_close_can_be_made_again(self, place: Place) -> None:
        calls = await self.calls(place)
        for turn in range(1, self.awaits + 1):
            adapter = place.open(self.port)
            await _use(adapter, calls)
            reached = await cancelled_at(turn, adapter.aclose)
            await adapter.aclose()
            with pytest.raises(ClosedError):
                await _use(adapter, calls)
            if not reached:
                return

    async def test_a_closed_adapter_refuses_every_call(self, place: Place) -> None:
        calls = await self.calls(place)
        adapter = place.open(self.port)
        await _use(adapter, calls)
        await adapter.aclose()
        for name, call in calls.items():
            error = await _error_of(call, adapter)
            assert isinstance(error, ClosedError), f"{name} of a closed adapter raised {error!r}"

    async def test_an_error_of_the_service_comes_as_an_adapter_error(self, place: Place) -> None:
        if place.unreachable is None:
            pytest.skip("nothing can fail here")
        lost = place.unreachable.open(self.port)
        for name, call in (await self.calls(place)).items():
            error = await _error_of(call, lost)
            if error is not None or name not in self._may_be_idle:
                assert isinstance(error, (TransientError, PermanentError)), f"{name} without its service: {error!r}"
                assert error.__cause__ is not None, f"{name}: the service's own error is the cause of {error!r}"


async def _use(adapter: object, calls: Calls) -> None:
    await next(iter(calls.values()))(adapter)


async def _error_of(call: Callable[[Any], Awaitable[object]], adapter: object) -> AdapterError | None:
    """What a call raised; what no adapter may raise is left to fail the test, with all that it has to say."""
    try:
        await call(adapter)
    except AdapterError as error:
        return error
    return None
