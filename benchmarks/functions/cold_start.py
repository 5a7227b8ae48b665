"""What Lambda waits for before a function's first answer, against the SDK that it cannot do without."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.functions import table
from benchmarks.functions.throughput import VARIABLES
from benchmarks.measure import Case, interleave, ratio
from benchmarks.report import TIMES, Section, Table, ratio_goal, time_rows

ROUNDS: Final = 11

SDK: Final = "import aioboto3"
PROCESSOR: Final = "import the processor's handler"
EXTRA: Final = "import aioboto3 and the packages of fireforget[report]"
REPORTER: Final = "import the reporter's handler"
FIRST_WRITE: Final = "import aioboto3, open a client, write an item"
FIRST_ANSWER: Final = "import the processor's handler, process an event"

_EXTRA: Final = "import aioboto3, css_inline, jinja2, matplotlib.backends.backend_agg"
_WRITE: Final = """
import asyncio, aioboto3
async def write():
    async with aioboto3.Session().client("dynamodb") as client:
        await client.batch_write_item(RequestItems={"bench": [{"PutRequest": {"Item": {"p": {"S": "a"}}}}]})
asyncio.run(write())
"""
_ANSWER: Final = """
from fireforget_aws.handlers.processor import handler
class Context:
    aws_request_id = "bench"
    get_remaining_time_in_millis = staticmethod(lambda: 60_000)
event = (
    '[{"specversion":"1.0","id":"019cb8b8-1e00-7000-8000-000000000001","source":"bench","type":"query",'
    '"time":"2026-11-30T12:00:00Z","data":{"query":"?"}}]'
)
answer = handler({"Records": [{"messageId": "m", "receiptHandle": "r", "body": event}]}, Context())
assert answer == {"batchItemFailures": []}
"""

STATEMENTS: Final = {
    SDK: SDK,
    PROCESSOR: "import fireforget_aws.handlers.processor",
    EXTRA: _EXTRA,
    REPORTER: "import fireforget_aws.handlers.reporter",
    FIRST_WRITE: _WRITE,
    FIRST_ANSWER: _ANSWER,
}

_METHOD: Final = """
Each round starts a fresh isolated interpreter for each row, with the bytecode compiled before. The time is taken inside
of it, around the statements alone. `httpx` is kept away: aiobotocore loads it where it is installed, and where these
functions run it is not.

What a handler imports, Lambda waits for when it starts an execution environment; the first answer also has the first
client, the first connection and the first write to a table that answers at once.
"""


def run() -> Section:
    """Measure."""
    with table.running() as url:
        cases = [Case(name, partial(_seconds, statements, url)) for name, statements in STATEMENTS.items()]
        rounds = asyncio.run(interleave(cases, ROUNDS, warmup=1))
    pairs = [(SDK, SDK), (PROCESSOR, SDK), (EXTRA, EXTRA), (REPORTER, EXTRA), (FIRST_WRITE, FIRST_WRITE)]
    goals = [(PROCESSOR, SDK), (REPORTER, EXTRA), (FIRST_ANSWER, FIRST_WRITE)]
    return Section(
        title="Cold start of the functions",
        method=_METHOD,
        tables=[Table(TIMES, time_rows(rounds, [*pairs, (FIRST_ANSWER, FIRST_WRITE)]))],
        goals=[
            ratio_goal(f"{ours} ÷ {theirs}", "≤", 1.25, ratio(rounds[ours], rounds[theirs])) for ours, theirs in goals
        ],
    )


async def _seconds(statements: str, url: str) -> float:
    program = (
        "import sys; from time import perf_counter as now; sys.modules['httpx'] = None; began = now()\n"
        f"{statements}\nprint(now() - began)"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-I", "-c", program],
        cwd=Path(__file__).parents[2],
        env=os.environ | VARIABLES | {"AWS_ENDPOINT_URL": url},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return float(done.stdout)
