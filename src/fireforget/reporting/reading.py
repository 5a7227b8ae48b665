"""Lenient reading of what an event carries: what cannot be used is counted by field, and never raises."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from fireforget.errors import SchemaError
from fireforget.reporting.legible import label

if TYPE_CHECKING:
    from datetime import datetime

    from fireforget._event import Event
    from fireforget._schema import EventTypes

MOST_ITEMS: Final = 200
"""Most items of one list or mapping that are looked at."""


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

    def text(self, path: str) -> str | None:
        """A text."""
        value = self.raw(path)
        if value is None or isinstance(value, str):
            return value
        self.refuse(path)
        return None

    def choice(self, path: str, among: frozenset[str]) -> str | None:
        """One of a few texts."""
        value = self.raw(path)
        if value is None or (isinstance(value, str) and value in among):
            return value
        self.refuse(path)
        return None

    def flag(self, path: str) -> bool | None:
        """True or false; nothing else counts as either."""
        value = self.raw(path)
        if value is None or isinstance(value, bool):
            return value
        self.refuse(path)
        return None

    def number(self, path: str, *, most: float) -> float | None:
        """A number from 0 to `most`."""
        value = self.raw(path)
        if _is_number(value, most):
            return float(value)
        if value is not None:
            self.refuse(path)
        return None

    def whole(self, path: str, *, most: float) -> int | None:
        """A whole number from 0 to `most`."""
        value = self.raw(path)
        if _is_number(value, most) and value == int(value):
            return int(value)
        if value is not None:
            self.refuse(path)
        return None

    def texts(self, path: str) -> tuple[str, ...]:
        """The different texts of a list, in its order; each item that is none counts as unusable."""
        value = self.raw(path)
        if not isinstance(value, list | tuple):
            self.refuse(path, int(value is not None))
            return ()
        items = value[:MOST_ITEMS]
        found = dict.fromkeys(item for item in items if isinstance(item, str))
        self.refuse(path, sum(item is not None and not isinstance(item, str) for item in items))
        return tuple(found)

    def numbers(self, path: str, *, most: float) -> tuple[tuple[str, float], ...]:
        """The numbers of a mapping by name, each from 0 to `most`; what is none counts as unusable."""
        value = self.raw(path)
        if not isinstance(value, Mapping):
            self.refuse(path, int(value is not None))
            return ()
        found: list[tuple[str, float]] = []
        unfit = 0
        for key, number in islice(value.items(), MOST_ITEMS):
            if isinstance(key, str) and _is_number(number, most):
                found.append((key, float(number)))
            else:
                unfit += number is not None
        self.refuse(path, unfit)
        return tuple(found)

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

    def refuse(self, path: str, times: int = 1) -> None:
        """Count a field as unusable; two measures that read it in two ways find one fault and not two."""
        if times:
            name = f"{label(self.event.type)}.{path}"
            self.unusable[name] = max(times, self.unusable.get(name, 0))


def _is_number(value: object, most: float) -> TypeGuard[int | float]:
    """Whether it is a number from 0 to `most`: no boolean, not NaN; 10⁴⁰⁰ is too large and not an error."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
