"""The command line that the benchmarks have in common."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

from benchmarks.report import to_markdown, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.report import Page, Section


def new_parser(program: str, description: str | None, benchmarks: Mapping[str, object]) -> ArgumentParser:
    """A parser that takes the names of benchmarks."""
    parser = ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(benchmarks)}; all if there is none")
    return parser


def chosen(parser: ArgumentParser, names: Sequence[str], benchmarks: Mapping[str, object]) -> Sequence[str]:
    """The names, or all; ends the program where one of them is unknown."""
    for name in names:
        if name not in benchmarks:
            parser.error(f"there is no benchmark {name!r}: choose from {', '.join(benchmarks)}")
    return names or list(benchmarks)


def measure(benchmarks: Mapping[str, Callable[[], Section]], names: Sequence[str], page: Page) -> None:
    """Measure, print, and write what a full run has found."""
    sections = []
    # Each in a fresh process, so that none finds what another has left in memory.
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:
        for name in names:
            print(f"measuring: {name} ...", file=sys.stderr)
            sections.append(fresh.submit(benchmarks[name]).result())
            print(to_text(sections[-1]), flush=True)
    if set(names) == set(benchmarks):
        page.path.write_text(to_markdown(page, sections), encoding="utf-8")
        for chart in (chart for section in sections for chart in section.charts):
            page.path.with_name(chart.name).write_text(chart.svg, encoding="utf-8")
