"""What the author of a backend or an enricher writes, as type checkers see it. Nothing here is run."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Literal, assert_type

from fireforget import Event, TransientError
from fireforget.abc import (
    Backend,
    Capabilities,
    DeadLetter,
    DeadLetters,
    Delivery,
    Depth,
    Mailer,
    Message,
    Outcome,
    Query,
    Queue,
    Record,
    Refusal,
    Store,
    decode_event,
    encode_event,
    uuid7_time,
)
from fireforget.local import backend
from fireforget.processing import DirectEnricher, Enricher, Geo, Privacy, Session, UserAgent
from fireforget.reporting import Period

assert_type(encode_event(decode_event("{}")), str)
assert_type(uuid7_time(""), datetime | None)
assert_type(Outcome("retry", retry_after=1.0).status, Literal["delivered", "retry", "refused"])
Outcome("lost")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Depth(visible="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Capabilities(max_message_bytes=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
TransientError("throttled", retry_after=2.0)
TransientError("throttled", 2.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

embedded: Backend = backend
assert_type(embedded.queue("memory://a"), Queue)
assert_type(embedded.dead_letters("memory://a"), DeadLetters)
assert_type(embedded.store("memory://a"), Store)
assert_type(embedded.mailer("file:///a"), Mailer)
embedded.url("worker", name="a", directory="b")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def using(queue: Queue, store: Store, letters: DeadLetters) -> None:
    assert_type(await queue.publish([Message("1", "key", "body")]), Sequence[Outcome])
    deliveries = await queue.receive(10, wait=1.0, lease=30.0)
    assert_type(deliveries, Sequence[Delivery])
    assert_type(await queue.extend(deliveries, 30.0), Sequence[Delivery])
    await queue.receive(10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert_type(store.scan(Query(start=datetime(2026, 1, 1, tzinfo=UTC), types=("query",))), AsyncIterator[Record])
    assert_type(await store.claim("report", 60.0, holder="me"), bool)
    assert_type(letters.list(), AsyncIterator[DeadLetter])
    async for letter in letters.list(["1"]):
        assert_type(letter.message, Message)


class Halves:
    """A store that forgets what `scan` must yield is no store."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        return [Refusal(record.event.id, "full") for record in records]

    async def aclose(self) -> None: ...


half: Store = Halves()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


async def tag(event: Event) -> Event:
    return event


class Tag(DirectEnricher):
    def enrich(self, event: Event) -> Event:
        return event


enrichers: list[Enricher] = [tag, Tag(), Privacy(), Session(b"0123456789abcdef"), UserAgent(), Geo("places.mmdb")]


def not_awaited(event: Event) -> Event:
    return event


wrong: Enricher = not_awaited  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
Privacy("keep")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

assert_type(Period.parse("last-week", now=datetime.now(UTC)), Period)
