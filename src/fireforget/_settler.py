"""Settles packs: for good, or to be tried again later."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from fireforget import _telemetry
from fireforget.abc import Message
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from fireforget._breaker import Backoff, Breaker
    from fireforget._clock import Clock
    from fireforget._hooks import Hooks
    from fireforget._lanes import Lane, Shipment
    from fireforget._refused import RefusedFile
    from fireforget._settings import DispatchSettings
    from fireforget.abc import Outcome

_logger: Final = logging.getLogger("fireforget")


class Settler:
    """Does what follows from the queue's answer, in the journal and in the lane.

    Args:
        settings: After how many failures it is said that a lane waits.
        breaker: Knows whether the queue is down, of which nothing is said for each lane.
        backoff: How long a lane is left alone.
        refused: Where events go that the queue refuses for good.
        hooks: The user's callbacks.
        clock: Time.
    """

    def __init__(
        self,
        settings: DispatchSettings,
        breaker: Breaker,
        backoff: Backoff,
        refused: RefusedFile,
        hooks: Hooks,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._breaker = breaker
        self._backoff = backoff
        self._refused = refused
        self._hooks = hooks
        self._clock = clock
        self._telemetry = _telemetry.Telemetry()

    def conclude(self, shipment: Shipment, outcome: Outcome) -> None:
        """Settle one pack, or set when its lane is tried again."""
        lanes, lane, pack = shipment
        self._telemetry.add(_telemetry.PUBLISHED, 1, {"outcome": outcome.status})
        if outcome.status == "retry":
            self.put_off(lane, outcome.retry_after)
            if lane.attempts == self._settings.breaker_failures and self._breaker.state == "closed":
                lane.stuck = True
                _logger.warning("%s waits, the other lanes go on: the queue says %s", lane.key, outcome.reason)
            return
        if outcome.status == "refused" and pack.message.count > 1:
            lanes.split(lane, pack)
        elif outcome.status == "refused":
            if not self._dead_letter(shipment, outcome.reason):
                self.put_off(lane)
                return
        else:
            lanes.journal.settle(pack.entries, "delivered")
            lane.packs.popleft()
            self._telemetry.add(_telemetry.EVENTS, pack.message.count, {"outcome": "delivered"})
            self._hooks.delivered(pack.message)
        lane.attempts, lane.not_before = 0, 0.0
        if lane.stuck:
            lane.stuck = False
            _logger.warning("%s goes on", lane.key)

    def put_off(self, lane: Lane, hint: float | None = None) -> None:
        """Leave a lane alone for a while, longer after each failure."""
        lane.attempts += 1
        lane.not_before = self._clock.monotonic() + self._backoff.seconds(lane.attempts, hint)

    def _dead_letter(self, shipment: Shipment, reason: str) -> bool:
        """Put a single event that the queue will never take beside the journal; False where that fails."""
        lanes, lane, pack = shipment
        event_id = lanes.event_id(pack.entries[0])
        message = Message(event_id, pack.message.key, pack.message.body)
        try:
            self._refused.append(message, reason)
        except (OSError, JournalError) as error:
            self._hooks.error(error)
            why = error.strerror if isinstance(error, OSError) else error
            _logger.warning("cannot write the dead-letter file (%s): the event stays in the journal", why)
            return False
        lanes.journal.settle(pack.entries, "dead")
        lane.packs.popleft()
        self._telemetry.add(_telemetry.EVENTS, 1, {"outcome": "dead_lettered"})
        self._hooks.dead_letter(message, reason)
        return True
