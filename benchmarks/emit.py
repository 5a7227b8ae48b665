"""`emit`, against encoding the same event and keeping it in memory."""

from __future__ import annotations

import asyncio
import tempfile
from collections import deque
from contextlib import nullcontext
from functools import partial
from itertools import repeat
from pathlib import Path
from time import perf_counter
from timeit import Timer
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmarks.measure import Case, Rounds, interleave, ratio
from benchmarks.queues import NullQueue
from benchmarks.report import TIMES, Section, Table, ratio_goal, time_rows
from benchmarks.workload import EVENT, Query, held_engine, new_fireforget, receive, scope, send, settings

if TYPE_CHECKING:
    from fireforget import FireForget
    from fireforget.asgi import Receive, Scope, Send

ROUNDS: Final = 200
EVENTS: Final = 200
LASTING_ROUNDS: Final = 15
LASTING_EVENTS: Final = 30_000
LONG_TEXT: Final = 1_000
REST_SECONDS: Final = 0.005
"""Enough for the background thread to fall asleep."""

FLOOR: Final = "floor: `append(encode(Query(...)))`"
INSTANCE: Final = "`emit(Query(...))`"
MAPPING: Final = '`emit("query", {...})`'
MAPPING_FLOOR: Final = "`append(encode({...}))`"
REQUESTS: Final = '`emit("query", {...})`, 2 a request, and half of the middleware that makes their context'
WAKING: Final = '`emit("query", {...})`, when it has to wake the background thread'
CREATE: Final = "`asyncio.create_task(empty())`, the call alone"
TASK: Final = "`asyncio.create_task(empty())`, and running it"
BUILT_FLOOR: Final = "floor: `append(encode(event))`"
BUILT_INSTANCE: Final = "`emit(event)`"
BUILT_MAPPING: Final = '`emit("query", mapping)`'
LONG_FLOOR: Final = f"floor: `append(encode(event))`, with a text of {LONG_TEXT:,} characters in it"
LONG_MAPPING: Final = '`emit("query", mapping)`, with the same text'
LASTING_FLOOR: Final = "floor: `append(encode(Query(...)))`"
PUBLISHED: Final = '`emit("query", {...})`, read and published meanwhile'
HELD: Final = '`emit("query", {...})`, the background thread held'

_METHOD: Final = f"""
The event has 8 fields and {len(msgspec.json.encode(EVENT))} bytes of JSON. The floor is a msgspec Struct, encoded by a
prepared msgspec encoder and appended to a bounded deque. The other side emits it into the file journal, as an instance
of the same Struct, which is a registered event class, or as a mapping. `(...)` and `{{...}}` construct it each time; in
the second and third table it was constructed before. A mapping costs more to construct and to encode than a Struct,
whatever is done with it then; the floor of the first table is the Struct's for all.

All of it happens in a running asyncio loop, in bursts of {EVENTS:,}, with the background thread alive: it reads the
journal and publishes to a queue that accepts at once. What is left of a burst is waited for between the bursts. A
quarter of each burst runs before its time is taken, so that all begin with warm caches. The events of a burst share
one context, where the row does not say otherwise.

The last table has bursts of {LASTING_EVENTS:,}, in which the background thread takes its turns again and again, so that
its work counts too; and once more with that thread held, which leaves the cost of `emit` itself.
"""


def run() -> Section:
    """Measure."""
    short, lasting = asyncio.run(_rounds())
    return Section(
        title="Emit",
        method=_METHOD,
        tables=[
            _table(short, FLOOR, INSTANCE, MAPPING, MAPPING_FLOOR, REQUESTS, WAKING, CREATE, TASK),
            _table(short, BUILT_FLOOR, BUILT_INSTANCE, BUILT_MAPPING),
            _table(short, LONG_FLOOR, LONG_MAPPING),
            _table(lasting, LASTING_FLOOR, PUBLISHED, HELD),
        ],
        goals=[
            ratio_goal(
                "`emit` of an instance with 8 fields ÷ the floor", "≤", 2.5, ratio(short[INSTANCE], short[FLOOR])
            ),
            ratio_goal("`emit` of a mapping with 8 fields ÷ the floor", "≤", 2.5, ratio(short[MAPPING], short[FLOOR])),
            ratio_goal(
                "`emit` of a mapping ÷ `asyncio.create_task(empty())`", "<", 1.0, ratio(short[MAPPING], short[CREATE])
            ),
        ],
    )


def _table(rounds: Rounds, floor: str, *others: str) -> Table:
    return Table(TIMES, time_rows(rounds, [(name, floor) for name in (floor, *others)]))


async def _rounds() -> tuple[Rounds, Rounds]:
    with tempfile.TemporaryDirectory() as directory:
        async with new_fireforget(settings(Path(directory)), NullQueue()) as ff:
            with ff.context(sessionid="s-1", requestid="r-1"):
                short = await interleave(_short(ff), ROUNDS)
                return short, await interleave(_lasting(ff), LASTING_ROUNDS, warmup=1)


