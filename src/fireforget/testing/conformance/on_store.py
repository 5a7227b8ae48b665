"""What the tests of a store use."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import anyio
import pytest

from fireforget.abc import Query
from fireforget.testing.conformance.base import Conformance
from fireforget.testing.events import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.abc import Event, Store
    from fireforget.testing.place import Place

_LOOKS = 10


class OnStore(Conformance):
    """Needs a place with a store."""

    port: ClassVar[str] = "store"

    @pytest.fixture
    async def store(self, place: Place) -> Store:
        """An adapter of the store."""
        return place.open_store()

    async def expect(self, store: Store, expected: Sequence[Event], query: Query | None = None) -> None:
        """A scan yields these events in this order, at the latest when the tolerance is over."""
        found = await scan(store, query)
        with anyio.move_on_after(self.tolerance):
            while found != list(expected):
                await anyio.sleep(self.tolerance / _LOOKS)
                found = await scan(store, query)
        assert found == list(expected), f"what {query or Query()} finds"
