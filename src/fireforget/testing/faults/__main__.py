"""``python -m fireforget.testing.faults``: a trial of an application in this directory."""

from __future__ import annotations

import secrets
import shlex
import sys
from argparse import ArgumentParser
from functools import partial
from typing import TYPE_CHECKING, Final, get_args

from fireforget.errors import FireForgetError
from fireforget.testing.faults.plan import Plan, Victim, Weapon
from fireforget.testing.faults.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.testing.faults.balance import Balance

_WHAT: Final = """Run an application under load in this directory, hurt it, and balance the books: every event that a
client saw accepted is in the store once, or counted with its reason. Its directory and its store must be empty."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a trial; the exit code: 0 where the books balance, 1 where they do not, 2 where it could not be run."""
    parser = ArgumentParser(prog="python -m fireforget.testing.faults", description=_WHAT)
    parser.add_argument("--app", required=True, metavar="COMMAND", help="starts the server, at 127.0.0.1:{port}")
    parser.add_argument("--worker", default="", metavar="COMMAND", help="starts the worker, if it is not in the server")
    parser.add_argument("--path", action="append", metavar="PATH", help="what clients ask for; may be repeated")
    parser.add_argument("--blows", type=int, default=10, metavar="N", help="how often somebody is hurt (10)")
    parser.add_argument("--clients", type=int, default=4, metavar="N", help="how many ask at once (4)")
    parser.add_argument(
        "--victim", action="append", choices=get_args(Victim), help="who is hurt; may be repeated (app)"
    )
    parser.add_argument("--weapon", action="append", choices=get_args(Weapon), help="how; may be repeated (kill)")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1_000_000), metavar="N", help="deals the same again"
    )
    given = parser.parse_args(arguments)
    print(f"seed {given.seed}", flush=True)
    try:
        plan = Plan(
            blows=given.blows,
            clients=given.clients,
            paths=tuple(given.path or ("/",)),
            victims=tuple(given.victim or ("app",)),
            weapons=tuple(given.weapon or ("kill",)),
            seed=given.seed,
        )
        commands = shlex.split(given.app), shlex.split(given.worker)
        balance = Trial(*commands, plan, tell=partial(print, flush=True)).run()
    except (FireForgetError, OSError) as error:
        print(f"the trial cannot be run: {error}", file=sys.stderr)
        return 2
    print(told(balance))
    return 1 if balance.problems else 0


def told(balance: Balance) -> str:
    """A balance as text."""
    dead = sum(balance.dead_letters.values())
    lines = [
        f"clients were told of {balance.accepted} events, and of {balance.answered} requests without ids",
        f"{balance.refused} requests were refused, {balance.turned_away} had no whole answer",
        f"stored {balance.stored}, dead letters {dead}, given up {balance.given_up}",
        f"recovered from journals of the dead {balance.counts.recovered}",
        *balance.problems,
        "the books do not balance" if balance.problems else "the books balance",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