def _short(ff: FireForget) -> list[Case]:
    emit, kept, class_ = {"emit": ff.emit}, keep(), {"Query": Query}
    mapping = msgspec.structs.asdict(EVENT)
    long = msgspec.structs.replace(EVENT, query="x" * LONG_TEXT)

    async def rest() -> None:
        await ff.drain()
        await asyncio.sleep(REST_SECONDS)

    return [
        Case(FLOOR, Burst(f"append(encode({EVENT!r}))", kept | class_)),
        Case(INSTANCE, Burst(f"emit({EVENT!r})", emit | class_), ff.drain),
        Case(MAPPING, Burst(f'emit("query", {mapping!r})', emit), ff.drain),
        Case(MAPPING_FLOOR, Burst(f"append(encode({mapping!r}))", kept)),
        Case(REQUESTS, partial(_requests, ff, mapping), rest),
        Case(WAKING, Burst(f'emit("query", {mapping!r})', emit, length=1), ff.drain),
        Case(CREATE, _create_tasks),
        Case(TASK, _run_tasks),
        Case(BUILT_FLOOR, Burst("append(encode(event))", kept | {"event": EVENT})),
        Case(BUILT_INSTANCE, Burst("emit(event)", emit | {"event": EVENT}), ff.drain),
        Case(BUILT_MAPPING, Burst('emit("query", mapping)', emit | {"mapping": mapping}), ff.drain),
        Case(LONG_FLOOR, Burst("append(encode(event))", kept | {"event": long})),
        Case(LONG_MAPPING, Burst('emit("query", mapping)', emit | {"mapping": msgspec.structs.asdict(long)}), ff.drain),
    ]


def _lasting(ff: FireForget) -> list[Case]:
    statement = f'emit("query", {msgspec.structs.asdict(EVENT)!r})'
    emit = {"emit": ff.emit}
    return [
        Case(LASTING_FLOOR, Burst(f"append(encode({EVENT!r}))", keep() | {"Query": Query}, length=LASTING_EVENTS)),
        Case(PUBLISHED, Burst(statement, emit, length=LASTING_EVENTS), ff.drain),
        Case(HELD, Burst(statement, emit, length=LASTING_EVENTS, held=True), ff.drain),
    ]


def keep() -> dict[str, Any]:
    """What the floor calls."""
    return {"append": deque[bytes](maxlen=1024).append, "encode": msgspec.json.Encoder().encode}


class Burst:
    """Repeats a statement and returns the seconds that one event took.

    Args:
        statement: What is repeated.
        names: What it refers to; these become local variables.
        length: How often it is repeated.
        held: Hold the background thread meanwhile.
    """

    def __init__(self, statement: str, names: dict[str, Any], *, length: int = EVENTS, held: bool = False) -> None:
        # `Timer` switches the garbage collector off, and the setup on again.
        setup = "; ".join(["import gc", "gc.enable()", *(f"{name} = names[{name!r}]" for name in names)])
        self._timer = Timer(statement, setup, globals={"names": names})
        self._length = length
        self._held = held

    async def __call__(self) -> float:
        """Run one burst, in the loop's own thread."""
        with held_engine() if self._held else nullcontext():
            self._timer.timeit(self._length // 4)  # whatever ran before, each case begins with warm caches
            return self._timer.timeit(self._length) / self._length


async def _requests(ff: FireForget, mapping: dict[str, Any]) -> float:
    """Emit two events in each of many requests."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        emit("query", {**mapping})
        emit("query", {**mapping})

    emit, wrapped = ff.emit, ff.wrap(app)
    scopes = [scope() for _ in range(EVENTS // 2)]
    for _ in range(EVENTS // 8):
        await wrapped(scope(), receive, send)
    began = perf_counter()
    for each in scopes:
        await wrapped(each, receive, send)
    return (perf_counter() - began) / EVENTS


async def _create_tasks() -> float:
    """Create tasks; their execution is left out."""
    tasks: list[asyncio.Task[None]] = []
    create_task, append = asyncio.create_task, tasks.append
    began = perf_counter()
    for _ in repeat(None, EVENTS):
        append(create_task(_empty()))
    seconds = perf_counter() - began
    await asyncio.gather(*tasks)
    return seconds / EVENTS


async def _run_tasks() -> float:
    """Create tasks and let them run to their end."""
    tasks: list[asyncio.Task[None]] = []
    create_task, append = asyncio.create_task, tasks.append
    began = perf_counter()
    for _ in repeat(None, EVENTS):
        append(create_task(_empty()))
    await tasks[-1]
    return (perf_counter() - began) / EVENTS


async def _empty() -> None:
    """Do nothing."""
