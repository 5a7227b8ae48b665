"""The processor: one pipeline on all hosts, from deliveries to verdicts."""

from __future__ import annotations

import traceback
from itertools import islice
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel

from fireforget._clock import SystemClock
from fireforget._event import split_batch
from fireforget._hooks import Hooks
from fireforget._settings import ProcessingSettings
from fireforget._telemetry import PROCESS_SECONDS, PROCESS_SPAN, PROCESSED, Telemetry
from fireforget.abc import Refusal
from fireforget.errors import AdapterError, EventError, TransientError
from fireforget.processing.backoff import hint_of
from fireforget.processing.batch import Batch, Parcel
from fireforget.processing.condition import Condition, describe
from fireforget.processing.patience import Patience
from fireforget.processing.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import msgspec

    from fireforget._clock import Clock
    from fireforget.abc import DeadLetters, Delivery, Record, Store
    from fireforget.processing.intake import Intake
    from fireforget.processing.verdict import Verdict

_TURN_SECONDS: Final = 0.0005
"""How long events are read without a pause: in the embedded configuration the application waits meanwhile."""
_FAILURES_IN_A_ROW: Final = 2
"""So many writes of single messages fail before the rest are spared: then it is the store, not one lane."""
_LONGEST_REASON: Final = 4000
_MOST_LINKS: Final = 8
"""Requests that one span is linked to; each costs more than the rest of an event's way."""


