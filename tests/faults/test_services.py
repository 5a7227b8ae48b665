"""The queue and the store fail in every way that a service can: nothing is lost, and nothing is stored twice."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireforget import EventTypes, ProcessingSettings, Settings
from fireforget._backends import Roles
from fireforget._dispatcher import Dispatcher
from fireforget.abc import Outcome, Query, Refusal
from fireforget.local.memory import MemoryDeadLetters, MemoryQueue, MemoryStore
from fireforget.processing import make_worker
from fireforget.testing import ManualClock
from tests.faults import adapters
from tests.faults.adapters import Call, Fault, faulty_queue, faulty_store
from tests.publishing import Bench

OUTAGE = 600.0
"""Many times the longest backoff."""
ENDLESS = 3600.0
SOON = 0.02
"""Seconds, by the loop's own clock, after which a call is given up: where none hangs, and where some do."""
names = itertools.count()

Faults = Callable[[ManualClock], Iterable[Fault]]
"""Made once the clock is there."""


def often(*faults: Fault) -> Faults:
    return lambda _: [*faults] * 5


class Line(Bench):
    """The whole line, from the journal to the store, under a clock that stands still.

    Args:
        directory: For the dead-letter file.
        queue: What happens to the publish calls.
        store: What happens to the put calls.
        timeout: Seconds after which a call of either is given up.
    """

    def __init__(
        self,
        directory: Path,
        queue: Faults = lambda _: (),
        store: Faults = lambda _: (),
        timeout: float = ENDLESS,
    ) -> None:
        super().__init__(directory, publish_timeout=timeout)
        self.timeout = timeout
        name = f"line-{next(names)}"
        self.letters = MemoryDeadLetters(name, clock=self.clock)
        self.store = MemoryStore(name, clock=self.clock)
        self.shaky_queue = faulty_queue(MemoryQueue(name, clock=self.clock), queue(self.clock))
        self.shaky_store = faulty_store(self.store, store(self.clock))
        self.queue = self.shaky_queue
        roles = Roles(self.shaky_queue, self.letters, self.shaky_store)
        processing = ProcessingSettings(call_timeout=timeout)
        self.worker = make_worker(roles, Settings(processing=processing), EventTypes(), self.hooks, self.clock)
        self.ids: list[str] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Dispatcher]:
        async with super().running() as dispatcher:
            working = asyncio.ensure_future(self.worker.run())
            try:
                yield dispatcher
            finally:
                working.cancel()
                await asyncio.wait({working})

    def emit_some(self, count: int = 40) -> None:
        for number in range(len(self.ids), len(self.ids) + count):
            self.ids.append(self.emit(number, lane=number % 4, size=300))

    async def finish(self) -> None:
        """Let time pass until nothing waits anywhere."""
        async with asyncio.timeout(50):
            while self.counts.pending or await self.waiting():
                await self.pass_time(20)
                if self.timeout == SOON:
                    await asyncio.sleep(1.5 * SOON)

    async def waiting(self) -> int:
        depth = await self.shaky_queue.depth()
        return int(depth.visible + depth.in_flight)

    async def stored(self) -> list[str]:
        return [record.event.id async for record in self.store.scan(Query())]

    async def dead(self) -> list[str]:
        return [letter.id async for letter in self.letters.list()]

    async def check(self) -> None:
        """All is stored, each event once, and nothing is counted twice."""
        assert sorted(await self.stored()) == sorted(self.ids)
        assert await self.dead() == []
        assert (self.counts.delivered, self.counts.accepted) == (len(self.ids), len(self.ids))


async def _refuse_poison(call: Call, items: Sequence[Any]) -> Any:
    """The queue refuses for good what carries a certain number."""
    taken = iter(await call([item for item in items if '"n":7,' not in item.body]))
    return [Outcome("refused", "poison") if '"n":7,' in item.body else next(taken) for item in items]


async def _refuse_poison_record(call: Call, items: Sequence[Any]) -> Any:
    """The store refuses for good the event of a certain number."""
    kept = [record for record in items if record.event.data["n"] != 7]
    await call(kept)
    return [Refusal(record.event.id, "poison") for record in items if record not in kept]


