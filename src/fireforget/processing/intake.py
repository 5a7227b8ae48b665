"""From the text of one event to the record that the store keeps."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from fireforget._event import Event, decode_event, is_uuid7, uuid7_text
from fireforget._schema import EventTypes, is_own_schema, shared_types
from fireforget._settings import ProcessingSettings
from fireforget.abc import Record
from fireforget.errors import EnricherTimeoutError, SchemaError
from fireforget.processing.enrichers import DirectEnricher, Geo, Session, UserAgent
from fireforget.processing.privacy import Privacy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.processing.enrichers import Enricher

_logger: Final = logging.getLogger("fireforget")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_OWN: Final = frozenset({Geo, Privacy, Session, UserAgent})
"""Enrichers that return another event for every change; those of users may change the data of the one they got."""


class Intake:
    """Reads, validates and enriches one event at a time. It does no I/O of its own; enrichers may.

    The order is fixed: decode, correlate, lift to the known version and validate, then the enrichers: those
    that the settings switch on, then those given here, and `Privacy` last, so that the others still see the
    address.

    Args:
        settings: `retention_days`, `unknown_types`, `enrich_timeout`, `session`, `user_agent`, `geo_database`,
            `ip_addresses` and `ip_fields` count here. None for the defaults.
        enrichers: Further enrichers, in order. A `Privacy` among them runs last, in place of the settings'
            own.
        types: The registered event types.
        secret: Shared with other processes, so that hashed addresses and sessions agree; None for none.

    Raises:
        SettingsError: An enricher that the settings ask for cannot be made.
    """

    def __init__(
        self,
        settings: ProcessingSettings | None = None,
        enrichers: Sequence[Enricher] = (),
        *,
        types: EventTypes = shared_types,
        secret: bytes | None = None,
    ) -> None:
        settings = settings or ProcessingSettings()
        self._types = types
        self._unchecked: set[str] = set()
        self._timeout = settings.enrich_timeout
        self._refuse_unknown = settings.unknown_types == "refuse"
        self._retention = timedelta(days=settings.retention_days) if settings.retention_days else None
        steps = _in_order(settings, enrichers, secret)
        direct = 0
        while direct < len(steps) and isinstance(steps[direct], DirectEnricher):
            direct += 1
        self._keeps_texts = all(type(step) in _OWN for step in steps[:direct])
        self._direct = [step.enrich for step in steps[:direct] if isinstance(step, DirectEnricher)]
        self._later = steps[direct:]

    @property
    def waits(self) -> bool:
        """Is there an enricher that awaits something? Then `complete` must follow `read`."""
        return bool(self._later)

    def read(self, text: str | bytes | msgspec.Raw) -> Event:
        """Decode one event, give it a correlation id, validate it, and apply the leading direct enrichers.

        Raises:
            EventError: It can never be used: it is no CloudEvent, does not fit its type, or its type is unknown and
                unknown types are refused.
        """
        return self._prepared(decode_event(text))

    def take(self, text: msgspec.Raw) -> Record:
        """Read one event, as `read` does; its record has the text itself where nothing has changed the event."""
        decoded = decode_event(text)
        event = self._prepared(decoded)
        kept = self._keeps_texts and event is decoded
        return self.record(event, bytes(text).decode() if kept else None)

    async def complete(self, event: Event) -> Event:
        """Apply the first enricher that awaits something, and all that follow it.

        Raises:
            EnricherTimeoutError: One of them took longer than `enrich_timeout`.
            TypeError: An enricher returned something other than an event.
        """
        for step in self._later:
            enriched = step.enrich(event) if isinstance(step, DirectEnricher) else await self._awaited(step, event)
            if not isinstance(enriched, Event):
                message = f"{_name(step)} returned {type(enriched).__name__}: an enricher returns the event"
                raise TypeError(message)
            event = enriched
        return event

    async def _awaited(self, step: Enricher, event: Event) -> Event:
        with anyio.move_on_after(self._timeout):
            return await step(event)
        message = (
            f"{_name(step)} took longer than {self._timeout:g} s: mend it, or raise enrich_timeout in [processing]"
        )
        raise EnricherTimeoutError(message)

    def record(self, event: Event, text: str | None = None) -> Record:
        """What the store shall keep: the event, until `retention_days` after its own time."""
        if self._retention is None:
            return Record(event, None, text)
        try:
            return Record(event, event.time + self._retention, text)
        except OverflowError:
            return Record(event, None, text)  # the calendar ends before the record does

    def _prepared(self, event: Event) -> Event:
        event = self._validated(correlated(event))
        for enrich in self._direct:
            event = enrich(event)
        return event

    def _validated(self, event: Event) -> Event:
        if self._types.get(event.type) is None:
            if self._refuse_unknown:
                message = (
                    f"event type {event.type!r} is not registered here: register it and redrive, or set "
                    'unknown_types = "accept"'
                )
                raise SchemaError(message)
            if event.dataschema is not None:
                self._warn(event)
            return event
        lifted = self._types.upcast(event)
        self._types.read(lifted)
        return lifted

    def _warn(self, event: Event) -> None:
        """Say once of a type that its events were checked elsewhere and are not here, as when they are redriven."""
        if event.type in self._unchecked or not is_own_schema(event):
            return
        self._unchecked.add(event.type)
        _logger.warning(
            "events of the type %r name the schema %r, which this worker does not know, and are stored unchecked: "
            "set plugin = ... to the module that registers it",
            event.type,
            event.dataschema,
        )


def _name(step: Enricher) -> str:
    """A function's own name, or that of an object's class."""
    name: str = getattr(step, "__qualname__", type(step).__qualname__)
    return name


def _in_order(settings: ProcessingSettings, given: Sequence[Enricher], secret: bytes | None) -> list[Enricher]:
    """All enrichers, `Privacy` last."""
    steps: list[Enricher] = []
    if settings.session:
        steps.append(Session(secret))
    if settings.user_agent:
        steps.append(UserAgent())
    if settings.geo_database:
        steps.append(Geo(settings.geo_database))
    steps += [step for step in given if not isinstance(step, Privacy)]
    private: list[Enricher] = [step for step in given if isinstance(step, Privacy)]
    if not private and settings.ip_addresses != "keep":
        private.append(Privacy(settings.ip_addresses, fields=settings.ip_fields, secret=secret))
    return steps + private


def correlated(event: Event) -> Event:
    """The event with a correlation id that is a UUIDv7; the same one, whenever the event is read again.

    An event without one is its own correlation, by its id or, where that is no UUIDv7, by one derived from
    its time and its id. A correlation id of somebody else's making becomes the request id, and one is derived
    from it and the hour, so that the events of one request stay together.
    """
    own = event.correlationid
    if own:
        if is_uuid7(own):
            return event
        hour = event.time.replace(minute=0, second=0, microsecond=0)
        return msgspec.structs.replace(
            event,
            correlationid=_derived(hour, own),
            requestid=event.requestid if event.requestid is not None else own,
        )
    return msgspec.structs.replace(
        event, correlationid=event.id if is_uuid7(event.id) else _derived(event.time, event.id)
    )


def _derived(time: datetime, name: str) -> str:
    """A UUIDv7 of that time, with the digest of the name for its random bits."""
    microseconds = max(0, (time - _EPOCH) // _MICROSECOND)
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return uuid7_text(microseconds * 1000, int.from_bytes(digest, "big"))
