"""Pages of several sources become one order."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from fireforget_aws._pages import MergedPages
from fireforget_aws._table_layout import SORT, Item, sort_key


class Listed:
    """A source whose pages are known."""

    def __init__(self, pages: list[list[str]]) -> None:
        self._pages = [[{SORT: {"S": key}} for key in page] for page in pages if page]

    async def page(self) -> list[Item]:
        await asyncio.sleep(0)
        return self._pages.pop(0) if self._pages else []


@given(
    st.lists(st.tuples(st.integers(0, 3), st.text("abc", min_size=1, max_size=4)), unique_by=lambda each: each[1]),
    st.lists(st.integers(1, 4), min_size=4, max_size=4),
)
def test_any_pages_come_in_one_order(placed: list[tuple[int, str]], sizes: list[int]) -> None:
    sources = []
    for number, size in enumerate(sizes):
        keys = sorted(key for where, key in placed if where == number)
        sources.append(Listed([keys[start : start + size] for start in range(0, len(keys), size)]))

    async def read() -> list[str]:
        merged = MergedPages(sources)
        found: list[str] = []
        while page := await merged.page():
            found += map(sort_key, page)
        return found

    assert asyncio.run(read()) == sorted(key for _, key in placed)
