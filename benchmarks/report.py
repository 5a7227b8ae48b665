"""What a benchmark found, as a table for the terminal and for a page."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from textwrap import wrap
from typing import Final, Literal

import msgspec

from benchmarks.measure import Rounds, Spread, ratio, spread

_UNITS: Final = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))

TIMES: Final = ("", "median", "10–90 %", "minimum", "ratio", "10–90 %", "of the minima")
"""The columns of `time_rows`."""


class Page(msgspec.Struct, frozen=True):
    """Where the figures of a run are written.

    Args:
        path: The file.
        title: Its heading.
        command: What writes it.
        packages: Those whose versions it names.
    """

    path: Path
    title: str
    command: str
    packages: Sequence[str]


class Goal(msgspec.Struct, frozen=True):
    """What we want to hold, and what was found.

    Args:
        what: The ratio.
        sign: On which side of `limit` it should be.
        limit: The goal.
        found: What was measured.
        range: How far it lay apart in a run; empty where there is nothing to say.
    """

    what: str
    sign: Literal["≤", "≥", "<"]
    limit: float
    found: float
    range: str = ""

    @property
    def met(self) -> bool:
        """Does it hold?"""
        found = round(self.found, 2)  # as it is printed
        if self.sign == "≥":
            return found >= self.limit
        return found < self.limit or (self.sign == "≤" and found == self.limit)


class Table(msgspec.Struct, frozen=True):
    """Rows of cells under a heading each."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Chart(msgspec.Struct, frozen=True):
    """A drawing beside the page.

    Args:
        name: Name of its file.
        text: What it shows, for who cannot see it.
        svg: The drawing.
    """

    name: str
    text: str
    svg: str


class Section(msgspec.Struct, frozen=True):
    """What one benchmark found.

    Args:
        title: Its heading.
        method: What was measured against what, in paragraphs.
        tables: The figures.
        goals: The ratios that count.
        charts: What is easier seen than read.
    """

    title: str
    method: str
    tables: Sequence[Table]
    goals: Sequence[Goal]
    charts: Sequence[Chart] = ()


def ratio_goal(what: str, sign: Literal["≤", "<"], limit: float, found: Spread) -> Goal:
    """A goal for a ratio: the median counts."""
    return Goal(what, sign, limit, found.median, between(found))


def time_rows(rounds: Rounds, pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """A row for each pair of a case and the baseline it is compared with; a baseline is compared with itself."""
    rows = []
    for name, baseline in pairs:
        times = spread(rounds[name])
        row = [name, duration(times.median), f"{duration(times.low)} – {duration(times.high)}", duration(times.least)]
        if name == baseline:
            row += ["1", "", ""]
        else:
            times = ratio(rounds[name], rounds[baseline])
            row += [f"{times.median:.2f}", between(times), f"{times.least:.2f}"]
        rows.append(row)
    return rows


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    unit, size = next((each for each in _UNITS if seconds >= each[1]), _UNITS[-1])
    return f"{seconds / size:.3g} {unit}"


def size(count: float) -> str:
    """A number of bytes in mebibytes."""
    return f"{count / 2**20:.1f} MiB"


def between(found: Spread) -> str:
    """Where most of the rounds lay."""
    return f"{found.low:.2f} – {found.high:.2f}"


def goals_table(sections: Iterable[Section]) -> Table:
    """All goals and what was found."""
    rows = [
        [
            goal.what,
            f"{goal.sign} {goal.limit:g}",
            f"{goal.found:.2f}" + (f" ({goal.range})" if goal.range else ""),
            "yes" if goal.met else "no",
        ]
        for section in sections
        for goal in section.goals
    ]
    return Table(("ratio", "goal", "measured", "met"), rows)


def to_text(section: Section) -> str:
    """One section for the terminal."""
    lines = [section.title, "=" * len(section.title)]
    for table in (*section.tables, *([goals_table([section])] if section.goals else [])):
        cells = [table.columns, *table.rows]
        widths = [max(len(row[column]) for row in cells) for column in range(len(table.columns))]
        lines.append("")
        lines += [_aligned(row, widths) for row in cells]
    return "\n".join([*lines, ""])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def to_markdown(page: Page, sections: Sequence[Section]) -> str:
    """The whole of a page."""
    lines = [
        f"# {page.title}",
        "",
        f"Written by `{page.command}`. All ratios come from one run: the two sides of each were measured in turns,",
        "round by round, with the garbage collector on. A ratio is the median of the rounds' own ratios; the",
        "range beside it holds the middle 80 % of them. A ratio of minima compares the best round of each side.",
        "Absolute times belong to this machine, and to whatever else it was doing.",
        "",
        *_machine(page.packages),
        "",
        "## Summary",
        "",
        *_markdown_table(goals_table(sections)),
    ]
    for section in sections:
        lines += ["", f"## {section.title}"]
        for paragraph in section.method.strip().split("\n\n"):
            lines += ["", *wrap(paragraph, 120, break_long_words=False, break_on_hyphens=False)]
        for table in section.tables:
            lines += ["", *_markdown_table(table)]
        for chart in section.charts:
            lines += ["", f"![{chart.text}]({chart.name})"]
    return "\n".join([*lines, ""])


def _markdown_table(table: Table) -> list[str]:
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    return ["| " + " | ".join(row) + " |" for row in rows]


def _machine(names: Sequence[str]) -> list[str]:
    """What the figures depend on, and nothing that names the machine."""
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return [
        f"- Date: {datetime.now(UTC):%Y-%m-%d}",
        f"- Processor: {_processor()}, {os.cpu_count()} cores",
        f"- System: {platform.system()}, {python}, SQLite {sqlite3.sqlite_version}",
        f"- Packages: {packages}",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
