"""Two ways to record what happens: fireforget's, and the obvious one, which makes the visitor wait."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from fireforget import current_context
from fireforget.abc import Message

if sys.version_info >= (3, 14):
    from uuid import uuid7
else:
    from uuid_utils import uuid7

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from fireforget import FireForget
    from fireforget.abc import Queue


class Visit(msgspec.Struct, frozen=True):
    """Whose request it is: one id for the visitor, one for the request."""

    session: str
    request: str


def new_visit(session: str) -> Visit:
    """Return the visit that a request of `session` belongs to."""
    return Visit(session=session, request=str(uuid7()))


class Recorder(Protocol):
    """Records events, and sees to work that the answer does not need."""

    async def record(self, kind: str, data: Mapping[str, Any], visit: Visit) -> str | None:
        """Record an event; return its id, or None where it was not accepted."""

    async def afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        """Have `work` done."""


class Forgetting:
    """Hands everything to fireforget and goes on at once."""

    def __init__(self, ff: FireForget) -> None:
        self._ff = ff

    async def record(self, kind: str, data: Mapping[str, Any], visit: Visit) -> str | None:
        """Emit an event, without waiting for anything."""
        context = current_context()
        if context.sessionid != visit.session:
            context.sessionid = visit.session
        event_id = self._ff.emit(kind, data)
        return None if event_id is None else str(event_id)

    async def afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` run on, after the response too."""
        current_context().wait_until(work)


class Awaiting:
    """Publishes every event to the queue, and waits until the queue has it."""

    def __init__(self, queue: Queue, source: str) -> None:
        self._queue = queue
        self._source = source

    async def record(self, kind: str, data: Mapping[str, Any], visit: Visit) -> str | None:
        """Publish an event as a CloudEvent and wait for the queue's answer."""
        event_id = str(uuid7())
        event = {
            "specversion": "1.0",
            "id": event_id,
            "source": self._source,
            "type": kind,
            "time": datetime.now(UTC),
            "datacontenttype": "application/json",
            "correlationid": visit.request,
            "sessionid": visit.session,
            "data": data,
        }
        body = msgspec.json.encode([event]).decode()
        (outcome,) = await self._queue.publish([Message(id=event_id, key=visit.session, body=body)])
        return event_id if outcome.status == "delivered" else None

    async def afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for `work`."""
        await work
