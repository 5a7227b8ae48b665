"""The long trials: every case, until it has been hurt often enough; what came of it goes into RESULTS.md."""

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

from fireforget.testing.faults import Balance
from tests.faults.cases import CASES, Case

RESULTS: Final = Path(__file__).with_name("RESULTS.md")

_HEAD: Final = """# Faults

Written by `make soak`. A server under load (uvicorn, four clients) is hurt at random moments, by SIGKILL where nothing
else is said, and started again. At the end every event whose id a client was told has to be in the store once, or
counted with its reason; and the journals' own counts have to add up to what is there.

- *Accepted*: events whose ids clients were told. *Requests*: answered without an id, so that one event with their
  `x-request-id` has to be there. *Refused*: by a full disk, and the client was told so. *Cut off*: requests without a
  whole answer, of which no client knows whether their events were accepted.
- *Stored*: events in the store, those of requests that were cut off included. *Recovered*: pending events found in
  journals of dead processes, each time they were.
"""


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
            return f"| {self.case.name} | not run: no file system can be mounted here ||||||||||"
        balance = self.balance
        cells = [
            self.case.name,
            *map(_number, (self.blows, balance.accepted, balance.answered, balance.refused, balance.turned_away)),
            *map(_number, (balance.stored, sum(balance.dead_letters.values()), balance.given_up)),
            *map(_number, (balance.counts.recovered, len(balance.missing) + len(balance.forgotten))),
            f"{self.seconds:.0f} s",
        ]
        return f"| {' | '.join(cells)} |"


def main() -> int:
    """Run all cases, print what happens, and write the table; the exit code is 1 where the books do not balance."""
    parser = ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="deals the same blows again")
    parser.add_argument("--kills", type=int, default=210, help="how many SIGKILLs in all, at least (210)")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    share = -(-given.kills // sum(case.weapons == ("kill",) for case in CASES))
    rows = [_run(case, share, given.seed + number) for number, case in enumerate(CASES)]
    problems = [f"{row.case.name}: {problem}" for row in rows if row.balance for problem in row.balance.problems]
    RESULTS.write_text(_page(rows, problems, given.seed), encoding="utf-8")
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


def _page(rows: list[Row], problems: list[str], seed: int) -> str:
    kills = sum(row.blows for row in rows if row.case.weapons == ("kill",))
    names = "Hurt", "Blows", "Accepted", "Requests", "Refused", "Cut off", "Stored", "Dead letters", "Given up"
    head = " | ".join((*names, "Recovered", "Missing", "Took"))
    table = [f"| {head} |", f"|---|{'---:|' * (head.count('|'))}", *map(str, rows)]
    verdict = "\n".join(f"- {problem}" for problem in problems) or "All books balance."
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    told = (
        f"{kills} blows by SIGKILL alone, seed {seed} (`make soak ARGS='--seed {seed}'` deals the same), on {machine}."
    )
    return "\n".join((_HEAD, told, "", *table, "", verdict, ""))


def _number(value: int) -> str:
    return f"{value:,}"


if __name__ == "__main__":
    sys.exit(main())
