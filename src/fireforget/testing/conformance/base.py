"""What all classes of the kit have in common: on which place they run, and that nobody weakens their tests."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
import pytest

from fireforget.abc import Queue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fireforget.testing.place import Place

_KIT: Final = __name__.rpartition(".")[0]

_FOR_SUBCLASSES: Final = frozenset({"place", "anyio_backend", "pytestmark"})
"""What a subclass may define besides the settings, which are annotated."""


@pytest.mark.anyio
class Conformance:
    """Tests of one port. A subclass gives the fixture `place`, and may set what stands here; it overrides nothing else.

    Attributes:
        lease: Seconds of a lease, a claim and a life that the tests ask for. Where time is real, a short one that the
            service takes, longer than six times the tolerance.
        tolerance: How many seconds later than promised something may show: the consistency of the service, and how
            exactly it keeps time. 0 asks for exactness to the microsecond.
        patience: Seconds of real time after which what an adapter should do at once counts as not done.
        awaits: At how many of a call's awaits it is cancelled, one after the other.
        examples: How many random scenarios are run on the adapter and on the reference in memory. A scenario waits
            only where time is a `ManualClock`.
        column: What the adapter is called in the report; its class, if empty. For a class of which there are several
            kinds.
    """

    lease: ClassVar[float] = 30.0
    tolerance: ClassVar[float] = 0.0
    patience: ClassVar[float] = 5.0
    awaits: ClassVar[int] = 25
    examples: ClassVar[int] = 40
    column: ClassVar[str] = ""

    port: ClassVar[str] = ""
    """Which maker of the place makes what is tested."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a class that weakens a test. See `refuse_overrides`."""
        super().__init_subclass__(**options)
        refuse_overrides(cls)

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The event loop: asyncio, on which all adapters have to run."""
        return "asyncio"

    @pytest.fixture
    def place(self) -> Place:
        """Where a test runs; made anew for each."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a fixture `place` that returns a fireforget.testing.Place"
        )

    @pytest.fixture(autouse=True)
    async def _on_place(self, place: Place, request: pytest.FixtureRequest) -> AsyncIterator[None]:
        """Say for the report what was tested, and close it in the end."""
        if 2 * self.early >= self.lease:
            raise ValueError(
                f"a lease of {self.lease} s is too short for a tolerance of {self.tolerance} s: "
                f"make it longer than {2 * self.early} s"
            )
        yield
        number = request.session.items.index(request.node)  # the same in each of several processes
        tested: dict[str, object] = {"port": self.port, "number": number}
        adapter = place.opened.get(self.port)
        if adapter is not None:
            tested["adapter"] = self.column or type(adapter).__name__
        if isinstance(adapter, Queue):
            tested["capabilities"] = msgspec.to_builtins(adapter.capabilities)
        request.node.user_properties.append(("fireforget", tested))
        await place.aclose()

    @property
    def early(self) -> float:
        """How many seconds before its moment something must not have happened yet."""
        return 3 * self.tolerance or 1.0

    @property
    def late(self) -> float:
        """From `early` before its moment on, how many seconds until it must have happened."""
        return self.early + self.tolerance


def refuse_overrides(kind: type) -> None:
    """Refuse a class in which a test of the kit, or what the tests use, is not the kit's own.

    Raises:
        TypeError: Something is overridden that is neither a setting nor a test marked as an expected failure.
    """
    kit = [base for base in kind.__mro__ if _is_kit(base)]
    theirs = _FOR_SUBCLASSES.union(*map(inspect.get_annotations, kit))
    for name in sorted({name for base in kit for name in vars(base) if not name.startswith("__")} - theirs):
        definer = next(base for base in kind.__mro__ if name in vars(base))
        if not _is_kit(definer) and not _expected_to_fail(vars(definer)[name]):
            what, mend = "the kit", "remove it, or give it another name"
            if name.startswith("test"):
                what = "a test of the kit"
                mend = 'remove it, or mark it with @pytest.mark.xfail(reason="..."), no condition, and call super()'
            raise TypeError(f"{definer.__qualname__}.{name} overrides {what}: {mend}")


def _is_kit(kind: type) -> bool:
    return kind.__module__.startswith(f"{_KIT}.")


def _expected_to_fail(test: object) -> bool:
    """Whatever happens: a mark with a condition is none where the condition does not hold."""
    marks: Iterator[pytest.Mark] = (mark for mark in getattr(test, "pytestmark", ()) if mark.name == "xfail")
    return any(
        str(mark.kwargs.get("reason", "")).strip() and not mark.args and "condition" not in mark.kwargs
        for mark in marks
    )
