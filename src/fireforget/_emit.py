"""`emit`, the hot path: an event is encoded and in the journal when it returns.

The fast path is one try block: the event type's word is looked up in the segment, that of the request in its context
(whose first event writes the context's record first), the data encoded, and one record appended by one atomic call.
Everything unusual (a new segment, a type seen for the first time there, attributes, hooks, sampling, data that must be
coerced, a full journal) leaves it and is decided in `_emit_slowly`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal
from zlib import crc32

from fireforget._attributes import alone
from fireforget._context import current
from fireforget._encode import SAFE_BYTES, encode, encode_within, fits
from fireforget._event import EventId
from fireforget._journal import PACK
from fireforget._known import EVERYTHING, KnownTypes
from fireforget._refusals import Refusals
from fireforget.errors import (
    AttributeNameError,
    EventError,
    HookError,
    JournalError,
)

if TYPE_CHECKING:
    from fireforget._attributes import Attributes
    from fireforget._clock import Clock
    from fireforget._context import ExecutionContext
    from fireforget._journal import Binding, Journal, Segment
    from fireforget._known import Known
    from fireforget._schema import EventTypes
    from fireforget._waker import Waker

BeforeEmit = Callable[[str, Any], Any]
"""Gets the type and the data; returns the data to emit, changed or not, or None to drop the event."""


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
        clock: Time and chance.
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
        self._max_event_bytes = max_event_bytes
        self._now = clock.time_ns
        self._chance = clock.random
        self._known = KnownTypes(source, types, sampling)
        self._before_emit: list[BeforeEmit] = []
        self._journal: Any = None  # a Journal once it is open; until then the slow path opens it
        self._waker: Any = NoWaker()
        self._refusals = Refusals()

    def emit(  # noqa: C901, PLR0911 - one flat path: each call that it does without is time of the application's
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
        payload = b""
        try:
            try:
                context = current.get()
                journal = self._journal
                tail: Segment = journal.tail
                if attributes or self._before_emit:
                    return self._emit_slowly(event_type, data, attributes)
                if data is None:
                    word = tail.words[type(event_type)]  # what has no word takes the slow path
                    payload = encode(event_type)
                elif type(data) is dict:
                    word = tail.words[event_type]
                    payload = encode(data)
                else:
                    return self._emit_slowly(event_type, data, attributes)
                size = len(payload)
                if size > SAFE_BYTES and not fits(payload, self._max_event_bytes):
                    return self._emit_slowly(event_type, data, attributes)
                bound, shared = context.binding.place
                if bound is not tail:
                    context.prepare()
                    shared = context.binding.enter(tail)
                word |= shared
                now = self._now()
                sequence = journal.next_sequence()
                record = PACK(tail.magic, size, 0, sequence, word, now) + payload
            except Exception as error:
                event_id = self._emit_slowly(event_type, data, attributes)
                if (payload or event_id) and not _is_ours(error):
                    raise  # the event was as it should be: a signal handler raised
                return event_id
            try:
                tail.write(record)
            except ValueError as error:
                if _is_ours(error):
                    return self._emit_slowly(event_type, data, attributes)
                raise  # from a signal handler, when the event was written
            if self._waker.asleep:
                self._waker.wake()
            return EventId(now, sequence, journal.nonce)
        except RecursionError:  # the caller has used the stack up: nothing more can be called, not even to say so
            untold = self._refusals.untold
            untold["recursion"] = untold.get("recursion", 0) + 1
            return None

    def before_emit(self, hook: BeforeEmit) -> BeforeEmit:
        """Register a hook that may change or drop an event; a decorator. Where it raises, the event is refused.

        It is called with the name of the event type and the data, and returns the data, changed or not, or None.
        """
        self._before_emit.append(hook)
        return hook

    def wake_with(self, waker: Waker) -> None:
        """Wake this from now on, where it sleeps when an event has been accepted."""
        self._waker = waker

    def open_journal(self) -> Journal:
        """The journal, opened at the first need.

        Raises:
            JournalError: It cannot be opened.
        """
        raise NotImplementedError

    def _emit_slowly(self, event_type: object, data: object, attributes: Mapping[str, Any] | None) -> EventId | None:
        """Decide about one event with care. Raises nothing but what a signal handler has raised."""
        try:
            known, data = self._known.resolve(event_type, data)
            if self._before_emit:
                data = self._hooked(known.name, data)
                if data is None:
                    return self._count_out("filtered")
            payload = encode_within(data, self._max_event_bytes)
            context = current.get()
            context.prepare()
            if attributes:
                own, binding = self._alone(context, attributes)
                return self._append(known, binding, own.correlationid, payload)
            sampled = known.threshold < EVERYTHING
            event_id = self._append(known, context.binding, context.correlationid if sampled else None, payload)
            if not sampled:
                key = event_type if isinstance(event_type, str) else type(event_type)
                _remember(self._journal.tail, key, known.name)
            return event_id
        except EventError as error:
            return self._refuse(error.reason, event_type, error)
        except JournalError as error:
            return self._refuse("journal", event_type, error)
        except Exception as error:
            if _is_ours(error):
                return self._refuse("error", event_type, error)
            raise  # hooks and the application's objects are caught where they are called: a signal handler raised

    def _append(self, known: Known, binding: Binding, correlation: str | None, payload: bytes) -> EventId | None:
        journal = self._journal or self.open_journal()
        event_id = EventId(self._now(), journal.next_sequence(), journal.nonce)
        if known.threshold < EVERYTHING and crc32((correlation or str(event_id)).encode()) >= known.threshold:
            return self._count_out("sampled_out")
        if not journal.append(binding, known.name, event_id.time_ns, event_id.sequence, payload):
            reason = "disk" if journal.trouble else "overflow"
            return self._refuse(reason, known.name, JournalError(journal.trouble or "the journal is full"))
        if self._waker.asleep:
            self._waker.wake()
        return event_id

    def _hooked(self, name: str, data: Any) -> Any:
        """What the hooks have made of the data; None where one dropped the event.

        Raises:
            HookError: One raised.
        """
        for hook in self._before_emit:
            try:
                data = hook(name, data)
            except Exception as error:
                message = f"the before_emit hook {hook!r} raised {type(error).__name__}: {error}"
                raise HookError(message) from error
            if data is None:
                break
        return data

    def _alone(self, context: ExecutionContext, attributes: Mapping[str, Any]) -> tuple[Attributes, Binding]:
        """The attributes of an event that has some of its own, and the binding for it alone.

        Raises:
            AttributeNameError: They cannot be attributes.
        """
        try:
            return alone(context.attributes, attributes, self._chance)
        except EventError:
            raise
        except Exception as error:
            message = f"the attributes cannot be read: {type(error).__name__}: {error}"
            raise AttributeNameError(message) from error

    def describe(self, name: str) -> bytes:
        """The members of the envelope that all events of a type share."""
        return self._known.of(name).fragment

    def _refuse(self, reason: str, event_type: object, error: Exception) -> EventId | None:
        self._refusals.note(self._journal, reason, event_type, error)
        return None

    def _count_out(self, kind: Literal["filtered", "sampled_out"]) -> EventId | None:
        self.open_journal().note(kind)
        return None


def _remember(tail: Segment, key: object, name: str) -> None:
    """Let the next event of a type that is not sampled take the fast path, by its name or its class."""
    number = tail.type_numbers.get(name)
    if number is not None:
        tail.words[key] = number << 32


def _is_ours(error: Exception) -> bool:
    """Was it raised in this library, or by what it calls in C? A signal handler may raise anywhere, too."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is None or str(trace.tb_frame.f_globals.get("__name__", "")).startswith("fireforget.")
