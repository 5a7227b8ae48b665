"""A backlog: a process journals events while the queue is down, and is killed; the next one delivers them all."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.held import allocated, anonymous
from benchmarks.queues import NullQueue
from benchmarks.workload import EVENT, MEBIBYTE, new_fireforget, settings
from fireforget import Settings
from fireforget._journal import totals
from fireforget.abc import Message, Outcome

EVENTS_A_CONTEXT: Final = 100
BYTES_AN_EVENT: Final = 512
"""More than one takes in the journal, by far: so much room is given to it, and asked of the disk."""

_LOOK_SECONDS: Final = 0.25
_NUMBER: Final = re.compile(rb'"n":(\d+)')


class Kept(msgspec.Struct, frozen=True):
    """What the process that was killed has left.

    Args:
        emit_seconds: How long `emit` took, for each event.
        disk: Bytes that the journal takes.
        memory: Most bytes of anonymous memory while it was filled.
    """

    emit_seconds: float
    disk: int
    memory: int


class Backlog(msgspec.Struct, frozen=True):
    """What became of a backlog.

    Args:
        events: How many were accepted.
        kept: What was kept of them.
        first_seconds: From the start of the next process until the queue had its first event.
        all_seconds: And until it had the last one.
        memory: Most bytes of anonymous memory meanwhile.
        missing: Events that never came.
        doubled: Events that came more than once.
        problems: What does not add up.
    """

    events: int
    kept: Kept
    first_seconds: float
    all_seconds: float
    memory: int
    missing: int
    doubled: int
    problems: list[str]


class MarkingQueue(NullQueue):
    """Takes everything, and marks which events have come.

    Attributes:
        marks: For each event, how often it came: 0, 1, or 2 for more.
        began: When the first came; None before.

    Args:
        events: How many there are.
    """

    def __init__(self, events: int) -> None:
        super().__init__()
        self.marks = bytearray(events)
        self.began: float | None = None

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Mark the events of a batch."""
        self.began = self.began or time.perf_counter()
        for message in messages:
            for number in _NUMBER.findall(message.body.encode()):
                self.marks[int(number)] = min(2, self.marks[int(number)] + 1)
        return await super().publish(messages)


def run(events: int, seconds: float = 3600.0) -> Backlog:
    """Fill a journal, kill who did it, and let another process deliver what is in it.

    Args:
        events: How many.
        seconds: How long the delivery may take.

    Raises:
        OSError: The disk has no room for so many.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        check_room(events)
        with ProcessPoolExecutor(1, get_context("spawn")) as doomed:
            try:
                doomed.submit(_fill, directory, events).result()
            except BrokenProcessPool:
                kept = msgspec.json.decode(Path(directory, "kept.json").read_bytes(), type=Kept)
        with ProcessPoolExecutor(1, get_context("spawn")) as heir:
            return heir.submit(partial(_deliver, directory, events, kept, seconds)).result()


def check_room(events: int) -> None:
    """See whether the disk has room for so many.

    Raises:
        OSError: It has not.
    """
    needed = events * BYTES_AN_EVENT
    directory = tempfile.gettempdir()
    if shutil.disk_usage(directory).free < needed:
        message = f"{needed / 1e9:.1f} GB of room in {directory} are needed for {events:,} events"
        raise OSError(message)


def _settings(directory: Path, events: int) -> Settings:
    return settings(directory, max_bytes=events * BYTES_AN_EVENT + 16 * MEBIBYTE)


def _fill(directory: Path, events: int) -> None:
    """Emit them all, with nowhere to go, and die."""
    ff = new_fireforget(_settings(directory, events), NullQueue(down=True))
    ff.start()
    data = msgspec.structs.asdict(EVENT)
    seconds, memory = 0.0, 0
    for first in range(0, events, EVENTS_A_CONTEXT):
        began = time.perf_counter()
        with ff.context():
            for number in range(first, min(events, first + EVENTS_A_CONTEXT)):
                ff.emit("query", {"n": number, **data})
        seconds += time.perf_counter() - began
        if first % (1000 * EVENTS_A_CONTEXT) == 0:
            memory = max(memory, anonymous())
    counts = ff.stats()
    if (counts.accepted, counts.pending) != (events, events):
        sys.exit(f"not all of {events:,} events are pending: {counts}")
    memory = max(memory, anonymous())
    kept = Kept(seconds / events, allocated(ff.settings.journal_directory), memory)
    Path(directory, "kept.json").write_bytes(msgspec.json.encode(kept))
    os.kill(os.getpid(), signal.SIGKILL)


def _deliver(directory: Path, events: int, kept: Kept, seconds: float) -> Backlog:
    """Start where the other one ended, and wait until the queue has everything."""
    queue = MarkingQueue(events)
    began, memory = time.perf_counter(), 0
    with new_fireforget(_settings(directory, events), queue) as ff:
        root = ff.settings.journal_directory
        while queue.events < events and time.perf_counter() - began < seconds:
            memory = max(memory, anonymous())
            time.sleep(_LOOK_SECONDS)
        ended = time.perf_counter()
    found = totals(root)
    missing, doubled = queue.marks.count(0), queue.marks.count(2)
    counts = found.counts
    problems = []
    if missing or doubled:
        problems.append(f"{missing:,} of {events:,} events are missing, and {doubled:,} came twice")
    if (counts.accepted, counts.delivered, counts.recovered, found.journals) != (events, events, events, 0):
        problems.append(f"the journals say of {events:,} events: {counts}, in {found.journals} journals")
    first = (queue.began or ended) - began
    return Backlog(events, kept, first, ended - began, memory, missing, doubled, problems)
