"""What a request and its event cost by part, on the processor: the bounds of what can be reached."""

from __future__ import annotations

import asyncio
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmarks.measure import Rounds, spread
from benchmarks.peers.sink import remote_sink
from benchmarks.report import Section, Table, duration
from benchmarks.workload import EVENT, held_engine, new_fireforget, receive, scope, send, settings
from fireforget import current_context
from fireforget._lanes import Lanes
from tests.faults.http_queue import HttpQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.remote import Remote
    from fireforget import FireForget
    from fireforget._pack import Pack
    from fireforget.asgi import App

ROUNDS: Final = 9
REQUESTS: Final = 4_000
AT_ONCE: Final = 32
LANES: Final = 16
PACKS: Final = 4
"""So many fit one call of the queue."""

_METHOD: Final = f"""
Processor time of one thread, with warm caches and nothing beside it: what the parts cost at least. {REQUESTS:,}
requests a round, {AT_ONCE} of them between two turns of the loop, to an application that does nothing but what the row
says. Meanwhile the background thread is held. What they have left is then taken through the steps of delivery one after
the other, each for all events: every event has a request of its own.

A request pays for the first table, whatever is deferred: that bounds how many a server can answer. Under a server each
part costs up to twice as much, for the caches are the server's, too; and a slower server lets its clients sleep, whom
it then has to wake.
"""

_DATA: Final = msgspec.structs.asdict(EVENT)


def run(rounds: int = ROUNDS) -> Section:
    """Measure."""
    requests, events = asyncio.run(_rounds(rounds))
    return Section(
        title="By part",
        method=_METHOD,
        tables=[
            Table((what, *_COLUMNS), _rows(times))
            for what, times in (("what a request does", requests), ("how an event is delivered", events))
        ],
        goals=[],
    )


_COLUMNS: Final = ("median", "10–90 %", "minimum")


def _rows(rounds: Rounds) -> list[list[str]]:
    rows = []
    for name, values in rounds.items():
        times = spread(values)
        rows.append([name, duration(times.median), f"{duration(times.low)} – {duration(times.high)}"])
        rows[-1].append(duration(times.least))
    return rows


async def _rounds(rounds: int) -> tuple[Rounds, Rounds]:
    requests: Rounds = {}
    events: Rounds = {}
    with remote_sink() as sink:
        for number in range(-1, rounds):
            with tempfile.TemporaryDirectory() as directory:
                async with new_fireforget(settings(Path(directory)), HttpQueue(sink.url)) as ff:
                    with held_engine():
                        served = await _served(ff)
                        delivered = await _delivered(ff, sink)
            for rounds_, found in ((requests, served), (events, delivered)):
                for name, seconds in found.items() if number >= 0 else ():
                    rounds_.setdefault(name, []).append(seconds)
    return requests, events


async def _served(ff: FireForget) -> dict[str, float]:
    """The seconds of a request, by what it does."""

    async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
        """Answer nothing."""

    async def emit(_scope: Any, _receive: Any, _send: Any) -> None:
        ff.emit("query", {**_DATA})

    async def wait_until(_scope: Any, _receive: Any, _send: Any) -> None:
        current_context().wait_until(asyncio.sleep(0))

    async def create_task(_scope: Any, _receive: Any, _send: Any) -> None:
        tasks.add(task := asyncio.create_task(asyncio.sleep(0)))
        task.add_done_callback(tasks.discard)

    tasks: set[asyncio.Task[None]] = set()
    apps: dict[str, App] = {
        "nothing, without ours": nothing,
        "nothing": ff.wrap(nothing),
        "`emit`": ff.wrap(emit),
        "`wait_until`": ff.wrap(wait_until),
        "`asyncio.create_task`, without ours": create_task,
    }
    return {name: await _each(app) for name, app in apps.items()}


async def _each(app: App) -> float:
    scopes = [scope() for _ in range(REQUESTS)]
    began = time.thread_time()
    for number, each in enumerate(scopes):
        await app(each, receive, send)
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
    for _ in range(AT_ONCE):
        await asyncio.sleep(0)
    return (time.thread_time() - began) / REQUESTS


async def _delivered(ff: FireForget, sink: Remote) -> dict[str, float]:
    """The seconds of an event, by the step of its delivery."""
    journal = ff.open_journal()
    queue = HttpQueue(sink.url)
    spent: dict[str, float] = {}

    def step(name: str, work: Callable[[], object]) -> Any:
        began = time.thread_time()
        done = work()
        spent[name] = spent.get(name, 0.0) + time.thread_time() - began
        return done

    step("checked and counted in the journal", journal.seal)
    lanes = Lanes(journal, LANES, HttpQueue.capabilities.pack_bytes)
    packs: list[Pack] = []
    while step("read into its lane", partial(_fill, lanes)):
        for lane in lanes:
            pack = step("packed", partial(lanes.next_pack, lane))
            if pack is not None:
                packs.append(lane.packs.popleft())
    await queue.publish([packs[0].message])  # it connects
    began = time.thread_time()
    for first in range(0, len(packs), PACKS):
        await queue.publish([pack.message for pack in packs[first : first + PACKS]])
    spent["published by HTTP, with httpx"] = time.thread_time() - began
    await queue.aclose()
    for pack in packs:
        step("settled in the journal", partial(journal.settle, pack.entries, "delivered"))
    return {name: seconds / REQUESTS for name, seconds in spent.items()}


def _fill(lanes: Lanes) -> bool:
    """Read until each lane has enough; says whether any has something."""
    while lanes.fill():
        pass
    return not all(lane.empty for lane in lanes)
