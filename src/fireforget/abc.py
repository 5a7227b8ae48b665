"""The ports: what a queue, its dead letters, a store, a mailer and a backend promise.

Every promise in these docstrings is held by a test of `fireforget.testing`. Adapters are used from one asyncio event
loop (the engine's or the worker's), do no I/O in their constructors, retry nothing themselves, and raise only
`fireforget.errors.AdapterError` and its children: `TransientError` where the same call may succeed later,
`PermanentError` where it never will; what the service raised is the ``__cause__``. Calls may be made at the same time,
and any of them may be cancelled at any of its awaits: nothing is lost by that, and the same call can be made again.
`aclose` is idempotent, also where nothing was ever called; any other call after it raises `ClosedError`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import msgspec

from fireforget._clock import Clock, SystemClock
from fireforget._event import Event, decode_event, encode_event, is_uuid7, uuid7_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from email.message import EmailMessage

__all__ = [
    "Backend",
    "Capabilities",
    "Checkable",
    "Clock",
    "DeadLetter",
    "DeadLetters",
    "Delivery",
    "Depth",
    "Event",
    "Finding",
    "Mailer",
    "Message",
    "Outcome",
    "Provisioner",
    "Query",
    "Queue",
    "Record",
    "Refusal",
    "Role",
    "Step",
    "Store",
    "SystemClock",
    "UrlChecker",
    "decode_event",
    "encode_event",
    "is_uuid7",
    "uuid7_time",
]

Role = Literal["queue", "store", "mailer"]
"""What an adapter is for."""


class Message(msgspec.Struct, frozen=True):
    """What a queue carries. It knows nothing of events.

    Args:
        id: The deduplication id: the same content has the same id, at every attempt.
        key: The ordering key: message group, ordering key or session of the cloud.
        body: Non-empty text.
        count: How many events the body holds.
    """

    id: str
    key: str
    body: str
    count: int = 1


class Outcome(msgspec.Struct, frozen=True):
    """What became of one published message.

    Args:
        status: ``"delivered"``: the queue holds it. ``"retry"``: not now. ``"refused"``: never, as it is.
        reason: Why it was not delivered, for a log.
        retry_after: Seconds that the queue asked to wait, or None.
    """

    status: Literal["delivered", "retry", "refused"]
    reason: str = ""
    retry_after: float | None = None


class Delivery(msgspec.Struct, frozen=True):
    """One message handed to a consumer under a lease.

    Args:
        message: What was published, exactly.
        attempt: How often it has been delivered, this time included; 1 is the first.
        receipt: The queue's name for this very delivery.
        expires_at: When the lease ends, and with it the right to settle.
    """

    message: Message
    attempt: int
    receipt: str
    expires_at: datetime


class Depth(msgspec.Struct, frozen=True):
    """How full a queue is. What the cloud does not tell is None.

    Args:
        visible: Messages that a consumer could receive now or after their delay.
        in_flight: Messages under a lease.
        dead: Messages among the dead letters.
        oldest_seconds: Age of the oldest message that is not settled, in seconds.
    """

    visible: int | None = None
    in_flight: int | None = None
    dead: int | None = None
    oldest_seconds: float | None = None


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What one queue adapter can do; what is declared here is tested.

    Args:
        max_message_bytes: Largest body in UTF-8 bytes.
        max_batch_messages: Most messages in one `publish`.
        max_batch_bytes: Most bytes of bodies in one `publish`.
        pack_bytes: Bytes that the cloud bills as one request: the size worth packing up to.
        ordered: Messages of one key arrive in the order of their publication, one lease at a time.
        deduplication_seconds: For how long a second message with the same id is dropped; 0 for never.
        delayed_nack: `nack` honours its delay; otherwise what is given back comes again at once.
        max_lease_seconds: Longest lease.
        min_lease_seconds: Shortest lease: who asks for a shorter one gets this one.
    """

    max_message_bytes: int
    max_batch_messages: int
    max_batch_bytes: int
    pack_bytes: int
    ordered: bool
    deduplication_seconds: float
    delayed_nack: bool
    max_lease_seconds: float
    min_lease_seconds: float = 0.0


