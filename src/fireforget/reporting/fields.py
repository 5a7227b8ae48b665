"""Lenient reading of what events carry: what cannot be used is counted by field, and never raises."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Iterator

MOST_ITEMS: Final = 200
"""Most items of one list or mapping that are looked at."""


class Fields:
    """The data of one event, each value read as what it should be.

    A value that is missing or null is None and no fault. A value of another kind, or out of bounds, is None
    as well and counts as unusable under ``type.field``.

    Args:
        place: Whose fields these are; what their names begin with.
        data: The values.
        unusable: Where unusable values are counted.
    """

    def __init__(self, place: str, data: Mapping[Any, Any], unusable: Counter[str]) -> None:
        self._place = place
        self._data = data
        self._unusable = unusable

    def text(self, name: str) -> str | None:
        """A text."""
        value = self._data.get(name)
        if isinstance(value, str):
            return value
        self._refuse(name, value)
        return None

    def choice(self, name: str, among: Collection[str]) -> str | None:
        """One of a few texts."""
        value = self._data.get(name)
        if isinstance(value, str) and value in among:
            return value
        self._refuse(name, value)
        return None

    def flag(self, name: str) -> bool | None:
        """True or false; nothing else counts as either."""
        value = self._data.get(name)
        if isinstance(value, bool):
            return value
        self._refuse(name, value)
        return None

    def number(self, name: str, *, most: float) -> float | None:
        """A number from 0 to `most`."""
        value = self._data.get(name)
        if _is_number(value, most):
            return float(value)
        self._refuse(name, value)
        return None

    def whole(self, name: str, *, most: int) -> int | None:
        """A whole number from 0 to `most`."""
        value = self._data.get(name)
        if _is_number(value, most) and value == int(value):
            return int(value)
        self._refuse(name, value)
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        """The different texts of a list, in its order; each item that is none counts as unusable."""
        value = self._data.get(name)
        if not isinstance(value, list | tuple):
            self._refuse(name, value)
            return ()
        texts: dict[str, None] = {}
        for item in value[:MOST_ITEMS]:
            if isinstance(item, str):
                texts[item] = None
            else:
                self._refuse(name, item)
        return tuple(texts)

    def numbers(self, name: str, *, most: float) -> Iterator[tuple[str, float]]:
        """The numbers of a mapping by name, each from 0 to `most`; what is none counts as unusable."""
        for key, value in islice(self._mapping(name).items(), MOST_ITEMS):
            if isinstance(key, str) and _is_number(value, most):
                yield key, float(value)
            else:
                self._refuse(name, value)

    def fields(self, name: str) -> Fields:
        """The fields of a mapping; none where it is not one."""
        return Fields(f"{self._place}.{name}", self._mapping(name), self._unusable)

    def _mapping(self, name: str) -> Mapping[Any, Any]:
        value = self._data.get(name)
        if isinstance(value, Mapping):
            return value
        self._refuse(name, value)
        return {}

    def _refuse(self, name: str, value: object) -> None:
        if value is not None:
            self._unusable[f"{self._place}.{name}"] += 1


def _is_number(value: object, most: float) -> TypeGuard[int | float]:
    """Whether it is a number from 0 to `most`: no boolean, not NaN; 10⁴⁰⁰ is too large and not an error."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
