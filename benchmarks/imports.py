"""`import fireforget`, against the two libraries that it cannot do without."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import partial
from typing import Final

from benchmarks.measure import Case, interleave, ratio
from benchmarks.report import TIMES, Section, Table, ratio_goal, time_rows

ROUNDS: Final = 25

SUBJECT: Final = "import fireforget"
BASELINE: Final = "import anyio, msgspec"

_METHOD: Final = """
Each round starts a fresh isolated interpreter for each side, with the bytecode compiled before. The time is taken
inside of it, around the import statement alone.
"""


def run() -> Section:
    """Measure."""
    cases = [Case(statement, partial(_seconds, statement)) for statement in (BASELINE, SUBJECT)]
    rounds = asyncio.run(interleave(cases, ROUNDS))
    found = ratio(rounds[SUBJECT], rounds[BASELINE])
    return Section(
        title="Import",
        method=_METHOD,
        tables=[Table(TIMES, time_rows(rounds, [(BASELINE, BASELINE), (SUBJECT, BASELINE)]))],
        goals=[ratio_goal(f"`{SUBJECT}` ÷ `{BASELINE}`", "≤", 2.0, found)],
    )


async def _seconds(statement: str) -> float:
    program = f"from time import perf_counter as now; began = now(); {statement}; print(now() - began)"
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
    )
    return float(done.stdout)