@runtime_checkable
class Queue(Protocol):
    """Carries messages from the dispatcher to the processor, at least once."""

    @property
    def capabilities(self) -> Capabilities:
        """What this adapter can do. Constant; needs no connection."""
        ...

    @property
    def identity(self) -> str:
        """Which queue this is, without secrets: two adapters of one identity publish to the same place."""
        ...

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Publish a batch within the declared limits; one outcome for each message, in order.

        A message that was delivered is durable, and arrives exactly as it is. A message over the limit is ``refused``
        alone, with the limit in the reason; so is one with an empty body. An empty batch is no error, here and in all
        calls that take several.

        Raises:
            TransientError: Nothing is known of any message: publish all of them again.
        """
        ...

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take up to `limit` messages under a lease of `lease` seconds.

        Waits up to `wait` seconds for the first one; an empty sequence says that none came. What is not settled when
        its lease ends comes again with a higher `attempt`, before any later message of its key. Cancelling the call
        loses no message: what it had taken comes again when its lease ends. Closing the adapter ends the call with
        `ClosedError`. However many consumers there are, each message goes to one of them at a time. While a delivery of
        a key is under lease, an ordered queue hands out no later message of that key to another `receive`; one call may
        return several messages of a key, in order.

        Raises:
            PermanentError: Nobody can hold such a lease: it is not longer than 0, or longer than the longest.
        """
        ...

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle for good. Late (after the lease has ended) or repeated, it does no harm and may have no effect."""
        ...

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Give back: each comes again after `delay` seconds with a higher `attempt`. Late or repeated, it does nothing.

        While a message is delayed, an ordered queue hands out no later one of its key; earlier ones it does.
        """
        ...

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        """Renew leases to `lease` seconds from now; returns the renewed deliveries, without those already lost.

        From then on a delivery is settled by its renewed form.

        Raises:
            PermanentError: Nobody can hold such a lease.
        """
        ...

    async def depth(self) -> Depth:
        """How full the queue is, as far as the cloud tells; approximate."""
        ...

    async def aclose(self) -> None:
        """Free connections and threads. Idempotent."""
        ...


class DeadLetter(msgspec.Struct, frozen=True):
    """One message that could not be processed.

    Args:
        id: The operator's handle for `redrive` and `discard`.
        message: The message as it was.
        reason: Why it is here.
        time: When it came here.
        attempts: How often it had been delivered; 0 where that is not known.
    """

    id: str
    message: Message
    reason: str
    time: datetime
    attempts: int = 0


@runtime_checkable
class DeadLetters(Protocol):
    """The operators' side of a queue. The cloud's own redrive policy leads here too."""

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        """Keep a message with its reason, whatever the queue takes. Idempotent by the message's id.

        What has no UTF-8 form in the reason is kept in another form. A letter is not delivered until it is redriven.
        """
        ...

    def list(self, ids: Sequence[str] = ()) -> AsyncIterator[DeadLetter]:
        """Yield the dead letters, oldest first; only those with the given ids, where any are given."""
        ...

    async def redrive(self, ids: Sequence[str]) -> int:
        """Send dead letters to the queue again, oldest first, with a fresh count of attempts; says how many there were.

        Ids that are not here count for nothing; no ids mean no letters. What dies again is kept again.
        """
        ...

    async def discard(self, ids: Sequence[str]) -> int:
        """Delete dead letters for good; says how many there were. Ids that are not here count for nothing."""
        ...

    async def aclose(self) -> None:
        """Free connections and threads. Idempotent."""
        ...


class Record(msgspec.Struct, frozen=True):
    """An event as the store keeps it.

    Args:
        event: The event. Its correlation id is a UUIDv7.
        expires_at: From when on it is never returned; None for never.
        text: The event as CloudEvents JSON, where it was read from one: a store need not encode it again. None else,
            and in what a store returns.
    """

    event: Event
    expires_at: datetime | None = None
    text: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """One record that the store will never take.

    Args:
        event_id: Which one.
        reason: Why.
    """

    event_id: str
    reason: str


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which records to scan; every condition given must hold.

    Args:
        start: First moment, inclusive, of the *correlation id's* time: a late event counts in its request's period.
        end: Last moment, exclusive.
        types: Event types; empty for all.
        sessionid: One session.
        correlationid: One request.
    """

    start: datetime | None = None
    end: datetime | None = None
    types: tuple[str, ...] = ()
    sessionid: str | None = None
    correlationid: str | None = None


@runtime_checkable
class Store(Protocol):
    """Keeps events, each once."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Write records, idempotently by event id; those that can never be written are returned with the reason.

        They are refused alone: an event whose correlation id is no UUIDv7 in its usual form, and one that could not be
        read back. What is changed in a record afterwards changes nothing in the store.

        Raises:
            TransientError: Some may be written; putting all of them again does no harm.
        """
        ...

    def scan(self, query: Query) -> AsyncIterator[Record]:
        """Yield the records in the order (time of the correlation id, correlation id, event id).

        Expired records are never yielded, whether or not they have been deleted. An event without a correlation id is
        its own correlation. What is written during a scan may be missing from it; what was there before comes once.
        A scan may be given up at any point.
        """
        ...

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Take or renew the claim on `key` for `lease` seconds; False while somebody else holds it.

        Of many that claim at the same time, one succeeds.
        """
        ...

    async def purge(self, limit: int = 1000) -> int:
        """Delete up to `limit` expired records where the cloud does not do so itself; says how many."""
        ...

    async def aclose(self) -> None:
        """Free connections and threads. Idempotent."""
        ...


