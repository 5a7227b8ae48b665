"""`emit`, the hot path: an event is encoded and in the journal when it returns.

The fast path is one try block: the event type's header word is looked up in the context, the data encoded, and one
record appended by one atomic call. Everything unusual (a new context, a new segment, a type seen for the first time,
attributes, hooks, sampling, data that must be coerced, a full journal) leaves it and is decided in `_emit_slowly`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import getrandbits
from typing import TYPE_CHECKING, Any, Final, Literal
from zlib import crc32

import msgspec

from fireforget._context import Attributes, ExecutionContext, current
from fireforget._encode import SAFE_BYTES, check_depth, encode, encode_slowly
from fireforget._event import RESERVED_ATTRIBUTES, EventId
from fireforget._journal import PACK, Binding
from fireforget._schema import EventTypes, check_type_name
from fireforget.errors import (
    AttributeNameError,
    EventError,
    JournalError,
    SchemaError,
    TooLargeError,
    UnserializableError,
)

if TYPE_CHECKING:
    from fireforget._clock import Clock
    from fireforget._journal import Journal, Segment

_logger: Final = logging.getLogger("fireforget")

BeforeEmit = Callable[[str, Any], Any]
"""Gets the type and the data; returns the data to emit, changed or not, or None to drop the event."""

_SHARED: Final = frozenset(Attributes.__struct_fields__)
_EVERYTHING: Final = 1 << 32
_BRACE: Final = ord("{")
_NONCHARACTERS: Final = ("\ufffe".encode(), "\uffff".encode())
_ESCAPE_GROWTH: Final = 3
_EXTENSION: Final = re.compile(r"[a-z0-9]{1,20}")


class _Known(msgspec.Struct, frozen=True):
    """What there is to know of an event type at `emit`.

    Args:
        name: The CloudEvents ``type``.
        fragment: The members of the envelope that all its events share.
        threshold: An event is kept where the hash of its correlation id is below it.
    """

    name: str
    fragment: bytes
    threshold: int


class NoWaker:
    """Stands in until the dispatcher runs."""

    asleep: Final = False

    def wake(self) -> None:
        """Nobody sleeps."""


class Emitter:
    """Accepts events.

    Args:
        source: CloudEvents ``source`` of all of them.
        types: The registered event types.
        max_event_bytes: Largest encoded data of one event.
        sampling: Share of correlation ids kept, by event type.
        clock: Time.
    """

    def __init__(
        self,
        *,
        source: str,
        types: EventTypes,
        max_event_bytes: int,
        sampling: Mapping[str, float],
        clock: Clock,
    ) -> None:
        self._source = source
        self._types = types
        self._max_event_bytes = max_event_bytes
        self._sampling = sampling
        self._now = clock.time_ns
        self._known: dict[str, _Known] = {}
        self._before_emit: list[BeforeEmit] = []
        self._journal: Any = None  # a Journal once it is open; until then the slow path opens it
        self._waker: Any = NoWaker()
        self._said: set[str] = set()
        self._refused_early: dict[str, int] = {}

    def emit(
        self, event_type: object, data: object = None, attributes: Mapping[str, str | int | bool | None] | None = None
    ) -> EventId | None:
        """Accept an event: it is safe in the journal when this returns, and travels on in the background.

        It never waits and never raises. It may be called from any thread, from a signal handler, from ``__del__`` and
        after the event loop has closed. Later changes to `data` change nothing.

        Args:
            event_type: Name of the event type, or an instance of a registered event class.
            data: A mapping; omitted where `event_type` is an instance.
            attributes: ``subject``, ``sessionid``, ``correlationid``, ``requestid``, ``traceparent``, or CloudEvents
                extension attributes of your own (1 to 20 lower-case letters and digits); for this event alone.

        Returns:
            The event's id, or None where it was refused, sampled out or filtered, which `stats` counts by reason.
        """
        try:
            context = current.get()
            journal = self._journal
            tail: Segment = journal.tail
            if attributes or self._before_emit:
                return self._emit_slowly(event_type, data, attributes)
            if context.tail is not tail:
                return self._emit_first(context, event_type, data)
            if type(data) is dict:
                word = context.words[event_type]  # type: ignore[index]  # what has no word takes the slow path
                payload = encode(data)
            elif data is None:
                word = context.words[type(event_type)]  # type: ignore[index]  # `_remember` has put classes there
                payload = encode(event_type)
            else:
                return self._emit_slowly(event_type, data, attributes)
            size = len(payload)
            if size > SAFE_BYTES:
                return self._emit_slowly(event_type, data, attributes)
            now = self._now()
            sequence = journal.next_sequence()
            tail.write(PACK(tail.magic, size, 0, sequence, word, now) + payload)
            if self._waker.asleep:
                self._waker.wake()
            return EventId(now, sequence, journal.nonce)
        except Exception:  # noqa: BLE001 - whatever it is, the slow path decides it with care
            return self._emit_slowly(event_type, data, attributes)

    def _emit_first(self, context: ExecutionContext, event_type: object, data: object) -> EventId | None:
        """The first event of a request, or of a segment, where all else is as usual."""
        known = self._known[event_type] if type(data) is dict else None  # type: ignore[index]  # as in `emit`
        if known is None or known.threshold < _EVERYTHING:
            return self._emit_slowly(event_type, data, None)
        payload = encode(data)
        if len(payload) > SAFE_BYTES:
            return self._emit_slowly(event_type, data, None)
        context.prepare()
        return self._append(known, context, None, payload)

    def before_emit(self, hook: BeforeEmit) -> BeforeEmit:
        """Register a hook that may change or drop an event; a decorator. Where it raises, the event is refused."""
        self._before_emit.append(hook)
        return hook

    def open_journal(self) -> Journal:
        """The journal, opened at the first need.

        Raises:
            JournalError: It cannot be opened.
        """
        raise NotImplementedError

    def _emit_slowly(self, event_type: object, data: object, attributes: Mapping[str, Any] | None) -> EventId | None:
        """Decide about one event with care. Never raises."""
        try:
            known, data = self._resolve(event_type, data)
            for hook in self._before_emit:
                data = hook(known.name, data)
                if data is None:
                    return self._count_out("filtered")
            payload = self._encode(data)
            context = current.get()
            context.prepare()
            if attributes:
                return self._append(known, *self._ad_hoc(context, attributes), payload)
            correlation = context.correlationid if known.threshold < _EVERYTHING else None
            event_id = self._append(known, context, correlation, payload)
            if not isinstance(event_type, str):
                _remember(context, type(event_type), known.name)
            return event_id
        except EventError as error:
            return self._refuse(error.reason, error)
        except JournalError as error:
            return self._refuse("journal", error)
        except Exception as error:  # noqa: BLE001 - a hook or an object of the application; or a mistake of ours
            return self._refuse("error", error)

    def _append(self, known: _Known, binding: Binding, correlation: str | None, payload: bytes) -> EventId | None:
        journal = self._journal or self.open_journal()
        event_id = EventId(self._now(), journal.next_sequence(), journal.nonce)
        if known.threshold < _EVERYTHING:
            if crc32((correlation or str(event_id)).encode()) >= known.threshold:
                return self._count_out("sampled_out")
            if not binding.fragment:
                binding = Binding(b"", 0)  # so that the decision about this event is not kept for the next one
        if not journal.append(binding, known.name, event_id.time_ns, event_id.sequence, payload):
            return self._refuse("overflow", JournalError(journal.trouble or "the journal is full"))
        if self._waker.asleep:
            self._waker.wake()
        return event_id

    def _resolve(self, event_type: object, data: object) -> tuple[_Known, Any]:
        """The event type, and the data where it came as one instance."""
        if isinstance(event_type, str):
            known = self._known.get(event_type)
            return known or self._learn(event_type), {} if data is None else data
        registered = self._types.of(type(event_type))
        if registered is None:
            message = (
                f"{type(event_type).__name__} is no registered event class: decorate it with @event_type, or pass a "
                "type name and a mapping"
            )
            raise SchemaError(message)
        if data is not None:
            message = "an instance of an event class is its own data: omit the second argument"
            raise SchemaError(message)
        return self._known.get(registered.name) or self._learn(registered.name), event_type

    def describe(self, name: str) -> bytes:
        """The members of the envelope that all events of a type share."""
        return self._known[name].fragment

    def _learn(self, name: str) -> _Known:
        registered = self._types.get(check_type_name(name))
        members = {"source": self._source, "type": name}
        if registered is not None:
            members["dataschema"] = registered.dataschema
        share = self._sampling.get(name, self._sampling.get("*", 1.0))
        known = _Known(name, encode(members)[1:-1], round(share * _EVERYTHING))
        self._known[name] = known
        return known

    def _encode(self, data: object) -> bytes:
        try:
            payload = encode(data)
        except Exception:  # noqa: BLE001 - the slow path decides, with care
            payload = encode_slowly(data)
        if payload[0] != _BRACE:
            message = f"the data of an event is a mapping, not {type(data).__name__}"
            raise UnserializableError(message)
        size = len(payload)
        if 2 * size > self._max_event_bytes:
            size += _ESCAPE_GROWTH * sum(payload.count(character) for character in _NONCHARACTERS)
        if size > self._max_event_bytes:
            message = f"the encoded data has {size} bytes; at most {self._max_event_bytes} are accepted"
            raise TooLargeError(message)
        if size > SAFE_BYTES:
            check_depth(payload)
        return payload

    def _ad_hoc(self, context: ExecutionContext, attributes: Mapping[str, Any]) -> tuple[Binding, str]:
        """A binding for one event with attributes of its own, and the correlation id; empty for none."""
        given = {name: value for name, value in attributes.items() if value is not None}
        extra: dict[str, str | int | bool] = {}
        for name, value in given.items():
            if name in RESERVED_ATTRIBUTES:
                message = f"the attribute {name!r} is reserved: the library sets it"
                raise AttributeNameError(message)
            if not _EXTENSION.fullmatch(name) or not isinstance(value, (str, int, bool)):
                message = (
                    f"{name[:40]!r} cannot be an attribute: its name has 1 to 20 lower-case letters and digits, its "
                    "value is a text, an integer or a boolean"
                )
                raise AttributeNameError(message)
            if name not in _SHARED:
                extra[name] = str(value) if name == "subject" else value
        shared = {name: str(value) for name, value in given.items() if name in _SHARED}
        merged = msgspec.structs.replace(context.attributes or Attributes(), **shared)
        fragment = b",".join(part for part in (merged.fragment(), encode(extra)[1:-1]) if part)
        keyed = merged.sessionid or merged.correlationid
        return Binding(fragment, merged.key_hash() if keyed else getrandbits(16)), merged.correlationid

    def _refuse(self, reason: str, error: Exception) -> EventId | None:
        """Count a refused event; say why once for each reason."""
        if reason not in self._said:
            self._said.add(reason)
            with suppress(Exception):  # a log handler of the application's, or the error's own text, may raise
                _logger.warning("an event was refused (%s): %s; others for that reason are only counted", reason, error)
        if self._journal is not None:
            self._journal.note("refused", reason)
        else:
            self._refused_early[reason] = self._refused_early.get(reason, 0) + 1
        return None

    def _count_out(self, kind: Literal["filtered", "sampled_out"]) -> EventId | None:
        self.open_journal().note(kind)
        return None


def _remember(binding: Binding, model: type, name: str) -> None:
    """Let the next instance of a class take the fast path: its word is that of its event type."""
    words: dict[Any, int] = binding.words
    word = words.get(name)
    if word is not None:
        words[model] = word
