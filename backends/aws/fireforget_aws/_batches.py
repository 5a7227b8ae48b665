"""Batches as SQS takes them: so many entries, and so many bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget_aws._limits import ENTRIES, MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def cut(sizes: Sequence[int]) -> Iterator[slice]:
    """Yield slices of what has these sizes, in order, each as long as one batch may be.

    Args:
        sizes: Bytes of each entry, attributes included; none of them over the limit.
    """
    begin = total = 0
    for index, size in enumerate(sizes):
        if index - begin == ENTRIES or (total + size > MESSAGE_BYTES and index > begin):
            yield slice(begin, index)
            begin, total = index, 0
        total += size
    if begin < len(sizes):
        yield slice(begin, len(sizes))
