"""What a queue in memory holds, and the rules by which it hands it out.

Moments are microseconds of the monotonic clock: nothing here waits longer because somebody sets the time of day.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from fireforget.abc import DeadLetter, Delivery, Depth, Message
from fireforget.adapters import PER_SECOND
from fireforget.local._bell import Bell
from fireforget.local._limits import DEDUPLICATION_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime


@dataclass
class _Entry:
    """One queued message.

    Args:
        message: What was published.
        published_at: When.
        attempts: How often it was handed out.
        due_at: The end of its lease or of its delay; long ago before the first.
        leased: Whether `due_at` is the end of a lease.
    """

    message: Message
    published_at: int
    attempts: int = 0
    due_at: float = -inf
    leased: bool = False


class Messages:
    """Queued messages and dead letters; `lock` is held around every call, since threads may share them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.bell = Bell()
        self.dead: dict[str, DeadLetter] = {}
        self._entries: dict[int, _Entry] = {}  # by place, in the order of publication
        self._places = iter(range(1, 2**63))
        self._settled: dict[str, int] = {}  # when, by the message's id; in the order of settling

    def add(self, messages: Iterable[Message], now: int) -> None:
        """Queue those whose ids are neither queued nor remembered."""
        for id_, settled_at in list(self._settled.items()):
            if settled_at > now - DEDUPLICATION_SECONDS * PER_SECOND:
                break
            del self._settled[id_]
        known = self._settled.keys() | {entry.message.id for entry in self._entries.values()}
        for message in messages:
            if message.id not in known:
                known.add(message.id)
                self._entries[next(self._places)] = _Entry(message, published_at=now)

    def take(self, limit: int, now: int, end: int, expires_at: datetime) -> list[Delivery]:
        """Hand out the oldest messages of every key that nobody has under lease and that is not delayed.

        Args:
            limit: Most of them.
            now: The moment.
            end: When their leases end.
            expires_at: The same by the time of day.
        """
        closed = {entry.message.key for entry in self._entries.values() if entry.leased and entry.due_at > now}
        taken: list[Delivery] = []
        for place, entry in self._entries.items():
            if len(taken) >= limit:
                break
            if entry.due_at > now:
                closed.add(entry.message.key)
            if entry.message.key in closed:
                continue
            entry.attempts += 1
            entry.due_at = end
            entry.leased = True
            receipt = f"{place}.{entry.attempts}"
            taken.append(Delivery(entry.message, entry.attempts, receipt, expires_at))
        return taken

    def settle(self, deliveries: Iterable[Delivery], now: int) -> None:
        """Forget the messages, but not their ids; a delivery that was followed by another one changes nothing."""
        for place, entry in self._found(deliveries):
            del self._entries[place]
            self._settled[entry.message.id] = now

    def give_back(self, deliveries: Iterable[Delivery], now: int, due: int) -> None:
        """Let the messages come again at `due`, where their leases still live."""
        for _, entry in self._found(deliveries):
            if entry.leased and entry.due_at > now:
                entry.due_at = due
                entry.leased = False

    def extend(self, deliveries: Iterable[Delivery], now: int, end: int, expires_at: datetime) -> list[Delivery]:
        """Renew the leases that still live; returns these deliveries. The arguments are those of `take`."""
        renewed: list[Delivery] = []
        for delivery in deliveries:
            for _, entry in self._found([delivery]):
                if entry.leased and entry.due_at > now:
                    entry.due_at = end
                    renewed.append(Delivery(entry.message, delivery.attempt, delivery.receipt, expires_at))
        return renewed

    def redrive(self, ids: Iterable[str], now: int) -> int:
        """Queue dead letters anew, whether or not their ids are remembered; says how many there were."""
        letters = [self.dead.pop(id_) for id_ in list(self.dead) if id_ in set(ids)]
        for letter in letters:
            self._settled.pop(letter.message.id, None)
        self.add((letter.message for letter in letters), now)
        return len(letters)

    def depth(self, now: int) -> Depth:
        """How full it is."""
        in_flight = sum(entry.leased and entry.due_at > now for entry in self._entries.values())
        oldest = min((entry.published_at for entry in self._entries.values()), default=now)
        return Depth(
            visible=len(self._entries) - in_flight,
            in_flight=in_flight,
            dead=len(self.dead),
            oldest_seconds=max(0, now - oldest) / PER_SECOND,
        )

    def _found(self, deliveries: Iterable[Delivery]) -> Iterator[tuple[int, _Entry]]:
        """The entries whose newest delivery is among the given ones."""
        for delivery in deliveries:
            place = int(delivery.receipt.partition(".")[0])
            entry = self._entries.get(place)
            if entry is not None and delivery.receipt == f"{place}.{entry.attempts}":
                yield place, entry


_lock: Final = threading.RLock()  # a signal handler may emit, and so need the queue, while the first emit makes it
_named: Final[WeakValueDictionary[str, Messages]] = WeakValueDictionary()


def messages_named(name: str) -> Messages:
    """The messages of that name, which all adapters of the name share."""
    with _lock:
        return _named.setdefault(name, Messages())
