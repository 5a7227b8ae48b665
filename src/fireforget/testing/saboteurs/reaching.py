"""What queues need that break what they hold: a hand in the memory of the queue in memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from fireforget.local.memory import MemoryQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fireforget.abc import Delivery
    from fireforget.local.memory._messages import _Entry


class Reaching(MemoryQueue):
    """The base of those that reach into what they hold."""

    def entries(self, deliveries: Sequence[Delivery]) -> Iterator[tuple[int, _Entry]]:
        """The messages of the deliveries, whichever of their deliveries it was."""
        for delivery in deliveries:
            place = int(delivery.receipt.partition(".")[0])
            entry = self._messages._entries.get(place)
            if entry is not None:
                yield place, entry

    @contextmanager
    def hidden(self, condition: Callable[[_Entry], bool]) -> Iterator[None]:
        """Hide some messages for a while."""
        entries = self._messages._entries
        away = {place: entry for place, entry in entries.items() if condition(entry)}
        for place in away:
            del entries[place]
        try:
            yield
        finally:
            whole = dict(sorted((entries | away).items()))
            entries.clear()
            entries.update(whole)
