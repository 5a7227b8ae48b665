"""Client addresses do not reach the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from fireforget._salt import DailySalt
from fireforget.errors import SchemaError
from fireforget.processing.addresses import ADDRESS_FIELDS, Address, FieldNames, addresses, replace_addresses
from fireforget.processing.enrichers import DirectEnricher

if TYPE_CHECKING:
    from datetime import datetime

    from fireforget._event import Event

_CONTAINERS: Final = frozenset({dict, list, tuple})
_SEQUENCES: Final = frozenset({list, tuple})

Replacement = Callable[[Address], str]


class Privacy(DirectEnricher):
    """Hashes or drops client addresses. The pipeline has one by default, and always runs it last.

    It looks at the fields of `ADDRESS_FIELDS` (``ip``, ``client_ip``, ``remote_addr``, ``X-Forwarded-For``
    and so on; case and separators do not count), in the data, in all dictionaries and lists within, such as
    ``metadata``, and among the CloudEvents extension attributes. There an IPv4 or IPv6 address is recognised
    by its value, also in a list, with a port, or in a header of several; what is no address stays. Addresses
    elsewhere, as in free text, stay too.

    Args:
        action: ``"hash"`` puts the keyed BLAKE2b of an address in its place (32 hexadecimal digits), under a
            salt that changes daily, by the event's own time (UTC), and is never stored: within a day the same
            address has the same hash, from one day to the next it has not. ``"drop"`` removes the field.
        fields: Names of further fields that hold client addresses.
        secret: At least 16 random bytes. Processes with the same secret hash alike; who holds it can tell
            whether an address is behind a hash. None: each process makes its own salts and forgets them, so
            its hashes cannot be compared with those of another process.

    Raises:
        SettingsError: The secret is too short.
    """

    def __init__(
        self,
        action: Literal["hash", "drop"] = "hash",
        *,
        fields: tuple[str, ...] = (),
        secret: bytes | None = None,
    ) -> None:
        self._drops = action == "drop"
        self._names = FieldNames(*ADDRESS_FIELDS, *fields)
        self._salt = DailySalt(secret)

    def enrich(self, event: Event) -> Event:
        """The event without client addresses.

        Raises:
            SchemaError: Its data is nested too deeply to be searched.
        """
        concerns_data = self._concerns(event.data)
        concerns_extensions = bool(event.extensions) and self._concerns(event.extensions)
        if not (concerns_data or concerns_extensions):
            return event
        hashed = self._hashed(event.time)
        try:
            return msgspec.structs.replace(
                event,
                data=self._without_addresses(event.data, hashed),
                extensions=self._without_addresses(event.extensions, hashed),
            )
        except RecursionError as error:
            message = "the data is nested too deeply to look for client addresses in it"
            raise SchemaError(message) from error

    def _concerns(self, data: Mapping[str, Any]) -> bool:
        """Has it a field of such a name, at any depth? Most events have not: this is what they cost."""
        names = self._names
        containers: list[Any] = [data]
        for container in containers:  # grows meanwhile
            if type(container) in _SEQUENCES:
                containers += [value for value in container if type(value) in _CONTAINERS]
                continue
            for name, value in container.items():
                if names[name]:
                    return True
                if type(value) in _CONTAINERS:
                    containers.append(value)
        return False

    def _hashed(self, time: datetime) -> Replacement:
        return lambda address: self._salt.digest(address.packed, time)

    def _without_addresses(self, data: Mapping[str, Any], hashed: Replacement) -> dict[str, Any]:
        kept = dict(data)
        for name, value in data.items():
            if not self._names[name]:
                if type(value) in _CONTAINERS:
                    kept[name] = self._searched(value, hashed)
            elif not self._drops:
                kept[name] = _replaced(value, hashed)
            elif _holds_address(value):
                del kept[name]
        return kept

    def _searched(self, value: Any, hashed: Replacement) -> Any:
        if isinstance(value, dict):
            return self._without_addresses(value, hashed)
        if isinstance(value, (list, tuple)):
            return [self._searched(inner, hashed) for inner in value]
        return value


def _replaced(value: Any, hashed: Replacement) -> Any:
    """What stands under the name of an address field, with the addresses replaced at any depth."""
    if isinstance(value, str):
        return replace_addresses(value, hashed)
    if isinstance(value, (list, tuple)):
        return [_replaced(inner, hashed) for inner in value]
    if isinstance(value, dict):
        return {replace_addresses(name, hashed): _replaced(inner, hashed) for name, inner in value.items()}
    return value


def _holds_address(value: Any) -> bool:
    if isinstance(value, str):
        return next(addresses(value), None) is not None
    if isinstance(value, (list, tuple)):
        return any(map(_holds_address, value))
    if isinstance(value, dict):
        return any(map(_holds_address, value)) or any(map(_holds_address, value.values()))
    return False
