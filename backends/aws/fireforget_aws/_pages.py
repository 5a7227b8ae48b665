"""What queries of a table find, page by page, and in one order where there are several."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final, Protocol

from fireforget_aws._table_layout import Item, size_of, sort_key
from fireforget_aws._together import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

_FIRST_LIMIT: Final = 25
_MOST: Final = 2000
_PAGE_BYTES: Final = 32 * 1024
"""What a page aims at. It is decoded in one step of the event loop, which others wait for (of events of 500 bytes, in
2 ms), and paid for in units of 4 KB."""


class Pages(Protocol):
    """Items in the order of their sort keys."""

    async def page(self) -> list[Item]:
        """The next of them; empty where there are no more."""
        ...


class QueryPages:
    """The items of one Query.

    Args:
        ask: Makes the call.
        request: Its parameters.
    """

    def __init__(
        self, ask: Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]], request: dict[str, Any]
    ) -> None:
        self._ask = ask
        self._request = {**request, "Limit": _FIRST_LIMIT}
        self._ended = False

    async def page(self) -> list[Item]:
        """The next of them, about `_PAGE_BYTES` or a single one; empty where there are no more."""
        while not self._ended:
            answer = await self._ask(self._request)
            items: list[Item] = answer["Items"]
            if last := answer.get("LastEvaluatedKey"):
                self._request["ExclusiveStartKey"] = last
                self._request["Limit"] = _next_limit(self._request["Limit"], sum(map(size_of, items)))
            else:
                self._ended = True
            if items:
                return items
        return []


def _next_limit(limit: int, size: int) -> int:
    """How many items to look at after `limit` of them gave a page of `size` bytes, most perhaps filtered out."""
    return max(1, min(2 * limit, limit * _PAGE_BYTES // max(size, 1), _MOST))


class MergedPages:
    """The items of several sources in one order.

    Args:
        sources: Each in order by itself.
    """

    def __init__(self, sources: Sequence[Pages]) -> None:
        self._sources = [_Buffered(each) for each in sources]

    async def page(self) -> list[Item]:
        """The next of them: as far as they are known of all sources. Empty where there are no more."""
        await together(source.fill() for source in self._sources)
        self._sources = [source for source in self._sources if source.items]
        if not self._sources:
            return []
        known = min(sort_key(source.items[-1]) for source in self._sources)
        return list(heapq.merge(*(source.take(known) for source in self._sources), key=sort_key))


class _Buffered:
    """What has been read of a source and not been taken yet."""

    def __init__(self, source: Pages) -> None:
        self._source = source
        self.items: list[Item] = []

    async def fill(self) -> None:
        if not self.items:
            self.items = await self._source.page()

    def take(self, last: str) -> list[Item]:
        """Those up to this key."""
        count = bisect_right(self.items, last, key=sort_key)
        taken, self.items = self.items[:count], self.items[count:]
        return taken
