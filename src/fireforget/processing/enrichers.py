"""Enrichers: what adds to an event before it is stored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from fireforget._salt import DailySalt
from fireforget.errors import SettingsError
from fireforget.processing.addresses import AGENT_FIELDS, FieldNames, find_address, find_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ua_parser import Result

    from fireforget._event import Event

_EXTRA: Final = 'pip install "fireforget[enrich]"'
_LONGEST_AGENT: Final = 1024
"""Characters of a user agent that are looked at: no real one is longer, and the text is the client's."""

_agent_fields: Final = FieldNames(*AGENT_FIELDS)
_session_fields: Final = FieldNames("session_id", "session")


class Enricher(Protocol):
    """Anything that can be awaited with an event and gives an event back.

    It raises `TransientError` for what will pass: the message then comes again for as long as it takes. It
    raises an `EventError` for an event that can never be used: that event alone becomes a dead letter.
    Whatever else it raises is unexpected, and so is taking longer than `enrich_timeout`: it is then cancelled where it
    awaits. What it does without awaiting nobody can interrupt, and all other events wait for that. It may see the same
    event more than once, and leaves the id and the correlation id alone.
    """

    async def __call__(self, event: Event) -> Event:
        """The event, enriched; the same one where there is nothing to add."""
        ...


class DirectEnricher:
    """An enricher that never waits. The pipeline calls its `enrich` directly, which is cheaper than awaiting it.

    No time limit holds for it, since nothing can interrupt it: whoever asks a server or a disk awaits that instead.
    """

    def enrich(self, event: Event) -> Event:
        """The event, enriched; the same one where there is nothing to add."""
        raise NotImplementedError

    async def __call__(self, event: Event) -> Event:
        """The same, for whoever awaits."""
        return self.enrich(event)


class UserAgent(DirectEnricher):
    """Reads the user agent: adds ``agent`` to the data, unless the data has it already.

    ``agent`` holds, as far as they are known, ``browser``, ``browser_version``, ``os``, ``os_version``,
    ``device`` and ``brand``, and ``bot`` (true) for crawlers. The text is looked for in the fields of
    `AGENT_FIELDS`, in the data and in the dictionaries within it, such as ``metadata``.

    Raises:
        SettingsError: ua-parser is not installed.
    """

    def __init__(self) -> None:
        try:
            from ua_parser import parse
        except ImportError as error:
            message = f"the user agent enricher needs ua-parser: {_EXTRA}"
            raise SettingsError(message) from error
        self._parse = parse
        parse("")  # loads the patterns now, a fifth of a second, and not while events wait

    def enrich(self, event: Event) -> Event:
        """The event with ``agent`` in its data, where a user agent is known."""
        text = find_text(event.data, _agent_fields)
        if text is None or "agent" in event.data:
            return event
        agent = _describe(self._parse(text[:_LONGEST_AGENT]))
        return _with_data(event, {"agent": agent}) if agent else event


class Session(DirectEnricher):
    """Gives an event a session id, unless it came with one.

    It is taken from a field ``session_id``, ``sessionId`` or ``session`` (a text) of the data or of the
    dictionaries within it. Where there is none and a secret is given, it is the keyed BLAKE2b of client
    address and user agent, under a salt derived from the secret and the event's day (UTC), which is never
    stored: the visits of one day belong together, those of two days cannot be joined.

    Args:
        secret: At least 16 random bytes, the same in all processes. None: no session id from address and
            agent.

    Raises:
        SettingsError: The secret is too short.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        self._salt = None if secret is None else DailySalt(secret)

    def enrich(self, event: Event) -> Event:
        """The event with a session id, where one can be told."""
        if event.sessionid:
            return event
        sessionid = find_text(event.data, _session_fields) or self._fingerprint(event)
        return event if sessionid is None else msgspec.structs.replace(event, sessionid=sessionid)

    def _fingerprint(self, event: Event) -> str | None:
        address = None if self._salt is None else find_address(event.data)
        if self._salt is None or address is None:
            return None
        agent = find_text(event.data, _agent_fields) or ""
        return self._salt.digest(address.packed + agent.encode("utf-8", "surrogatepass"), event.time)


class Geo(DirectEnricher):
    """Looks the client's address up in a MaxMind database: adds ``geo`` to the data.

    ``geo`` holds what the database knows of ``continent`` and ``country`` (codes), ``region`` (code), ``city`` (English
    name), ``timezone``, ``asn`` and ``organization``; data that has a ``geo`` already keeps its own. The address is the
    first public one in the fields of `ADDRESS_FIELDS`. Databases of cities, countries and autonomous systems fit.

    Args:
        database: Path of the ``.mmdb`` file, which you get from MaxMind or another maker.

    Raises:
        SettingsError: maxminddb is not installed, or the file is not such a database.
    """

    def __init__(self, database: str | os.PathLike[str]) -> None:
        try:
            import maxminddb
        except ImportError as error:
            message = f"the geo enricher needs maxminddb: {_EXTRA}"
            raise SettingsError(message) from error
        try:
            self._reader = maxminddb.open_database(os.fspath(database))
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            message = f"{os.fspath(database)!r} cannot be used as a MaxMind database ({error}): name an .mmdb file"
            raise SettingsError(message) from error
        self._version = self._reader.metadata().ip_version

    def enrich(self, event: Event) -> Event:
        """The event with ``geo`` in its data, where the database knows the address."""
        address = find_address(event.data)
        if address is None or "geo" in event.data or address.version > self._version:
            return event
        place = _place(self._reader.get(address))
        return _with_data(event, {"geo": place}) if place else event

    def close(self) -> None:
        """Close the database. The enricher cannot be used any more."""
        self._reader.close()


def _with_data(event: Event, more: Mapping[str, Any]) -> Event:
    return msgspec.structs.replace(event, data={**event.data, **more})


def _describe(result: Result) -> dict[str, Any]:
    """The parser's result without what it does not know."""
    browser, system, device = result.user_agent, result.os, result.device
    known: dict[str, Any] = {}
    if browser is not None:
        known |= {"browser": browser.family, "browser_version": _version(browser.major, browser.minor)}
    if system is not None:
        known |= {"os": system.family, "os_version": _version(system.major, system.minor)}
    if device is not None:
        known |= {"device": device.model or device.family, "brand": device.brand}
        known["bot"] = device.family == "Spider" or None
    return {name: value for name, value in known.items() if value}


def _version(major: str | None, minor: str | None) -> str | None:
    return f"{major}.{minor}" if major and minor else major


_PLACES: Final[Mapping[str, tuple[str | int, ...]]] = {
    "continent": ("continent", "code"),
    "country": ("country", "iso_code"),
    "region": ("subdivisions", 0, "iso_code"),
    "city": ("city", "names", "en"),
    "timezone": ("location", "time_zone"),
    "asn": ("autonomous_system_number",),
    "organization": ("autonomous_system_organization",),
}


def _place(record: object) -> dict[str, Any]:
    """What a database's entry tells of a place, without what it does not."""
    found = {name: _at(record, path) for name, path in _PLACES.items()}
    return {name: value for name, value in found.items() if value is not None}


def _at(record: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        try:
            record = record[step]
        except (KeyError, IndexError, TypeError):
            return None
    return record
