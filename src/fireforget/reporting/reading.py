"""Lenient reading of what an event carries: what cannot be used is counted by field, and never raises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar

from fireforget.errors import SchemaError
from fireforget.reporting.legible import label

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable
    from datetime import datetime

    from fireforget._event import Event
    from fireforget._schema import EventTypes

MOST_ITEMS: Final = 200
"""Most items of one list or mapping that are looked at."""

_UNREAD: Final[Any] = object()

T = TypeVar("T")


class Reading:
    """One event, each value of its data read as what it should be.

    A value that is missing or null is None and no fault. A value of another kind, or out of bounds, is None as well,
    and is counted in `unusable` under its field, once however many ask for it. A path leads into nested mappings:
    ``metadata.source``; a key that has the dots in itself comes first.

    Args:
        event: What is read.
        time: When its request was made.
        types: Lifts the data of older versions.
    """

    def __init__(self, event: Event, time: datetime, types: EventTypes) -> None:
        self.event = event
        self.time = time
        self.unreadable = False
        self.unusable: dict[str, int] = {}
        self._types = types
        self._data: Mapping[Any, Any] | None = None
        self._known: dict[Hashable, Any] = {}

    def text(self, path: str) -> str | None:
        """A text."""
        return self._read((path, "text"), path, lambda value: value if isinstance(value, str) else None)

    def choice(self, path: str, among: frozenset[str]) -> str | None:
        """One of a few texts."""
        return self._read((path, among), path, lambda value: _one_of(value, among))

    def flag(self, path: str) -> bool | None:
        """True or false; nothing else counts as either."""
        return self._read((path, "flag"), path, lambda value: value if isinstance(value, bool) else None)

    def number(self, path: str, *, most: float) -> float | None:
        """A number from 0 to `most`."""
        return self._read((path, "number", most), path, lambda value: float(value) if _is_number(value, most) else None)

    def whole(self, path: str, *, most: float) -> int | None:
        """A whole number from 0 to `most`."""

        def read(value: object) -> int | None:
            return int(value) if _is_number(value, most) and value == int(value) else None

        return self._read((path, "whole", most), path, read)

    def texts(self, path: str) -> tuple[str, ...]:
        """The different texts of a list, in its order; each item that is none counts as unusable."""

        def read(value: object) -> tuple[str, ...] | None:
            if not isinstance(value, list | tuple):
                return None
            items = value[:MOST_ITEMS]
            self.refuse(path, sum(item is not None and not isinstance(item, str) for item in items))
            return tuple(dict.fromkeys(item for item in items if isinstance(item, str)))

        return self._read((path, "texts"), path, read) or ()

    def numbers(self, path: str, *, most: float) -> tuple[tuple[str, float], ...]:
        """The numbers of a mapping by name, each from 0 to `most`; what is none counts as unusable."""

        def read(value: object) -> tuple[tuple[str, float], ...] | None:
            if not isinstance(value, Mapping):
                return None
            items = list(islice(value.items(), MOST_ITEMS))
            usable = [isinstance(key, str) and _is_number(number, most) for key, number in items]
            self.refuse(path, sum(not fit and item[1] is not None for fit, item in zip(usable, items, strict=True)))
            return tuple((item[0], float(item[1])) for fit, item in zip(usable, items, strict=True) if fit)

        return self._read((path, "numbers", most), path, read) or ()

    def raw(self, path: str) -> object:
        """The value as it is; None where there is none."""
        data: Any = self._data if self._data is not None else self._lifted()
        if path in data or "." not in path:
            return data.get(path)
        *parents, name = path.split(".")
        for depth, parent in enumerate(parents, start=1):
            data = data.get(parent)
            if not isinstance(data, Mapping):
                if data is not None:
                    self.refuse(".".join(parents[:depth]), 1)
                return None
        return data.get(name)

    def _lifted(self) -> Mapping[Any, Any]:
        """The event's data in the version that this process knows; without any where it cannot be read."""
        try:
            data = self._types.upcast(self.event).data
        except SchemaError:
            data = None
        self.unreadable = not isinstance(data, Mapping)
        self._data = data if isinstance(data, Mapping) else {}
        return self._data

    def _read(self, key: Hashable, path: str, read: Callable[[object], T | None]) -> T | None:
        known: T | None = self._known.get(key, _UNREAD)
        if known is _UNREAD:
            value = self.raw(path)
            known = None if value is None else read(value)
            if known is None and value is not None:
                self.refuse(path)
            self._known[key] = known
        return known

    def refuse(self, path: str, times: int = 1) -> None:
        """Count a field as unusable; two measures that read it in two ways find one fault and not two."""
        if times:
            name = f"{label(self.event.type)}.{path}"
            self.unusable[name] = max(times, self.unusable.get(name, 0))


def _one_of(value: object, among: Collection[str]) -> str | None:
    return value if isinstance(value, str) and value in among else None


def _is_number(value: object, most: float) -> TypeGuard[int | float]:
    """Whether it is a number from 0 to `most`: no boolean, not NaN; 10⁴⁰⁰ is too large and not an error."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
