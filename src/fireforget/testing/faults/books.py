"""The books: what clients were told, and what is there of it."""

from __future__ import annotations

import re
import threading
from collections import Counter
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import anyio
import msgspec

from fireforget._backends import Adapters
from fireforget._event import decode_event, split_batch
from fireforget._journal import Totals, totals
from fireforget.abc import Query
from fireforget.errors import FireForgetError, SettingsError
from fireforget.operations.letters import dead_letters_of
from fireforget.testing.faults.balance import Balance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fireforget._settings import Settings
    from fireforget.abc import DeadLetter

_ID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_LOOK_SECONDS: Final = 0.02


class _Found(msgspec.Struct):
    """What is there.

    Args:
        times: How often the store yields each event, by its id.
        requests: The request ids of all events, dead letters included.
        reasons: Why an event is among the dead letters, by its id.
    """

    times: Counter[str] = msgspec.field(default_factory=Counter)
    requests: set[str] = set()
    reasons: dict[str, str] = {}


class Books:
    """What clients were told since the books were opened. Any thread may write into them.

    Args:
        settings: The configuration of the application. Its directory and its store must be empty: what somebody else
            has left there cannot be told from what is lost here.

    Attributes:
        answers: How many requests were answered, with success or not.

    Raises:
        SettingsError: They are not empty.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = uuid4().hex
        self._lock = threading.Lock()
        self._ids: set[str] = set()
        self._requests: set[str] = set()
        self.answers = 0
        self._refused = 0
        self._turned_away = 0
        if self._totals().counts.accepted or anyio.run(self._find).times:
            message = f"there are events already: name an empty `directory` and store, not {settings.directory}"
            raise SettingsError(message)

    def request_id(self, number: str) -> str:
        """The ``x-request-id`` for a request; `fireforget` keeps it as the ``requestid`` of its events."""
        return f"{self._name}-{number}"

    def note(self, request: str, status: int, body: bytes) -> None:
        """Write down a whole answer: the ids of events in its body, or the request where it tells none.

        Args:
            request: The request's id.
            status: The HTTP status of the answer.
            body: Its body.
        """
        ids = {id_.decode() for id_ in _ID.findall(body)}
        with self._lock:
            self.answers += 1
            if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                self._refused += 1
            elif ids:
                self._ids |= ids
            else:
                self._requests.add(request)

    def note_turned_away(self) -> None:
        """Write down a request without a whole answer."""
        with self._lock:
            self._turned_away += 1

    def settle(self, seconds: float) -> None:
        """Wait until no journal has anything pending and the queue is empty, or for so long."""
        anyio.run(self._settle, seconds)

    def balance(self) -> Balance:
        """Compare what was told with what is there.

        Raises:
            FireForgetError: The store, the dead letters or the ledger cannot be read.
        """
        found = anyio.run(self._find)
        journals = self._totals()
        with self._lock:
            return Balance(
                accepted=len(self._ids),
                answered=len(self._requests),
                refused=self._refused,
                turned_away=self._turned_away,
                stored=len(found.times),
                dead_letters=dict(Counter(found.reasons.values())),
                missing=sorted(self._ids - found.times.keys() - found.reasons.keys()),
                forgotten=sorted(self._requests - found.requests),
                doubled=sorted(id_ for id_, times in found.times.items() if times > 1),
                counts=journals.counts,
                unread=[f"{each.path}: {each.reason}" for each in journals.unread],
            )

    def _totals(self) -> Totals:
        return totals(self._settings.journal_directory)

    async def _settle(self, seconds: float) -> None:
        """Twice in a row, for work that outlives its response may still emit."""
        before = -1
        with anyio.move_on_after(seconds):
            async with aclosing(Adapters(self._settings).queue()) as queue:
                while True:
                    counts = self._totals().counts  # first: what is pending now would be in the queue later
                    depth = await queue.depth()
                    idle = not (counts.pending or depth.visible or depth.in_flight)
                    if idle and counts.accepted == before:
                        return
                    before = counts.accepted if idle else -1
                    await anyio.sleep(_LOOK_SECONDS)

    async def _find(self) -> _Found:
        found = _Found()
        async with aclosing(Adapters(self._settings).store()) as store:
            async for record in store.scan(Query()):
                found.times[record.event.id] += 1
                found.requests.add(record.event.requestid or "")
        async with dead_letters_of(self._settings) as letters:
            async for each in letters.find():
                for id_, requestid in _events_of(each.letter):
                    if id_ not in found.times:
                        found.reasons[id_] = each.letter.reason.partition("\n")[0]
                    found.requests.add(requestid)
        return found


def _events_of(letter: DeadLetter) -> Iterator[tuple[str, str]]:
    """The ids and the request ids of the events of a dead letter; where one cannot be read, the letter's own id."""
    try:
        events = [decode_event(raw) for raw in split_batch(letter.message.body)]
    except FireForgetError:
        yield letter.id, ""
        return
    for event in events:
        yield event.id, event.requestid or ""
