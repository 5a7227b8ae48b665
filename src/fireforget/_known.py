"""The event types that an application emits, and what there is to know of each at `emit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from fireforget._encode import encode
from fireforget._schema import check_type_name
from fireforget.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fireforget._schema import EventTypes

EVERYTHING: Final = 1 << 32
"""The threshold of a type of which all events are kept."""

_MOST_KNOWN: Final = 5000
"""Event types that are remembered: names that somebody makes up must not fill the memory."""


class Known(msgspec.Struct, frozen=True):
    """One event type.

    Args:
        name: The CloudEvents ``type``.
        fragment: The members of the envelope that all its events share.
        threshold: An event is kept where the hash of its correlation id is below it.
    """

    name: str
    fragment: bytes
    threshold: int


class KnownTypes:
    """Learns each event type when its first event is emitted.

    Args:
        source: CloudEvents ``source`` of all events.
        types: The registered event types.
        sampling: Share of correlation ids kept, by event type; ``*`` for those not named.

    Attributes:
        registered: The registered event types.
    """

    def __init__(self, source: str, types: EventTypes, sampling: Mapping[str, float]) -> None:
        self.registered = types
        self._source = source
        self._sampling = sampling
        self._known: dict[str, Known] = {}

    def of(self, name: str) -> Known:
        """The type of that name.

        Raises:
            SchemaError: It cannot be a name.
        """
        return self._known.get(name) or self._learn(name)

    def resolve(self, event_type: object, data: object) -> tuple[Known, Any]:
        """The event type, and the data where it came as one instance.

        Raises:
            SchemaError: It is neither a name nor an instance of a registered class, or it is one and comes with data.
        """
        if isinstance(event_type, str):
            return self.of(event_type), {} if data is None else data
        registered = self.registered.of(type(event_type))
        if registered is None:
            message = (
                f"{type(event_type).__name__} is no registered event class: decorate it with @event_type, or pass a "
                "type name and a mapping"
            )
            raise SchemaError(message)
        if data is not None:
            message = "an instance of an event class is its own data: omit the second argument"
            raise SchemaError(message)
        return self.of(registered.name), event_type

    def _learn(self, name: str) -> Known:
        registered = self.registered.get(check_type_name(name))
        members = {"source": self._source, "type": name}
        if registered is not None:
            members["dataschema"] = registered.dataschema
        share = self._sampling.get(name, self._sampling.get("*", 1.0))
        known = Known(name, encode(members)[1:-1], round(share * EVERYTHING))
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[name] = known
        return known
