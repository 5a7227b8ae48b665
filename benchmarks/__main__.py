"""Runs the benchmarks: all of them, into RESULTS.md, or only those that are named."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from benchmarks import emit, imports, middleware, outage, pipeline
from benchmarks.report import to_markdown, to_text

BENCHMARKS: Final = {
    "emit": emit.run,
    "middleware": middleware.run,
    "pipeline": pipeline.run,
    "imports": imports.run,
    "outage": outage.run,
}
RESULTS: Final = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    """Measure, print, and write what a full run has found."""
    parser = ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}; all if there is none")
    names = parser.parse_args().names or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name!r}: choose from {', '.join(BENCHMARKS)}")
    sections = []
    # Each in a fresh process, so that none finds what another has left in memory.
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:
        for name in names:
            print(f"measuring: {name} ...", file=sys.stderr)
            sections.append(fresh.submit(BENCHMARKS[name]).result())
            print(to_text(sections[-1]), flush=True)
    if set(names) == set(BENCHMARKS):
        RESULTS.write_text(to_markdown(sections), encoding="utf-8")


if __name__ == "__main__":
    main()
