"""What one processor function gets through, against decoding the same messages and writing the same items by hand."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.canned import canned_aws
from benchmarks.functions.batch import MESSAGES, PACK_BYTES
from benchmarks.functions.process import INVOCATIONS
from benchmarks.measure import Case, interleave, ratio
from benchmarks.report import TIMES, Goal, Section, Table, between, size, time_rows

ROUNDS: Final = 7
MEMORY: Final = 256
"""MiB of the function."""

FLOOR: Final = "aioboto3: decode and write"
OURS: Final = "the processor's handler"

VARIABLES: Final = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_DEFAULT_REGION": "eu-west-2",
    "AWS_REGION": "eu-west-2",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "FIREFORGET_BACKEND": "aws",
    "FIREFORGET_NAME": "bench",
}

_METHOD: Final = f"""
Each round starts a fresh process for each side, which handles the same batch {INVOCATIONS} times after a first time
that does not count: {MESSAGES} messages of SQS, each packed to {PACK_BYTES:,} bytes, each of a lane of its own. The
table is an HTTP server in another process, which answers every write at once: what is measured is what the function
costs, and nothing of DynamoDB.

The baseline decodes each body as JSON and writes with plain aioboto3 the very items that the handler writes, made
ready before: it validates nothing, enriches nothing and makes no item. Memory is the most that the process of the
handler held (`ru_maxrss`), with the interpreter and all that it loads.
"""


class Found(msgspec.Struct):
    """What a process says.

    Args:
        seconds: For each event.
        events: In a batch.
        bytes: The most memory that it held.
    """

    seconds: float
    events: int
    bytes: int


def run() -> Section:
    """Measure."""
    told: dict[str, list[Found]] = {FLOOR: [], OURS: []}
    with canned_aws() as aws:
        cases = [
            Case(name, partial(_round, side, aws.url, told[name])) for name, side in ((FLOOR, "floor"), (OURS, "ours"))
        ]
        rounds = asyncio.run(interleave(cases, ROUNDS, warmup=1))
    speed = ratio(rounds[FLOOR], rounds[OURS])
    peak = max(found.bytes for found in told[OURS])
    rate = [[name, f"{1 / sorted(rounds[name])[ROUNDS // 2]:,.0f}", size(told[name][0].bytes)] for name in rounds]
    return Section(
        title="A processor function",
        method=_METHOD,
        tables=[
            Table(("an event", *TIMES[1:]), time_rows(rounds, [(FLOOR, FLOOR), (OURS, FLOOR)])),
            Table((f"{told[OURS][0].events:,} events a batch", "events a second", "memory"), rate),
        ],
        goals=[
            Goal("speed of the processor's handler ÷ that of aioboto3 by hand", "≥", 0.5, speed.median, between(speed)),
            Goal(f"memory of the processor's handler ÷ {MEMORY} MiB", "<", 1.0, peak / MEMORY / 2**20),
        ],
    )


async def _round(side: str, url: str, told: list[Found]) -> float:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "benchmarks.functions.process", side],
        cwd=Path(__file__).parents[2],
        env=os.environ | VARIABLES | {"AWS_ENDPOINT_URL": url},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    told.append(msgspec.json.decode(done.stdout, type=Found))
    return told[-1].seconds
