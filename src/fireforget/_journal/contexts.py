"""Where the context records of a segment file stand, by number."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

from fireforget._journal.mapping import PAGE
from fireforget._journal.record import CONTEXT, HEADER, HEADER_SIZE

if TYPE_CHECKING:
    import mmap

_unpack: Final = HEADER.unpack_from


class Contexts:
    """The offsets, four bytes each; 0 where no such context is known."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places = array("I", [0])

    def __len__(self) -> int:
        return len(self._places)

    def at(self, number: int) -> int:
        """Where the context of this number stands; 0 for nowhere."""
        return self._places[number] if number < len(self._places) else 0

    def place(self, number: int, at: int) -> None:
        """Note where one stands."""
        places = self._places
        while number > len(places):
            places.append(0)
        if number == len(places):
            places.append(at)
        else:
            places[number] = at

    def items(self) -> list[tuple[int, int]]:
        """The numbers that are known, and where they stand."""
        return [(number, at) for number, at in enumerate(self._places) if at]

    @classmethod
    def find(cls, mapping: mmap.mmap, magic: int) -> Contexts:
        """Look for them in a file, damaged or not: about a millisecond for each MiB."""
        contexts, mark = cls(), magic.to_bytes(4, "little")
        before = at = PAGE
        while 0 <= at <= len(mapping) - HEADER_SIZE:
            found, size, _, _, word, _ = _unpack(mapping, at)
            if found != magic:
                at = mapping.find(mark, before + 1)  # the size of the record before it may be what is damaged
                before = max(before, at)
                continue
            if word >> 8 & 0xFF == CONTEXT:
                contexts.place(word >> 48, at)
            before, at = at, at + HEADER_SIZE + size
        return contexts
