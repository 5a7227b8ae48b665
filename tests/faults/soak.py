"""The long trials: every case, until it has been hurt often enough, and the backlogs; into RESULTS.md."""

from __future__ import annotations

import os
import platform
import secrets
import sys
import tempfile
import time
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.report import duration, size
from fireforget.testing.faults import Balance
from tests.faults import backlog
from tests.faults.backlog import Backlog
from tests.faults.cases import CASES, Case

RESULTS: Final = Path(__file__).with_name("RESULTS.md")

_HEAD: Final = """# Faults

Written by `make soak`. A server under load (uvicorn, four clients) is hurt at random moments, by SIGKILL where nothing
else is said, and started again. At the end every event whose id a client was told has to be in the store once, or
counted with its reason; and the journals' own counts have to add up to what is there.

- *Accepted*: events whose ids clients were told, and requests answered without an id, of which an event with their
  `x-request-id` has to be there. *Stored*: all events in the store, those that no client knows of included. *Counted*:
  dead letters, dropped or damaged. *Missing*: accepted, and neither.
- *Refused*: requests that a full disk refused, and were told so. *Cut off*: requests without a whole answer.
  *Recovered*: pending events found in journals of dead processes, each time they were.
"""

_BACKLOG: Final = """## A backlog

A process emits as many events as it can while the queue is down, so that its journal keeps all of them, and is killed.
The next process adopts that journal and delivers it to a queue that takes everything at once and marks which events
have come. Bounded is what a process holds in memory, whatever the backlog; the disk takes what is kept, and no more.

- *`emit`*: the time for each event. *Disk*: what the journal took. *Memory*: the most anonymous memory of the process
  that filled the journal, and of the one that delivered it; the pages of the journal's files are not among it.
- *First*, *all*: from the start of the second process until the queue had the first event, and the last one.
"""
_SMALLEST_BACKLOG: Final = 100_000


@dataclass(frozen=True)
class Row:
    """What came of one case."""

    case: Case
    blows: int
    seconds: float
    balance: Balance | None

    def __str__(self) -> str:
        """As a row of the table."""
        if self.balance is None:
            return f"| {self.case.name} | not run: no file system can be mounted here |||||||"
        balance = self.balance
        counted = sum(balance.dead_letters.values()) + balance.given_up
        missing = len(balance.missing) + len(balance.forgotten)
        cells = [
            self.case.name,
            *map(_number, (self.blows, balance.accepted + balance.answered, balance.stored, counted, missing)),
            *map(_number, (balance.refused, balance.turned_away, balance.counts.recovered)),
        ]
        return f"| {' | '.join(cells)} |"


def main() -> int:
    """Run all cases, print what happens, and write the table; the exit code is 1 where the books do not balance."""
    parser = ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="deals the same blows again")
    parser.add_argument("--kills", type=int, default=210, help="how many SIGKILLs in all, at least (210)")
    parser.add_argument("--backlog", type=int, default=10_000_000, help="events of the largest backlog (10,000,000)")
    given = parser.parse_args()
    if given.backlog < 1:
        parser.error(f"--backlog {given.backlog}: there must be one event at least")
    try:
        backlog.check_room(given.backlog)
    except OSError as error:
        parser.error(f"--backlog: {error}")
    print(f"seed {given.seed}", flush=True)
    share = -(-given.kills // sum(case.weapons == ("kill",) for case in CASES))
    rows = [_run(case, share, given.seed + number) for number, case in enumerate(CASES)]
    problems = [f"{row.case.name}: {problem}" for row in rows if row.balance for problem in row.balance.problems]
    backlogs = [_pile_up(events) for events in _sizes(given.backlog)]
    problems += [f"a backlog: {problem}" for found in backlogs for problem in found.problems]
    RESULTS.write_text(_page(rows, backlogs, problems, given.seed), encoding="utf-8")
    print("\n".join(problems) or "all books balance")
    return 1 if problems else 0


def _run(case: Case, blows: int, seed: int) -> Row:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        try:
            balance = case.run(Path(directory), blows, seed, lambda line: print(f"{case.name}: {line}", flush=True))
        except PermissionError as error:
            print(f"{case.name}: not run: {error}", file=sys.stderr)
            return Row(case, 0, 0.0, None)
    return Row(case, blows, time.monotonic() - began, balance)


def _sizes(largest: int) -> list[int]:
    """That many, and tenths of it, down to the smallest that tells something."""
    sizes = [largest]
    while sizes[0] >= 10 * _SMALLEST_BACKLOG:
        sizes.insert(0, sizes[0] // 10)
    return sizes


def _pile_up(events: int) -> Backlog:
    print(f"a backlog of {events:,} events", flush=True)
    return backlog.run(events)


def _page(rows: list[Row], backlogs: list[Backlog], problems: list[str], seed: int) -> str:
    seconds = sum(row.seconds for row in rows)
    kills = sum(row.blows for row in rows if row.case.weapons == ("kill",))
    head = "Hurt | Blows | Accepted | Stored | Counted | Missing | Refused | Cut off | Recovered"
    table = [f"| {head} |", f"|---|{'---:|' * (head.count('|'))}", *map(str, rows)]
    verdict = "\n".join(f"- {problem}" for problem in problems) or "All books balance, and every event came once."
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    took = f"{kills} blows by SIGKILL alone, {seconds / 60:.0f} minutes for all, on {machine}."
    again = f"`make soak ARGS='--seed {seed}'` deals the same blows."
    head = "Events | `emit` | Disk | Memory, filling | Memory, delivering | First | All | Missing | Twice"
    piles = [f"| {head} |", f"|{'---:|' * (head.count('|') + 1)}", *map(_backlog_row, backlogs)]
    return "\n".join((_HEAD, took, again, "", *table, "", _BACKLOG, *piles, "", verdict, ""))


def _backlog_row(found: Backlog) -> str:
    kept = found.kept
    cells = [_number(found.events), duration(kept.emit_seconds), *map(size, (kept.disk, kept.memory, found.memory))]
    cells += [f"{found.first_seconds:.1f} s", f"{found.all_seconds:.1f} s"]
    return f"| {' | '.join([*cells, _number(found.missing), _number(found.doubled)])} |"


def _number(value: int) -> str:
    return f"{value:,}"


if __name__ == "__main__":
    sys.exit(main())
