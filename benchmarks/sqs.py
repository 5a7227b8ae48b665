"""What an event costs on its way to SQS: of the processor of the client, and in requests that are billed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aioboto3
import msgspec

from benchmarks.canned import CREDENTIALS, canned_aws
from benchmarks.measure import Case, Rounds, interleave, ratio
from benchmarks.report import TIMES, Goal, Section, Table, between, ratio_goal, time_rows
from benchmarks.workload import EVENT, settings, types
from fireforget import FireForget, Settings
from fireforget._settings import DispatchSettings
from fireforget.abc import Event, Message, encode_event
from fireforget_aws.access import Access
from fireforget_aws.queue import SQSQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.remote import Remote

ROUNDS: Final = 15
EVENTS: Final = 3_000
IMPORTS: Final = 15
RATES: Final = (10, 100, 1_000)
LINGERS: Final = (DispatchSettings().linger_seconds, 1.0)
RATE_SECONDS: Final = 4.0

_NOON: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)

PLAIN: Final = "aioboto3, an event a message, ten messages a call"
ADAPTER: Final = "the adapter, packs of 64 KB"
PATH: Final = "`emit`, journal, dispatcher and adapter"

_PLAIN_START: Final = """
import asyncio, aioboto3
async def start():
    async with aioboto3.Session().client("sqs"):
        pass
asyncio.run(start())
"""
_OUR_START: Final = """
import asyncio
from fireforget_aws.access import Access
async def start():
    async with Access().client("sqs"):
        pass
import fireforget_aws.queue
asyncio.run(start())
"""

_METHOD: Final = f"""
{EVENTS:,} events of 8 fields go to an endpoint of ours in another process, which takes every batch at once. What all
threads of this process spend on the processor is counted, until all events are delivered.

With aioboto3 alone each event is a message, and ten messages are a call: encoded as JSON, with a group and a
deduplication id. The adapter gets the same events as the dispatcher packs them. The last row is the whole way: each
event is accepted into the file journal, gets its envelope, is packed and published.

A request is what SQS bills: up to 64 KB, so a call of ten small messages is one. Events are emitted at an even rate for
{RATE_SECONDS:g} s, each in a context of its own; `linger_seconds` is how long the first event of a pack waits for
others.

The start is a fresh interpreter that imports what is needed and opens a first client of SQS.
"""


def run() -> Section:
    """Measure."""
    with canned_aws() as aws, tempfile.TemporaryDirectory() as directory:
        os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL=aws.url)
        costs = asyncio.run(_costs(Path(directory)))
        rates = [
            [f"{rate:,} events a second", *(f"{_requests(aws, directory, rate, linger):.3f}" for linger in LINGERS)]
            for rate in RATES
        ]
    starts = asyncio.run(
        interleave(
            [Case("aioboto3", partial(_started, _PLAIN_START)), Case("ours", partial(_started, _OUR_START))], IMPORTS
        )
    )
    cheaper = ratio(costs[PLAIN], costs[ADAPTER])
    return Section(
        title="To SQS",
        method=_METHOD,
        tables=[
            Table(("an event, on the processor", *TIMES[1:]), time_rows(costs, [(name, ADAPTER) for name in costs])),
            Table(("requests for an event", *(f"lingering {linger:g} s" for linger in LINGERS)), rates),
            Table(("the start", *TIMES[1:]), time_rows(starts, [("aioboto3", "aioboto3"), ("ours", "aioboto3")])),
        ],
        goals=[
            Goal("aioboto3, one event a message ÷ the adapter", "≥", 15.0, cheaper.median, between(cheaper)),
            ratio_goal(
                "import and first client of SQS ÷ those of aioboto3",
                "≤",
                1.1,
                ratio(starts["ours"], starts["aioboto3"]),
            ),
        ],
    )


async def _costs(directory: Path) -> Rounds:
    """Processor time of one event, each way."""
    queue = SQSQueue("bench.fifo", Access())
    ff = FireForget(_settings(directory), types=types)
    async with aioboto3.Session().client("sqs") as client:
        url = (await client.get_queue_url(QueueName="bench.fifo"))["QueueUrl"]
        cases = [
            Case(PLAIN, partial(_timed, partial(_send_plain, client, url))),
            Case(ADAPTER, partial(_timed, partial(_send_packs, queue))),
            Case(PATH, partial(_timed, partial(_emit, ff))),
        ]
        try:
            return await interleave(cases, ROUNDS)
        finally:
            await ff.aclose()
            await queue.aclose()


async def _timed(work: Callable[[], Awaitable[float]]) -> float:
    """Seconds of the processor for an event; what the work gives back was spent on its preparation."""
    began = time.process_time()
    prepared = await work()
    return (time.process_time() - began - prepared) / EVENTS


async def _send_plain(client: Any, url: str) -> float:
    for start in range(0, EVENTS, 10):
        entries = [
            {
                "Id": str(number),
                "MessageBody": msgspec.json.encode(EVENT).decode(),
                "MessageGroupId": f"visitor-{number % 16}",
                "MessageDeduplicationId": f"event-{start + number}",
            }
            for number in range(10)
        ]
        answer = await client.send_message_batch(QueueUrl=url, Entries=entries)
        assert len(answer["Successful"]) == 10
    return 0.0


async def _send_packs(queue: SQSQueue) -> float:
    """The packs that the dispatcher would make of the events are made before the clock runs."""
    began = time.process_time()
    batches = _batches(queue.capabilities.pack_bytes, queue.capabilities.max_batch_messages)
    prepared = time.process_time() - began
    for batch in batches:
        outcomes = await queue.publish(batch)
        assert all(outcome.status == "delivered" for outcome in outcomes)
    return prepared


def _batches(pack_bytes: int, messages: int) -> list[list[Message]]:
    text = encode_event(Event(id="event", source="bench", type="query", time=_NOON, data=msgspec.to_builtins(EVENT)))
    events_a_pack = pack_bytes // (len(text) + 1)
    left, packs = EVENTS, []
    while left:
        count = min(left, events_a_pack)
        packs.append(Message(f"pack-{left}", f"lane-{left % 16:03}", f"[{','.join([text] * count)}]", count))
        left -= count
    return [packs[start : start + messages] for start in range(0, len(packs), messages)]


async def _emit(ff: Any) -> float:
    for _ in range(EVENTS):
        with ff.context():
            ff.emit(EVENT)
    await ff.drain()
    return 0.0


def _settings(directory: Path, linger: float = DispatchSettings().linger_seconds) -> Settings:
    return msgspec.structs.replace(
        settings(directory), queue="sqs://bench.fifo", dispatch=DispatchSettings(linger_seconds=linger)
    )


def _requests(aws: Remote, directory: str, rate: int, linger: float) -> float:
    """Requests of SQS for an event, at an even rate."""
    with FireForget(_settings(Path(directory, f"{rate}-{linger}"), linger), types=types) as ff:
        ff.emit(EVENT)
        ff.drain_blocking()  # the client is open, and knows its queue
        before, began = aws.count(), time.monotonic()
        for number in range(round(rate * RATE_SECONDS)):
            with ff.context():
                ff.emit(EVENT)
            time.sleep(max(0.0, began + (number + 1) / rate - time.monotonic()))
        ff.drain_blocking()
        return (aws.count() - before) / (rate * RATE_SECONDS)


async def _started(program: str) -> float:
    """Seconds of a program, in a fresh interpreter that has started."""
    program = f"from time import perf_counter\nbegan = perf_counter()\n{program}\nprint(perf_counter() - began)"
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
    )
    return float(done.stdout)
