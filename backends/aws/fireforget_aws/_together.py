"""Several calls side by side."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

T = TypeVar("T")


async def together(calls: Iterable[Coroutine[object, object, T]]) -> list[T]:
    """What all of them return, in their order. None is left behind: a failure is raised when all have ended."""
    results: list[T] = []
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results
