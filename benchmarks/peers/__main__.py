"""Measures ours beside other libraries: all of it, into PEERS.md, or only what is named."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.command import chosen, measure, new_parser
from benchmarks.peers import events, growth, journals, lag, parts, pressure, requests, serving
from benchmarks.report import Page

BENCHMARKS: Final = {
    "events": events.run,
    "requests": requests.run,
    "serving": serving.run,
    "parts": parts.run,
    "lag": lag.run,
    "pressure": pressure.run,
    "growth": growth.run,
    "journals": journals.run,
}
PAGE: Final = Page(
    path=Path(__file__).parent.with_name("PEERS.md"),
    title="Beside other libraries",
    command="make bench-peers",
    packages=("fireforget", "anyio", "msgspec", "starlette", "uvicorn", "uvloop", "httptools"),
)


def main() -> None:
    """Measure what the command line names."""
    parser = new_parser("benchmarks.peers", __doc__, BENCHMARKS)
    parser.add_argument("--rounds", type=int, help="so many of each; without it as many as each needs")
    given = parser.parse_args()
    if given.rounds is not None and given.rounds < 1:
        parser.error(f"--rounds {given.rounds}: there must be one at least")
    rounds = {} if given.rounds is None else {"rounds": given.rounds}
    benchmarks = {name: partial(run, **rounds) for name, run in BENCHMARKS.items()}
    measure(benchmarks, chosen(parser, given.names, BENCHMARKS), PAGE)


if __name__ == "__main__":
    main()
