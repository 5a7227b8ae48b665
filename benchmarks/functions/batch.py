"""What one invocation of the processor gets: a full batch of packed messages, as Lambda hands them over."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import msgspec

from benchmarks.workload import EVENT
from fireforget._event import Event, encode_batch, encode_event, uuid7_text
from fireforget.abc import Message
from fireforget_aws._limits import capabilities
from tests.counterparts.invocations import event_of, record

MESSAGES: Final = 10
PACK_BYTES: Final = capabilities("bench.fifo").pack_bytes


class Context:
    """An invocation with time enough."""

    aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        """Never the end."""
        return 60_000


def messages() -> list[Message]:
    """Messages of one lane each, as full as the dispatcher packs them."""
    now, chance, made = datetime.now(UTC), Random(0), []
    for number in range(MESSAGES):
        texts: list[str] = []
        size = 2
        while size < PACK_BYTES:
            text = encode_event(_event(now, chance))
            size += len(text) + 1
            texts.append(text)
        made.append(Message(f"m{number}", str(number), encode_batch(texts[:-1]), len(texts) - 1))
    return made


def event(of: list[Message]) -> dict[str, Any]:
    """The event of SQS that carries them."""
    return event_of(*map(record, of))


def _event(now: datetime, chance: Random) -> Event:
    nanoseconds = int(now.timestamp() * 1000) * 1_000_000
    return Event(
        id=uuid7_text(nanoseconds, chance.getrandbits(62)),
        source="bench",
        type="query",
        time=now,
        data=msgspec.structs.asdict(EVENT),
        correlationid=uuid7_text(nanoseconds, chance.getrandbits(62)),
        sessionid=f"{chance.getrandbits(128):032x}",
    )
