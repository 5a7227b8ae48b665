"""Where client addresses and user agents stand in an event's data, and what an address looks like."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Address = IPv4Address | IPv6Address

ADDRESS_FIELDS: Final = (
    "ip",
    "ips",
    "ipv4",
    "ipv6",
    "ip_addr",
    "ip_address",
    "client",
    "client_addr",
    "client_address",
    "client_host",
    "client_ip",
    "client_ip_address",
    "user_ip",
    "visitor_ip",
    "source_ip",
    "src_ip",
    "origin_ip",
    "peer",
    "peer_addr",
    "peer_ip",
    "remote_addr",
    "remote_address",
    "remote_host",
    "remote_ip",
    "real_ip",
    "forwarded",
    "forwarded_for",
    "x_forwarded",
    "x_forwarded_for",
    "x_original_forwarded_for",
    "x_real_ip",
    "x_client_ip",
    "x_cluster_client_ip",
    "true_client_ip",
    "cf_connecting_ip",
    "cf_connecting_ipv6",
    "fastly_client_ip",
    "fly_client_ip",
    "x_appengine_user_ip",
    "x_azure_clientip",
    "x_azure_socketip",
    "x_envoy_external_address",
    "x_vercel_forwarded_for",
    "http_client_ip",
    "http_forwarded",
    "http_x_forwarded_for",
    "http_x_real_ip",
)
"""Names of fields that hold client addresses. Case, ``_``, ``-``, ``.`` and blanks in a name do not count, so
``X-Forwarded-For`` and ``clientIp`` are among them."""

AGENT_FIELDS: Final = ("user_agent", "http_user_agent", "browser_user_agent", "ua")
"""Names of fields that hold the text of a user agent; read like `ADDRESS_FIELDS`."""

_SEPARATORS: Final = str.maketrans("", "", "_-. ")
_CANDIDATE: Final = re.compile(r"[0-9A-Fa-f.:]*[.:][0-9A-Fa-f.:]*")
_LEADING_ZEROS: Final = re.compile(r"(?<![0-9A-Fa-f])0+(?=[0-9A-Fa-f])")
_LONGEST_NAME: Final = 64
_MOST_NAMES: Final = 1024
_LONGEST_ADDRESS: Final = 64


class FieldNames(dict[str, bool]):
    """Which names are those of certain fields: ``names[name]`` is true for them, whatever their case and separators.

    It remembers what it was asked, since events of one type have the same fields again and again.
    """

    def __init__(self, *names: str) -> None:
        super().__init__()
        self._folded = frozenset(map(_fold, names))

    def __missing__(self, name: str) -> bool:
        if len(name) > _LONGEST_NAME:
            return False
        if len(self) >= _MOST_NAMES:
            self.clear()
        found = self[name] = _fold(name) in self._folded
        return found


def _fold(name: str) -> str:
    return name.lower().translate(_SEPARATORS)


_address_fields: Final = FieldNames(*ADDRESS_FIELDS)


def fields(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every field: those at the top first, then those of the dictionaries and lists within."""
    containers: list[Any] = [data]
    for container in containers:  # grows meanwhile
        if isinstance(container, list):
            containers += [value for value in container if isinstance(value, (dict, list))]
            continue
        yield from container.items()
        containers += [value for value in container.values() if isinstance(value, (dict, list))]


def find_text(data: Mapping[str, Any], names: FieldNames) -> str | None:
    """The first text, not empty, in a field of such a name."""
    return next((value for name, value in fields(data) if names[name] and value and isinstance(value, str)), None)


def find_address(data: Mapping[str, Any]) -> Address | None:
    """The client's address: the first public one in a field of `ADDRESS_FIELDS`, else the first one there."""
    first: Address | None = None
    for name, value in fields(data):
        if not _address_fields[name]:
            continue
        for text in value if isinstance(value, list) else (value,):
            for address in addresses(text) if isinstance(text, str) else ():
                if address.is_global:
                    return address
                first = first or address
    return first


def addresses(text: str) -> Iterator[Address]:
    """Yield the addresses in a text: alone, in a list, with a port, in a ``Forwarded`` header."""
    for match in _CANDIDATE.finditer(text):
        address = _read(match[0])
        if address is not None:
            yield address


def replace_addresses(text: str, replacement: Callable[[Address], str]) -> str:
    """The text with each of its addresses replaced."""

    def replace(match: re.Match[str]) -> str:
        address = _read(match[0])
        return match[0] if address is None else replacement(address)

    return _CANDIDATE.sub(replace, text)


def _read(candidate: str) -> Address | None:
    return _parse(candidate) if len(candidate) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=4096)
def _parse(candidate: str) -> Address | None:
    """Read an address, with a port or without; an IPv4 address mapped into IPv6 is the former."""
    plain = _LEADING_ZEROS.sub("", candidate.strip("."))
    for text in (plain, plain.rpartition(":")[0]):
        try:
            address = ip_address(text)
        except ValueError:
            continue
        return getattr(address, "ipv4_mapped", None) or address
    return None