SERVICES: dict[str, Faults] = {
    "down for longer than any backoff": lambda clock: adapters.outage(clock, OUTAGE),
    "slow": lambda clock: [adapters.slow(clock, 20.0)] * 5,
    "throttling": often(adapters.throttled),
    "success, and the connection lost": often(adapters.lost),
    "half of it, and the connection lost": often(adapters.torn),
    "now and then everything": often(adapters.down, adapters.through, adapters.torn, adapters.lost, adapters.throttled),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", SERVICES)
async def test_whatever_the_queue_does(tmp_path: Path, name: str) -> None:
    line = Line(tmp_path, queue=SERVICES[name])
    async with line.running():
        line.emit_some()
        await line.settle()
        line.emit_some()
        await line.finish()
        await line.check()

    assert line.clock.monotonic() > (OUTAGE if name.startswith("down") else 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [adapters.half, adapters.stuck, adapters.late], ids=lambda fault: fault.__name__)
async def test_a_queue_that_takes_some_or_never_answers(tmp_path: Path, fault: Fault) -> None:
    line = Line(tmp_path, queue=lambda _: [fault] * 3, timeout=SOON)
    async with line.running():
        line.emit_some()
        await line.finish()
        await line.check()

    assert line.shaky_queue.calls >= 3


@pytest.mark.asyncio
async def test_what_the_queue_refuses_for_good_is_counted_with_its_reason_and_the_rest_is_stored(
    tmp_path: Path,
) -> None:
    line = Line(tmp_path, queue=lambda _: itertools.repeat(_refuse_poison))
    async with line.running():
        line.emit_some()
        await line.finish()

        assert sorted(await line.stored()) == sorted(set(line.ids) - {line.ids[7]})
    assert [(letter.id, letter.reason) for letter in line.file.read()] == [(line.ids[7], "poison")]
    assert (line.counts.delivered, line.counts.dead_lettered, line.counts.pending) == (39, 1, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", SERVICES)
async def test_whatever_the_store_does(tmp_path: Path, name: str) -> None:
    """No event becomes a dead letter because of it."""
    line = Line(tmp_path, store=SERVICES[name])
    async with line.running():
        line.emit_some()
        await line.finish()
        await line.check()


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [adapters.stuck, adapters.late], ids=lambda fault: fault.__name__)
async def test_a_store_that_never_answers_holds_nothing_for_ever(tmp_path: Path, fault: Fault) -> None:
    line = Line(tmp_path, store=lambda _: [fault] * 5, timeout=SOON)
    async with line.running():
        line.emit_some()
        await line.finish()
        await line.check()

    assert line.shaky_store.calls > 5


@pytest.mark.asyncio
async def test_what_the_store_refuses_for_good_is_a_dead_letter_with_its_reason(tmp_path: Path) -> None:
    line = Line(tmp_path, store=lambda _: itertools.repeat(_refuse_poison_record))
    async with line.running():
        line.emit_some()
        await line.finish()

        assert sorted(await line.stored()) == sorted(set(line.ids) - {line.ids[7]})
        assert [(each.id, each.reason) async for each in line.letters.list()] == [
            (line.ids[7], "the store refuses it: poison")
        ]


KINDS = [adapters.through, adapters.down, adapters.throttled, adapters.lost, adapters.torn]
FAULTS = st.lists(st.sampled_from(KINDS), max_size=15)


@settings(max_examples=12)
@given(queue=st.lists(st.sampled_from([*KINDS, adapters.half]), max_size=15), store=FAULTS)
def test_whatever_both_do_together(queue: list[Fault], store: list[Fault]) -> None:
    async def work(directory: Path) -> None:
        line = Line(directory, lambda _: queue, lambda _: store)
        async with line.running():
            line.emit_some()
            await line.finish()
            await line.check()

    with TemporaryDirectory() as directory:
        asyncio.run(work(Path(directory)))
