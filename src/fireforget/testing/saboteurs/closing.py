"""Adapters of every port that break what is promised of their end, and of a service that cannot be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from anyio.lowlevel import checkpoint

from fireforget.errors import TransientError
from fireforget.local.memory import MemoryDeadLetters, MemoryQueue, MemoryStore
from fireforget.testing.saboteurs.mailers import MemoryMailer
from fireforget.testing.saboteurs.saboteur import Saboteur

if TYPE_CHECKING:

    class _Adapter:
        """Into which the faults are mixed: any adapter in memory."""

        def __init__(self, *arguments: Any, **options: Any) -> None: ...
        async def aclose(self) -> None: ...
        async def _begin(self) -> None: ...

else:
    _Adapter = object

_SOUND: Final[dict[str, type]] = {
    "queue": MemoryQueue,
    "dead_letters": MemoryDeadLetters,
    "store": MemoryStore,
    "mailer": MemoryMailer,
}

found: list[Saboteur] = []


class ClosesOnce(_Adapter):
    """A second `aclose` raises."""

    closed_before = False

    async def aclose(self) -> None:
        """Close, or complain."""
        if self.closed_before:
            raise RuntimeError("closed already")
        await super().aclose()
        self.closed_before = True


class ClosesTheUsedOnly(_Adapter):
    """`aclose` frees what only the first call makes."""

    used = False

    async def aclose(self) -> None:
        """Close what was opened."""
        if not self.used:
            raise AttributeError("connection")
        await super().aclose()

    async def _begin(self) -> None:
        self.used = True
        await super()._begin()


class StaysOpen(_Adapter):
    """It can be used after `aclose`."""

    async def aclose(self) -> None:
        """Do nothing."""


class ClosesOnlyOnce(_Adapter):
    """An `aclose` that was cancelled is never made again: it was begun."""

    closing = False

    async def aclose(self) -> None:
        """Begin, wait, close."""
        if not self.closing:
            self.closing = True
            await checkpoint()
            await super().aclose()


class LeaksAnError(_Adapter):
    """The error of the service comes as it is."""

    async def _begin(self) -> None:
        await checkpoint()
        raise ConnectionRefusedError("nobody listens")


class HidesTheCause(_Adapter):
    """What the service said is nowhere to be found."""

    async def _begin(self) -> None:
        await checkpoint()
        raise TransientError("it does not work")


class ConnectsAtOnce(_Adapter):
    """Its maker asks the service."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        raise ConnectionRefusedError("nobody listens")


class HasOneConnection(_Adapter):
    """One call at a time, it thinks."""

    busy = False

    async def _begin(self) -> None:
        if self.busy:
            raise TransientError("this connection is in use")
        self.busy = True
        try:
            await super()._begin()
        finally:
            self.busy = False


_UNREACHABLE: Final = "an_error_of_the_service_comes_as_an_adapter_error"
_BY_QUEUES_TOO: Final = {
    ClosesTheUsedOnly: "what_is_constant_needs_no_connection",
    StaysOpen: "closing_ends_a_receive_that_waits",
}

for _port, _sound in _SOUND.items():
    for _fault, _noticed in (
        (ClosesOnce, ["closing_twice_is_no_error", "a_cancelled_close_can_be_made_again"]),
        (ClosesTheUsedOnly, ["what_was_never_used_can_be_closed"]),
        (StaysOpen, ["a_closed_adapter_refuses_every_call", "a_cancelled_close_can_be_made_again"]),
        (ClosesOnlyOnce, ["a_cancelled_close_can_be_made_again"]),
        (HasOneConnection, ["calls_may_be_made_at_the_same_time"]),
        (LeaksAnError, [_UNREACHABLE]),
        (HidesTheCause, [_UNREACHABLE]),
        (ConnectsAtOnce, [_UNREACHABLE, "what_was_never_used_can_be_closed"]),
    ):
        _adapter = type(_fault.__name__, (_fault, _sound), {"__doc__": _fault.__doc__, "__module__": __name__})
        _also = [_BY_QUEUES_TOO[_fault]] if _port == "queue" and _fault in _BY_QUEUES_TOO else []
        _lost = _fault in {LeaksAnError, HidesTheCause, ConnectsAtOnce}
        found.append(Saboteur(_adapter, _port, frozenset([*_noticed, *_also]), _lost))
