"""How the cost of an event grows with the number of events, of lanes and of bytes: one of them at a time."""

from __future__ import annotations

import asyncio
import tempfile
from functools import partial
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Final

import msgspec

from benchmarks.measure import Case, Rounds, interleave, ratio, spread
from benchmarks.queues import NullQueue
from benchmarks.report import Chart, Section, Table, duration, ratio_goal
from benchmarks.workload import EVENT, MEBIBYTE, new_fireforget, settings
from fireforget._settings import DispatchSettings

ROUNDS: Final = 2
WARMUP_EVENTS: Final = 1_000
JOURNAL_BYTES: Final = 1024 * MEBIBYTE


class Load(msgspec.Struct, frozen=True):
    """What is emitted.

    Args:
        name: Its place on the axis, for the table.
        value: The same as a number.
        events: How many events.
        lanes: How many lanes, and sessions.
        contexts: How many contexts; each has as many events, of one session.
        text: Characters of one member of the data; 0 for the usual event.
    """

    name: str
    value: int
    events: int
    lanes: int = 16
    contexts: int = 16
    text: int = 0


EVENTS: Final = [Load(f"{10**n:,}", 10**n, 10**n) for n in range(7)]
LANES: Final = [Load(f"{lanes:,}", lanes, 20_000, lanes=lanes, contexts=1000) for lanes in (1, 10, 100, 1000)]
BYTES: Final = [
    Load(f"{size / 1000:g} KB", size, 2_000, text=size) for size in (100, 1_000, 4_000, 16_000, 32_000, 64_000)
]

_METHOD: Final = f"""
One thread emits into the file journal as fast as it can, with the background thread alive, which publishes to a queue
that accepts at once. It gives way to the emitting thread, which takes a whole processor, and delivers most when that
has ended and waits. `emit` is the time of that thread for each event; delivered is the time from the first `emit` until
the queue has the last event, divided by their number. A pack waits for no others (`linger_seconds` is 0). Each load
begins with an empty journal, after {WARMUP_EVENTS:,} events of warm-up.

Events: from one to a million, in 16 lanes. One event alone pays for the waking of the background thread, and the first
of a load for their contexts. Lanes: {LANES[0].events:,} events in {LANES[0].contexts:,} contexts, with as many sessions
as lanes. Bytes: {BYTES[0].events:,} events with one text of that length in them.
"""


def run(rounds: int = ROUNDS) -> Section:
    """Measure."""
    axes = {
        "events": (EVENTS, *asyncio.run(_rounds(EVENTS, rounds))),
        "lanes": (LANES, *asyncio.run(_rounds(LANES, rounds))),
        "bytes in an event": (BYTES, *asyncio.run(_rounds(BYTES, rounds))),
    }
    (_, events, events_delivered), (_, lanes, _), (_, sizes, _) = axes.values()
    many, some = EVENTS[-1].name, EVENTS[3].name
    large, middle = BYTES[-1], BYTES[2]
    linear = [seconds * middle.value / large.value for seconds in sizes[large.name]]
    return Section(
        title="Growth",
        method=_METHOD,
        tables=[_table(axis, *found) for axis, found in axes.items()],
        goals=[
            ratio_goal(f"`emit` of {many} events ÷ of {some}, for each", "≤", 1.5, ratio(events[many], events[some])),
            ratio_goal(
                f"delivery of {many} events ÷ of {some}, for each",
                "≤",
                1.5,
                ratio(events_delivered[many], events_delivered[some]),
            ),
            ratio_goal(
                "`emit` over 1,000 lanes ÷ over 1", "≤", 1.5, ratio(lanes[LANES[-1].name], lanes[LANES[0].name])
            ),
            ratio_goal(
                f"`emit` of a byte in {large.name} ÷ of a byte in {middle.name}",
                "≤",
                1.5,
                ratio(linear, sizes[middle.name]),
            ),
        ],
        charts=[Chart("growth.svg", "What an event costs, along each of the three axes", _drawn(axes))],
    )


Axis = tuple[list[Load], Rounds, Rounds]
"""The loads, and by their names the seconds of `emit` and those until delivery, for each event."""


def _table(axis: str, loads: list[Load], emitted: Rounds, delivered: Rounds) -> Table:
    rows = []
    for load in loads:
        row = [load.name]
        for times in (spread(emitted[load.name]), spread(delivered[load.name])):
            row += [duration(times.median), f"{duration(times.low)} – {duration(times.high)}"]
        bytes_ = load.text + len(msgspec.json.encode(EVENT))
        row.append(duration(spread(emitted[load.name]).median / bytes_ * 1000))
        rows.append(row)
    return Table((axis, "`emit`", "10–90 %", "until delivered", "10–90 %", "`emit` of 1,000 bytes"), rows)


async def _rounds(loads: list[Load], rounds: int) -> tuple[Rounds, Rounds]:
    delivered: Rounds = {load.name: [] for load in loads}
    cases = [Case(load.name, partial(_emitted, load, delivered[load.name])) for load in loads]
    return await interleave(cases, rounds, warmup=0), delivered


async def _emitted(load: Load, delivered: list[float]) -> float:
    """Emit a load; the seconds of `emit` for each event, while those until delivery are appended.

    Raises:
        RuntimeError: An event was refused.
    """
    with tempfile.TemporaryDirectory() as directory:
        chosen = msgspec.structs.replace(
            settings(Path(directory), max_bytes=JOURNAL_BYTES),
            dispatch=DispatchSettings(lanes=load.lanes, linger_seconds=0.0),
        )
        queue = NullQueue()
        async with new_fireforget(chosen, queue) as ff:
            data = msgspec.structs.asdict(EVENT) | {"query": "x" * load.text or EVENT.query}
            emit = ff.emit
            with ff.context(sessionid="s"):
                for _ in range(WARMUP_EVENTS):
                    emit("query", data)
            await ff.drain()
            began = perf_counter()
            each, more = divmod(load.events, load.contexts)
            for number in range(load.contexts):
                with ff.context(sessionid=f"s-{number % load.lanes}"):
                    for _ in range(each + (number < more)):
                        emit("query", data)
            seconds = perf_counter() - began
            await ff.drain(60.0)
            delivered.append((perf_counter() - began) / load.events)
    if queue.events != load.events + WARMUP_EVENTS:
        message = f"of {load.events} events {queue.events - WARMUP_EVENTS} were delivered"
        raise RuntimeError(message)
    return seconds / load.events


def _drawn(axes: dict[str, Axis]) -> str:
    """The three axes beside each other."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "growth", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(10, 3.2), layout="constrained")
        plots = figure.subplots(1, len(axes), sharey=True)
        for plot, (axis, (loads, emitted, delivered)) in zip(plots, axes.items(), strict=True):
            values = [load.value for load in loads]
            for label, rounds in (("emit", emitted), ("until delivered", delivered)):
                plot.plot(values, [spread(rounds[load.name]).median * 1e6 for load in loads], marker="o", label=label)
            plot.set(xscale="log", yscale="log", xlabel=axis)
            plot.grid(visible=True, alpha=0.3)
        plots[0].set(ylabel="µs an event", ylim=(1, None))
        plots[0].legend(frameon=False)
        file = StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
