"""What Lambda waits for before a function's first answer, against the SDK that it cannot do without."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.canned import canned_aws
from benchmarks.functions.throughput import VARIABLES
from benchmarks.measure import Case, Rounds, Spread, interleave, ratio
from benchmarks.report import TIMES, Section, Table, ratio_goal, time_rows

ROUNDS: Final = 11

SDK: Final = "import aioboto3, open a client"
PROCESSOR: Final = "import the processor's handler, which is ready then"
WRITE: Final = "then write an item"
ANSWER: Final = "then process an event"
EXTRA: Final = "import aioboto3 and the packages of fireforget[report]"
REPORTER: Final = "import the reporter's handler"

_OPEN: Final = """
import asyncio, aioboto3
runner = asyncio.Runner()
opening = aioboto3.Session().client("dynamodb")
async def open():
    return await opening.__aenter__()
client = runner.run(open())
"""
_WRITE: Final = """
async def write():
    await client.batch_write_item(RequestItems={"bench": [{"PutRequest": {"Item": {"p": {"S": "a"}}}}]})
runner.run(write())
"""
_READY: Final = "from fireforget_aws.handlers.processor import handler"
_ANSWER: Final = """
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
_EXTRA: Final = "import aioboto3, css_inline, jinja2, matplotlib.backends.backend_agg"

PROGRAMS: Final = {
    SDK: ("", _OPEN),
    PROCESSOR: ("", _READY),
    WRITE: (_OPEN, _WRITE),
    ANSWER: (_READY, _ANSWER),
    EXTRA: ("", _EXTRA),
    REPORTER: ("", "import fireforget_aws.handlers.reporter"),
}
"""What goes before, and what is measured."""

_METHOD: Final = """
Each round starts a fresh isolated interpreter for each row, with the bytecode compiled before. The time is taken inside
of it, around what the row says alone. `httpx` is kept away: aiobotocore loads it where it is installed, and where these
functions run it is not.

What a handler imports and makes, Lambda waits for when it starts an execution environment, which has a whole processor
for that. The first invocation may have a small share of one: it opens the first connection, records the day in the
table, and writes. The table answers at once.
"""


def run() -> Section:
    """Measure."""
    with canned_aws() as aws:
        cases = [Case(name, partial(_seconds, *program, aws.url)) for name, program in PROGRAMS.items()]
        rounds = asyncio.run(interleave(cases, ROUNDS, warmup=1))
    pairs = [(PROCESSOR, SDK), (ANSWER, WRITE), (REPORTER, EXTRA)]
    return Section(
        title="Cold start of the functions",
        method=_METHOD,
        tables=[
            Table(TIMES, time_rows(rounds, [row for ours, floor in pairs for row in ((floor, floor), (ours, floor))]))
        ],
        goals=[
            ratio_goal("the processor's handler, ready ÷ aioboto3 with a client", "≤", 1.5, _ratio(rounds, pairs[0])),
            ratio_goal("the first event processed ÷ the first item written", "≤", 1.5, _ratio(rounds, pairs[1])),
            ratio_goal(
                "the reporter's handler ÷ aioboto3 and the report's packages", "≤", 1.5, _ratio(rounds, pairs[2])
            ),
        ],
    )


def _ratio(rounds: Rounds, pair: tuple[str, str]) -> Spread:
    ours, floor = pair
    return ratio(rounds[ours], rounds[floor])


async def _seconds(before: str, statements: str, url: str) -> float:
    program = (
        "import sys; from time import perf_counter as now; sys.modules['httpx'] = None\n"
        f"{before}\nbegan = now()\n{statements}\nprint(now() - began)"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-I", "-c", program],
        cwd=Path(__file__).parents[2],
        env=os.environ | VARIABLES | {"AWS_ENDPOINT_URL": url, "AWS_LAMBDA_FUNCTION_NAME": "bench"},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return float(done.stdout)