@runtime_checkable
class Mailer(Protocol):
    """Delivers a report."""

    async def send(self, message: EmailMessage) -> None:
        """Hand over one message; returning means that it was accepted for delivery, with all its parts.

        The same message may be sent again.

        Raises:
            PermanentError: It has no sender or no recipient, or will never be taken.
            TransientError: It may be taken later.
        """
        ...

    async def aclose(self) -> None:
        """Free connections. Idempotent."""
        ...


@runtime_checkable
class Backend(Protocol):
    """Makes adapters from URLs; registered in two groups of entry points.

    In ``fireforget.backends`` by its own name (``local``), which the setting ``backend`` takes; in
    ``fireforget.schemes`` by each scheme of a URL that it answers to (``sqlite``, ``memory``). The makers do no I/O and
    raise `SettingsError` for a URL that they cannot use. A backend may be a `UrlChecker` and a `Provisioner` besides,
    and its adapters `Checkable`.
    """

    @property
    def embeddable(self) -> bool:
        """The queue lives on this machine, so the worker may run inside the application."""
        ...

    def url(self, role: Role, *, name: str, directory: str) -> str:
        """The URL that a role gets where the user gave only the backend's name."""
        ...

    def queue(self, url: str) -> Queue:
        """Make the queue that the URL names."""
        ...

    def dead_letters(self, url: str) -> DeadLetters:
        """Make the dead letters of the queue that the URL names."""
        ...

    def store(self, url: str) -> Store:
        """Make the store that the URL names."""
        ...

    def mailer(self, url: str) -> Mailer:
        """Make the mailer that the URL names."""
        ...


@runtime_checkable
class UrlChecker(Protocol):
    """What any backend may be besides: it tells what is wrong with a URL before an adapter is needed.

    An application then fails as it starts, and not in its background.
    """

    def check_url(self, role: Literal["queue", "store"], url: str) -> Capabilities | None:
        """Refuse a URL that does not name what the role needs. No I/O, and nothing heavy is loaded.

        Returns:
            What the queue can do, for that role; None where only the adapter knows.

        Raises:
            SettingsError: The URL cannot be used; the message says the mend.
        """
        ...


class Finding(msgspec.Struct, frozen=True):
    """What one look at one thing showed.

    Args:
        name: What was looked at, in a word or two: ``"permissions"``.
        status: ``"ok"``. ``"warning"``: it works, but somebody should know. ``"wrong"``: it does not work.
        text: What was found. It holds no secret.
        mend: What to do about it; empty where nothing is to be done, or where the text says it.
    """

    name: str
    status: Literal["ok", "warning", "wrong"]
    text: str
    mend: str = ""


@runtime_checkable
class Checkable(Protocol):
    """What any adapter may be besides: it can tell what is wrong with it. ``fireforget doctor`` asks."""

    async def check(self) -> Sequence[Finding]:
        """Look whether it could do its work: reachable, permitted, laid out. Changes nothing and sends nothing.

        What can be told apart is a finding of its own. An `AdapterError` that is raised counts as one, too.
        """
        ...


class Step(msgspec.Struct, frozen=True):
    """One thing that is missing before a backend can be used.

    Args:
        action: What is to be done, and to what: ``"make the queue cv.fifo"``. It holds no secret.
        apply: Does it. What is there meanwhile stays as it is. Raises `AdapterError` where it cannot be done.
    """

    action: str
    apply: Callable[[], Awaitable[None]]


@runtime_checkable
class Provisioner(Protocol):
    """What any backend may be besides: it makes what its adapters need. ``fireforget provision`` asks."""

    async def plan(self, urls: Mapping[Role, str]) -> Sequence[Step]:
        """What is missing, in the order in which it has to be made; empty where all is there. Changes nothing.

        Args:
            urls: The URL of each role that this backend fills.

        Raises:
            AdapterError: What is there cannot be seen.
        """
        ...