class Processor:
    """Processes deliveries, by kinds of failure.

    *Permanent*: an event is no CloudEvent, does not fit its type, or the store refuses it. It alone goes to
    the dead letters at once, as it came, under its own id; the rest of its message goes on. A message whose
    body is no batch at all goes there as a whole.

    *Unexpected*: an enricher, or our own code, or the store's adapter raised what it should not. The message
    goes back; from its delivery number `max_attempts` on, only the events that raise go to the dead letters,
    with the traceback.

    *Transient*: an enricher raised `TransientError`; or the store or the dead letters raised an
    `AdapterError`, which is about them and never about an event, or did not answer in time. The message goes
    back, and never becomes a dead letter for it.

    When a message goes back, so do the later ones of its key in the same call, and only those. What had been
    written of it is written again, without harm. The rest of the call is written with one `Store.put`; only
    where that fails, message by message, to find whose fault it is.

    Attributes:
        store: Where events go.
        stored: How many events were written so far, those of messages that went back left out.
        dead_lettered: How many events went to the dead letters so far.

    Args:
        store: Where events go.
        dead_letters: Where events go that cannot be processed.
        intake: What happens to one event before it is stored.
        settings: `max_attempts` and `call_timeout` count here. None for the defaults.
        hooks: Is told of dead letters and of errors.
        clock: Time; None for the machine's own.
    """

    def __init__(
        self,
        store: Store,
        dead_letters: DeadLetters,
        intake: Intake,
        settings: ProcessingSettings | None = None,
        *,
        hooks: Hooks | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.store = store
        self.stored = self.dead_lettered = 0
        self._dead_letters = dead_letters
        self._intake = intake
        settings = settings or ProcessingSettings()
        self._max_attempts = settings.max_attempts
        self._patience = Patience(settings.call_timeout)
        self._hooks = hooks or Hooks()
        self._clock = clock or SystemClock()
        self._telemetry = Telemetry()
        self._turn = anyio.Lock()
        self._storing = Condition("the store fails and messages wait in the queue", "the store works again")
        self._burying = Condition("the dead letters fail and messages wait in the queue", "the dead letters work again")
        self._raising = Tally("events that come again, or go to the dead letters, because they raised", self._clock)
        self._burials = Tally("messages that went to the dead letters, where their reasons stand", self._clock)

    async def process(self, deliveries: Sequence[Delivery], *, ordered: bool = True) -> list[Verdict]:
        """Say of each delivery, in order, how to settle it. Raises nothing; may be called concurrently.

        Args:
            deliveries: What was handed over, in order.
            ordered: When a message goes back, so do the later ones of its key. False where the queue keeps no order.
        """
        began = self._clock.monotonic()
        batch = Batch(deliveries, ordered=ordered)
        for parcel in batch.standing():
            await self._open(batch, parcel)
        with self._telemetry.span(PROCESS_SPAN, _traceparents(batch)):
            await self._write(batch)
            await self._bury(batch)
        self._telemetry.record(PROCESS_SECONDS, self._clock.monotonic() - began)
        self._count(batch)
        return batch.verdicts()

    async def _open(self, batch: Batch, parcel: Parcel) -> None:
        """Read the events of a message, in turns with the other calls, so that none works for long."""
        try:
            texts = iter(split_batch(parcel.delivery.message.body))
        except Exception as error:  # noqa: BLE001 - of whatever kind, it is somebody's fault
            self._blame(batch, parcel, None, error)
            return
        more = True
        while more:
            async with self._turn:
                more = self._read(batch, parcel, texts)
        if self._intake.waits and parcel.verdict is None:
            await self._complete(batch, parcel)

    def _read(self, batch: Batch, parcel: Parcel, texts: Iterator[msgspec.Raw]) -> bool:
        """Read events until the turn is over; says whether there may be more."""
        monotonic, intake = self._clock.monotonic, self._intake
        ends = monotonic() + _TURN_SECONDS
        for text in texts:
            try:
                record = intake.take(text)
            except Exception as error:  # noqa: BLE001 - of whatever kind, it is somebody's fault
                self._blame(batch, parcel, text, error)
                if parcel.verdict is not None:
                    return False
            else:
                parcel.texts.append(text)
                parcel.records.append(record)
            if monotonic() >= ends:
                return True
        return False

    async def _complete(self, batch: Batch, parcel: Parcel) -> None:
        """Run the enrichers that wait."""
        read = list(zip(parcel.texts, parcel.records, strict=True))
        parcel.texts, parcel.records = [], []
        ends = self._clock.monotonic() + _TURN_SECONDS
        for text, record in read:
            try:
                completed = self._intake.record(await self._intake.complete(record.event))
            except Exception as error:  # noqa: BLE001 - of whatever kind, it is somebody's fault
                self._blame(batch, parcel, text, error)
                if parcel.verdict is not None:
                    return
            else:
                parcel.texts.append(text)
                parcel.records.append(completed)
            if self._clock.monotonic() >= ends:
                await anyio.lowlevel.checkpoint()
                ends = self._clock.monotonic() + _TURN_SECONDS

    def _blame(self, batch: Batch, parcel: Parcel, text: msgspec.Raw | None, error: Exception) -> None:
        """Judge a failure of one event, or of a whole body (None): it is buried, or its message goes back."""
        if isinstance(error, EventError):
            parcel.bury(text, str(error))
            return
        self._hooks.error(error)
        self._raising.add_one(describe(error))
        if isinstance(error, TransientError):
            batch.send_back(parcel, "an enricher asks for another time", error.retry_after)
        elif parcel.delivery.attempt < self._max_attempts:
            batch.send_back(parcel, f"an event raised {type(error).__name__}")
        else:
            parcel.bury(text, _reason(error))

    async def _write(self, batch: Batch) -> None:
        """Write all that stands in one call; where that fails, message by message, to see whose fault it is."""
        parcels = [parcel for parcel in batch.standing() if parcel.records]
        failure = await self._put(parcels)
        if failure is None:
            return
        spared = len(parcels) == 1 or hint_of(failure) is not None
        failures = _FAILURES_IN_A_ROW if spared else 0
        for parcel in parcels:
            if parcel.verdict is not None:
                continue
            if failures < _FAILURES_IN_A_ROW:
                failure = await self._put([parcel])
            if failure is None:
                failures = 0
            elif isinstance(failure, AdapterError):
                failures += 1
                self._send_back_for(batch, parcel, "store", failure)
            elif parcel.delivery.attempt < self._max_attempts:
                batch.send_back(parcel, f"the store raised {type(failure).__name__}")
            else:
                await self._isolate(batch, parcel)

    async def _isolate(self, batch: Batch, parcel: Parcel) -> None:
        """Write event by event, and bury those that make the store raise."""
        whole = list(zip(parcel.texts, parcel.records, strict=True))
        parcel.texts, parcel.records = [], []
        for text, record in whole:
            one = Parcel(parcel.delivery)
            one.texts, one.records = [text], [record]
            failure = await self._put([one])
            if isinstance(failure, AdapterError):
                self._send_back_for(batch, parcel, "store", failure)
                return
            if failure is not None:
                one.texts, one.records = [], []
                one.bury(text, _reason(failure))
            parcel.texts += one.texts
            parcel.records += one.records
            parcel.dead += one.dead

    async def _put(self, parcels: Sequence[Parcel]) -> Exception | None:
        """Write messages in one call; what was raised is returned."""
        records: list[Record] = [record for parcel in parcels for record in parcel.records]
        if not records:
            return None
        try:
            refusals = _checked(await self._patience.answer(self.store.put(records), "the store's put"))
        except Exception as error:  # noqa: BLE001 - what it means depends on the kind, and on the attempt
            self._storing.failed(error)
            self._hooks.error(error)
            return error
        self._storing.works()
        if refusals:
            for parcel in parcels:
                parcel.refuse(refusals)
        return None

    async def _bury(self, batch: Batch) -> None:
        """Put the dead letters of all that is not going back."""
        for parcel in batch.standing():
            for message, reason in parcel.dead:
                try:
                    burial = self._dead_letters.put(message, reason, attempts=parcel.delivery.attempt)
                    await self._patience.answer(burial, "the dead letters' put")
                except Exception as error:  # noqa: BLE001 - what is kept nowhere must come again
                    self._burying.failed(error)
                    self._hooks.error(error)
                    self._send_back_for(batch, parcel, "dead letters", error)
                    break
                self._burying.works()
                self._burials.add_one()
                self._hooks.dead_letter(message, reason)

    @staticmethod
    def _send_back_for(batch: Batch, parcel: Parcel, culprit: str, error: Exception) -> None:
        batch.send_back(parcel, f"the {culprit} raised {type(error).__name__}", hint_of(error))

    def _count(self, batch: Batch) -> None:
        stored = dead = back = 0
        for parcel in batch.parcels:
            if parcel.verdict is None:
                stored += len(parcel.records)
                dead += sum(message.count for message, _ in parcel.dead)
            else:
                back += parcel.delivery.message.count
        self.stored += stored
        self.dead_lettered += dead
        for outcome, count in (("stored", stored), ("dead_lettered", dead), ("retried", back)):
            if count:
                self._telemetry.add(PROCESSED, count, {"outcome": outcome})


def _checked(answer: object) -> Sequence[Refusal]:
    """What a store's `put` returned, if that is what it promises to return.

    Raises:
        AdapterError: It is not.
    """
    if isinstance(answer, (list, tuple)) and all(isinstance(refusal, Refusal) for refusal in answer):
        return answer
    raise AdapterError(f"the store's put returned no sequence of refusals: {answer!r:.200}")


def _traceparents(batch: Batch) -> frozenset[str]:
    """Some of the requests that the events belong to."""
    events = (record.event for parcel in batch.standing() for record in parcel.records)
    parents = (event.traceparent for event in events if event.traceparent)
    return frozenset(islice(parents, _MOST_LINKS))


def _reason(error: Exception) -> str:
    """The traceback, of which the end says most."""
    return "".join(traceback.format_exception(error))[-_LONGEST_REASON:]
